// SPDX-License-Identifier: Apache-2.0
// Which connections a client sends on: how many, which first, which of them go; and what the first
// call waits for.
#include "tests/drivers/rabbit/scripted_bed.hpp"
#include "tests/drivers/reach_record.hpp"

using namespace ombt;
using namespace ombt::drivers;
using std::chrono::milliseconds;
using tests::reach_record;
using tests::scripted_client;
using tests::settle;
using namespace tests::methods;

namespace {

/// Has as many casts under way at once, then ended, on the last connection last.
void send_at_once(scripted_client& c, std::size_t count) {
  c.bus.confirms = false;
  for (std::size_t i = 0; i < count; ++i) c.cast();
  REQUIRE(c.drive([&] { return c.bus.published.size() == count; }));
  for (std::size_t i = 1; i <= count; ++i) {
    c.bus.confirm(static_cast<int>(i));
    REQUIRE(c.ends(i));
  }
  c.bus.confirms = true;
}

}  // namespace

TEST_CASE("reach() opens the connection that the first message uses, and declares nothing") {
  scripted_client c;
  reach_record r;
  c.t->reach(r);
  CHECK(r.reached == 0);
  REQUIRE(c.drive([&] { return r.reached == 1; }));
  settle(c.on);
  CHECK(c.bus.connections == 1);
  CHECK(c.bus.methods.back().id == channel_open);
  c.cast();
  REQUIRE(c.ends(1));
  CHECK(c.bus.connections == 1);
  CHECK(c.bus.count(channel_open) == 1);
  CHECK(r.reached == 1);
  CHECK(r.failures.empty());
}

TEST_CASE("reach() ends with a login that is refused, and goes on where nobody answers") {
  scripted_client c([](auto& s) {
    s.messaging.rabbit.kombu_reconnect_delay = 0.01;
    s.messaging.rabbit.rabbit_retry_interval = 0;
  });
  const bool refused = GENERATE(true, false);
  int attempts = 0;
  c.bus.instead = [&](const tests::said_method& m) -> std::optional<std::string> {
    if (m.id != start_ok) return {};
    if (refused) return tests::script::connection_close(403, "ACCESS_REFUSED - no");
    if (++attempts > 1) return {};
    return tests::script::connection_close(541, "INTERNAL_ERROR - later");
  };
  reach_record r;
  c.t->reach(r);
  REQUIRE(c.drive([&] { return r.final || r.reached == 1; }));
  settle(c.on);
  REQUIRE(r.failures.size() == 1);
  CHECK(r.final == refused);
  CHECK(r.reached == (refused ? 0 : 1));
  CHECK_THAT(r.failures[0], Catch::Contains(refused ? "ACCESS_REFUSED" : "INTERNAL_ERROR"));
}

TEST_CASE("a transport that closes tells nobody any more that the bus was reached") {
  scripted_client c;
  reach_record r;
  c.t->reach(r);
  bool closed = false;
  c.t->close(std::chrono::seconds{5}, [&] { closed = true; });
  REQUIRE(c.drive([&] { return closed; }));
  settle(c.on);
  CHECK(r.reached == 0);
  CHECK(r.failures.empty());
}

TEST_CASE("each message at a time has a connection, and the one used last is used first") {
  scripted_client c([](auto& s) {
    s.messaging.rabbit.conn_pool_ttl = 60;  // seconds, so that none is closed here
    s.messaging.rabbit.conn_pool_min_size = 0;
  });
  send_at_once(c, 3);
  settle(c.on, milliseconds{100});
  CHECK(c.bus.connections == 3);
  for (int i : {1, 2, 3}) CHECK(c.bus.count(basic_publish, i) == 1);
  for (std::size_t i = 4; i <= 8; ++i) {
    c.cast();
    REQUIRE(c.ends(i));
  }
  CHECK(c.bus.count(basic_publish, 3) == 6);
  CHECK(c.bus.connections == 3);
  // Two at once: that one and the one before it.
  c.cast();
  c.cast();
  REQUIRE(c.ends(10));
  CHECK(c.bus.count(basic_publish, 3) == 7);
  CHECK(c.bus.count(basic_publish, 2) == 2);
  CHECK(c.bus.count(basic_publish, 1) == 1);
  CHECK(c.bus.ended == 0);
}

