// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the parts of a report as JSON share. Pure functions.

#include "controller/text_report.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>

namespace ombt::controller {

// null where it is not known.
nlohmann::ordered_json optional_number(const std::optional<double>& number);
nlohmann::ordered_json optional_number(const std::optional<std::uint64_t>& number);
nlohmann::ordered_json optional_number(const std::optional<std::int64_t>& number);

/// JSON has no infinity; the text says what the text report says.
nlohmann::ordered_json value_of(const percentile_of_all& value);

}  // namespace ombt::controller
