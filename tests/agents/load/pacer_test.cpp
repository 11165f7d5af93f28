// SPDX-License-Identifier: Apache-2.0
// The open loop in virtual time, against a bus that answers, stops and goes on by script.
#include "agents/load/pacer.hpp"

#include "agents/measure/recorder.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <map>
#include <set>
#include <vector>

using namespace ombt;
using namespace std::chrono_literals;
using agents::pacer;
using agents::rate_profile;
using agents::schedule;
using step = agents::pacer::step;
using wire::control::arrivals;
using wire::control::series;

namespace {

constexpr std::int64_t ms = 1'000'000;

schedule even(const rate_profile& profile, std::int64_t count = INT64_MAX) {
  return {profile, arrivals::uniform, count, 0, 1};
}

/// A client and its bus in virtual time. A message takes 2 ms, unless the bus stands still from
/// 2 s to 3 s: what is there then is answered 2 ms after that. The client's process may stand still
/// as well.
struct simulation {
  const rate_profile profile{{{100, 100, 5}}, 1};
  pacer loop;
  agents::recorder figures;
  std::multimap<std::int64_t, std::uint32_t> completions;  ///< when, tag
  bool bus_stops = false;
  bool agent_stops = false;
  std::vector<std::int64_t> sent;
  std::uint32_t most_in_flight = 0;

  explicit simulation(std::uint32_t outstanding, std::chrono::nanoseconds max_late = 60s)
      : loop(even(profile), outstanding, max_late) {}

  static bool stopped(std::int64_t at) { return at >= 2000 * ms && at < 3000 * ms; }
  std::int64_t answered(std::int64_t at) const {
    const std::int64_t begun = bus_stops && stopped(at) ? 3000 * ms : at;
    const std::int64_t ends = begun + 2 * ms;
    return bus_stops && stopped(ends) ? 3002 * ms : ends;
  }
  /// When the agent notices what happens then.
  std::int64_t noticed(std::int64_t at) const {
    return agent_stops && stopped(at) ? 3000 * ms : at;
  }

  void run() {
    std::int64_t now = 0;
    for (;;) {
      step what = loop.next(now);
      for (; what == step::send || what == step::again; what = loop.next(now)) {
        if (what == step::again) continue;
        figures.scheduled(std::chrono::nanoseconds(now - loop.intended()));
        const auto tag = loop.begin(now, 0);
        sent.push_back(now);
        completions.emplace(answered(now), tag);
        most_in_flight = std::max(most_in_flight, loop.in_flight());
      }
      figures.dropped(loop.take_dropped());
      if (what == step::over && loop.idle()) return;
      std::int64_t at = INT64_MAX;
      if (what == step::wait) at = loop.intended();
      if (!completions.empty()) at = std::min(at, completions.begin()->first);
      now = noticed(std::max(now, at));
      while (!completions.empty() && completions.begin()->first <= now) {
        const auto tag = completions.begin()->second;
        completions.erase(completions.begin());
        const pacer::operation done = loop.of(tag);
        loop.end(tag);
        figures.success(0, std::chrono::nanoseconds(now - done.sent));
        figures.success_from_intended(std::chrono::nanoseconds(now - done.intended));
      }
    }
  }

  std::uint64_t above(const wire::hdr::sparse_histogram& of, std::int64_t limit) const {
    std::uint64_t sum = 0;
    for (const auto& bucket : of.buckets()) {
      if (wire::hdr::lowest_value_at(bucket.index) > static_cast<std::uint64_t>(limit)) {
        sum += bucket.count;
      }
    }
    return sum;
  }
};

}  // namespace

TEST_CASE("A bus that answers gets each message at its instant, and both latencies are its own") {
  simulation s(1000);
  s.run();
  CHECK(s.sent.size() == 500);
  for (std::size_t k = 0; k < s.sent.size(); ++k) {
    REQUIRE(s.sent[k] == static_cast<std::int64_t>(k) * 10 * ms);
  }
  const auto taken = s.figures.take();
  CHECK(taken.details.load == wire::control::load_counts{500, 0, 0});
  CHECK(taken.details.series.find(series::slip)->totals().max == 0);
  CHECK(taken.details.latency.totals().max == 2 * ms);
  CHECK(taken.details.series.find(series::intended)->totals().max == 2 * ms);
}

