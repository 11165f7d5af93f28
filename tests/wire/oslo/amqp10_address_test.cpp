// SPDX-License-Identifier: Apache-2.0
// Addresses with default options, and what chooses their form; compare_amqp10_addresses.py holds
// every option against the Python library.
#include "wire/oslo/amqp10_address.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ombt::wire::oslo;

namespace {

messaging_options options_of(std::string_view url = "amqp://h") {
  return make_messaging_options({}, url);
}

const amqp10_target topic{"e", "t", "", false};
const amqp10_target server{"e", "t", "s", false};
const amqp10_target fanout{"e", "t", "", true};
using three = std::array<std::string, 3>;

}  // namespace

TEST_CASE("at a router addresses are routable") {
  const amqp10_addresser at{options_of(), "qpid-dispatch-router"};
  CHECK_FALSE(at.is_legacy());
  CHECK(at.rpc(topic) == "openstack.org/om/rpc/anycast/e/t");
  CHECK(at.rpc(server) == "openstack.org/om/rpc/unicast/e/t/s");
  CHECK(at.rpc(fanout) == "openstack.org/om/rpc/multicast/e/t");
  CHECK(at.rpc_server(server) == three{"openstack.org/om/rpc/unicast/e/t/s",
                                       "openstack.org/om/rpc/multicast/e/t",
                                       "openstack.org/om/rpc/anycast/e/t"});
  CHECK(at.notification("t", "info") == "openstack.org/om/notify/anycast/openstack/t.info");
}

TEST_CASE("at qpid-cpp addresses are legacy, the same for RPC and notifications") {
  const amqp10_addresser at{options_of(), "qpid-cpp"};
  CHECK(at.is_legacy());
  CHECK(at.rpc(topic) == "unicast.e.t");
  CHECK(at.rpc(server) == "exclusive.e.t.s");
  CHECK(at.rpc(fanout) == "broadcast.e.t.all");
  CHECK(at.rpc_server(server) == three{"exclusive.e.t.s", "broadcast.e.t.all", "unicast.e.t"});
  CHECK(at.notification("t", "info") == "unicast.openstack.t.info");
}

TEST_CASE("a fanout goes to all, also if a server is named, and a server may have no name") {
  amqp10_target to = server;
  to.fanout = true;
  CHECK(amqp10_addresser{options_of(), "r"}.rpc(to) == "openstack.org/om/rpc/multicast/e/t");
  CHECK(amqp10_addresser{options_of(), ""}.rpc(to) == "broadcast.e.t.all");
  CHECK(amqp10_addresser{options_of(), "r"}.rpc_server(topic)[0] ==
        "openstack.org/om/rpc/unicast/e/t");
}

TEST_CASE("the addressing mode decides, and the product where it is dynamic") {
  const auto legacy = [](std::string mode, std::string_view product) {
    messaging_options o = options_of();
    o.amqp.addressing_mode = std::move(mode);
    return amqp10_addresser{o, product}.is_legacy();
  };
  CHECK(legacy("legacy", "qpid-dispatch-router"));
  CHECK_FALSE(legacy("routable", "qpid-cpp"));
  CHECK_FALSE(legacy("routable", ""));
  CHECK(legacy("dynamic", "qpid-cpp"));
  CHECK(legacy("dynamic", ""));
  CHECK_FALSE(legacy("dynamic", "RabbitMQ"));
}

TEST_CASE("the virtual host is a part of addresses unless the bus knows it") {
  messaging_options o = options_of("amqp://h/v");
  CHECK(amqp10_addresser{o, "r"}.rpc(server) == "openstack.org/om/rpc/unicast/v/e/t/s");
  CHECK(amqp10_addresser{o, ""}.rpc(fanout) == "broadcast.v.e.t.all");
  CHECK(amqp10_addresser{o, "r"}.notification("t", "info") ==
        "openstack.org/om/notify/anycast/v/openstack/t.info");
  o.amqp.pseudo_vhost = false;
  CHECK(amqp10_addresser{o, "r"}.rpc(server) == "openstack.org/om/rpc/unicast/e/t/s");
  CHECK(amqp10_addresser{o, ""}.rpc(fanout) == "broadcast.e.t.all");
}

TEST_CASE("a target without an exchange gets its kind's, then the control exchange, then a fixed") {
  messaging_options o = options_of();
  const amqp10_target none{"", "t", "", false};
  const auto exchange_of = [&](std::string_view product) {
    const amqp10_addresser at{o, product};
    return at.rpc(none) + " " + at.notification("t", "p");
  };
  const auto routable = [](const std::string& rpc, const std::string& notify) {
    return "openstack.org/om/rpc/anycast/" + rpc + "/t openstack.org/om/notify/anycast/" + notify +
           "/t.p";
  };
  o.defaults.control_exchange = "c";
  CHECK(exchange_of("r") == routable("c", "c"));
  CHECK(exchange_of("") == "unicast.c.t unicast.c.t.p");
  o.amqp.default_rpc_exchange = "r";
  CHECK(exchange_of("r") == routable("r", "c"));
  o.amqp.default_notification_exchange = "n";
  CHECK(exchange_of("r") == routable("r", "n"));
  CHECK(exchange_of("") == "unicast.c.t unicast.c.t.p");
  o.defaults.control_exchange = "";
  o.amqp.default_rpc_exchange = o.amqp.default_notification_exchange = "";
  CHECK(exchange_of("r") == routable("openstack", "openstack"));
  CHECK(exchange_of("") == "unicast.t unicast.t.p");
}
