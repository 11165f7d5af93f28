// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the parts of a report as JSON share. Pure functions.

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>

namespace ombt::controller {

// null where it is not known.
nlohmann::ordered_json optional_number(const std::optional<double>& number);
nlohmann::ordered_json optional_number(const std::optional<std::uint64_t>& number);
nlohmann::ordered_json optional_number(const std::optional<std::int64_t>& number);

}  // namespace ombt::controller