TEST_CASE("A bus that stops for 1 s shows in both latencies where the bound is not reached") {
  simulation s(1000);
  s.bus_stops = true;
  s.run();
  const auto taken = s.figures.take();
  CHECK(taken.details.load == wire::control::load_counts{500, 0, 0});
  const auto& actual = taken.details.latency;
  const auto& intended = *taken.details.series.find(series::intended);
  // 100 messages fell into the second; those of its first half took more than half of it.
  for (const auto* latency : {&actual, &intended}) {
    CHECK(latency->totals().count == 500);
    CHECK(latency->totals().max == 1002 * ms);
    CHECK(s.above(*latency, 3 * ms) == 100);
    CHECK(s.above(*latency, 503 * ms) == 50);
  }
  CHECK(s.most_in_flight == 101);
}

TEST_CASE("With one operation at once a stop is a ramp of intended latencies, and one actual one") {
  simulation s(1);
  s.bus_stops = true;
  s.run();
  const auto taken = s.figures.take();
  CHECK(s.most_in_flight == 1);
  const auto& actual = taken.details.latency;
  const auto& intended = *taken.details.series.find(series::intended);
  CHECK(actual.totals().count == 500);
  CHECK(actual.totals().max == 1002 * ms);
  CHECK(s.above(actual, 3 * ms) == 1);
  CHECK(intended.totals().max == 1002 * ms);
  // The ramp from 1 s down, and the backlog of it that is worked off at 2 ms each.
  CHECK(s.above(intended, 3 * ms) >= 100);
  CHECK(s.above(intended, 503 * ms) > 50);
  CHECK(s.above(intended, 803 * ms) > 20);
  CHECK(taken.details.load.scheduled == 500);
  CHECK(taken.details.load.late >= 100);
  CHECK(s.loop.overslept() == 0);  // it was the bus
  CHECK(taken.details.load.dropped == 0);
}

TEST_CASE("An agent that stops for 1 s shows in the intended latency only") {
  simulation s(1000);
  s.agent_stops = true;
  s.run();
  const auto taken = s.figures.take();
  // The message before the stop is noticed late as well.
  CHECK(s.above(taken.details.latency, 3 * ms) <= 1);
  const auto& intended = *taken.details.series.find(series::intended);
  CHECK(s.above(intended, 3 * ms) >= 99);
  CHECK(intended.totals().max >= 990 * ms);
  CHECK(taken.details.series.find(series::slip)->totals().max >= 990 * ms);
  CHECK(taken.details.load.scheduled == 500);
  CHECK(taken.details.load.late >= 99);
  CHECK(s.loop.overslept() >= 99);
}

TEST_CASE("What is overdue by more than max_late is dropped and counted, the rest goes in order") {
  simulation s(1, 500ms);
  s.bus_stops = true;
  s.run();
  const auto taken = s.figures.take();
  const auto& load = taken.details.load;
  CHECK(load.scheduled == 500);
  CHECK(load.dropped >= 45);
  CHECK(load.dropped <= 51);
  CHECK(taken.results.msgs_ok + load.dropped == 500);
  CHECK(taken.details.series.find(series::slip)->totals().max <= 500 * ms);
  CHECK(s.sent.size() == 500 - load.dropped);
}

TEST_CASE("What is dropped is this side's fault, unless the bound on operations held it") {
  simulation by_bus(1, 500ms);
  by_bus.bus_stops = true;
  by_bus.run();
  CHECK(by_bus.figures.take().details.load.dropped >= 45);
  CHECK(by_bus.loop.overslept() == 0);

  simulation by_agent(1000, 5ms);  // of the 100 messages of a second all but the last are dropped
  by_agent.agent_stops = true;
  by_agent.run();
  const auto dropped = by_agent.figures.take().details.load.dropped;
  CHECK(dropped >= 98);
  CHECK(by_agent.loop.overslept() >= dropped);
}

