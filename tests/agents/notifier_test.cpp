// SPDX-License-Identifier: Apache-2.0
#include "agents/notifier.hpp"

#include "tests/agents/sender_fixture.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::tests;
using wire::control::test_kind;

TEST_CASE_METHOD(sender_fixture,
                 "A notifier sends test notifications of the run's severity, without a warm-up") {
  agents::notifier notifier("notifier-1", 0, context, bus.make(loop));
  REQUIRE(run_to_end(notifier, text(test_kind::notify, 3)));
  const auto sent = bus.sent();
  REQUIRE(sent.size() == 3);
  for (const auto& m : sent) {
    CHECK(m.what == sent_message::kind::notify);
    CHECK(m.method == "warn");
    CHECK(m.to.exchange == "ombt-notify-test");
    CHECK(m.to.topic == "notify-t");
    CHECK(m.event_type == "notification-test");
    CHECK(m.publisher_id == "notifier-1");
    CHECK(m.args.starts_with(R"({"payload": "XXX", "timestamp": )"));
  }
  const auto results = notifier.take().results;
  CHECK(results.msgs_ok == 3);
  CHECK(results.latency.count == 3);
}

TEST_CASE_METHOD(sender_fixture, "A notifier counts what the bus refused") {
  agents::notifier notifier("notifier-1", 0, context, bus.make(loop));
  bus.script("warn", fails(errc::nacked));
  REQUIRE(run_to_end(notifier, text(test_kind::notify, 3)));
  const auto results = notifier.take().results;
  CHECK(results.msgs_ok == 2);
  CHECK(results.msgs_fail == 1);
  CHECK(results.errors.at("nacked") == 1);
}
