// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the rabbit driver derives once from the transport's settings and shares between all
// transports of a thread: connection options, TLS, queue and consumer arguments, names.
// Source: oslo_messaging/_drivers/impl_rabbit.py (Connection.__init__, _get_queue_arguments).

#include "wire/amqp091/connection.hpp"

#include "drivers/io/stream.hpp"
#include "drivers/transport.hpp"

#include <memory>
#include <string>
#include <vector>

namespace ombt::drivers::rabbit {

namespace amqp = wire::amqp091;

struct settings {
  /// Throws configuration_error for what this driver cannot honour.
  explicit settings(std::shared_ptr<const transport_settings> from);

  std::shared_ptr<const transport_settings> source;
  const wire::oslo::rabbit_options& options() const { return source->messaging.rabbit; }
  const std::vector<wire::oslo::host_address>& hosts() const { return source->messaging.url.hosts; }

  amqp::connection_options engine;
  std::unique_ptr<io::tls_settings> tls;  ///< null: plain TCP
  std::string connection_name_prefix;     ///< "<program>:<pid>:"
  bool durable = false;                   ///< topic exchanges and queues
  bool auto_delete = false;
  std::vector<amqp::argument> topic_arguments;      ///< of `<topic>` and `<topic>.<server>` queues
  std::vector<amqp::argument> transient_arguments;  ///< of fanout and reply queues
  std::vector<amqp::argument> consumer_arguments;
};

/// "host:port", IPv6 in brackets.
std::string address_text(const wire::oslo::host_address& host);

}  // namespace ombt::drivers::rabbit
