// SPDX-License-Identifier: Apache-2.0
#include "agents/service_time.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

using ombt::configuration_error;
using ombt::agents::service_clock;
using ombt::agents::service_time;
using namespace std::chrono_literals;

TEST_CASE("A service time is none, fixed or exponential, with the units of all times") {
  CHECK(service_time::parse("").distribution == service_time::kind::none);
  CHECK(service_time::parse("0").distribution == service_time::kind::none);
  CHECK(service_time::parse("0ms").distribution == service_time::kind::none);
  CHECK(service_time::parse("5ms").distribution == service_time::kind::fixed);
  CHECK(service_time::parse("5ms").mean == 5ms);
  CHECK(service_time::parse("1.5s").mean == 1500ms);
  CHECK(service_time::parse("250us").mean == 250us);
  CHECK(service_time::parse("2m").mean == 120s);
  CHECK(service_time::parse("1h").mean == 3600s);
  CHECK(service_time::parse("exp:0.5m").mean == 30s);
  CHECK(service_time::parse("exp:5ms").distribution == service_time::kind::exponential);
  CHECK(service_time::parse("exp:5ms").mean == 5ms);
  for (const char* text : {"5ms", "exp:2.5ms", "0", "3600s"}) {
    const auto once = service_time::parse(text);
    const auto again = service_time::parse(once.to_string());
    CHECK(again.mean == once.mean);
    CHECK(again.distribution == once.distribution);
  }
}

TEST_CASE("A service time that is none is refused by name") {
  for (const char* text : {"5", "ms", "5 ms", "-5ms", "61m", "2h", "exp:", "exp:5", "exp5ms",
                           "nanms", "infs", "3601s", "1e300s", "5ms ", "5msx", "exp:exp:5ms"}) {
    INFO(text);
    CHECK_THROWS_WITH(service_time::parse(text), Catch::Contains(text));
    CHECK_THROWS_AS(service_time::parse(text), configuration_error);
  }
}

TEST_CASE("A fixed service time is always the same, an exponential one has its mean") {
  service_clock fixed(service_time::parse("5ms"), 1);
  CHECK_FALSE(fixed.instant());
  CHECK(fixed.next() == 5ms);
  CHECK(fixed.next() == 5ms);
  service_clock drawn(service_time::parse("exp:5ms"), 42);
  double total = 0;
  int above_mean = 0;
  constexpr int draws = 100000;
  for (int i = 0; i < draws; ++i) {
    const auto time = drawn.next();
    REQUIRE(time >= 0ns);
    total += static_cast<double>(time.count());
    above_mean += time > 5ms ? 1 : 0;
  }
  CHECK(total / draws == Approx(5e6).epsilon(0.03));
  CHECK(above_mean / static_cast<double>(draws) == Approx(0.3679).epsilon(0.05));  // 1/e
  CHECK(service_clock(service_time{}, 1).instant());
}
