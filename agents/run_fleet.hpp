// SPDX-License-Identifier: Apache-2.0
#pragma once
// The life of a process of agents, from checked command line to exit status; what ombt-agent and
// the agent modes of ombt do. To be called from main, before any thread exists.

#include "agents/fleet_options.hpp"

#include <cstddef>
#include <functional>
#include <string_view>

namespace ombt::agents {

/// Exit statuses of the programs.
inline constexpr int exit_ok = 0;
inline constexpr int exit_bus = 1;            ///< the bus, or an agent on it, failed
inline constexpr int exit_configuration = 2;  ///< nothing was started

/// Starts the agents, prints their ready lines and runs them until a shutdown command, SIGTERM or
/// SIGINT. With background the calling process returns once they are ready. Every failure is one
/// line on standard error, passwords masked. Returns the exit status. in_process, where given, runs
/// first in the process that has the agents (to redirect what it logs).
int run_fleet(std::string_view program, const fleet_options& options, bool background,
              bool debug = false, const std::function<void()>& in_process = {});

}  // namespace ombt::agents
