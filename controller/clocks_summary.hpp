// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a run's one-way times between machines are worth: the clock of each machine with agents in
// it. Plain data, filled by clock_exchanges, read by the reports.

#include "controller/clock_offset.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ombt::controller {

/// A machine that is not the controller's.
struct machine_clock {
  std::string host;  ///< of one of its agents, or that agent's name where it was chosen by hand
  std::string boot;
  std::uint32_t agents = 0;
  std::uint32_t processes = 0;         ///< a process counts once a kind of agent and topic
  std::uint32_t processes_untold = 0;  ///< those that were not told the offset: not corrected
  bool sends = false;                  ///< it has agents that send
  bool receives = false;               ///< it has agents that receive
  std::optional<clock_quality> known;  ///< none: it did not answer, nothing is corrected

  /// Its one-way times are right within known->bound.
  bool good() const noexcept { return known && !known->stepped && processes_untold == 0; }
};

struct clocks_summary {
  std::vector<machine_clock> machines;
  /// Processes of the controller's machine that go on with an offset which another controller told
  /// them.
  std::uint32_t own_untold = 0;
  /// By how much the clock of the controller's machine was set during the run, nanoseconds; 0: it
  /// was not. Figures of agents there are as wrong.
  std::int64_t own_step = 0;
  /// Agents whose machine is not known: Python's, and those that came during the run.
  std::uint32_t unknown_agents = 0;
  /// How wrong a one-way time between two machines that are good() can be, nanoseconds; none where
  /// there are no two such.
  std::optional<std::int64_t> bound;

  /// Nothing stands beside the bound: it is that of every one-way time of the run.
  bool complete() const noexcept;
  /// All agents are on the controller's machine, and nothing is wrong.
  bool alone() const noexcept {
    return machines.empty() && own_untold == 0 && unknown_agents == 0 && own_step == 0;
  }
};

}  // namespace ombt::controller
