// SPDX-License-Identifier: Apache-2.0
#pragma once
// When the messages of a fanout were at the first, the median and the last server, for the report
// as data. Pure functions.

#include "controller/fanout_times.hpp"
#include "controller/text_report.hpp"

#include <nlohmann/json_fwd.hpp>

namespace ombt::controller {

/// JSON has no infinity; the text says what the text report says.
nlohmann::ordered_json value_of(const percentile_of_all& value);

/// "fanout" of run.json.
nlohmann::ordered_json fanout_json(const fanout_summary& found);

}  // namespace ombt::controller
