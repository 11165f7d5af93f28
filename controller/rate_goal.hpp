// SPDX-License-Identifier: Apache-2.0
#pragma once
// What find-rate is to search for: the options as a user gives them, and what they say once they
// are checked. Knows no command line and no agents. Pure.

#include "controller/rate_search.hpp"

#include <string>

namespace ombt::controller {

/// As a user gives them; texts may be empty: not given. Times as read_time() takes them (targets
/// need a unit), rates in messages/s of all clients together.
struct search_settings {
  std::string test = "rpc-call";  ///< the subcommand that each probe is
  std::string p50;                ///< what the percentile may take; one of these is given
  std::string p90;
  std::string p99;
  std::string p999;
  std::string from;  ///< the first rate; default_from, as far as the bounds allow
  std::string least;
  std::string most;
  std::string precision = "3%";
  std::string step = "10s";  ///< what a probe takes, if that is enough for the percentile
  long long probes = 60;     ///< at most
};

/// The options, checked.
struct rate_goal {
  static constexpr double default_from = 100;
  static constexpr double default_least = 10;

  double percentile = 99;  ///< over all scheduled operations
  double ms = 0;           ///< that it may take at most
  double step = 10;        ///< seconds
  search_limits limits;

  /// Messages that a probe needs, so that its percentile means something.
  double messages_needed() const noexcept;
  /// Seconds that a probe at this rate takes: the step, or as long as those messages need. Random
  /// arrivals may be fewer than asked for, and get room for that.
  double seconds_at(double rate, bool random) const noexcept;
};

/// Throws configuration_error, which names the option.
rate_goal read_goal(const search_settings& given);

/// "p99", "p99.9"
std::string percentile_name(double percentile);
/// "20 ms", "1.5 s"
std::string milliseconds_text(double ms);
/// "p99 <= 20 ms"
std::string goal_text(const rate_goal& goal);
/// "4,120", "282.8": at least four digits.
std::string rate_text(double rate);

}  // namespace ombt::controller
