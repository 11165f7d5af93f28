// SPDX-License-Identifier: Apache-2.0
// Calls: what they send, how replies, heartbeats and the lack of both end them.
#include "tests/drivers/amqp10/bed.hpp"

using namespace ombt;
using namespace ombt::tests;

TEST_CASE("a call names itself, its address, where to answer, and how long it is worth it") {
  amqp10_bed b;
  const auto before = std::chrono::system_clock::now();
  b.call(1, b.within(milliseconds{20500}));
  auto& m = b.message(0);
  const auto call = m.read();
  CHECK_FALSE(m.settled);
  CHECK(m.tag == "pyngus-tag-0");
  CHECK(call.id.size() == 32);
  CHECK(call.to == amqp10_bed::anycast);
  CHECK(call.reply_to == b.bus.reply_link()->source.address);
  CHECK(call.ttl == milliseconds{20500});
  REQUIRE(call.absolute_expiry_time);
  const auto expiry =
      std::chrono::duration_cast<milliseconds>((before + milliseconds{20500}).time_since_epoch());
  CHECK(std::abs(*call.absolute_expiry_time - expiry.count()) < 10000);
  CHECK(call.body == R"({"request": {"method": "echo", "args": {"data": 1}}, "context": {}})");
  REQUIRE(b.bus.answer(m, R"({"response": "yes"})"));
  REQUIRE(b.done(1));
  CHECK(!b.all[0].error);
  CHECK(b.all[0].result == "yes");
}

TEST_CASE("casts, fanouts and notifications say only where they go") {
  amqp10_bed b;
  b.cast(1);
  b.to.fanout = true;
  b.cast(2);
  b.notify(3, b.within(seconds{60}));
  REQUIRE(b.done(3));
  REQUIRE(b.drive([&] { return b.bus.messages.size() == 3; }));
  for (const auto& m : b.bus.messages) {
    const auto read = m.read();
    CHECK(read.to == m.address);
    CHECK((read.id.empty() && read.reply_to.empty() && !read.ttl && !read.absolute_expiry_time));
    CHECK(m.settled == (m.address.find("notify") == std::string::npos));
  }
  const auto at = [&](const char* address) {
    return std::find_if(b.bus.messages.begin(), b.bus.messages.end(),
                        [&](const auto& m) { return m.address == address; });
  };
  CHECK(at(amqp10_bed::anycast) != b.bus.messages.end());
  CHECK(at("openstack.org/om/rpc/multicast/ex/topic") != b.bus.messages.end());
  const auto notified = at("openstack.org/om/notify/anycast/openstack/topic.info");
  REQUIRE(notified != b.bus.messages.end());
  CHECK_THAT(std::string(notified->read().body), Catch::Contains("\"priority\": \"INFO\""));
}

TEST_CASE("a failure ends a call as an exception, what cannot be read as malformed") {
  amqp10_bed b;
  b.call(1);
  b.bus.answer(b.message(0), R"({"failure": "{\"class\": \"Boom\", \"module\": \"m\", )"
                             R"(\"message\": \"words\", \"tb\": [], \"args\": []}"})");
  REQUIRE(b.done(1));
  CHECK(b.all[0].error == errc::remote_exception);
  CHECK(b.all[0].exception == "Boom");
  CHECK(b.all[0].detail == "words");
  b.call(2);
  b.bus.answer(b.message(1), "no JSON");
  REQUIRE(b.done(2));
  CHECK(b.all[1].error == errc::malformed_message);
  b.call(3);
  b.bus.answer(b.message(2), R"({"failure": 5})");
  REQUIRE(b.done(3));
  CHECK(b.all[2].error == errc::malformed_message);
  CHECK(b.t->counters().malformed == 2);
}

TEST_CASE("a reply that nobody waits for is refused as undeliverable, and credit goes on") {
  amqp10_bed b([](auto& s) { s.messaging.amqp.reply_link_credit = 4; });
  b.call(1);
  auto& m = b.message(0);
  const std::string address(m.read().reply_to);
  amqp::message stray;
  stray.correlation_id = "00000000000000000000000000000000";
  stray.kind = amqp::message::body_kind::text;
  stray.body = R"({"response": 1})";
  for (int i = 0; i < 20; ++i) {
    REQUIRE(b.bus.deliver(address, stray));
    REQUIRE(b.drive([&] { return b.bus.verdicts.size() == static_cast<std::size_t>(i + 1); }));
  }
  CHECK(b.bus.verdicts[0].what == amqp::outcome::kind::modified);
  CHECK((b.bus.verdicts[0].failed && b.bus.verdicts[0].undeliverable));
  CHECK(b.t->counters().late_replies == 20);
  CHECK(b.bus.deliver_bytes(address, "garbage"));
  REQUIRE(b.drive([&] { return b.bus.verdicts.size() == 21; }));
  CHECK(b.bus.verdicts[20].what == amqp::outcome::kind::rejected);
  CHECK(b.all.empty());
  b.bus.answer(m, R"({"response": "still"})");
  REQUIRE(b.done(1));
  CHECK(b.all[0].result == "still");
  b.bus.answer(m, R"({"response": "twice"})");
  REQUIRE(b.drive([&] { return b.t->counters().late_replies == 21; }));
}

