// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the AMQP 1.0 driver derives once from the transport's settings and shares between all
// transports of a thread: connection options, TLS, names, which messages are sent settled.
// Source: oslo_messaging/_drivers/amqp1_driver/controller.py (Controller, Hosts, _do_connect),
// impl_amqp1.py (ProtonDriver).

#include "wire/amqp10/connection.hpp"

#include "drivers/io/stream.hpp"
#include "drivers/transport.hpp"

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace ombt::drivers::amqp10 {

namespace amqp = wire::amqp10;

/// Bytes of an address, ours or a peer's, above which no frame is sure to carry it.
inline constexpr std::size_t address_limit = 2048;

/// Kinds of messages that this driver sends.
enum class message_kind : std::uint8_t { call, cast, reply, heartbeat, notification };

struct settings {
  /// Throws configuration_error for what this driver cannot honour.
  explicit settings(std::shared_ptr<const transport_settings> from);

  std::shared_ptr<const transport_settings> source;
  const wire::oslo::amqp_options& options() const { return source->messaging.amqp; }
  const std::vector<wire::oslo::host_address>& hosts() const { return source->messaging.url.hosts; }
  /// Whether that kind is sent settled: fire and forget.
  bool is_settled(message_kind kind) const { return settled[static_cast<std::size_t>(kind)]; }
  /// The user to log in with there; empty: none.
  std::string user_at(const wire::oslo::host_address& host) const;
  /// A container id, a new one for each connection unless container_name says which.
  std::string container() const;

  amqp::connection_options engine;
  std::unique_ptr<io::tls_settings> tls;  ///< null: plain TCP
  std::string tls_name;                   ///< what the certificate must name; empty: the host
  std::string container_prefix;           ///< "openstack.org/om/container/<node>/<program>/<pid>/"
  std::array<bool, 5> settled{};          ///< by message_kind
  bool session_a_link = false;            ///< topology oslo; else a session a transport
};

/// An outcome without any words.
inline amqp::outcome simply(amqp::outcome::kind what) {
  amqp::outcome how;
  how.what = what;
  return how;
}

/// "host:port", IPv6 in brackets.
std::string address_text(const wire::oslo::host_address& host);

}  // namespace ombt::drivers::amqp10
