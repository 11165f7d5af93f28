// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/intervals.hpp"

#include "agents/measure/recorder.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ombt;
using namespace ombt::agents;
using namespace std::chrono_literals;
using wire::control::interval_series;

namespace {

std::string native(char digit) { return "ombt-t-None-h-1-" + std::string(32, digit) + "-native"; }

}  // namespace

TEST_CASE("Each second of a run is counted for itself, by when operations ended") {
  second_recorder seconds;
  CHECK(seconds.take().empty());
  seconds.success(1'000.25, 5'000);
  seconds.success(1'000.999, 7'000);
  seconds.failure(1'002.5);
  seconds.success_without_latency(1'002.6);
  seconds.success(1'003.0, 9'000);
  const interval_series taken = seconds.take();
  REQUIRE(taken.rows().size() == 3);
  CHECK(taken.rows()[0].start == 1'000);
  CHECK(taken.rows()[0].ok == 2);
  CHECK(taken.rows()[0].latency.totals().count == 2);
  CHECK(taken.rows()[0].latency.totals().max == 7'000);
  CHECK(taken.rows()[1].start == 1'002);
  CHECK(taken.rows()[1].ok == 1);
  CHECK(taken.rows()[1].failed == 1);
  CHECK(taken.rows()[1].latency.totals().count == 0);
  CHECK(taken.rows()[2].start == 1'003);
  CHECK(taken.rows()[2].latency.totals().min == 9'000);
  CHECK(seconds.take().empty());
}

TEST_CASE("Ends a little out of order stay in the present second; a clock set back is followed") {
  second_recorder seconds;
  seconds.success(1'000.0, 1);
  seconds.success(999.9, 2);
  seconds.success(998.0, 3);
  seconds.success(500.0, 4);
  seconds.success(1'000.5, 5);
  const interval_series taken = seconds.take();
  REQUIRE(taken.rows().size() == 2);
  CHECK(taken.rows()[0].start == 500);
  CHECK(taken.rows()[0].ok == 1);
  CHECK(taken.rows()[1].start == 1'000);
  CHECK(taken.rows()[1].ok == 4);
}

TEST_CASE("The seconds of a recorder sum up to its record, intended latencies too") {
  recorder counts;
  const auto seconds = std::make_shared<second_recorder>();
  counts.success(1.0, 1ms);  // before anybody wanted them
  counts.count_seconds_in(seconds);
  (void)counts.take();
  for (int i = 0; i < 50; ++i) {
    const double at = 100 + 0.1 * i;
    counts.success(at, std::chrono::microseconds(100 + i));
    counts.success_from_intended(std::chrono::microseconds(200 + i));
    if (i % 5 == 0) counts.failure(at, "nacked", 0, 1ms);
  }
  counts.arrival(105.5, 105.25);
  counts.arrival(105.5, 105.75);  // from the future: it counts, its time does not
  counts.success_from_intended(-1us);
  const report figures = counts.take();
  const interval_series taken = seconds->take();
  wire::control::interval_row sum;
  for (const auto& row : taken.rows()) sum.merge(row);
  CHECK(taken.rows().size() == 6);
  CHECK(sum.ok == figures.results.msgs_ok);
  CHECK(sum.failed == figures.results.msgs_fail);
  std::string one;
  std::string other;
  const auto& all = figures.details.latency;
  CHECK(sum.latency.totals().max == all.totals().max);
  CHECK(sum.latency.totals().total == Approx(all.totals().total));
  sum.latency.append_json(one);
  all.append_json(other);
  CHECK(one.substr(one.find("counts")) == other.substr(other.find("counts")));
  const auto* const intended = figures.details.series.find(wire::control::series::intended);
  REQUIRE(intended != nullptr);
  CHECK(sum.intended.totals().count == intended->totals().count);
  counts.count_seconds_in(nullptr);
  counts.success(300, 1ms);
  CHECK(seconds->take().empty());
}

TEST_CASE("Receivers count the seconds of each native controller apart, and none for others") {
  controller_seconds of;
  const auto a = of.asked_by(native('a'));
  REQUIRE(a.own);
  REQUIRE(a.others);
  const auto b = of.asked_by(native('b'));
  CHECK(a.own != b.own);
  CHECK(a.others == b.others);
  // In another topic the controller's own are the same ones, and the others are others.
  CHECK(of.asked_by(native('a'), 1).own == a.own);
  CHECK(of.asked_by(native('a'), 1).others != a.others);
  a.own->success(10, 1);
  b.own->success(10, 1);
  b.own->success(10, 1);
  b.others->failure(11);
  const interval_series taken = controller_seconds::take(of.asked_by(native('b')));
  REQUIRE(taken.rows().size() == 2);
  CHECK(taken.rows()[0].ok == 2);
  CHECK(taken.rows()[1].failed == 1);
  CHECK(controller_seconds::take(of.asked_by(native('a'))).rows().size() == 1);
  const auto python = of.asked_by("a-python-controller");
  CHECK_FALSE(python.own);
  CHECK_FALSE(python.others);
  CHECK(controller_seconds::take(python).empty());
  CHECK(of.asked_by(native('a')).others != a.others);
}

TEST_CASE("The controller that has been silent longest is forgotten, and its seconds with it") {
  controller_seconds of;
  const std::string digits = "0123456789abcdef";
  for (const char digit : digits) of.asked_by(native(digit)).own->success(10, 1);
  of.asked_by(native('0'));
  const std::string another = "ombt-t-None-h-1-" + std::string(16, '0') + std::string(16, '1');
  std::string name = another;
  name.replace(name.size() - 32, 1, "7");
  of.asked_by(name + "-native");
  CHECK(controller_seconds::take(of.asked_by(native('0'))).rows().size() == 1);
  CHECK(controller_seconds::take(of.asked_by(native('1'))).empty());
}
