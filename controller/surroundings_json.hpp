// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a run was measured with, as JSON (docs/json.md): the bus's processes, the agents' own
// processes and threads, how they began, the clocks. Pure functions.

#include "controller/outcome.hpp"

#include <nlohmann/json_fwd.hpp>

#include <vector>

namespace ombt::controller {

nlohmann::ordered_json bus_processes_of(const bus_watched& bus);
/// The verdict by these limits, and the threads that it is of.
nlohmann::ordered_json audit_of(const outcome& found, const audit_limits& limits);
/// Of processes by direct control; null: there are none, or none has told.
nlohmann::ordered_json start_of(const run_start& start);
nlohmann::ordered_json processes_of(const std::vector<process_record>& processes);
nlohmann::ordered_json clocks_of(const clocks_summary& clocks);

}  // namespace ombt::controller
