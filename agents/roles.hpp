// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a controller's assign makes of a process of standby agents: the plan of a fleet, within what
// the process was started for. No state, any thread.

#include "wire/control/assign.hpp"

#include "agents/fleet_options.hpp"

#include <string>

namespace ombt::agents {

/// The plan of the process `started` with the roles that are asked for, servers first. Throws
/// configuration_error, one line, passwords masked: more agents than it has or --max-agents allows,
/// a bus that it is not for (agents/bus_bounds.hpp), and all that make_fleet_plan() refuses.
fleet_plan plan_roles(const fleet_plan& started, const wire::control::assign_request& asked);

/// "3 RPC clients, 1 RPC server"; "none".
std::string roles_in_words(const fleet_plan& plan);

}  // namespace ombt::agents
