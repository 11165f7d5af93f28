// SPDX-License-Identifier: Apache-2.0
// Every scenario whole, in pieces, cut off at any byte and with any byte broken.
#include "tests/wire/amqp10/couple.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace ombt;
using namespace ombt::wire::amqp10;
using namespace ombt::wire::amqp10::test;

namespace {

bool is_closed_line(const std::string& line) { return line.compare(0, 7, "closed ") == 0; }

/// Ends both transports and checks that the closed event was or is the last, given exactly once,
/// and that nothing has an effect from then on.
void finish(couple& on) {
  for (end* const one : {&on.client, &on.server}) {
    connection& bus = one->bus();
    bus.transport_closed(errc::connection_lost);
    one->drain();
    const lines events = one->take_events();
    REQUIRE(std::count_if(events.begin(), events.end(), is_closed_line) == 1);
    REQUIRE(is_closed_line(events.back()));
    REQUIRE(bus.is_closed());
    REQUIRE(bus.read_buffer().empty());
    one->take_sent(on.now);

    bus.transport_closed(errc::connection_lost);
    bus.tick(on.now + std::chrono::hours(1));
    REQUIRE(!bus.open_session());
    bus.close();
    one->drain();
    REQUIRE(one->events.empty());
    REQUIRE(bus.write_buffer().empty());
    REQUIRE(bus.next_deadline() == time_point::max());
  }
}

bool begins_like(const lines& events, const lines& expected) {
  return events.size() <= expected.size() &&
         std::equal(events.begin(), events.end(), expected.begin());
}

/// Plays a scenario that is disturbed, as long as nothing shows of it: after that the steps would
/// use handles that have ended or never came to be.
void play_on(const scenario& one, couple& on) {
  if (one.prepare) one.prepare(on);
  on.start();
  on.run();
  for (const auto& step : one.steps) {
    if (on.client.bus().is_closed() || on.server.bus().is_closed()) return;
    if (on.broken < on.passed) return;
    step(on);
    on.run();
  }
}

}  // namespace

TEST_CASE("Every scenario gives its events, whatever pieces its bytes come in") {
  for (const scenario& one : all_scenarios()) {
    for (const std::size_t piece : {std::size_t{SIZE_MAX}, std::size_t{1}, std::size_t{2},
                                    std::size_t{7}, std::size_t{13}, std::size_t{100}}) {
      INFO(one.name << ", in pieces of " << piece);
      couple on;
      on.piece = piece;
      play(one, on);
      CHECK(on.client.events == one.client);
      CHECK(on.server.events == one.server);
      finish(on);
    }
  }
}

TEST_CASE("Transports that end at any byte of any scenario give one closed event, the last") {
  for (const scenario& one : all_scenarios()) {
    couple whole;
    play(one, whole);
    const std::size_t stride = whole.passed / 1500 + 1;
    for (std::size_t at = 0; at < whole.passed; at += stride) {
      INFO(one.name << ", cut at " << at);
      couple on;
      on.piece = at % 2 == 0 ? SIZE_MAX : 3;
      on.cut = at;
      play_on(one, on);
      for (const auto& [events, expected] :
           {std::pair(&on.client.events, &one.client), std::pair(&on.server.events, &one.server)}) {
        lines so_far = *events;
        if (!so_far.empty() && is_closed_line(so_far.back())) so_far.pop_back();
        REQUIRE(begins_like(so_far, *expected));
      }
      finish(on);
    }
  }
}

TEST_CASE("A byte broken anywhere in any scenario ends in events, never in anything worse") {
  for (const scenario& one : all_scenarios()) {
    couple whole;
    play(one, whole);
    const std::size_t stride = whole.passed / 1500 + 1;
    for (std::size_t at = 0; at < whole.passed; at += stride) {
      for (const unsigned flip : {0x01u, 0x10u, 0x80u, 0xffu}) {
        INFO(one.name << ", byte " << at << " xor " << flip);
        couple on;
        on.piece = flip == 0x10 ? 3 : SIZE_MAX;
        on.broken = at;
        on.flip = flip;
        play_on(one, on);
        finish(on);
      }
    }
  }
}
