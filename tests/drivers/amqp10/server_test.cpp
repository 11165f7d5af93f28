// SPDX-License-Identifier: Apache-2.0
// Servers and listeners: settlement, credit, slots, answers, heartbeats, and how they close.
#include "tests/drivers/amqp10/bed.hpp"

using namespace ombt;
using namespace ombt::tests;
using kind = amqp::outcome::kind;

namespace {

constexpr seconds far{60};

}  // namespace

TEST_CASE("a request is accepted when it takes a slot, and answered to its reply-to address") {
  amqp10_bed b;
  drivers::serve_options options;
  options.executor_slots = 1;
  b.serve(options);
  b.request("id-1", "caller");
  b.request("id-2", "caller");
  REQUIRE(b.drive([&] { return b.l->counters().received == 2; }));
  b.settle();
  CHECK(b.got.size() == 1);
  REQUIRE(b.bus.verdicts.size() == 1);
  CHECK(b.bus.verdicts[0].what == kind::accepted);
  b.l->reply(b.got[0], "\"first\"");
  auto& m = b.message(0);
  CHECK(m.address == "caller");
  CHECK(m.settled);
  CHECK(m.read().to == "caller");
  CHECK(m.read().correlation_id == "id-1");
  CHECK((m.read().id.empty() && m.read().reply_to.empty()));
  CHECK(m.read().body == R"({"response": "first"})");
  REQUIRE(b.drive([&] { return b.got.size() == 2; }));
  b.l->reply(b.got[1], "2");
  CHECK(b.message(1).read().correlation_id == "id-2");
  CHECK(b.message(1).tag == "pyngus-tag-1");
  CHECK(b.bus.open_links(false) == 1);
}

TEST_CASE("what the dispatcher refuses is answered as a failure") {
  amqp10_bed b;
  b.serve();
  b.request("id-1", "caller", "_private");
  const auto failed = b.message(0).read();
  CHECK_THAT(std::string(failed.body),
             Catch::StartsWith("{\"failure\": \"") && Catch::Contains("NoSuchMethod"));
  CHECK(b.got.empty());
}

TEST_CASE("credit is topped up when half of it is used, but not beyond what may wait") {
  amqp10_bed b([](auto& s) { s.messaging.amqp.rpc_server_credit = 10; });
  drivers::serve_options options;
  SECTION("each message is settled at once") {
    b.answer = "1";
    b.serve(options);
    for (int i = 0; i < 200; ++i) {
      b.request("id", "caller");
      REQUIRE(b.drive([&] { return b.got.size() == static_cast<std::size_t>(i + 1); }));
    }
    auto* link = b.bus.find(amqp10_bed::anycast, true);
    REQUIRE(b.drive([&] { return link->credits >= 30; }));
    CHECK(link->credits < 60);  // not one by one
    CHECK(link->most_credit <= 10);
  }
  SECTION("the slots are all taken") {
    options.executor_slots = 1;
    options.waiting_limit = 40;
    b.serve(options);
    for (int i = 0; i < 100; ++i) b.request("id", "");
    b.settle();
    for (int i = 0; i < 100; ++i) {
      REQUIRE(b.drive([&] { return b.got.size() == static_cast<std::size_t>(i + 1); }));
      const auto waiting = b.l->counters().received - b.got.size();
      CHECK(waiting <= 40);
      b.l->done(b.got.back());
    }
  }
}

TEST_CASE("messages that cannot be read are rejected and take no slot") {
  amqp10_bed b;
  b.serve();
  amqp::message m;
  m.kind = amqp::message::body_kind::text;
  m.body = "no JSON";
  b.bus.deliver(amqp10_bed::anycast, m);
  m.body = "[]";
  b.bus.deliver(amqp10_bed::anycast, m);
  m.body = R"({"request": 5})";
  b.bus.deliver(amqp10_bed::anycast, m);
  m.kind = amqp::message::body_kind::none;
  b.bus.deliver(amqp10_bed::anycast, m);
  b.bus.deliver_bytes(amqp10_bed::anycast, "\1\2\3");
  REQUIRE(b.drive([&] { return b.bus.verdicts.size() == 5; }));
  for (const auto& v : b.bus.verdicts) CHECK(v.what == kind::rejected);
  CHECK(b.l->counters().malformed == 5);
  b.request("id", "");
  REQUIRE(b.drive([&] { return b.got.size() == 1; }));
}

