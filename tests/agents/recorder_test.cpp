// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/recorder.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using agents::recorder;
using agents::report;
using namespace std::chrono_literals;

TEST_CASE("A recorder counts successes with their latency, in the record and in the histogram") {
  recorder r;
  r.saw_time(100.0);
  r.success(100.5, 2ms);
  r.success(101.0, 4ms);
  CHECK(r.messages() == 2);
  const report taken = r.take();
  CHECK(taken.results.msgs_ok == 2);
  CHECK(taken.results.msgs_fail == 0);
  CHECK(taken.results.start_time == 100.0);
  CHECK(taken.results.stop_time == 101.0);
  CHECK(taken.results.latency.count == 2);
  CHECK(taken.results.latency.total == Approx(6.0));
  CHECK(taken.results.latency.min == Approx(2.0));
  CHECK(taken.details.latency.totals().count == 2);
  CHECK(taken.details.latency.totals().max == 4'000'000);
}

TEST_CASE("A failure is counted by name and never in the latency") {
  recorder r;
  r.failure(10.0, "messaging_timeout", 4, 60s);
  r.failure(11.0, "messaging_timeout", 5, 60s);
  r.failure(12.0, "nacked", 7, 3ms);
  r.error("warm-up");
  const report taken = r.take();
  CHECK(taken.results.msgs_ok == 0);
  CHECK(taken.results.msgs_fail == 3);
  CHECK(taken.results.latency.count == 0);
  CHECK(taken.details.latency.totals().count == 0);
  const auto* const took = taken.details.series.find(wire::control::series::failed);
  REQUIRE(took != nullptr);
  CHECK(took->totals().count == 3);
  CHECK(took->totals().min == 3'000'000);
  CHECK(took->totals().max == 60'000'000'000);
  CHECK(taken.results.errors.at("messaging_timeout") == 2);
  CHECK(taken.results.errors.at("nacked") == 1);
  CHECK(taken.results.errors.at("warm-up") == 1);
  CHECK(taken.results.stop_time == 12.0);
}

TEST_CASE("What a schedule asked for is counted: sent, late beyond 1 ms, dropped") {
  using wire::control::series;
  recorder r;
  r.scheduled(-5ns);
  r.scheduled(1ms);
  r.scheduled(1ms + 1ns);
  r.dropped(4);
  r.success(2.0, 3ms);
  r.success_from_intended(5ms);
  report taken = r.take();
  CHECK(taken.details.load == wire::control::load_counts{7, 1, 4});
  REQUIRE(taken.details.series.find(series::slip) != nullptr);
  CHECK(taken.details.series.find(series::slip)->totals().count == 3);
  CHECK(taken.details.series.find(series::slip)->totals().min == 0);
  CHECK(taken.details.series.find(series::intended)->totals().max == 5'000'000);
  CHECK(taken.details.latency.totals().max == 3'000'000);
  CHECK(taken.details.series.find(series::failed) == nullptr);
  report sum = taken;
  sum.merge(taken);
  CHECK(sum.details.load == wire::control::load_counts{14, 2, 8});
  CHECK(sum.details.series.find(series::slip)->totals().count == 6);
  CHECK(r.take().details.series.empty());
}

TEST_CASE("A negative one-way time counts as received, beside the latency") {
  recorder r;
  r.arrival(100.0, 99.998);
  r.arrival(100.0, 100.5);
  r.arrival(100.0, 100.25);
  const report taken = r.take();
  CHECK(taken.results.msgs_ok == 3);
  CHECK(taken.results.msgs_fail == 0);
  CHECK(taken.results.latency.count == 1);
  CHECK(taken.results.latency.total == Approx(2.0));
  CHECK(taken.details.negative_samples == 2);
  CHECK(taken.details.negative_min == Approx(-500.0));
}

TEST_CASE("A sender's clock that is years behind ends in the overflow, not in nonsense") {
  recorder r;
  r.arrival(1.7e9, -1e11);
  const report taken = r.take();
  CHECK(taken.results.msgs_ok == 1);
  CHECK(taken.details.latency.totals().overflow == 1);
}

TEST_CASE("Taking a report starts from zero") {
  recorder r;
  r.success(1.0, 1ms);
  r.failure(2.0, "nacked", 0, 3ms);
  CHECK(r.take().results.msgs_ok == 1);
  CHECK(r.messages() == 0);
  const report empty = r.take();
  CHECK(empty.results.empty());
  CHECK_FALSE(empty.results.start_time);
  CHECK(empty.details.latency.totals().count == 0);
}

TEST_CASE("Merged reports add counts and keep the lowest negative sample") {
  recorder a;
  recorder b;
  a.arrival(10, 11);
  a.arrival(10, 9);
  b.arrival(20, 25);
  report sum = a.take();
  sum.merge(b.take());
  CHECK(sum.results.msgs_ok == 3);
  CHECK(sum.details.negative_samples == 2);
  CHECK(sum.details.negative_min == Approx(-5000.0));
  report empty;
  empty.merge(sum);
  CHECK(empty.details.negative_min == Approx(-5000.0));
  CHECK(empty.results.msgs_ok == 3);
}

TEST_CASE("Failures are named by their error, the remote class, or the bus's words") {
  drivers::outcome o;
  o.error = errc::messaging_timeout;
  o.detail = "Timed out waiting for a reply to message ID 0123";
  CHECK(agents::failure_name(o) == "messaging_timeout");
  wire::oslo::remote_exception e;
  e.class_name = "ValueError";
  o.error = errc::remote_exception;
  o.exception = &e;
  CHECK(agents::failure_name(o) == "remote_exception: ValueError");
  o.error = errc::channel_refused;
  o.detail = "NOT_FOUND - no exchange";
  CHECK(agents::failure_name(o) == "channel_refused: NOT_FOUND - no exchange");
  o.error = boost::system::errc::make_error_code(boost::system::errc::broken_pipe);
  CHECK_FALSE(agents::failure_name(o).empty());
}
