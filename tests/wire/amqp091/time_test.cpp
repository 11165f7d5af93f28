// SPDX-License-Identifier: Apache-2.0
// Heartbeats, and what the connection owns while nothing happens.
#include "tests/wire/amqp091/script.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::wire::amqp091;
using namespace ombt::wire::amqp091::script;
using lines = std::vector<std::string>;
using std::chrono::seconds;

TEST_CASE("A heartbeat goes out when nothing was sent for its interval, and not before") {
  client one;
  CHECK(one.bus.next_deadline() == time_point::max());
  one.open();
  const time_point begin = one.now;
  CHECK(one.bus.next_deadline() == begin + seconds(60));
  one.now = begin + seconds(59);
  one.bus.tick(one.now);
  CHECK(one.take_sent().empty());
  one.now = begin + seconds(60);
  one.bus.tick(one.now);
  one.bus.tick(one.now);
  // While it waits to be written there is no other to send: the next deadline is the peer's.
  CHECK(one.bus.next_deadline() == begin + seconds(120));
  CHECK(one.take_sent_bytes() == heartbeat());
  CHECK(one.bus.next_deadline() == begin + seconds(120));
  one.feed(heartbeat());
  CHECK(one.bus.next_deadline() == begin + seconds(120));
  one.now = begin + seconds(100);
  one.bus.open_channel(2);
  one.take_sent();
  one.feed(channel_open_ok(2));
  CHECK(one.bus.next_deadline() == begin + seconds(160));
}

TEST_CASE("Nothing received for two intervals ends the connection") {
  client one;
  one.open();
  const time_point begin = one.now;
  one.bus.publish(1, "", "q", false, {}, "never written");
  one.now = begin + seconds(119);
  one.bus.tick(one.now);
  one.drain();
  CHECK(one.events.empty());
  one.now = begin + seconds(120);
  CHECK(one.bus.next_deadline() == one.now);
  one.bus.tick(one.now);
  CHECK(one.bus.is_closed());
  one.drain();
  CHECK(one.take_events() == lines{"closed heartbeat connection_lost 0 'nothing was received for "
                                   "120 s (two heartbeats)'"});
  CHECK(one.take_sent().empty());
  CHECK(one.bus.next_deadline() == time_point::max());
}

TEST_CASE("Any byte received counts, not only heartbeats") {
  client one;
  one.open();
  const std::string bytes = message(1, "1", 1, "e", "k", "slow");
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    one.now += seconds(100);
    one.bus.tick(one.now);
    one.take_sent_bytes();
    one.feed(bytes.substr(i, 1));
  }
  CHECK(one.take_events().size() == 1);
  CHECK_FALSE(one.bus.is_closed());
}

TEST_CASE("Without heartbeats there is no deadline") {
  connection_options options;
  options.heartbeat = 0;
  client one(options);
  one.open();
  CHECK(one.bus.next_deadline() == time_point::max());
  one.bus.tick(one.now + std::chrono::hours(1000));
  one.drain();
  CHECK(one.events.empty());
  CHECK(one.take_sent().empty());
}

TEST_CASE("The interval is what was agreed, and counts while the handshake waits for open-ok") {
  client one;
  one.feed(start() + tune(0, 0, 10));
  one.take_sent();
  CHECK(one.bus.next_deadline() == one.now + seconds(10));
  one.bus.tick(one.now + seconds(20));
  one.drain();
  CHECK(one.take_events() == lines{"closed heartbeat connection_lost 0 'nothing was received for "
                                   "20 s (two heartbeats)'"});
}

TEST_CASE("Silence is excused for an owner that does not read") {
  client one;
  one.open();
  const time_point begin = one.now;
  one.bus.excuse_silence(begin + seconds(100));
  one.bus.tick(begin + seconds(130));
  CHECK_FALSE(one.bus.is_closed());
  one.bus.tick(begin + seconds(220));
  CHECK(one.bus.is_closed());
}