TEST_CASE("a monitored call gets heartbeats without a body until it is answered") {
  amqp10_bed b;
  b.serve();
  b.request("id-1", "caller", "slow", R"(, "call_monitor_timeout": 2)");
  const auto beat = b.message(0).read();
  CHECK(beat.kind == amqp::message::body_kind::none);
  CHECK(beat.correlation_id == "id-1");
  CHECK(beat.ttl == milliseconds{2000});
  CHECK(b.message(0).settled);
  b.l->reply(b.got[0], "1");
  b.message(1);
  b.settle(milliseconds{1200});
  CHECK(b.bus.messages.size() == 2);
}

TEST_CASE("a reply that the caller's address does not take is given up at its limit") {
  amqp10_bed b([](auto& s) {
    s.messaging.amqp.default_reply_timeout = 1;
    s.messaging.amqp.pre_settled = {};
  });
  drivers::serve_options options;
  options.executor_slots = 1;
  b.serve(options);
  b.bus.credit = 0;
  b.answer = "1";
  b.request("id-1", "caller");
  b.request("id-2", "");
  REQUIRE(b.drive([&] { return b.got.size() == 2; }));
  CHECK(b.l->counters().replies_abandoned == 1);
}

TEST_CASE("a reply that comes back is sent again as often as default_reply_retry says") {
  const int retry = GENERATE(0, 1);
  amqp10_bed b([&](auto& s) {
    s.messaging.amqp.default_reply_retry = retry;
    s.messaging.amqp.pre_settled = {};
  });
  b.serve();
  b.bus.says = simply(kind::released);
  b.answer = "1";
  b.request("id-1", "caller");
  REQUIRE(b.drive([&] { return b.l->counters().replies_abandoned == 1; }));
  CHECK(b.bus.messages.size() == static_cast<std::size_t>(1 + retry));
}

TEST_CASE("a notification is accepted or released as its handler says") {
  amqp10_bed b;
  b.l = b.t->listen_for_notifications(b.to, {"info"}, "", b);
  REQUIRE(b.drive([&] { return b.listening == 1; }));
  const char* address = "openstack.org/om/notify/anycast/openstack/topic.info";
  amqp::message m;
  m.kind = amqp::message::body_kind::text;
  m.body = R"({"request": {"event_type": "e", "payload": 1}, "context": {}})";
  b.bus.deliver(address, m);
  b.bus.deliver(address, m);
  REQUIRE(b.drive([&] { return b.got.size() == 2; }));
  CHECK(b.methods[0] == "e");
  CHECK(b.bus.verdicts.empty());
  b.l->acknowledge(b.got[0]);
  b.l->requeue(b.got[1]);
  REQUIRE(b.drive([&] { return b.bus.verdicts.size() == 2; }));
  CHECK(b.bus.verdicts[0].what == kind::accepted);
  CHECK(b.bus.verdicts[1].what == kind::released);
}

TEST_CASE("a server that closes listens no more, and answers what it has accepted first") {
  const std::string topology = GENERATE("oslo", "lean", "shared:1");
  amqp10_bed b([&](auto& s) { s.topology = drivers::topology::parse(topology); });
  b.serve();
  b.request("id-1", "caller");
  REQUIRE(b.drive([&] { return b.got.size() == 1; }));
  b.call(9);
  int closed = 0;
  b.t->close(far, [&] { ++closed; });
  REQUIRE(b.done(1));
  CHECK(b.all[0].error == errc::cancelled);
  REQUIRE(b.drive([&] { return b.bus.open_links(true) == 0; }));
  b.settle();
  CHECK(closed == 0);
  const auto before = b.bus.messages.size();
  b.l->reply(b.got[0], "\"answer\"");
  REQUIRE(b.drive([&] { return closed == 1; }));
  REQUIRE(b.bus.messages.size() == before + 1);
  CHECK(b.bus.messages.back().read().correlation_id == "id-1");
  CHECK(b.bus.closed == 1);
}

TEST_CASE("a server that closes serves what is on its way before it detaches") {
  const std::string topology = GENERATE("oslo", "lean", "shared:1");
  amqp10_bed b([&](auto& s) { s.topology = drivers::topology::parse(topology); });
  drivers::serve_options options;
  options.executor_slots = 1;
  b.serve(options);
  b.bus.drains = false;
  int closed = 0;
  b.t->close(far, [&] { ++closed; });
  const auto asked = [&] {
    return std::count_if(b.bus.links.begin(), b.bus.links.end(),
                         [](const auto& l) { return l.drains == 1; });
  };
  REQUIRE(b.drive([&] { return asked() == 3; }));
  b.request("id-1", "caller");
  b.request("id-2", "caller");
  for (const auto& l : b.bus.links) {
    if (l.drains == 1) b.bus.give_back(l.source.address);
  }
  REQUIRE(b.drive([&] { return b.got.size() == 1; }));
  b.settle();
  // The second waits for the slot, so its link stays.
  CHECK(b.bus.open_links(true) == 3);
  b.answer = "2";
  b.l->reply(b.got[0], "1");
  REQUIRE(b.drive([&] { return closed == 1; }));
  CHECK(b.bus.open_links(true) == 0);
  REQUIRE(b.bus.messages.size() == 2);
  CHECK(b.message(0).read().correlation_id == "id-1");
  CHECK(b.message(1).read().correlation_id == "id-2");
  CHECK(b.bus.verdicts.size() == 2);
  for (const auto& v : b.bus.verdicts) CHECK(v.what == kind::accepted);
  for (const auto& l : b.bus.links) CHECK(l.credits <= 2);  // none was topped up
}

