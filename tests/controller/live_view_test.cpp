// SPDX-License-Identifier: Apache-2.0
#include "controller/live_view.hpp"

#include "controller/progress.hpp"
#include "tests/controller/report_example.hpp"

#include <catch2/catch.hpp>

#include <optional>
#include <string>

using namespace ombt;
using namespace ombt::controller;
using namespace ombt::controller::test;
using namespace std::chrono_literals;
using wire::control::live_report;

namespace {

const time_point began = time_point{} + 1h;

live_report said(std::uint32_t thread, std::uint64_t ok, std::int64_t second = 1'000) {
  live_report out;
  out.run = "run-1";
  out.thread = thread;
  out.agents = 10;
  out.ok = ok;
  out.failed = 1;
  out.in_flight = 2;
  out.second.start = second;
  out.second.ok = 100;
  out.second.failed = 1;
  out.second.latency.record(1'200'000, 98);
  out.second.latency.record(4'800'000, 2);
  return out;
}

live_view::figures figures_of(std::uint64_t ok, std::uint64_t failed, std::uint64_t rate) {
  live_view::figures out;
  out.any = true;
  out.ok = ok;
  out.failed = failed;
  out.last_second = rate;
  out.agents = 40;
  out.latency.record(1'200'000, 1'900);
  out.latency.record(4'800'000, 100);
  return out;
}

}  // namespace

TEST_CASE(
    "what threads say adds up: the run by their last words, the second by those that are new") {
  live_view view;
  CHECK_FALSE(view.take(said(0, 500), 7, began));  // no run is looked at
  view.follow("run-1");
  CHECK_FALSE(view.at(began).any);
  CHECK(view.take(said(0, 500), 7, began));
  CHECK(view.take(said(1, 300), 7, began));
  CHECK(view.take(said(0, 200), 8, began));
  CHECK_FALSE(view.take(said(0, 500), 7, began));  // the same second again
  live_view::figures now = view.at(began);
  CHECK(now.any);
  CHECK(now.ok == 1'000);
  CHECK(now.failed == 3);
  CHECK(now.agents == 30);
  CHECK(now.in_flight == 6);
  CHECK(now.last_second == 303);
  CHECK(now.latency.totals().count == 300);
  // One is a second ahead: the others still count. One that lags behind does not.
  CHECK(view.take(said(0, 600, 1'001), 7, began + 1s));
  CHECK(view.at(began + 1s).last_second == 303);
  CHECK(view.take(said(1, 600, 1'002), 7, began + 2s));
  CHECK(view.at(began + 2s).last_second == 202);
  CHECK(view.at(began + 2s).ok == 1'400);
}

TEST_CASE("a thread that says nothing any more keeps its messages, and counts for nothing now") {
  live_view view;
  view.follow("run-1");
  view.take(said(0, 500), 7, began);
  view.take(said(1, 300), 7, began + 3s);
  const live_view::figures now = view.at(began + 4s);
  CHECK(now.ok == 800);
  CHECK(now.agents == 10);
  CHECK(now.last_second == 101);
}

TEST_CASE("words of another run count for nothing, and a new run begins from nothing") {
  live_view view;
  view.follow("run-2");
  CHECK_FALSE(view.take(said(0, 500), 7, began));
  CHECK_FALSE(view.at(began).any);
  view.follow("run-1");
  view.take(said(0, 500), 7, began);
  view.follow("run-1");
  CHECK(view.at(began).any);
  view.follow("run-2");
  CHECK_FALSE(view.at(began).any);
}

TEST_CASE("so many threads are told apart, and no more") {
  live_view view;
  view.follow("run-1");
  for (std::uint32_t i = 0; i < live_view::thread_limit + 10; ++i) view.take(said(i, 1), 7, began);
  CHECK(view.at(began).ok == live_view::thread_limit);
  CHECK(view.take(said(3, 2, 1'001), 7, began));
}

TEST_CASE("a run's progress is one line, and what matters least goes first where it is too long") {
  const live_view::figures now = figures_of(24'300, 0, 2'031);
  const auto text = [&](std::size_t columns) {
    return running_text("running", 12'400ms, 18s, now, columns);
  };
  const std::string whole =
      "running 12 s, 18 s left  24,300 msgs  2,031/s  p50 1.2 p99 4.8 ms  0 err  40 up";
  CHECK(text(200) == whole);
  CHECK(text(79) == whole);  // what usual terminals have room for
  CHECK(text(78) == "running 12 s, 18 s left  24,300 msgs  2,031/s  p50 1.2 p99 4.8 ms  0 err");
  CHECK(text(60) == "running 12 s, 18 s left  24,300 msgs  2,031/s  0 err");
  CHECK(text(50) == "running 12 s  24,300 msgs  2,031/s  0 err");
  CHECK(text(40) == "running 12 s  24,300 msgs  2,031/s");
  CHECK(text(30) == "running 12 s  24,300 msgs");
  CHECK(text(20) == "running 12 s");
  CHECK(text(7) == "running");
  CHECK(text(0).empty());
  CHECK(running_text("running", 0s, {}, figures_of(0, 1, 0), 200) ==
        "running 0 s  1 msgs  0/s  p50 1.2 p99 4.8 ms  1 err  40 up");
  live_view::figures few = now;
  few.latency.clear();
  few.latency.record(131'000'000, 999);
  CHECK(has(running_text("warming up", 20min, 11h, few, 200),
            "warming up 20 min, 11 h left  24,300 msgs  2,031/s  p50 131 p99 n/a ms"));
  few.latency.clear();
  CHECK(has(running_text("running", 1s, {}, few, 200), "2,031/s  p50 n/a p99 n/a ms"));
}

TEST_CASE("what is left of a run: its time, or its messages at the present rate") {
  plan what = plan_of(task::rpc_call);
  what.parameters.count = 1'000;
  CHECK(time_left(what, 10, false, 5s, figures_of(7'000, 1'000, 500)) == duration{4s});
  CHECK(time_left(what, 10, false, 5s, figures_of(12'000, 0, 500)) == duration{0s});
  CHECK_FALSE(time_left(what, 10, false, 5s, figures_of(7'000, 1'000, 0)));
  auto& load = what.parameters.load.emplace();
  load.duration = 30;
  CHECK(time_left(what, 10, false, 12s, figures_of(1, 0, 500)) == duration{18s});
  load.count = 100;
  CHECK(time_left(what, 10, false, 12s, figures_of(500, 0, 100)) == duration{5s});
  load = {};
  load.profile = {{100, 100, 30}};
  // It begins when the clients have had their time to be ready.
  CHECK(time_left(what, 10, false, 12s, figures_of(1, 0, 500)) == duration{18'520ms});
  CHECK(time_left(what, 10, false, 40s, figures_of(1, 0, 500)) == duration{0s});
  what.warmup = 5;
  CHECK(time_left(what, 10, true, 3s, figures_of(1, 0, 500)) == duration{2'520ms});
}

TEST_CASE("a phase that lasts says since when") {
  CHECK(progress_text(phase::roll_call, {4, 0}, 999ms) == "roll call: 4 agents");
  CHECK(progress_text(phase::roll_call, {4, 0}, 2'500ms) == "roll call 2 s: 4 agents");
  CHECK(progress_text(phase::running, {3, 10}, 12s) == "running 12 s: 3 of 10 clients done");
  CHECK(progress_text(phase::running, {3, 10}, 12s, "warming up") ==
        "warming up 12 s: 3 of 10 clients done");
}