TEST_CASE("A message that is dropped at once counts as late, however short the limit is") {
  const rate_profile profile({{1000, 1000, 1}}, 1);
  pacer loop(even(profile), 1, 100us);
  CHECK(loop.next(200'000) == step::wait);  // the first was due 0.2 ms ago
  CHECK(loop.take_dropped() == 1);
  CHECK(loop.overslept() == 1);
  REQUIRE(loop.next(1 * ms) == step::send);
  const auto tag = loop.begin(1 * ms, 0);
  CHECK(loop.next(2 * ms) == step::full);
  CHECK(loop.next(4 * ms + 500'000) == step::wait);  // 2, 3 and 4 ms: held by the bound
  CHECK(loop.take_dropped() == 3);
  CHECK(loop.next(5 * ms) == step::full);
  loop.end(tag);
  CHECK(loop.next(5 * ms + 500'000) == step::wait);  // and this one, until now
  CHECK(loop.take_dropped() == 1);
  CHECK(loop.overslept() == 1);
  CHECK(loop.next(6 * ms + 200'000) == step::wait);  // nothing held this one
  CHECK(loop.take_dropped() == 1);
  CHECK(loop.overslept() == 2);
}

TEST_CASE("Never more is sent than the schedule has asked for so far") {
  simulation s(7);
  s.bus_stops = true;
  s.run();
  for (std::size_t k = 0; k < s.sent.size(); ++k) {
    REQUIRE(s.sent[k] >= static_cast<std::int64_t>(k) * 10 * ms);
  }
  CHECK(s.most_in_flight == 7);
}

TEST_CASE("A pacer says to wait, to send, that it is full, and that it is over") {
  const rate_profile profile({{10, 10, 0.3}}, 1);
  pacer loop(even(profile), 2, 60s);
  CHECK(loop.next(-5 * ms) == step::wait);
  CHECK(loop.intended() == 0);
  CHECK(loop.next(0) == step::send);
  const auto first = loop.begin(0, 17.5);
  CHECK(loop.of(first).intended == 0);
  CHECK(loop.of(first).sent_epoch == 17.5);
  CHECK(loop.next(1) == step::wait);
  CHECK(loop.intended() == 100 * ms);
  CHECK(loop.next(101 * ms) == step::send);
  const auto second = loop.begin(101 * ms, 0);
  CHECK(second != first);
  CHECK(loop.of(second).sequence == 1);
  CHECK(loop.next(200 * ms) == step::full);
  loop.end(first);
  CHECK(loop.next(200 * ms) == step::send);
  CHECK(loop.begin(200 * ms, 0) == first);  // its place is used again
  CHECK(loop.next(200 * ms) == step::over);
  CHECK_FALSE(loop.idle());
  loop.end(first);
  loop.end(second);
  CHECK(loop.idle());
  CHECK(loop.next(10'000 * ms) == step::over);
  CHECK(loop.take_dropped() == 0);
}

TEST_CASE("A pacer that was cut off sends nothing more") {
  const rate_profile profile({{10, 10, 1}}, 1);
  pacer loop(even(profile), 2, 60s);
  loop.begin(0, 0);
  loop.cut_off();
  CHECK(loop.next(500 * ms) == step::over);
  CHECK_FALSE(loop.idle());
}

TEST_CASE("A thread that stood still for long drops its backlog in turns") {
  const rate_profile profile({{1e6, 1e6, 1}}, 1);
  pacer loop(even(profile), 2, 0s);
  std::uint64_t dropped = 0;
  int turns = 0;
  while (loop.next(2'000 * ms) == step::again) {
    dropped += loop.take_dropped();
    ++turns;
  }
  dropped += loop.take_dropped();
  CHECK(loop.next(2'000 * ms) == step::over);
  CHECK(dropped == 1'000'000);
  CHECK(turns == 1'000'000 / pacer::drops_at_once);
}
