// SPDX-License-Identifier: Apache-2.0
#include "controller/rate_goal.hpp"

#include "wire/configuration_error.hpp"
#include "wire/format.hpp"
#include "wire/time_text.hpp"

#include "controller/load_options.hpp"
#include "controller/plan.hpp"
#include "controller/text_report.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

namespace ombt::controller {
namespace {

constexpr double longest_target = 3600;  // seconds, the highest that histograms tell
constexpr double grouped_from = 1000;    // rates above it are told as whole numbers

struct target_option {
  std::string_view name;
  std::string search_settings::*text;
  double percentile;
};
constexpr std::array<target_option, 4> target_options = {
    {{"--target-p50", &search_settings::p50, 50},
     {"--target-p90", &search_settings::p90, 90},
     {"--target-p99", &search_settings::p99, 99},
     {"--target-p999", &search_settings::p999, 99.9}}};

/// Latencies are told in milliseconds, times of options in seconds: a number alone may be either.
double read_target_time(std::string_view option, std::string_view text) {
  std::string_view rest = text;
  if (take_number(rest) && rest.empty()) {
    const std::string number{text.substr(0, refused_text_shown)};
    throw configuration_error(std::string{option} + ' ' + number + ": expected a time with its " +
                              "unit: " + number + "ms or " + number + "s?");
  }
  return read_time(option, text);
}

void read_target(const search_settings& given, rate_goal& to) {
  std::string_view chosen;
  for (const target_option& option : target_options) {
    const std::string& text = given.*option.text;
    if (text.empty()) continue;
    if (!chosen.empty()) {
      throw configuration_error(std::string{chosen} + " and " + std::string{option.name} +
                                " contradict each other: one percentile is the target");
    }
    chosen = option.name;
    to.percentile = option.percentile;
    const double seconds = read_target_time(option.name, text);
    if (seconds > longest_target) {
      throw configuration_error(std::string{option.name} + ' ' +
                                text.substr(0, refused_text_shown) +
                                ": expected a time of at most 1h");
    }
    to.ms = seconds * 1e3;
  }
  if (chosen.empty()) {
    throw configuration_error(
        "find-rate needs --target-p99 TIME (or --target-p50, --target-p90, --target-p999): what "
        "that percentile may take");
  }
}

/// "3%" or "3": as a part of one.
double read_precision(std::string_view text) {
  std::string_view number = text;
  if (number.ends_with('%')) number.remove_suffix(1);
  double percent = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), percent);
  if (error != std::errc{} || end != number.data() + number.size() ||
      !(percent >= 0.1 && percent <= 100)) {
    throw configuration_error("--precision " + std::string{text.substr(0, refused_text_shown)} +
                              ": expected 0.1% to 100%");
  }
  return percent / 100;
}

[[noreturn]] void refuse_order(std::string_view low, double least, std::string_view high,
                               double most) {
  throw configuration_error(std::string{low} + ' ' + rate_text(least) + " is above " +
                            std::string{high} + ' ' + rate_text(most));
}

void read_bounds(const search_settings& given, search_limits& to) {
  if (!given.most.empty()) to.most = read_rate("--max-rate", given.most);
  to.first = given.from.empty() ? rate_goal::default_from : read_rate("--from", given.from);
  to.least = std::min({rate_goal::default_least, to.first, to.most});
  if (!given.least.empty()) to.least = read_rate("--min-rate", given.least);
  if (to.least > to.most) refuse_order("--min-rate", to.least, "--max-rate", to.most);
  if (given.from.empty()) to.first = std::clamp(to.first, to.least, to.most);
  if (to.first > to.most) refuse_order("--from", to.first, "--max-rate", to.most);
  if (to.least > to.first) refuse_order("--min-rate", to.least, "--from", to.first);
}

}  // namespace

double rate_goal::messages_needed() const noexcept { return samples_needed(percentile); }

double rate_goal::seconds_at(double rate, bool random) const noexcept {
  // Four standard deviations; and of even arrivals as many as come to be left out by rounding.
  const double least = messages_needed();
  const double sure = least + (random ? 4 * std::sqrt(least) : 0);
  if (rate * step >= sure * (1 - 1e-9)) return step;
  return std::ceil(sure * 1.02 / rate * 10) / 10;
}

rate_goal read_goal(const search_settings& given) {
  rate_goal out;
  read_target(given, out);
  const auto test = task_from(given.test);
  if (!test || !test_of(*test)) {
    throw configuration_error("--test " + given.test.substr(0, refused_text_shown) +
                              ": expected rpc-call, rpc-cast, rpc-fanout or notify");
  }
  out.step = read_time("--step", given.step);
  out.limits.precision = read_precision(given.precision);
  read_bounds(given, out.limits);
  if (given.probes < 1 || given.probes > 1000) {
    throw configuration_error("--max-probes " + std::to_string(given.probes) +
                              ": expected a number from 1 to 1000");
  }
  out.limits.probes = static_cast<std::size_t>(given.probes);
  if (out.seconds_at(out.limits.least, true) > wire::control::load_time_limit) {
    throw configuration_error("--min-rate " + rate_text(out.limits.least) +
                              ": a probe would take more than 168h, since " +
                              percentile_name(out.percentile) + " needs " +
                              rate_text(out.messages_needed()) + " messages");
  }
  return out;
}

std::string percentile_name(double percentile) { return format("p%g", percentile); }

std::string milliseconds_text(double ms) {
  return ms < 1e3 ? format("%g ms", ms) : format("%g s", ms / 1e3);
}

std::string goal_text(const rate_goal& goal) {
  return percentile_name(goal.percentile) + " <= " + milliseconds_text(goal.ms);
}

std::string rate_text(double rate) {
  if (rate < grouped_from - 0.05) return format("%.4g", rate);
  return grouped(static_cast<std::uint64_t>(std::llround(rate)));
}

}  // namespace ombt::controller
