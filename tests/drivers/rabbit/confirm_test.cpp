// SPDX-License-Identifier: Apache-2.0
// What a publisher confirm decides: a call needs it beside its reply, a nack fails the message and
// nothing else. A real broker's confirms are in tests/interop.
#include "tests/drivers/rabbit/scripted_bed.hpp"

using namespace ombt;
using namespace ombt::drivers;
using tests::scripted_client;
using tests::scripted_server;
using tests::settle;

namespace {

/// A client whose call was answered before it was confirmed.
struct answered_early : scripted_client {
  explicit answered_early(const tests::changes& change = {}) : scripted_client(change) {
    bus.confirms = false;
    call();
    REQUIRE(drive([&] { return bus.published.size() == 1; }));
    deliver_reply(msg_id(), R"({"n": 7})");
    REQUIRE(drive([&] { return bus.acknowledged == 1; }));
    settle(on);
  }
};

}  // namespace

TEST_CASE("a call that is answered before it is confirmed ends with its confirm") {
  answered_early c;
  CHECK(c.all.empty());
  c.bus.confirm_all();
  REQUIRE(c.ends(1));
  CHECK_FALSE(c.all[0].error);
  CHECK(c.all[0].result == R"({"n": 7})");
  CHECK(c.t->counters().late_replies == 0);
}

TEST_CASE("an exception that comes before the confirm is kept as a result is") {
  scripted_client c;
  c.bus.confirms = false;
  c.call();
  REQUIRE(c.drive([&] { return c.bus.published.size() == 1; }));
  std::string failure;
  wire::oslo::append_remote_exception(failure, wire::oslo::no_such_method("echo"));
  std::string body;
  wire::oslo::append_failure(body, failure, c.msg_id(), "unique");
  c.bus.deliver(body);
  REQUIRE(c.drive([&] { return c.bus.acknowledged == 1; }));
  settle(c.on);
  CHECK(c.all.empty());
  c.bus.confirm_all();
  REQUIRE(c.ends(1));
  CHECK(c.all[0].error == errc::remote_exception);
  CHECK(c.all[0].exception == "NoSuchMethod");
}

TEST_CASE("a call that is confirmed before it is answered ends with its reply") {
  scripted_client c;
  c.call();
  REQUIRE(c.drive([&] { return c.bus.published.size() == 1; }));
  settle(c.on);
  CHECK(c.all.empty());
  c.deliver_reply(c.msg_id(), "8");
  REQUIRE(c.ends(1));
  CHECK_FALSE(c.all[0].error);
  CHECK(c.all[0].result == "8");
}

TEST_CASE("a call that must get there once comes back at once from where nobody is") {
  scripted_client c;
  c.bus.returns = true;
  c.call(1);
  REQUIRE(c.drive([&] { return c.bus.published.size() == 1; }));
  settle(c.on);
  CHECK(c.all.empty());  // as oslo.messaging's calls wait
  call_options options;
  options.at_least_once = true;
  c.t->call(c.to, {"echo", "{}", {}}, options, c, 2);
  REQUIRE(c.ends(1));
  CHECK(c.all[0].tag == 2);
  CHECK(c.all[0].error == errc::message_undeliverable);
  c.call(3);  // the same object of a message, without it
  REQUIRE(c.drive([&] { return c.bus.published.size() == 3; }));
  settle(c.on);
  CHECK(c.all.size() == 1);
  c.deliver_reply(c.msg_id(2), "9");
  REQUIRE(c.ends(2));
  CHECK_FALSE(c.all[1].error);
}

TEST_CASE("a call that is nacked fails, even where it was answered") {
  answered_early c;
  c.bus.nack_all();
  REQUIRE(c.ends(1));
  CHECK(c.all[0].error == errc::nacked);
  CHECK(c.all[0].result.empty());
  // Its operation is another's now, without the reply that was kept.
  c.call(2);
  REQUIRE(c.drive([&] { return c.bus.published.size() == 2; }));
  settle(c.on);
  CHECK(c.all.size() == 1);
  c.deliver_reply(c.msg_id(1), "9");
  REQUIRE(c.ends(2));
  CHECK(c.all[1].result == "9");
}

TEST_CASE("a reply outlives the connection that its call was sent on") {
  answered_early c([](auto& s) { s.messaging.rabbit.kombu_reconnect_delay = 0; });
  c.bus.drop_all();
  REQUIRE(c.drive([&] { return c.bus.published.size() == 2; }));  // sent again
  CHECK(c.bus.published[0] == c.bus.published[1]);
  CHECK(c.all.empty());
  c.bus.confirm_all();
  REQUIRE(c.ends(1));
  CHECK_FALSE(c.all[0].error);
  CHECK(c.all[0].result == R"({"n": 7})");
}

TEST_CASE("what the broker nacks fails and is counted, and the next goes out on the same link") {
  scripted_client c;
  const auto send = GENERATE(values<void (*)(scripted_client&, std::uint64_t)>({
      [](scripted_client& by, std::uint64_t tag) { by.cast(tag); },
      [](scripted_client& by, std::uint64_t tag) { by.call(tag); },
      [](scripted_client& by, std::uint64_t tag) { by.notify(tag); },
      [](scripted_client& by, std::uint64_t tag) {
        by.to.fanout = true;
        by.cast(tag);
      },
  }));
  c.bus.nacks = true;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    send(c, i);
    REQUIRE(c.ends(i));
    CHECK(c.all.back().error == errc::nacked);
    CHECK_THAT(c.all.back().detail, Catch::Contains("basic.nack"));
  }
  CHECK(c.t->counters().nacked == 3);
  c.bus.nacks = false;
  c.to.fanout = false;
  c.cast(4);
  REQUIRE(c.ends(4));
  CHECK_FALSE(c.all.back().error);
  CHECK(c.bus.published.size() == 4);  // none of them twice
  CHECK(c.t->counters().nacked == 3);
  CHECK(c.bus.ended == 0);
  CHECK(c.t->counters().connection_errors == 0);
}

TEST_CASE("only its own confirm ends a message, alone or as the last of several") {
  scripted_client c;
  c.cast(1);
  REQUIRE(c.ends(1));
  c.bus.confirms = false;
  c.cast(2);
  REQUIRE(c.drive([&] { return c.bus.published.size() == 2; }));
  c.bus.say(1, tests::script::ack(1, 1));  // once more
  c.bus.say(1, tests::script::nack(1, 1, true));
  settle(c.on);
  CHECK(c.all.size() == 1);
  c.bus.say(1, tests::script::ack(1, 2, true));
  REQUIRE(c.ends(2));
  CHECK_FALSE(c.all[1].error);
}

TEST_CASE("a reply that is nacked is given up, and its slot serves the next request") {
  serve_options one_slot;
  one_slot.executor_slots = 1;
  scripted_server s({}, one_slot);
  s.bus.nacks = true;
  s.request("first", true);
  s.request("second", true);
  REQUIRE(s.drive([&] { return s.got.size() == 1; }));
  s.l->reply(s.got[0], "1");
  REQUIRE(s.drive([&] { return s.got.size() == 2; }));
  CHECK(s.l->counters().replies_abandoned == 1);
  CHECK(s.t->counters().nacked == 1);
  s.bus.nacks = false;
  s.l->reply(s.got[1], "2");
  REQUIRE(s.drive([&] { return s.bus.published.size() == 2; }));
  settle(s.on);
  CHECK(s.bus.published.size() == 2);
  CHECK(s.l->counters().replies_abandoned == 1);
}
