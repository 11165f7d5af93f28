// SPDX-License-Identifier: Apache-2.0
#include "drivers/short_queue.hpp"

#include <catch2/catch.hpp>

#include <deque>
#include <memory>
#include <random>
#include <utility>
#include <vector>

using ombt::drivers::short_queue;

TEST_CASE("A short queue does what a deque does") {
  short_queue<int> one;
  std::deque<int> other;
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto what = random() % 100;
    if (what < 45) {
      one.push_back(i);
      other.push_back(i);
    } else if (what < 50) {
      one.push_front(i);
      other.push_front(i);
    } else if (what < 97 && !other.empty()) {
      REQUIRE(one.front() == other.front());
      REQUIRE(one.pop_front() == other.front());
      other.pop_front();
    } else if (what == 97) {
      const auto odd = [](int n) { return n % 2 != 0; };
      REQUIRE(one.erase_if(odd) == std::erase_if(other, odd));
    } else if (what == 98 && random() % 10 == 0) {
      one.clear();
      other.clear();
    }
    REQUIRE(one.empty() == other.empty());
    REQUIRE(std::vector(one.begin(), one.end()) == std::vector(other.begin(), other.end()));
  }
}

TEST_CASE("A short queue moves what it holds, and is empty and usable when that was taken away") {
  short_queue<std::unique_ptr<int>> one;
  for (int i = 0; i < 30; ++i) one.push_back(std::make_unique<int>(i));
  for (int i = 0; i < 20; ++i) CHECK(*one.pop_front() == i);
  int next = 20;
  for (auto& left : std::exchange(one, {})) CHECK(*left == next++);
  CHECK(next == 30);
  CHECK(one.empty());
  one.push_back(std::make_unique<int>(5));
  CHECK(*one.pop_front() == 5);
}
