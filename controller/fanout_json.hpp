// SPDX-License-Identifier: Apache-2.0
#pragma once
// When the messages of a fanout were at the first, the median and the last server, for the report
// as data. Pure functions.

#include "controller/fanout_times.hpp"

#include <nlohmann/json_fwd.hpp>

namespace ombt::controller {

/// "fanout" of run.json.
nlohmann::ordered_json fanout_json(const fanout_summary& found);

}  // namespace ombt::controller
