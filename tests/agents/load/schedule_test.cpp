// SPDX-License-Identifier: Apache-2.0
#include "agents/load/schedule.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace ombt;
using agents::phase_of;
using agents::rate_profile;
using agents::schedule;
using wire::control::arrivals;

namespace {

constexpr std::int64_t no_count = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t second = 1'000'000'000;

std::vector<std::int64_t> all_of(schedule s) {
  std::vector<std::int64_t> out;
  while (const auto at = s.next()) out.push_back(*at);
  return out;
}

std::vector<std::int64_t> uniform(const rate_profile& profile, double phase = 0,
                                  std::int64_t count = no_count) {
  return all_of({profile, arrivals::uniform, count, phase, 1});
}

/// The greatest distance between the distribution of gaps and the exponential one of this mean
/// (Kolmogorov-Smirnov), times the root of their number.
double distance_from_exponential(std::vector<double> gaps, double mean) {
  std::sort(gaps.begin(), gaps.end());
  const auto n = static_cast<double>(gaps.size());
  double worst = 0;
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    const double expected = 1 - std::exp(-gaps[i] / mean);
    worst = std::max(
        {worst, expected - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - expected});
  }
  return worst * std::sqrt(n);
}
constexpr double one_percent_level = 1.628;  // of the Kolmogorov distribution

}  // namespace

