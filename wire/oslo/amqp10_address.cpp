// SPDX-License-Identifier: Apache-2.0
#include "wire/oslo/amqp10_address.hpp"

namespace ombt::wire::oslo {
namespace {

/// What a peer is taken for that names no product.
constexpr std::string_view unknown_product = "qpid-cpp";
/// The last part of a legacy fanout address.
constexpr std::string_view everyone = "all";
/// The exchange of routable addresses if no option names one.
constexpr std::string_view last_resort = "openstack";

std::string_view first_set(std::string_view one, std::string_view other) {
  return one.empty() ? other : one;
}

bool wants_legacy(const amqp_options& amqp, std::string_view product) {
  if (amqp.addressing_mode != "dynamic") return amqp.addressing_mode == "legacy";
  return product.empty() || product == unknown_product;
}

}  // namespace

amqp10_addresser::amqp10_addresser(const messaging_options& options, std::string_view product)
    : separator_{wants_legacy(options.amqp, product) ? '.' : '/'},
      exchange_{options.defaults.control_exchange} {
  const amqp_options& amqp = options.amqp;
  if (amqp.pseudo_vhost) virtual_host_ = options.url.virtual_host.value_or("");
  if (is_legacy()) {
    unicast_ = amqp.server_request_prefix;
    multicast_ = amqp.broadcast_prefix;
    notification_ = anycast_ = amqp.group_request_prefix;
    notification_exchange_ = exchange_;
    return;
  }
  unicast_ = amqp.rpc_address_prefix + '/' + amqp.unicast_address;
  multicast_ = amqp.rpc_address_prefix + '/' + amqp.multicast_address;
  anycast_ = amqp.rpc_address_prefix + '/' + amqp.anycast_address;
  notification_ = amqp.notify_address_prefix + '/' + amqp.anycast_address;
  const std::string shared{first_set(exchange_, last_resort)};
  exchange_ = first_set(amqp.default_rpc_exchange, shared);
  notification_exchange_ = first_set(amqp.default_notification_exchange, shared);
}

std::string amqp10_addresser::join(std::string_view first, std::string_view exchange,
                                   std::string_view topic, std::string_view last) const {
  const std::string_view virtual_host = virtual_host_;
  std::string address;
  for (const std::string_view part : {first, virtual_host, exchange, topic, last}) {
    if (part.empty()) continue;
    if (!address.empty()) address += separator_;
    address += part;
  }
  return address;
}

std::string_view amqp10_addresser::exchange_of(const amqp10_target& t) const noexcept {
  return first_set(t.exchange, exchange_);
}

std::string amqp10_addresser::unicast(const amqp10_target& to) const {
  return join(unicast_, exchange_of(to), to.topic, to.server);
}

std::string amqp10_addresser::multicast(const amqp10_target& to) const {
  return join(multicast_, exchange_of(to), to.topic, is_legacy() ? everyone : "");
}

std::string amqp10_addresser::anycast(const amqp10_target& to) const {
  return join(anycast_, exchange_of(to), to.topic);
}

std::string amqp10_addresser::rpc(const amqp10_target& to) const {
  if (to.fanout) return multicast(to);
  return to.server.empty() ? anycast(to) : unicast(to);
}

std::array<std::string, 3> amqp10_addresser::rpc_server(const amqp10_target& served) const {
  return {unicast(served), multicast(served), anycast(served)};
}

std::string amqp10_addresser::notification(std::string_view topic,
                                           std::string_view priority) const {
  std::string full{topic};
  full += '.';
  full += priority;
  return join(notification_, notification_exchange_, full);
}

}  // namespace ombt::wire::oslo
