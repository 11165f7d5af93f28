// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether the agents themselves, and not the bus, may have been the limit of a test, by what their
// I/O threads say of themselves. Pure functions.

#include "controller/outcome.hpp"
#include "controller/plan.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ombt::controller {

struct verdict {
  /// A run that is shorter says nothing about its seconds.
  static constexpr double shortest = 1;

  /// "harness-limited: I/O thread of agent process 12 on HOST at 97 % of a core in 40 % of the
  /// seconds": at most one for each limit, of the thread that is beyond it furthest.
  std::vector<std::string> reasons;
  std::size_t threads = 0;  ///< that were audited
  bool too_short = true;    ///< none of them for long enough
  double seconds = 0;       ///< of the one that was audited longest
  // The worst figures of those that were audited for long enough.
  double cpu_percent = 0;  ///< mean
  std::optional<double> delay_percent;
  double lag_ms = 0;  ///< p99
  std::uint64_t late = 0;
  std::uint64_t scheduled = 0;

  bool limited() const noexcept { return !reasons.empty(); }
};

verdict judge(const std::map<audited_thread, wire::control::audit_report>& audits,
              const audit_limits& limits);

/// A run came to its end and did not fall short; nor were its agents the limit, if plan.strict.
bool succeeded(const plan& what, const outcome& found);

/// The figures as lines of at most 80 columns; without the reasons.
void append_audit_text(std::string& out, const verdict& audit);

}  // namespace ombt::controller
