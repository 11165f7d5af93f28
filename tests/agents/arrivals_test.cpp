// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/arrivals.hpp"

#include "wire/control/messages.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace ombt;
using agents::arrival_notes;
using agents::earlier_arrivals;
using agents::thread_arrivals;
using wire::control::arrival_reader;
using wire::control::arrival_report;
using wire::control::arrival_time;
using wire::control::ledger_room;

namespace {

struct told_message {
  std::uint64_t servers = 0;
  std::vector<arrival_time> times;
  friend bool operator==(const told_message&, const told_message&) = default;
};
using told_messages = std::map<std::pair<std::uint64_t, std::uint64_t>, told_message>;

/// By client and sequence.
told_messages told_by(const arrival_report& from) {
  told_messages out;
  for (const auto& client : from.clients) {
    arrival_reader reader{client.bytes, from.ends};
    std::uint64_t times = 0;
    while (reader.next()) {
      auto& message = out[{client.client, reader.sequence()}];
      message.servers = reader.servers();
      message.times.assign(reader.times().begin(), reader.times().end());
      times += message.times.size();
    }
    CHECK(reader.ok());
    CHECK(client.times == times);
  }
  return out;
}

std::string controller_of(char digit, bool fanout = true) {
  return wire::control::controller_name("t", "h", 1, std::string(32, digit), fanout);
}

constexpr std::size_t notes_room = std::size_t{64} << 20;

}  // namespace

TEST_CASE("each message's times come back in order, whatever the order they were noted in") {
  ledger_room room{notes_room};
  arrival_notes notes{room};
  std::mt19937 random{7};
  told_messages expected;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t client = random() % 5;
    const std::uint64_t sequence = random() % 300;
    const auto time = static_cast<arrival_time>(random() % 2'000'000) - 1'000'000;
    notes.note(client, sequence, time);
    auto& message = expected[{client, sequence}];
    ++message.servers;
    message.times.push_back(time);
  }
  for (auto& [id, message] : expected) std::sort(message.times.begin(), message.times.end());
  const arrival_report told = notes.take();
  CHECK_FALSE(told.ends);
  CHECK(told.not_kept == 0);
  CHECK(told_by(told) == expected);
  CHECK(notes.take() == arrival_report{});
  CHECK(room.left() == notes_room);
}

TEST_CASE("where the room is short, the ends of each message are kept, and nothing is lost") {
  constexpr std::size_t tight = 64 << 10;
  ledger_room room{tight};
  arrival_notes notes{room};
  std::mt19937 random{9};
  told_messages expected;
  // 100 messages at 1,000 servers take 800 KB whole.
  for (int server = 0; server < 1'000; ++server) {
    for (std::uint64_t sequence = 0; sequence < 100; ++sequence) {
      const auto time = static_cast<arrival_time>(random() % 1'000'000);
      notes.note(1, sequence, time);
      auto& message = expected[{1, sequence}];
      ++message.servers;
      if (message.times.empty()) message.times = {time, time};
      message.times = {std::min(message.times[0], time), std::max(message.times[1], time)};
    }
  }
  const arrival_report told = notes.take();
  CHECK(told.ends);
  CHECK(told.not_kept == 0);
  CHECK(told_by(told) == expected);
  CHECK(room.left() == tight);
  notes.note(1, 0, 5);
  CHECK_FALSE(notes.take().ends);
}

TEST_CASE("what finds no room is counted, and the room is never exceeded") {
  constexpr std::size_t tight = 64 << 10;
  ledger_room room{tight};
  arrival_notes notes{room};
  // Each at one server, where keeping only the ends gains nothing.
  for (std::uint64_t sequence = 0; sequence < 100'000; ++sequence) notes.note(1, sequence, 1);
  for (std::uint64_t client = 2; client < 1'000; ++client) notes.note(client, 0, 1);
  notes.note(1, wire::control::sequence_limit, 1);
  notes.missed();
  const arrival_report told = notes.take();
  CHECK(told_by(told).size() + told.not_kept == 100'000 + 998 + 2);
  CHECK(told_by(told).size() > 4'000);
  CHECK(room.left() == tight);
}

TEST_CASE(
    "an answer stays within its length: first without the times between, then without the rest") {
  ledger_room room{notes_room};
  arrival_notes notes{room};
  const auto note = [&] {
    for (std::uint64_t sequence = 0; sequence < 1'000; ++sequence) {
      for (arrival_time server = 0; server < 50; ++server) notes.note(3, sequence, server);
    }
  };
  note();
  CHECK_FALSE(notes.take(60'000).ends);
  note();
  arrival_report told = notes.take(20'000);
  CHECK(told.ends);
  CHECK(told.not_kept == 0);
  CHECK(told_by(told).size() == 1'000);
  note();
  told = notes.take(400);
  CHECK(told.ends);
  REQUIRE(told.clients.size() == 1);
  CHECK(told.clients[0].bytes.size() == 400);
  CHECK(told_by(told).size() == 100);
  CHECK(told.not_kept == 900 * 50);
}

TEST_CASE("a thread notes for controllers that ask, each its own, as long as a receiver does") {
  thread_arrivals thread{notes_room};
  CHECK_FALSE(thread.of("ombt-python"));
  CHECK_FALSE(thread.of(controller_of('a', false)));
  CHECK_FALSE(thread.answer(controller_of('a', false), true));
  auto a = thread.of(controller_of('a'));
  const auto b = thread.of(controller_of('b'));
  REQUIRE(a);
  CHECK(a == thread.of(controller_of('a')));
  CHECK(a != b);
  a->note(1, 0, 10);
  b->note(2, 0, 20);
  b->note(2, 0, 21);
  // One of the thread's agents carries it, the others say that it is there.
  REQUIRE(thread.answer(controller_of('a'), false));
  CHECK(*thread.answer(controller_of('a'), false) == arrival_report{});
  CHECK(told_by(*thread.answer(controller_of('a'), true)) == told_messages{{{1, 0}, {1, {10}}}});
  CHECK(told_by(*thread.answer(controller_of('b'), true)) ==
        told_messages{{{2, 0}, {2, {20, 21}}}});
  a->note(1, 0, 10);
  a.reset();
  CHECK(*thread.answer(controller_of('a'), true) == arrival_report{});
}

TEST_CASE("what a receiver had before it was asked is known again, within its room") {
  ledger_room room{1 << 16};
  wire::control::server_ledger ledger;
  for (const std::uint64_t n : {0, 1, 2, 700}) ledger.arrived(5, n, room);
  const std::size_t before = room.left();
  earlier_arrivals earlier;
  CHECK_FALSE(earlier.contains(5, 0));
  earlier.add(ledger, room);
  CHECK(room.left() < before);
  CHECK(earlier.contains(5, 700));
  CHECK_FALSE(earlier.contains(5, 3));
  CHECK_FALSE(earlier.contains(6, 0));
  earlier.forget(room);
  CHECK(room.left() == before);
  CHECK_FALSE(earlier.contains(5, 700));
}
