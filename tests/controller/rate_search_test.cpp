// SPDX-License-Identifier: Apache-2.0
#include "controller/rate_search.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <random>

using namespace ombt::controller;

namespace {

rate_search search(search_limits limits, const std::function<bool(double)>& holds) {
  rate_search made(limits);
  while (const auto rate = made.next()) made.add(holds(*rate));
  return made;
}

}  // namespace

TEST_CASE("the knee is found as closely as asked for, wherever it is") {
  search_limits limits;
  limits.precision = GENERATE(0.05, 0.03, 0.01);
  const double knee = GENERATE(1.5, 40.0, 99.0, 100.0, 101.0, 1234.5, 9'876'543.0);
  const auto found = search(limits, [&](double rate) { return rate <= knee; });
  REQUIRE(found.found());
  REQUIRE(found.best());
  REQUIRE(found.missed());
  CHECK(*found.best() <= knee);
  CHECK(*found.missed() > knee);
  CHECK(*found.missed() <= *found.best() * (1 + limits.precision));
  CHECK(found.probes().size() < 60);
}

TEST_CASE("a search grows by doubling, then halves the gap between the bounds") {
  rate_search one(search_limits{});
  CHECK(one.next() == 100);
  one.add(true);
  CHECK(one.next() == 200);
  one.add(true);
  CHECK(one.next() == 400);
  one.add(false);
  CHECK(one.next() == 400);  // once more
  one.add(false);
  CHECK(one.next() == 282.8);  // four digits, to be told and typed again
}

TEST_CASE("one miss at a rate is no limit, two are") {
  rate_search one(search_limits{});
  one.add(false);
  CHECK(one.next() == 100);
  CHECK_FALSE(one.missed());
  one.add(true);
  CHECK(one.next() == 200);
  one.add(false);
  one.add(false);
  CHECK(one.missed() == 200);
  CHECK(one.best() == 100);
}

TEST_CASE("a machine with hiccups, one probe in ten, does not move the knee") {
  std::mt19937 random(1);
  int near = 0;
  for (int i = 0; i < 200; ++i) {
    const auto found =
        search(search_limits{}, [&](double rate) { return rate <= 5000 && random() % 10 != 0; });
    near += found.found() && *found.best() > 5000 * 0.95 ? 1 : 0;
  }
  CHECK(near > 160);
}

TEST_CASE("where the highest rate allowed holds, that is the answer") {
  search_limits limits;
  limits.most = 3000;
  const auto found = search(limits, [](double) { return true; });
  CHECK(found.found());
  CHECK(found.best() == 3000);
  CHECK_FALSE(found.missed());
}

TEST_CASE("where nothing holds, there is no answer, and the least rate was tried") {
  const auto found = search(search_limits{}, [](double) { return false; });
  CHECK(found.found());
  CHECK_FALSE(found.best());
  CHECK(found.missed() == 1);
  CHECK(found.probes().back().rate == 1);
}

TEST_CASE("a search ends after so many probes, and says that it has not found it") {
  search_limits limits;
  limits.probes = 5;
  const auto found = search(limits, [](double rate) { return rate < 1e6; });
  CHECK_FALSE(found.found());
  CHECK(found.probes().size() == 5);
  CHECK(found.best() == 1600);
}
