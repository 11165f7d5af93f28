// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/timer_queue.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <vector>

using namespace ombt::drivers;
using std::chrono::milliseconds;

namespace {

const time_point start{};
time_point at(int ms) { return start + milliseconds{ms}; }

struct recorder : timer_target {
  std::vector<std::uint64_t> fired;
  std::function<void(std::uint64_t)> then;
  void on_timer(std::uint64_t tag) override {
    fired.push_back(tag);
    if (then) then(tag);
  }
};

using tags = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("timers fire in the order of their times, not of their start") {
  io::timer_queue queue;
  recorder r;
  queue.start(at(30), r, 3);
  queue.start(at(10), r, 1);
  queue.start(at(20), r, 2);
  CHECK(queue.next() == at(10));
  queue.fire(at(20));
  CHECK(r.fired == tags{1, 2});
  queue.fire(at(30));
  CHECK(r.fired == tags{1, 2, 3});
  CHECK(queue.next() == time_point::max());
}

TEST_CASE("a cancelled timer does not fire, and cancelling twice or late is harmless") {
  io::timer_queue queue;
  recorder r;
  const auto a = queue.start(at(10), r, 1);
  const auto b = queue.start(at(10), r, 2);
  queue.cancel(a);
  queue.cancel(a);
  queue.fire(at(10));
  CHECK(r.fired == tags{2});
  queue.cancel(b);
  queue.cancel(0);
  queue.cancel(12345678901234);
  CHECK(queue.size() == 0);
}

TEST_CASE("an old id does not cancel the timer that took its place") {
  io::timer_queue queue;
  recorder r;
  const auto old = queue.start(at(10), r, 1);
  queue.fire(at(10));
  queue.start(at(20), r, 2);
  queue.cancel(old);
  queue.fire(at(20));
  CHECK(r.fired == tags{1, 2});
}

TEST_CASE("a timer that a callback starts for now waits for the next turn") {
  io::timer_queue queue;
  recorder r;
  r.then = [&](std::uint64_t tag) {
    if (tag < 5) queue.start(at(0), r, tag + 1);
  };
  queue.start(at(0), r, 1);
  queue.fire(at(1));
  CHECK(r.fired == tags{1});
  queue.fire(at(1));
  CHECK(r.fired == tags{1, 2});
}

TEST_CASE("a callback may cancel a timer that is due in the same turn") {
  io::timer_queue queue;
  recorder r;
  loop::timer_id second = 0;
  r.then = [&](std::uint64_t) { queue.cancel(second); };
  queue.start(at(1), r, 1);
  second = queue.start(at(2), r, 2);
  queue.fire(at(5));
  CHECK(r.fired == tags{1});
}

TEST_CASE("ten thousand random starts and cancels fire what a sorted map says") {
  io::timer_queue queue;
  recorder r;
  std::mt19937 random(7);
  std::multimap<std::int64_t, std::uint64_t> expected;
  std::vector<std::pair<loop::timer_id, std::multimap<std::int64_t, std::uint64_t>::iterator>> live;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    if (!live.empty() && random() % 3 == 0) {
      const auto pick = random() % live.size();
      queue.cancel(live[pick].first);
      expected.erase(live[pick].second);
      live.erase(live.begin() + static_cast<long>(pick));
    } else {
      // Distinct times, so that the order is one.
      const auto when = static_cast<std::int64_t>(random() % 1000000 * 10000 + i);
      live.emplace_back(queue.start(start + std::chrono::nanoseconds{when}, r, i),
                        expected.emplace(when, i));
    }
  }
  REQUIRE(queue.size() == expected.size());
  queue.fire(time_point::max() - milliseconds{1});
  tags wanted;
  for (const auto& [when, tag] : expected) wanted.push_back(tag);
  CHECK(r.fired == wanted);
}
