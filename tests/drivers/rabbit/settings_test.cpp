// SPDX-License-Identifier: Apache-2.0
#include "drivers/rabbit/settings.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

#include <functional>

using namespace ombt;
using drivers::rabbit::settings;

namespace {

std::shared_ptr<drivers::transport_settings> with(
    const std::function<void(drivers::transport_settings&)>& change = {}) {
  auto s = std::make_shared<drivers::transport_settings>();
  s->messaging.url.hosts.resize(1);
  if (change) change(*s);
  return s;
}

std::string text(const std::vector<wire::amqp091::argument>& arguments) {
  std::string out;
  for (const auto& a : arguments) {
    out += std::string(a.name) + "=";
    if (const auto* i = std::get_if<std::int64_t>(&a.value)) out += std::to_string(*i);
    if (const auto* s = std::get_if<std::string_view>(&a.value)) out += *s;
    if (const auto* b = std::get_if<bool>(&a.value)) out += *b ? "true" : "false";
    out += " ";
  }
  return out;
}

}  // namespace

TEST_CASE("by default nothing is durable and only reply and fanout queues expire") {
  const settings s(with());
  CHECK_FALSE(s.durable);
  CHECK_FALSE(s.auto_delete);
  CHECK(text(s.topic_arguments).empty());
  CHECK(text(s.transient_arguments) == "x-expires=1800000 ");
  CHECK(text(s.consumer_arguments).empty());
  CHECK(s.engine.virtual_host == "/");
  CHECK(s.engine.heartbeat == 60);
}

TEST_CASE("quorum makes topic queues durable with their limits in the Python library's order") {
  const settings s(with([](auto& t) {
    t.messaging.rabbit.rabbit_quorum_queue = true;
    t.messaging.rabbit.rabbit_quorum_delivery_limit = 3;
    t.messaging.rabbit.rabbit_quorum_max_memory_length = 4;
    t.messaging.rabbit.rabbit_quorum_max_memory_bytes = 5;
  }));
  CHECK(s.durable);
  CHECK(text(s.topic_arguments) ==
        "x-queue-type=quorum x-delivery-limit=3 x-max-in-memory-length=4 "
        "x-max-in-memory-bytes=5 ");
  CHECK(text(s.transient_arguments) == "x-expires=1800000 ");
}

TEST_CASE("mirrored queues and cancel on failover carry their arguments") {
  const settings s(with([](auto& t) {
    t.messaging.rabbit.rabbit_ha_queues = true;
    t.messaging.rabbit.enable_cancel_on_failover = true;
  }));
  CHECK(text(s.topic_arguments) == "x-ha-policy=all ");
  CHECK(text(s.transient_arguments) == "x-ha-policy=all x-expires=1800000 ");
  CHECK(text(s.consumer_arguments) == "x-cancel-on-ha-failover=true ");
}

TEST_CASE("settings that the driver can't honour are refused before anything connects") {
  using options = wire::oslo::rabbit_options;
  struct refusal {
    std::function<void(options&)> change;
    const char* named;
  };
  const auto r = GENERATE(values<refusal>({
      {[](options& o) { o.rabbit_quorum_queue = o.rabbit_ha_queues = true; }, "rabbit_ha_queues"},
      {[](options& o) { o.rabbit_quorum_queue = o.enable_cancel_on_failover = true; }, "406"},
      {[](options& o) { o.rpc_conn_pool_size = 1; }, "rpc_conn_pool_size 1"},
      {[](options& o) { o.rabbit_login_method = "RABBIT-CR-DEMO"; }, "RABBIT-CR-DEMO"},
      {[](options& o) { o.ssl = true, o.ssl_ca_file = "/nowhere/ca.pem"; }, "/nowhere/ca.pem"},
      {[](options& o) { o.ssl = true, o.ssl_cert_file = "/nowhere/c.pem"; }, "/nowhere/c.pem"},
      {[](options& o) { o.ssl_enforce_fips_mode = true; }, "ssl_enforce_fips_mode"},
  }));
  CHECK_THROWS_WITH(settings(with([&](auto& t) { r.change(t.messaging.rabbit); })),
                    Catch::Contains(r.named));
}

TEST_CASE("addresses print with their port, IPv6 in brackets") {
  CHECK(drivers::rabbit::address_text({"h", 1, "", ""}) == "h:1");
  CHECK(drivers::rabbit::address_text({"::1", 5672, "", ""}) == "[::1]:5672");
}
