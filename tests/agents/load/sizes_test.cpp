// SPDX-License-Identifier: Apache-2.0
#include "agents/load/sizes.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <map>

using namespace ombt;
using agents::random_source;
using agents::size_choice;

TEST_CASE("Sizes of a range are all taken, each as often, and none beside them") {
  const size_choice sizes({{10, 19, 1}});
  random_source random(3);
  std::map<std::size_t, int> seen;
  for (int i = 0; i < 100'000; ++i) ++seen[sizes.choose(random)];
  CHECK(seen.size() == 10);
  CHECK(seen.begin()->first == 10);
  CHECK(seen.rbegin()->first == 19);
  // Binomial with mean 10,000: four standard deviations are 380.
  for (const auto& [size, times] : seen) CHECK(std::abs(times - 10'000) < 380);
}

TEST_CASE("A weighted list is taken by its weights") {
  const size_choice sizes({{0, 0, 1}, {1024, 1024, 7}, {2000, 3000, 2}});
  random_source random(3);
  int empty = 0;
  int middle = 0;
  int long_ones = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::size_t size = sizes.choose(random);
    if (size == 0) {
      ++empty;
    } else if (size == 1024) {
      ++middle;
    } else {
      CHECK((size >= 2000 && size <= 3000));
      ++long_ones;
    }
  }
  CHECK(std::abs(empty - 10'000) < 380);
  CHECK(std::abs(middle - 70'000) < 580);
  CHECK(std::abs(long_ones - 20'000) < 510);
}

TEST_CASE("A seed makes the same sizes again") {
  const size_choice sizes({{0, 1'000'000, 1}});
  random_source a(1);
  random_source b(1);
  random_source c(2);
  const auto size = sizes.choose(a);
  CHECK(size == sizes.choose(b));
  CHECK(size != sizes.choose(c));
  CHECK(size_choice().empty());
  CHECK_FALSE(sizes.empty());
}