TEST_CASE("a listener that closes takes the notifications that are on their way") {
  amqp10_bed b;
  b.l = b.t->listen_for_notifications(b.to, {"info"}, "", b);
  REQUIRE(b.drive([&] { return b.listening == 1; }));
  b.bus.drains = false;
  int closed = 0;
  b.t->close(far, [&] { ++closed; });
  const char* address = "openstack.org/om/notify/anycast/openstack/topic.info";
  REQUIRE(b.drive([&] { return b.bus.find(address, true)->drains == 1; }));
  amqp::message m;
  m.kind = amqp::message::body_kind::text;
  m.body = R"({"request": {"event_type": "e", "payload": 1}, "context": {}})";
  b.bus.deliver(address, m);
  b.bus.give_back(address);
  REQUIRE(b.drive([&] { return b.got.size() == 1; }));
  b.settle();
  CHECK(closed == 0);
  b.l->acknowledge(b.got[0]);
  REQUIRE(b.drive([&] { return closed == 1; }));
  REQUIRE(b.bus.verdicts.size() == 1);
  CHECK(b.bus.verdicts[0].what == kind::accepted);
}

TEST_CASE("a server waits for its credit to come back until its limit, and releases what waits") {
  amqp10_bed b;
  drivers::serve_options options;
  options.executor_slots = 1;
  b.serve(options);
  b.bus.drains = false;
  b.request("id-1", "caller");
  b.request("id-2", "caller");
  REQUIRE(b.drive([&] { return b.got.size() == 1; }));
  b.settle();
  int closed = 0;
  const auto begun = std::chrono::steady_clock::now();
  b.t->close(milliseconds{200}, [&] { ++closed; });
  REQUIRE(b.drive([&] { return closed == 1; }));
  CHECK(std::chrono::steady_clock::now() - begun >= milliseconds{200});
  // At its limit it does not wait for the bus, which reads what it was told a little later.
  REQUIRE(b.drive([&] { return b.bus.open_links(true) == 0; }));
  REQUIRE(b.bus.verdicts.size() == 2);
  CHECK(b.bus.verdicts[0].what == kind::accepted);
  CHECK(b.bus.verdicts[1].what == kind::released);
}

TEST_CASE("a server that closes does not wait for its limit without reason") {
  amqp10_bed b;
  b.serve();
  int closed = 0;
  SECTION("a cast is in work") {
    b.request("id-1", "");
    REQUIRE(b.drive([&] { return b.got.size() == 1; }));
    b.t->close(far, [&] { ++closed; });
  }
  SECTION("the bus goes away") {
    b.request("id-1", "caller");
    REQUIRE(b.drive([&] { return b.got.size() == 1; }));
    b.t->close(far, [&] { ++closed; });
    b.settle();
    CHECK(closed == 0);
    b.bus.die();
  }
  REQUIRE(b.drive([&] { return closed == 1; }));
}

TEST_CASE("a closing server drops the answers that are not out at its limit") {
  amqp10_bed b;
  b.serve();
  b.request("id-1", "caller");
  REQUIRE(b.drive([&] { return b.got.size() == 1; }));
  int closed = 0;
  b.t->close(milliseconds{100}, [&] { ++closed; });
  REQUIRE(b.drive([&] { return closed == 1; }));
  b.l->reply(b.got[0], "1");
  b.settle();
  CHECK(b.bus.messages.empty());
}

TEST_CASE("a listener outlives its transport, and a transport its listener") {
  amqp10_bed b;
  b.serve();
  b.request("id-1", "caller");
  REQUIRE(b.drive([&] { return b.got.size() == 1; }));
  SECTION("the transport goes first") {
    b.t.reset();
    b.l->reply(b.got[0], "1");
    b.settle();
    b.l.reset();
  }
  SECTION("the listener goes first") {
    b.l->reply(b.got[0], "1");
    b.l.reset();
    b.settle();
    CHECK(b.bus.messages.empty());
    b.t.reset();
  }
  REQUIRE(b.drive([&] { return b.bus.closed == 1; }));
}
