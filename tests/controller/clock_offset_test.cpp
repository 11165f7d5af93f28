// SPDX-License-Identifier: Apache-2.0
#include "controller/clock_offset.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <limits>
#include <random>

using namespace ombt::controller;

namespace {

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t second = 1000 * ms;

/// Another machine's clock: `ahead` at instant 0 of this one, and going wrong by `drift` ppm.
struct other {
  std::int64_t ahead = 0;
  double drift = 0;
  std::int64_t read(std::int64_t here) const {
    return here + ahead + static_cast<std::int64_t>(static_cast<double>(here) * drift / 1e6);
  }
  clock_exchange exchange(std::int64_t at, std::int64_t there, std::int64_t work,
                          std::int64_t back) const {
    return {at, read(at + there), read(at + there + work), at + there + work + back};
  }
};

}  // namespace

TEST_CASE("an exchange tells the offset, exactly when both ways take as long") {
  const other clock{50 * ms};
  const auto even = clock.exchange(7 * second, ms, 3 * ms, ms);
  CHECK(even.offset() == 50 * ms);
  CHECK(even.round_trip() == 2 * ms);
  const auto odd = clock.exchange(7 * second, 5 * ms, 0, ms);
  CHECK(odd.offset() == 52 * ms);
  CHECK(odd.round_trip() == 6 * ms);
}

TEST_CASE("the shortest round trip of a round counts") {
  const other clock{-3 * second};
  clock_round round;
  CHECK_FALSE(round.best());
  CHECK(round.add(clock.exchange(0, 9 * ms, 0, ms)));
  CHECK(round.add(clock.exchange(second, ms, 0, ms)));
  CHECK(round.add(clock.exchange(2 * second, 20 * ms, 0, 30 * ms)));
  CHECK(round.best()->offset() == -3 * second);
  CHECK(round.best()->round_trip() == 2 * ms);
  CHECK_FALSE(round.stepped());
}

TEST_CASE("whatever the ways take and the clock does, the error stays within the bound") {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<std::int64_t> way(10'000, 5 * ms), apart(-second, second);
  std::uniform_real_distribution<double> drift(-200, 200);
  for (int i = 0; i < 1000; ++i) {
    const other clock{apart(random), drift(random)};
    const std::int64_t end = (1 + i % 60) * second;
    clock_round before, after;
    for (int k = 0; k < 8; ++k) {
      before.add(clock.exchange(k * 20 * ms, way(random), way(random), way(random)));
      after.add(clock.exchange(end + k * 20 * ms, way(random), way(random), way(random)));
    }
    const auto known = assess(before, {}, after, end);
    REQUIRE(known);
    CHECK_FALSE(known->stepped);
    for (const std::int64_t at : {200 * ms, end / 3, end / 2, end}) {
      CHECK(std::abs(clock.read(at) - at - known->offset) <= known->bound + 2);
    }
    const auto alone = assess(before, {}, clock_round(), end);
    REQUIRE(alone);
    CHECK(std::abs(clock.read(end) - end - alone->offset) <= alone->bound + 2);
  }
}

TEST_CASE("drift is told in parts per million") {
  const other clock{50 * ms, 40};
  clock_round before, after;
  before.add(clock.exchange(0, ms, 0, ms));
  after.add(clock.exchange(100 * second, ms, 0, ms));
  const auto known = assess(before, {}, after, 100 * second);
  REQUIRE(known);
  CHECK(known->drift == Approx(40).margin(0.01));
  CHECK(known->bound == Approx(4 * ms + ms).margin(1000));
  CHECK_FALSE(known->stepped);
}

TEST_CASE("a clock that was set is found out, within a round and between two") {
  other clock;
  clock_round before, after;
  before.add(clock.exchange(0, ms, 0, ms));
  clock.ahead = 20 * ms;
  after.add(clock.exchange(10 * second, ms, 0, ms));
  CHECK(assess(before, {}, after, 10 * second)->stepped);
  before.add(clock.exchange(10 * ms, ms, 0, ms));
  CHECK(before.stepped());
  CHECK(assess(before, {}, clock_round(), second)->stepped);
}

TEST_CASE("rounds during the run bound what both ends do not see") {
  other clock{50 * ms};
  clock_round before, between, after;
  clock_course during;
  before.add(clock.exchange(0, ms, 0, ms));
  during.add(clock_round(), before);
  CHECK_FALSE(during.last());
  SECTION("a drift there and back") {
    clock.ahead = 52 * ms;
    between.add(clock.exchange(10 * second, 2 * ms, 0, 2 * ms));
    during.add(between, before);
    clock.ahead = 50 * ms;
    after.add(clock.exchange(20 * second, ms, 0, ms));
    const auto known = assess(before, during, after, 20 * second);
    REQUIRE(known);
    CHECK(known->bound == 4 * ms);
    CHECK_FALSE(known->stepped);
    CHECK(assess(before, {}, after, 20 * second)->bound == ms);
  }
  SECTION("set, and set back") {
    clock.ahead = 250 * ms;
    between.add(clock.exchange(10 * second, ms, 0, ms));
    during.add(between, before);
    clock.ahead = 50 * ms;
    after.add(clock.exchange(20 * second, ms, 0, ms));
    CHECK(assess(before, during, after, 20 * second)->stepped);
    CHECK_FALSE(assess(before, {}, after, 20 * second)->stepped);
  }
  SECTION("gone at the end: what is not known begins at the last round") {
    between.add(clock.exchange(100 * second, ms, 0, ms));
    during.add(between, before);
    const auto known = assess(before, during, clock_round(), 101 * second);
    REQUIRE(known);
    CHECK(known->bound == Approx(ms + ms / 2).margin(2000));
    CHECK(assess(before, {}, clock_round(), 101 * second)->bound > 50 * ms);
  }
}

TEST_CASE("exchanges that no clock can have made count for nothing") {
  constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
  constexpr auto highest = std::numeric_limits<std::int64_t>::max();
  clock_round round;
  CHECK_FALSE(round.add({10, 0, 0, 9}));
  CHECK_FALSE(round.add({0, 5, 4, 9}));
  CHECK_FALSE(round.add({0, 0, 20, 10}));  // longer at work than away
  CHECK_FALSE(round.add({0, lowest, highest, 10}));
  CHECK_FALSE(round.add({lowest, 0, 0, highest}));
  CHECK_FALSE(round.best());
  CHECK_FALSE(assess(round, {}, round, 0));
}
