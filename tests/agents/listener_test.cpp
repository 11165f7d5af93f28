// SPDX-License-Identifier: Apache-2.0
#include "agents/listener.hpp"

#include "agents/notifier.hpp"
#include "tests/agents/sender_fixture.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::tests;
using agents::receiver;
using wire::control::test_kind;

namespace {

struct listener_fixture : sender_fixture, agents::receiver_owner {
  agents::listener_settings settings;
  int ready = 0;
  listener_fixture() { settings.at = context.notifications; }
  void on_ready(receiver&) override { ++ready; }
  void on_failed(receiver&, std::string) override {}
  void notify(const std::string& priority, const std::string& payload) {
    struct ignore : drivers::completion {
      bool done = false;
      void on_complete(std::uint64_t, const drivers::outcome&) override { done = true; }
    } done;
    const auto peer = bus.make(loop);
    drivers::notification_message m;
    m.priority = priority;
    m.payload_json = payload;
    peer->notify(context.notifications, m, {}, done, 0);
    REQUIRE(drive(loop, [&] { return done.done; }));
    settle(loop, std::chrono::milliseconds(5));
  }
};

}  // namespace

TEST_CASE_METHOD(listener_fixture,
                 "A listener counts a notifier's notifications and acknowledges them") {
  agents::listener listener("listener-1", 0, *this, settings, bus.make(loop));
  listener.start();
  REQUIRE(drive(loop, [&] { return ready == 1; }));
  agents::notifier notifier("notifier-1", 1, context, bus.make(loop));
  REQUIRE(run_to_end(notifier, text(test_kind::notify, 20)));
  REQUIRE(drive(loop, [&] { return bus.unended() == 0; }));
  settle(loop);
  const auto results = listener.collect("").results;
  CHECK(results.msgs_ok == 20);
  CHECK(results.latency.count == 20);
  CHECK(results.errors.empty());
  CHECK(listener.collect("").results.empty());
}

TEST_CASE_METHOD(listener_fixture, "It listens to every priority but sample") {
  agents::listener listener("listener-1", 0, *this, settings, bus.make(loop));
  listener.start();
  REQUIRE(drive(loop, [&] { return ready == 1; }));
  for (const char* p : {"audit", "debug", "info", "warn", "error", "critical", "sample"}) {
    notify(p, R"({"payload": "X", "timestamp": 1.0, "msgid": "a:1"})");
  }
  CHECK(listener.collect("").results.msgs_ok == 6);
}

TEST_CASE_METHOD(listener_fixture,
                 "A notification that is no test message is acknowledged and counted as an error") {
  agents::listener listener("listener-1", 0, *this, settings, bus.make(loop));
  listener.start();
  REQUIRE(drive(loop, [&] { return ready == 1; }));
  for (const char* payload : {"{}", "null", "[1]", R"({"payload": "X", "timestamp": "then"})"}) {
    notify("info", payload);
  }
  CHECK(bus.unended() == 0);
  const auto results = listener.collect("").results;
  CHECK(results.msgs_ok == 0);
  CHECK(results.msgs_fail == 0);
  std::uint64_t errors = 0;
  for (const auto& [text, count] : results.errors) errors += count;
  CHECK(errors == 4);
}

TEST_CASE_METHOD(listener_fixture, "A listener notes which notifications it had") {
  agents::listener listener("listener-1", 0, *this, settings, bus.make(loop));
  listener.start();
  REQUIRE(drive(loop, [&] { return ready == 1; }));
  const std::string controller = "ombt-t-None-h-1-aaaaaaaaaaaaaaaa0000000000000000-native";
  listener.collect(controller);
  for (const char* n : {"0", "1", "1"}) {
    notify("info", std::string(R"({"payload": "X", "timestamp": 1.0, "msgid": )") +
                       R"("aaaaaaaaaaaaaaaa0000000000000001:)" + n + "\"}");
  }
  const auto ledger = listener.collect(controller).details.received;
  REQUIRE(ledger);
  REQUIRE(ledger->clients.size() == 1);
  const auto& had = ledger->clients.at(1);
  CHECK(had.seen.size() == 2);
  CHECK(had.again.contains(1));
  CHECK(had.extra == 1);
}
