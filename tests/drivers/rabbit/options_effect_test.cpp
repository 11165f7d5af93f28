// SPDX-License-Identifier: Apache-2.0
// Options of oslo.messaging as a broker sees them. Their names and ranges are in tests/wire/oslo,
// what is derived from them in settings_test.cpp.
#include "tests/drivers/rabbit/scripted_bed.hpp"

#include <algorithm>

using namespace ombt;
using namespace ombt::drivers;
using tests::scripted_client;
using tests::scripted_server;
using tests::settle;
using namespace tests::methods;

namespace {

/// Of basic.publish: reserved, exchange, routing key, flags.
bool is_mandatory(const tests::said_method& publish) {
  return (publish.number(publish.behind_text(publish.behind_text(2)), 1) & 1) != 0;
}

std::vector<std::string> declared_exchanges(const tests::scripted_broker& bus) {
  std::vector<std::string> names;
  for (const auto& m : bus.methods) {
    if (m.id == exchange_declare) names.push_back(m.text(2));
  }
  return names;
}

/// The exchanges that queues are bound to: reserved, queue, exchange.
std::vector<std::string> bound_exchanges(const tests::scripted_broker& bus) {
  std::vector<std::string> names;
  for (const auto& m : bus.methods) {
    if (m.id == queue_bind) names.push_back(m.text(m.behind_text(2)));
  }
  return names;
}

using names = std::vector<std::string>;

}  // namespace

TEST_CASE("replies are mandatory unless direct_mandatory_flag is off, requests never") {
  const bool flag = GENERATE(true, false);
  scripted_server s([&](auto& with) { with.messaging.rabbit.direct_mandatory_flag = flag; });
  s.request("echo", true);
  REQUIRE(s.drive([&] { return s.got.size() == 1; }));
  s.l->reply(s.got[0], "1");
  REQUIRE(s.drive([&] { return s.bus.count(basic_publish) == 1; }));
  const auto& reply = s.bus.first(basic_publish);
  CHECK(is_mandatory(reply) == flag);
  CHECK(reply.text(2).empty());  // the default exchange
  CHECK(reply.text(reply.behind_text(2)) == "reply_1");

  scripted_client c([&](auto& with) { with.messaging.rabbit.direct_mandatory_flag = flag; });
  c.cast();
  REQUIRE(c.ends(1));
  CHECK_FALSE(is_mandatory(c.bus.first(basic_publish)));
}

TEST_CASE("rabbit_login_method is the mechanism that logs in") {
  struct expectation {
    const char* method;
    std::string response;
  };
  const auto e = GENERATE(values<expectation>({
      {"EXTERNAL", ""},
      {"PLAIN", std::string("\0guest\0secret", 13)},
      {"AMQPLAIN", tests::script::entry("LOGIN", 'S', tests::script::long_text("guest")) +
                       tests::script::entry("PASSWORD", 'S', tests::script::long_text("secret"))},
  }));
  scripted_client c([&](auto& s) { s.messaging.rabbit.rabbit_login_method = e.method; });
  c.cast();
  REQUIRE(c.ends(1));
  const auto& m = c.bus.first(start_ok);
  const std::size_t at = 4 + m.number(0, 4);  // behind the client's properties
  CHECK(m.text(at) == e.method);
  const std::size_t response = m.behind_text(at);
  CHECK(m.values.substr(response + 4, m.number(response, 4)) == e.response);
}

TEST_CASE("heartbeat_timeout_threshold is agreed on with the broker, whose own is 60 s") {
  const int threshold = GENERATE(0, 7, 60, 61);
  scripted_client c([&](auto& s) { s.messaging.rabbit.heartbeat_timeout_threshold = threshold; });
  c.cast();
  REQUIRE(c.ends(1));
  CHECK(c.bus.first(tune_ok).number(6, 2) == static_cast<unsigned>(std::min(threshold, 60)));
}

TEST_CASE("the broker's own exchanges are used and not declared") {
  const std::string exchange = GENERATE("amq.topic", "amqtopic");
  const bool declared = exchange == "amqtopic";
  const names of_one = declared ? names{exchange} : names{};
  SECTION("by a sender") {
    scripted_client c;
    c.to.exchange = exchange;
    c.cast();
    REQUIRE(c.ends(1));
    CHECK(declared_exchanges(c.bus) == of_one);
    CHECK(c.bus.first(basic_publish).text(2) == exchange);
  }
  SECTION("by a notifier") {
    scripted_client c;
    c.to.exchange = exchange;
    c.notify();
    REQUIRE(c.ends(1));
    CHECK(declared_exchanges(c.bus) == (declared ? names{exchange, exchange} : names{}));
    CHECK(bound_exchanges(c.bus) == names{exchange});
    CHECK(c.bus.count(queue_declare) == 1);
    CHECK(c.bus.first(basic_publish).text(2) == exchange);
  }
  SECTION("by a server") {
    scripted_server s({}, {}, exchange.c_str());
    CHECK(declared_exchanges(s.bus) ==
          (declared ? names{exchange, exchange, "topic_fanout"} : names{"topic_fanout"}));
    CHECK(bound_exchanges(s.bus) == names{exchange, exchange, "topic_fanout"});
    CHECK(s.bus.count(queue_declare) == 3);
  }
}