TEST_CASE("a reply ends a call; of its request nothing is said but by the bus") {
  amqp10_bed b([](auto& w) { w.messaging.amqp.link_retry_delay = 60; });
  b.bus.says = simply(amqp::outcome::kind::other);
  b.call(1);
  b.bus.answer(b.message(0), R"({"response": 1})");
  REQUIRE(b.done(1));
  CHECK(!b.all[0].error);
  b.settle();
  REQUIRE(b.bus.verdicts.empty());
  SECTION("whatever that is, the next call does not wait") {
    const auto what = GENERATE(amqp::outcome::kind::accepted, amqp::outcome::kind::released,
                               amqp::outcome::kind::rejected);
    b.bus.settle(b.message(0), simply(what));
    b.settle();
    b.call(2);
    b.bus.answer(b.message(1), R"({"response": "two"})");
    REQUIRE(b.done(2));
    CHECK(b.all[1].result == "two");
    CHECK(b.bus.verdicts.empty());
  }
  SECTION("the connection may be lost, or closed, before") {
    if (GENERATE(true, false)) {
      b.bus.drop_all();
      REQUIRE(b.drive([&] { return b.bus.opened == 2; }));
    }
    b.t.reset();
    b.settle();
    CHECK(b.all.size() == 1);
  }
}

TEST_CASE("a bus that never says what became of requests is not waited for without bound") {
  amqp10_bed b;
  b.bus.says = simply(amqp::outcome::kind::other);
  b.bus.credit = 2000;
  for (std::size_t i = 0; i < 1010; ++i) {
    b.call(i);
    b.bus.answer(b.message(i), R"({"response": 1})");
    REQUIRE(b.done(i + 1));
    REQUIRE(!b.all[i].error);
  }
  REQUIRE(b.drive([&] { return b.bus.verdicts.size() >= 10; }));
  CHECK(b.bus.verdicts.size() == 10);
  CHECK(b.bus.connections == 1);
  CHECK(b.bus.verdicts[0].what == amqp::outcome::kind::none);
}

TEST_CASE("heartbeats keep a monitored call, silence ends it") {
  amqp10_bed b;
  drivers::call_options options = b.within(seconds{60});
  options.call_monitor_timeout = 0.4;
  b.call(1, options);
  auto& m = b.message(0);
  CHECK_THAT(std::string(m.read().body), Catch::Contains("\"call_monitor_timeout\": 0.4"));
  amqp::message beat;
  beat.correlation_id = m.read().id;
  const auto start = drivers::steady_clock::now();
  for (int i = 0; i < 8; ++i) {
    REQUIRE(b.bus.deliver(m.read().reply_to, beat, true));
    b.settle(milliseconds{100});
  }
  CHECK(b.all.empty());
  CHECK(drivers::steady_clock::now() - start > milliseconds{400});
  REQUIRE(b.done(1));
  CHECK(b.all[0].error == errc::messaging_timeout);
  CHECK_THAT(b.all[0].detail, Catch::Contains("call monitor"));
}

TEST_CASE("a call ends at its limit with what is known of it") {
  amqp10_bed b;
  SECTION("sent, and no reply") {
    b.call(1, b.within(milliseconds{200}));
    REQUIRE(b.done(1));
    CHECK(b.all[0].error == errc::messaging_timeout);
    CHECK(b.all[0].detail == "RPC Call message sent, but failed: timed out");
    // Its reply comes too late.
    b.bus.answer(b.message(0), R"({"response": 1})");
    REQUIRE(b.drive([&] { return b.t->counters().late_replies == 1; }));
  }
  SECTION("nobody receives there") {
    b.bus.credit = 0;
    b.call(1, b.within(milliseconds{200}));
    REQUIRE(b.done(1));
    CHECK(b.all[0].error == errc::messaging_timeout);
    CHECK_THAT(b.all[0].detail, Catch::Contains("not sent") &&
                                    Catch::Contains("nobody receives at openstack.org/om/rpc"));
    CHECK(b.bus.messages.empty());
    // Not sent later either.
    b.bus.give_credit(*b.bus.find(amqp10_bed::anycast, false), 10);
    b.settle();
    CHECK(b.bus.messages.empty());
  }
  SECTION("the bus was never there") {
    b.bus.die();
    b.call(1, b.within(milliseconds{200}));
    REQUIRE(b.done(1));
    CHECK(b.all[0].error == errc::bus_unreachable);
    CHECK_THAT(b.all[0].detail, Catch::Contains("refused"));
  }
  SECTION("the bus answers no attach") {
    b.bus.answers = false;
    b.call(1, b.within(milliseconds{200}));
    REQUIRE(b.done(1));
    CHECK(b.all[0].error == errc::messaging_timeout);
  }
}

TEST_CASE("names above 2048 bytes are refused at once") {
  amqp10_bed b;
  b.to.topic = std::string(2100, 't');
  b.call(1);
  b.cast(2);
  REQUIRE(b.done(2));
  CHECK(b.all[0].error == errc::limit_exceeded);
  CHECK(b.all[1].error == errc::limit_exceeded);
  CHECK(b.bus.messages.empty());
}

TEST_CASE("without a time limit of the caller's the options' count, as failed deliveries") {
  amqp10_bed b([](auto& s) {
    s.messaging.amqp.default_notify_timeout = 1;
    s.messaging.amqp.default_send_timeout = 1;
    s.messaging.amqp.pre_settled = {};
  });
  b.bus.says = simply(amqp::outcome::kind::other);
  b.notify(1, b.within(seconds{60}));
  b.cast(2, b.within(seconds{60}));
  b.cast(3, b.within(milliseconds{100}));
  REQUIRE(b.done(3));
  CHECK(b.all[0].tag == 3);
  CHECK(b.all[0].error == errc::messaging_timeout);
  CHECK(b.all[1].error == errc::delivery_failure);
  CHECK(b.all[2].error == errc::delivery_failure);
}
