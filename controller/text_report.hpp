// SPDX-License-Identifier: Apache-2.0
#pragma once
// The outcome of a session as text: ombt's own, with percentiles below each block, errors and
// problems below all. Pure functions.

#include "controller/outcome.hpp"
#include "controller/plan.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::controller {

/// The percentiles that reports have.
inline constexpr std::array<double, 4> reported_percentiles = {50, 90, 99, 99.9};

/// Samples that a percentile needs to mean something: 10/(1-p).
double samples_needed(double percentile) noexcept;
/// True if so many samples are enough for a percentile to mean something.
bool enough_samples(std::uint64_t samples, double percentile) noexcept;

/// A percentile in milliseconds over the successes; empty where the histogram does not hold all
/// samples, or there are fewer than 10/(1-p) of them.
std::optional<double> percentile_ms(const side& s, double percentile);
/// The same of any histogram.
std::optional<double> percentile_ms(const wire::hdr::histogram& of, double percentile);
std::optional<double> percentile_ms(const wire::hdr::sparse_histogram& of, double percentile);

/// The same over all operations, failed, lost and unreported ones as infinity. In an open loop over
/// all that were scheduled, successes from the instants that their schedules had for them, failed,
/// lost, dropped and unreported ones as infinity. What a lost one took until it seemed to succeed
/// is in the histogram: they are taken for the shortest, so that no percentile is better than it
/// was.
struct percentile_of_all {
  bool known = false;
  bool infinite = false;  ///< the operation of that rank failed or is lost
  double ms = 0;
};
percentile_of_all percentile_of_all_ms(const side& s, double percentile);
/// The same of any histogram (null: no samples), and so many operations beside it as infinity; of
/// those in it the lost ones, the fastest as nobody knows which, are infinite too.
percentile_of_all percentile_of_all_ms(const wire::hdr::histogram* values, std::uint64_t infinite,
                                       std::uint64_t lost, double percentile);
/// "12.345", ">timeout" or "n/a".
std::string in_words(const percentile_of_all& value);

/// The report of a test. `bus`: what the bus is, where the program started it itself.
std::string test_report(const plan& what, const outcome& found, std::string_view bus = {});
/// The agents by kind, host and process; with names each agent's name.
std::string status_report(const plan& what, const outcome& found, bool names);
/// One line: how many agents were told to leave.
std::string shutdown_report(const plan& what, const outcome& found);

}  // namespace ombt::controller
