// SPDX-License-Identifier: Apache-2.0
#include "drivers/amqp10/settings.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

#include <functional>
#include <unistd.h>

using namespace ombt;
using drivers::amqp10::message_kind;
using drivers::amqp10::settings;

namespace {

std::shared_ptr<drivers::transport_settings> with(
    const std::function<void(drivers::transport_settings&)>& change = {}) {
  auto s = std::make_shared<drivers::transport_settings>();
  s->messaging.url.driver = wire::oslo::driver_kind::amqp10;
  s->messaging.url.hosts.resize(1);
  if (change) change(*s);
  return s;
}

std::string refusal(const std::function<void(wire::oslo::amqp_options&)>& change) {
  try {
    const settings made(with([&](auto& s) { change(s.messaging.amqp); }));
  } catch (const configuration_error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("AMQP 1.0 options that cannot be honoured are refused by name") {
  CHECK(refusal([](auto&) {}).empty());
  CHECK_THAT(refusal([](auto& o) { o.trace = true; }), Catch::StartsWith("trace "));
  CHECK_THAT(refusal([](auto& o) { o.sasl_config_dir = "/etc/sasl2"; }),
             Catch::StartsWith("sasl_config_dir "));
  CHECK_THAT(refusal([](auto& o) { o.sasl_config_name = "x"; }),
             Catch::StartsWith("sasl_config_name "));
  CHECK_THAT(refusal([](auto& o) { o.sasl_mechanisms = "PLAIN GSSAPI"; }),
             Catch::Contains("'GSSAPI'"));
  CHECK_THAT(refusal([](auto& o) {
               o.ssl = true;
               o.ssl_verify_vhost = true;
             }),
             Catch::Contains("ssl_verify_vhost"));
  CHECK_THAT(refusal([](auto& o) { o.ssl_ca_file = "/nowhere/ca.pem"; }),
             Catch::Contains("/nowhere/ca.pem"));
}

TEST_CASE("What an open says of us is what the Python driver says") {
  const settings made(with([](auto& s) {
    s.program = "prog";
    s.messaging.url.virtual_host = "vh";
    s.messaging.amqp.idle_timeout = 7;
    s.messaging.amqp.sasl_mechanisms = "  PLAIN   EXTERNAL ";
  }));
  const std::string id = made.container();
  const std::string process = "/prog/" + std::to_string(::getpid()) + "/";
  CHECK_THAT(id, Catch::StartsWith("openstack.org/om/container/") && Catch::Contains(process));
  CHECK(id.size() - id.rfind('/') == 33);
  CHECK(made.container() != id);
  REQUIRE(made.engine.properties.size() == 3);
  CHECK(made.engine.properties[0].first == "process");
  CHECK(made.engine.properties[1].first == "pid");
  CHECK(made.engine.properties[2].first == "node");
  CHECK(made.engine.hostname.empty());  // the virtual host is in addresses
  CHECK(made.engine.idle_timeout == std::chrono::seconds{7});
  CHECK(made.engine.mechanisms == "PLAIN EXTERNAL");
  CHECK(made.engine.channel_max == 32767);
  CHECK(made.engine.max_frame_size == 0);

  const settings real(with([](auto& s) {
    s.messaging.url.virtual_host = "vh";
    s.messaging.amqp.pseudo_vhost = false;
    s.messaging.amqp.container_name = "mine";
  }));
  CHECK(real.engine.hostname == "vh");
  CHECK(real.container() == "mine");
}

TEST_CASE("A realm is added to users that name none") {
  const settings made(with([](auto& s) { s.messaging.amqp.sasl_default_realm = "realm"; }));
  CHECK(made.user_at({"h", 1, "user", "", true}) == "user@realm");
  CHECK(made.user_at({"h", 1, "user@other", "", true}) == "user@other");
  CHECK(made.user_at({"h", 1, "", "", false}).empty());
}

TEST_CASE("Kinds are sent settled as pre_settled lists them, heartbeats always") {
  const settings usual(with());
  CHECK_FALSE(usual.is_settled(message_kind::call));
  CHECK(usual.is_settled(message_kind::cast));
  CHECK(usual.is_settled(message_kind::reply));
  CHECK(usual.is_settled(message_kind::heartbeat));
  CHECK_FALSE(usual.is_settled(message_kind::notification));
  const settings other(with([](auto& s) {
    s.messaging.amqp.pre_settled = {"rpc-call", "notify"};
  }));
  CHECK(other.is_settled(message_kind::call));
  CHECK_FALSE(other.is_settled(message_kind::cast));
  CHECK_FALSE(other.is_settled(message_kind::reply));
  CHECK(other.is_settled(message_kind::heartbeat));
  CHECK(other.is_settled(message_kind::notification));
}

TEST_CASE("Only topology oslo has a session for each link") {
  using drivers::topology;
  CHECK(settings(with()).session_a_link);
  CHECK_FALSE(settings(with([](auto& s) { s.topology = topology::parse("lean"); })).session_a_link);
  CHECK_FALSE(
      settings(with([](auto& s) { s.topology = topology::parse("shared:2"); })).session_a_link);
}