TEST_CASE("no more connections than rpc_conn_pool_size: the rest waits, in order") {
  scripted_client c([](auto& s) { s.messaging.rabbit.rpc_conn_pool_size = 2; });
  c.bus.confirms = false;
  for (std::uint64_t i = 1; i <= 5; ++i) c.cast(i);
  REQUIRE(c.drive([&] { return c.bus.published.size() == 2; }));
  settle(c.on);
  CHECK(c.bus.published.size() == 2);
  // One ends, and the next goes out on its connection.
  for (const int connection : {1, 2, 1}) {
    const std::size_t before = c.bus.published.size();
    c.bus.confirm(connection);
    REQUIRE(c.drive([&] { return c.bus.published.size() == before + 1; }));
  }
  REQUIRE(c.ends(3));
  CHECK(c.all[2].tag == 3);
  c.bus.confirm_all();
  REQUIRE(c.ends(5));
  CHECK(c.bus.connections == 2);
  CHECK(c.bus.count(basic_publish, 1) == 3);
  for (std::uint64_t i = 1; i <= 5; ++i) CHECK_FALSE(c.all[i - 1].error);
}

TEST_CASE("connections above conn_pool_min_size are closed once idle for conn_pool_ttl") {
  scripted_client c([](auto& s) {
    s.messaging.rabbit.conn_pool_ttl = 1;
    s.messaging.rabbit.conn_pool_min_size = 1;
  });
  send_at_once(c, 4);
  settle(c.on, milliseconds{1100});
  CHECK(c.bus.ended == 0);  // they are looked at when one is taken
  c.cast();
  REQUIRE(c.drive([&] { return c.bus.ended == 2; }));
  settle(c.on);
  // Left are the one that sends, which was used last, and one idle.
  CHECK(c.bus.ended == 2);
  CHECK(c.bus.count(10050, 1) == 1);
  CHECK(c.bus.count(10050, 2) == 1);
  REQUIRE(c.ends(5));
  c.cast();
  c.cast();
  REQUIRE(c.ends(7));
  CHECK(c.bus.connections == 4);
  CHECK(c.bus.count(basic_publish, 4) == 3);
  CHECK(c.bus.count(basic_publish, 3) == 2);
}

TEST_CASE("no call goes out before its reply queue is consumed from") {
  scripted_client c;
  SECTION("the reply connection is still being made") {
    c.bus.greets = false;
    c.call(1);
    c.call(2);
    REQUIRE(c.drive([&] { return c.bus.connections == 1; }));
    settle(c.on);
    CHECK(c.bus.connections == 1);  // none to send on yet
    c.bus.greet_all();
  }
  SECTION("its consumer is not confirmed") {
    c.bus.instead = [](const tests::said_method& m) -> std::optional<std::string> {
      if (m.id == basic_consume) return "";
      return {};
    };
    c.call(1);
    c.call(2);
    REQUIRE(c.drive([&] { return c.bus.count(basic_consume) == 1; }));
    settle(c.on);
    CHECK(c.bus.connections == 1);
    CHECK(c.bus.published.empty());
    c.bus.say(1, tests::script::method(1, 60, 21, tests::script::short_text("1")));
  }
  REQUIRE(c.drive([&] { return c.bus.published.size() == 2; }));
  CHECK(c.bus.count(basic_publish, 1) == 0);
  CHECK(c.bus.count(basic_publish, 2) == 1);
  CHECK(c.bus.count(basic_publish, 3) == 1);
  // The queue stands from now on: nothing waits for it any more.
  c.bus.instead = {};
  c.call(3);
  REQUIRE(c.drive([&] { return c.bus.published.size() == 3; }));
  CHECK(c.bus.count(basic_consume) == 1);
}

TEST_CASE("a cast waits for no reply queue") {
  scripted_client c;
  c.cast();
  REQUIRE(c.ends(1));
  CHECK(c.bus.connections == 1);
  CHECK(c.bus.count(basic_consume) == 0);
}
