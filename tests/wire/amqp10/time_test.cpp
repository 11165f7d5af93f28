// SPDX-License-Identifier: Apache-2.0
// Idle times of both sides, with a clock of the test's own.
#include "tests/wire/amqp10/couple.hpp"
#include "tests/wire/amqp10/script.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::wire::amqp10;
using namespace ombt::wire::amqp10::test;
namespace script = ombt::wire::amqp10::script;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("Without idle times there is nothing to wait for") {
  couple on;
  on.open();
  CHECK(on.client.bus().next_deadline() == time_point::max());
  CHECK(on.server.bus().next_deadline() == time_point::max());
}

TEST_CASE("A peer that is silent for the idle time is dropped, either side") {
  for (const bool at_client : {true, false}) {
    couple on;
    (at_client ? on.client : on.server).options.idle_timeout = seconds(10);
    on.open();
    connection& bus = (at_client ? on.client : on.server).bus();
    end& waiting = at_client ? on.client : on.server;
    CHECK(bus.next_deadline() == on.now + seconds(10));
    bus.tick(on.now + seconds(10) - milliseconds(1));
    waiting.drain();
    CHECK(waiting.events.empty());
    bus.tick(on.now + seconds(10));
    waiting.drain();
    CHECK(waiting.events ==
          lines{"closed silence connection_lost amqp:resource-limit-exceeded 'nothing was "
                "received for 10000 ms'"});
    CHECK(bus.is_closed());
    CHECK(bus.next_deadline() == time_point::max());
    // The peer is told.
    on.run();
    end& other = at_client ? on.server : on.client;
    CHECK(other.events == lines{"closed by_peer connection_lost amqp:resource-limit-exceeded "
                                "'nothing was received for 10000 ms'"});
  }
}

TEST_CASE("Silence counts before open too, and any byte ends it") {
  end client;
  client.options.idle_timeout = seconds(4);
  time_point now{seconds(100)};
  client.start(now);
  const std::string bytes = script::header() + script::open();
  for (const char byte : bytes) {
    now += seconds(3);
    client.bus().tick(now);
    REQUIRE(client.feed({&byte, 1}, now));
  }
  CHECK(client.take_events() == lines{"opened 'peer'"});
  client.bus().tick(now + seconds(4));
  client.drain();
  CHECK(client.take_events().size() == 1);
}

TEST_CASE("A frame that arrives slowly is no silence, whatever the peer wants to hear itself") {
  end server;
  server.options.side = role::server;
  server.options.idle_timeout = seconds(10);
  time_point now{seconds(100)};
  server.start(now);
  server.feed(script::header() + script::open_idle(4000), now);
  server.take_sent(now);
  CHECK(server.take_events() == lines{"opened 'peer'"});
  const std::string large = script::begin(0);
  for (std::size_t i = 0; i + 1 < large.size(); ++i) {
    for (int step = 0; step < 3; ++step) {
      now += seconds(1);
      server.bus().tick(now);
      const std::string said = server.take_sent(now);
      REQUIRE((said.empty() || said == script::frame(0, 0, "")));
    }
    REQUIRE(server.feed(large.substr(i, 1), now));
    REQUIRE(server.take_events().empty());
  }
}

TEST_CASE("Half of the idle time is asked of the peer, who keeps it with empty frames") {
  for (const bool at_client : {true, false}) {
    couple on;
    (at_client ? on.client : on.server).options.idle_timeout = seconds(60);
    on.open();
    end& quiet = at_client ? on.server : on.client;
    connection& bus = quiet.bus();
    on.run();
    // It was told 30 seconds and speaks at half of them.
    REQUIRE(bus.next_deadline() <= on.now + seconds(60));
    bus.tick(bus.next_deadline());
    const time_point armed = bus.next_deadline();
    REQUIRE(armed <= on.now + seconds(15));
    bus.tick(armed);
    const std::string sent = quiet.take_sent(armed);
    CHECK(sent == script::frame(0, 0, ""));
    CHECK(bus.next_deadline() > armed);
    CHECK(bus.next_deadline() <= armed + seconds(15));
    // The other hears it: no event, and a later deadline.
    end& hearing = at_client ? on.client : on.server;
    hearing.feed(sent, armed);
    CHECK(hearing.events.empty());
    CHECK(hearing.bus().next_deadline() == armed + seconds(60));
    // Nothing is needed where something was sent meanwhile.
    (void)bus.open_session();
    CHECK(!quiet.take_sent(armed).empty());
    bus.tick(bus.next_deadline());
    CHECK(quiet.take_sent(armed).empty());
  }
}

TEST_CASE("An idle time of a moment does not make the clock run hot") {
  end server;
  server.options.side = role::server;
  const time_point now{seconds(100)};
  server.start(now);
  for (const std::uint32_t idle : {1u, 2u}) {
    end one;
    one.options.side = role::server;
    one.start(now);
    one.feed(script::header() + script::open_idle(idle), now);
    time_point at = now;
    for (int i = 0; i < 10; ++i) {
      one.bus().tick(at);
      one.take_sent(at);
      REQUIRE(one.bus().next_deadline() >= at + milliseconds(10));
      at = one.bus().next_deadline();
    }
  }
}
