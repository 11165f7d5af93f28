// SPDX-License-Identifier: Apache-2.0
#pragma once
// The AMQP 1.0 addresses of oslo.messaging's targets. There are two forms: routable ones, for
// routers, name the kind of traffic and of delivery in parts between slashes; legacy ones, for
// brokers such as qpid-cpp, in parts between dots, and know no difference of RPC and notifications.
// Options and what the peer's open says choose the form. Owns names only: no link, no connection.
// Source: oslo_messaging/_drivers/amqp1_driver/addressing.py; controller.py (connection_active,
// RPCServer, NotificationServer), impl_amqp1.py (listen_for_notifications).

#include "wire/oslo/options.hpp"

#include <array>
#include <string>
#include <string_view>

namespace ombt::wire::oslo {

/// What of a target its address is made of. An empty part is left out of the address.
struct amqp10_target {
  std::string_view exchange;  ///< empty: default_rpc_exchange (not legacy), else control_exchange
  std::string_view topic;
  std::string_view server;  ///< empty: any server of the topic
  bool fanout = false;      ///< all servers of the topic, also if one is named
};

/// Resolves targets at one peer. Owns what it needs; const functions may be called from any thread.
class amqp10_addresser {
 public:
  /// product: the peer's open property of that name, which matters with addressing_mode=dynamic;
  /// empty (it names none) counts as qpid-cpp, and qpid-cpp means legacy. The virtual host of the
  /// URL is a part of every address unless pseudo_vhost is off.
  amqp10_addresser(const messaging_options& options, std::string_view product);

  /// True if addresses are of the legacy form.
  bool is_legacy() const noexcept { return separator_ == '.'; }

  /// Where a request is sent.
  std::string rpc(const amqp10_target& to) const;

  /// What an RPC server listens on: its own, the fanout's and the shared address, in the order in
  /// which the links are attached.
  std::array<std::string, 3> rpc_server(const amqp10_target& served) const;

  /// Where a notification is sent, and what a listener listens on: an address a topic and priority,
  /// shared by the listeners. The priority is as the caller gives it (a notifier's is in lower
  /// case); a target's exchange plays no part.
  std::string notification(std::string_view topic, std::string_view priority) const;

 private:
  /// The parts that are not empty, the virtual host after the first.
  std::string join(std::string_view first, std::string_view exchange, std::string_view topic,
                   std::string_view last = {}) const;
  std::string_view exchange_of(const amqp10_target& t) const noexcept;
  std::string unicast(const amqp10_target& to) const;
  std::string multicast(const amqp10_target& to) const;
  std::string anycast(const amqp10_target& to) const;

  char separator_;
  std::string virtual_host_;
  std::string unicast_, multicast_, anycast_;  ///< how addresses of RPC begin
  std::string exchange_;                       ///< of a target that names none
  std::string notification_;                   ///< how addresses of notifications begin
  std::string notification_exchange_;
};

}  // namespace ombt::wire::oslo
