// SPDX-License-Identifier: Apache-2.0
#include "wire/control/sequence_set.hpp"

#include <catch2/catch.hpp>

#include <random>
#include <set>
#include <string>

using namespace ombt::wire::control;

namespace {

using inserted = sequence_set::inserted;
constexpr std::size_t plenty = std::size_t{64} << 20;

std::string text_of(const sequence_set& set) {
  std::string out;
  set.append_text(out);
  return out;
}

/// The set that the text says; fails the test if it says none.
sequence_set read(const std::string& text) {
  ledger_room room{plenty};
  sequence_set out;
  std::uint64_t not_kept = 0;
  INFO(text);
  REQUIRE(sequence_set::read_text(text, room, out, not_kept));
  CHECK(not_kept == 0);
  return out;
}

bool readable(const std::string& text) {
  ledger_room room{plenty};
  sequence_set out;
  std::uint64_t not_kept = 0;
  return sequence_set::read_text(text, room, out, not_kept);
}

sequence_set set_of(const std::set<std::uint64_t>& numbers) {
  ledger_room room{plenty};
  sequence_set out;
  for (const auto number : numbers) out.insert(number, room);
  return out;
}

/// Numbers below `limit`, each with that probability; in runs where `run` is above 1.
std::set<std::uint64_t> some(std::mt19937& random, std::uint64_t limit, double probability,
                             std::uint64_t run = 1) {
  std::set<std::uint64_t> out;
  std::bernoulli_distribution takes(probability);
  for (std::uint64_t first = 0; first < limit; first += run) {
    if (!takes(random)) continue;
    for (std::uint64_t i = first; i < std::min(first + run, limit); ++i) out.insert(i);
  }
  return out;
}

}  // namespace

