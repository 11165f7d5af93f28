// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds the highest rate at which a goal holds: runs one open loop after the other, judges each by
// what came out of it, and keeps them as a curve. How a run is made is the caller's: on a bus, or
// in a test. No clock, no I/O; one thread.

#include "controller/outcome.hpp"
#include "controller/plan.hpp"
#include "controller/rate_goal.hpp"
#include "controller/text_report.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ombt::controller {

/// Why a goal was missed: the gravest of the reasons.
enum class miss : std::uint8_t {
  none,
  lost,        ///< messages succeeded and did not arrive
  failed,      ///< messages failed
  dropped,     ///< messages were so late that they were not sent
  trouble,     ///< the run fell short otherwise: of copies, for instance
  percentile,  ///< it is above the target
  pace,        ///< the load took longer than its schedule
};
/// "lost", …, of `percentile` what it is called ("p99"); empty for none.
std::string word_of(miss why, double percentile);

/// One run at one rate, over all clients.
struct rate_probe {
  double rate = 0;     ///< messages/s asked for
  double seconds = 0;  ///< that they were asked for
  std::optional<double> started;
  std::uint64_t scheduled = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t dropped = 0;
  std::uint64_t lost = 0;
  std::optional<double> achieved;  ///< throughput, messages/s
  /// reported_percentiles over all that was scheduled.
  std::array<percentile_of_all, reported_percentiles.size()> all;
  percentile_of_all target;  ///< the goal's
  miss why = miss::none;
  std::vector<std::string> reasons;                          ///< all that was missed, a line each
  std::map<std::string, std::uint64_t, std::less<>> errors;  ///< of the clients
  std::vector<std::string> harness;  ///< why the agents may have been the limit

  bool held() const noexcept { return why == miss::none; }
};

struct rate_curve {
  std::vector<rate_probe> probes;  ///< in their order
  std::uint32_t clients = 0;
  std::uint32_t servers = 0;
  std::optional<double> best;    ///< the highest rate that held
  std::optional<double> missed;  ///< the lowest that missed, twice
  /// The search came to its end: best and missed are as close as asked for, or a bound is reached.
  bool found = false;
  std::string failure;  ///< why the search was cut short; empty: it was not

  /// There is an answer.
  bool ok() const noexcept { return found && best && failure.empty(); }
  /// Whether the agents may have been the limit of a probe at that rate.
  bool harness_limited(const std::optional<double>& rate) const noexcept;
  /// Of one of the two that the answer is made of.
  bool harness_limited() const noexcept { return harness_limited(best) || harness_limited(missed); }
};

/// The plan of a probe: `base`, whose load is an open loop, at that rate for so many seconds.
plan probe_plan(const plan& base, double rate, double seconds);

/// What a run says of the goal; `what` is its plan.
rate_probe judge_probe(const rate_goal& goal, const plan& what, const outcome& found);

/// Runs a plan to its end.
using run_probe = std::function<outcome(const plan& what)>;
/// Told of each probe when it has been judged.
using probe_told = std::function<void(const rate_probe& probe, const plan& what, const outcome&)>;

/// Searches. From the second probe on the plans expect the agents that the first one had. Ends
/// early, with `failure`, when a run has no result, agents vanish or others come, or nothing
/// succeeds at all.
rate_curve find_rate(const rate_goal& goal, plan base, const run_probe& run,
                     const probe_told& told);

}  // namespace ombt::controller