TEST_CASE("An even schedule puts message k at exactly (k + phase) / rate") {
  const rate_profile profile({{1000, 1000, 2}}, 1);
  const auto at = uniform(profile, 0.25);
  REQUIRE(at.size() == 2000);
  for (std::size_t k = 0; k < at.size(); ++k) {
    REQUIRE(at[k] == static_cast<std::int64_t>(k) * 1'000'000 + 250'000);
  }
}

TEST_CASE("A schedule ends before its profile's end, or by its count") {
  const rate_profile profile({{10, 10, 1}}, 1);
  CHECK(uniform(profile).size() == 10);
  CHECK(uniform(profile).back() == 900'000'000);
  CHECK(uniform(profile, 0.999).size() == 10);
  CHECK(uniform(profile, 0, 3).size() == 3);
  schedule over(profile, arrivals::uniform, 1, 0, 1);
  CHECK(over.next());
  CHECK_FALSE(over.next());
  CHECK_FALSE(over.next());
  const rate_profile tiny({{0.5, 0.5, 1}}, 1);  // half a message: only early phases have it
  CHECK(uniform(tiny, 0.4).size() == 1);
  CHECK(uniform(tiny, 0.6).empty());
}

TEST_CASE("Clients share a rate, and their phases make one even stream of it") {
  constexpr std::int64_t clients = 10;
  const rate_profile profile({{1000, 1000, 3}}, clients);
  std::vector<std::int64_t> all;
  for (std::size_t i = 0; i < clients; ++i) {
    const auto own = uniform(profile, phase_of("a process", i, clients));
    CHECK(own.size() == 300);
    all.insert(all.end(), own.begin(), own.end());
  }
  std::sort(all.begin(), all.end());
  REQUIRE(all.size() == 3000);
  for (std::size_t k = 1; k < all.size(); ++k) {
    REQUIRE(std::abs(all[k] - all[k - 1] - 1'000'000) <= 1);
  }
  CHECK(phase_of("a process", 0, clients) != phase_of("another", 0, clients));
}

TEST_CASE("A profile's pieces follow each other, each with its own rate") {
  const rate_profile profile({{1000, 1000, 1}, {5000, 5000, 2}, {100, 100, 1}}, 1);
  const auto at = uniform(profile);
  CHECK(at.size() == 11'100);
  const auto between = [&](std::int64_t from, std::int64_t to) {
    return std::count_if(at.begin(), at.end(), [&](auto t) { return t >= from && t < to; });
  };
  CHECK(between(0, second) == 1000);
  CHECK(between(second, 2 * second) == 5000);
  CHECK(between(2 * second, 3 * second) == 5000);
  CHECK(between(3 * second, 4 * second) == 100);
  CHECK(std::is_sorted(at.begin(), at.end()));
}

TEST_CASE("A ramp asks for as many messages as its integral says, at every instant") {
  for (const auto& [from, to] :
       {std::pair{0.0, 2000.0}, std::pair{2000.0, 0.0}, std::pair{500.0, 1500.0}}) {
    const rate_profile profile({{from, to, 10}}, 1);
    const auto at = uniform(profile);
    REQUIRE(at.size() == 10'000);
    for (std::size_t k = 0; k < at.size(); ++k) {
      const double t = static_cast<double>(at[k]) / 1e9;
      const double asked = from * t + (to - from) / 20 * t * t;
      REQUIRE(std::abs(asked - static_cast<double>(k)) < 1e-4);
    }
  }
}

TEST_CASE("Poisson arrivals have exponential gaps of the rate's mean, by a fixed seed") {
  const rate_profile profile({{1000, 1000, 100}}, 1);
  const auto at = all_of({profile, arrivals::poisson, no_count, 0, 42});
  // 100,000 are asked for, give or take four standard deviations.
  CHECK(std::abs(static_cast<double>(at.size()) - 100'000) < 4 * std::sqrt(100'000.0));
  std::vector<double> gaps;
  for (std::size_t k = 1; k < at.size(); ++k) {
    gaps.push_back(static_cast<double>(at[k] - at[k - 1]));
  }
  CHECK(distance_from_exponential(gaps, 1e6) < one_percent_level);
  // The test can tell: gaps that are even, or of a mean 2 % off, are not exponential.
  CHECK(distance_from_exponential(gaps, 1.02e6) > one_percent_level);
  CHECK(distance_from_exponential(std::vector<double>(1000, 1e6), 1e6) > one_percent_level);
}

TEST_CASE("Poisson arrivals of many clients are Poisson arrivals together") {
  constexpr std::int64_t clients = 50;
  const rate_profile profile({{5000, 5000, 4}}, clients);
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < clients; ++i) {
    const auto own = all_of({profile, arrivals::poisson, no_count, 0,
                             agents::client_seed(9, "client-" + std::to_string(i))});
    all.insert(all.end(), own.begin(), own.end());
  }
  std::sort(all.begin(), all.end());
  std::vector<double> gaps;
  for (std::size_t k = 1; k < all.size(); ++k) {
    gaps.push_back(static_cast<double>(all[k] - all[k - 1]));
  }
  CHECK(distance_from_exponential(gaps, 2e5) < one_percent_level);
}

TEST_CASE("Poisson arrivals of a ramp are exponential in messages asked for") {
  const rate_profile profile({{0, 2000, 50}}, 1);
  const auto at = all_of({profile, arrivals::poisson, no_count, 0, 7});
  std::vector<double> gaps;
  double before = 0;
  for (const auto instant : at) {
    const double t = static_cast<double>(instant) / 1e9;
    gaps.push_back(20 * t * t - before);
    before = 20 * t * t;
  }
  CHECK(gaps.size() > 49'000);
  CHECK(distance_from_exponential(gaps, 1) < one_percent_level);
}

TEST_CASE("A seed makes the same schedule again, another one another") {
  const rate_profile profile({{100, 100, 5}}, 1);
  const auto of = [&](std::uint64_t seed) {
    return all_of({profile, arrivals::poisson, no_count, 0, seed});
  };
  CHECK(of(1) == of(1));
  CHECK(of(1) != of(2));
  CHECK(agents::client_seed(1, "a") == agents::client_seed(1, "a"));
  CHECK(agents::client_seed(1, "a") != agents::client_seed(1, "b"));
  CHECK(agents::client_seed(1, "a") != agents::client_seed(2, "a"));
}

TEST_CASE("The random numbers are SplitMix64's") {
  agents::random_source random(1234567);
  CHECK(random.bits() == 6457827717110365317u);
  CHECK(random.bits() == 3203168211198807973u);
  CHECK(random.bits() == 9817491932198370423u);
}

TEST_CASE("The longest and fastest profile keeps its nanoseconds apart") {
  const rate_profile profile({{1e7, 1e7, 604'800}}, 1);
  const auto& piece = profile.pieces().front();
  CHECK(rate_profile::instant(piece, 6e12) == 600'000 * second);
  CHECK(rate_profile::instant(piece, 6e12 + 1) - rate_profile::instant(piece, 6e12) == 100);
}

TEST_CASE("A schedule costs no more than a cache line") { CHECK(sizeof(schedule) <= 64); }
