// SPDX-License-Identifier: Apache-2.0
#pragma once
// ombt's standalone modes: a sender, a receiver and the controller in one process, over the bus.

#include "agents/fleet_options.hpp"
#include "controller/settings.hpp"

#include <functional>

namespace ombt::tools {

/// Starts the agents, has the controller run its test over them, prints its report and stops them.
/// Both are checked before anything connects; in_process runs after that. Returns the exit status.
int run_standalone(const agents::fleet_options& agents, const controller::settings& test,
                   const std::function<void()>& in_process);

}  // namespace ombt::tools