TEST_CASE(
    "a set of sequence numbers holds what was put in, in whatever order, and says what was there") {
  std::mt19937 random{7};
  for (const double probability : {0.01, 0.3, 0.99, 1.0}) {
    const auto numbers = some(random, 5'000, probability);
    std::vector<std::uint64_t> order(numbers.begin(), numbers.end());
    for (const bool shuffled : {false, true}) {
      if (shuffled) std::shuffle(order.begin(), order.end(), random);
      ledger_room room{plenty};
      sequence_set set;
      for (const auto how : {inserted::fresh, inserted::again}) {
        std::size_t right = 0;
        for (const auto number : order) right += set.insert(number, room) == how ? 1 : 0;
        CHECK(right == order.size());
      }
      CHECK(set.size() == numbers.size());
      CHECK(room.left() == plenty - set.bytes());
      std::uint64_t wrong = 0;
      for (std::uint64_t i = 0; i < 5'100; ++i) {
        wrong += set.contains(i) == (numbers.count(i) > 0) ? 0 : 1;
      }
      CHECK(wrong == 0);
      CHECK(set == set_of(numbers));
      CHECK(read(text_of(set)) == set);
    }
  }
}

TEST_CASE("what arrives whole and in order takes a few bytes, of memory and of text") {
  ledger_room room{plenty};
  sequence_set set;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) set.insert(i, room);
  CHECK(set.size() == 1'000'000);
  CHECK(set.bytes() <= 512);
  CHECK(text_of(set) == "0-999999");
  // A gap at the beginning keeps the rest in memory, until it is filled.
  sequence_set gap;
  for (std::uint64_t i = 1; i < 100'000; ++i) gap.insert(i, room);
  CHECK(gap.bytes() >= 100'000 / 8);
  CHECK(text_of(gap) == "1-99999");
  gap.insert(0, room);
  CHECK(gap == read("0-99999"));
}

TEST_CASE("a set's text is the shorter of ranges and a bitmap, and can be read") {
  CHECK(text_of({}).empty());
  CHECK(read("") == sequence_set{});
  CHECK(text_of(set_of({0})) == "0");
  CHECK(text_of(set_of({5, 6, 7, 9, 700})) == "5-7,9,700");
  CHECK(text_of(set_of({63, 64, 127, 128})) == "63-64,127-128");
  // Every second of 128 behind 64 whole ones: 16 bytes 0x55.
  std::set<std::uint64_t> numbers;
  for (std::uint64_t i = 0; i < 64; ++i) numbers.insert(i);
  for (std::uint64_t i = 64; i < 192; i += 2) numbers.insert(i);
  CHECK(text_of(set_of(numbers)) == "0-63,64=VVVVVVVVVVVVVVVVVVVVVQ");
  CHECK(read("0-63,64=VVVVVVVVVVVVVVVVVVVVVQ") == set_of(numbers));
  std::mt19937 random{11};
  for (int i = 0; i < 200; ++i) {
    const auto limit = 1 + random() % 3'000;
    const auto set =
        set_of(some(random, limit, std::uniform_real_distribution<>{}(random), 1 + random() % 100));
    const std::string text = text_of(set);
    CHECK(text.size() <= limit / 6 + 40);
    REQUIRE(read(text) == set);
    REQUIRE(text_of(read(text)) == text);
  }
}

TEST_CASE("ranges are told for people, at most so many") {
  std::string out;
  set_of({1, 2, 3, 8, 10, 11}).append_ranges(out, 3);
  CHECK(out == "1-3, 8, 10-11");
  out.clear();
  set_of({1, 2, 3, 8, 10, 11}).append_ranges(out, 2);
  CHECK(out == "1-3, 8, …");
}

TEST_CASE("texts that are no set are refused, and none takes long or much memory") {
  for (const char* text : {",",
                           "1,",
                           ",1",
                           "-1",
                           "1-",
                           "5-5",
                           "5-4",
                           "3,3",
                           "3,2",
                           "3-9,9",
                           "a",
                           "1 ",
                           " 1",
                           "1,,2",
                           "16777216",
                           "0-16777216",
                           "99999999999999999999",
                           "1=AA",
                           "64=",
                           "64=A",
                           "64=A*",
                           "64=AAA*",
                           "0-99,64=AA",
                           "64=AAAA,65",
                           "0=AA==",
                           "16777152=AAAAAAAAAAAA",
                           "0=AA,64=",
                           "="}) {
    INFO(text);
    CHECK_FALSE(readable(text));
  }
  CHECK(readable("16777215"));
  CHECK(readable("16777152=//////////8"));
  CHECK(read("0=AQAAAAAAAAAB") == read("0,64"));
  CHECK(read("0-16777215").bytes() == 0);

  // Many large sets, as a hostile peer would send them: beyond the room they are counted only.
  ledger_room room{std::size_t{5} << 20};
  std::uint64_t not_kept = 0;
  int ok = 0;
  for (int i = 0; i < 100'000; ++i) {
    sequence_set set;
    const char* const text = i % 2 == 0 ? "0-16777215" : "1-16777215";
    ok += sequence_set::read_text(text, room, set, not_kept) ? 1 : 0;
  }
  CHECK(ok == 100'000);
  CHECK(room.left() < std::size_t{2} << 20);
  CHECK(not_kept == 49'998 * std::uint64_t{16'777'215});
}

TEST_CASE("a set grows no further than its room and the limit of sequence numbers") {
  ledger_room room{1'024};
  sequence_set set;
  std::uint64_t kept = 0;
  for (std::uint64_t i = 0; i < 100'000; i += 2) {
    kept += set.insert(i, room) == inserted::fresh ? 1 : 0;
  }
  CHECK(kept == 1'024 * 8 / 2);
  CHECK(set.size() == kept);
  CHECK(set.bytes() == 1'024);
  CHECK(room.left() == 0);
  CHECK(set.insert(0, room) == inserted::again);
  ledger_room wide{plenty};
  CHECK(set.insert(sequence_limit, wide) == inserted::no_room);
  CHECK(set.insert(~std::uint64_t{0}, wide) == inserted::no_room);
  CHECK_FALSE(set.contains(sequence_limit));
}

TEST_CASE("sets add up, and blocks of equal words are visited at once") {
  std::mt19937 random{3};
  for (int i = 0; i < 200; ++i) {
    const auto a =
        some(random, 4'000, std::uniform_real_distribution<>{}(random), 1 + random() % 400);
    const auto b =
        some(random, 4'000, std::uniform_real_distribution<>{}(random), 1 + random() % 400);
    auto both = a;
    both.insert(b.begin(), b.end());
    ledger_room room{plenty};
    auto sum = set_of(a);
    CHECK(sum.merge(set_of(b), room) == 0);
    REQUIRE(sum == set_of(both));
    REQUIRE(sum.size() == both.size());
    std::uint64_t common = 0;
    each_block(
        10'000,
        [&](std::uint32_t, std::uint32_t count, std::uint64_t x, std::uint64_t y) {
          common += std::uint64_t{count} * static_cast<unsigned>(__builtin_popcountll(x & y));
        },
        set_of(a), set_of(b));
    REQUIRE(common == a.size() + b.size() - both.size());
  }
  int steps = 0;
  each_block(
      sequence_limit / 64, [&](auto, auto, auto, auto) { ++steps; }, read("0-16777215"),
      read("0-6399"));
  CHECK(steps == 2);
  ledger_room none{0};
  sequence_set empty;
  CHECK(empty.merge(read("5,70"), none) == 2);
  CHECK(empty.merge(read("0-639"), none) == 0);
}
