// SPDX-License-Identifier: Apache-2.0
#pragma once
// Times as the programs' options take them: a number and its unit. Stateless.

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace ombt {

/// A number at the text's beginning, taken off it; none if there is none, or no finite one.
inline std::optional<double> take_number(std::string_view& text) noexcept {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number)) return {};
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

/// The seconds of a unit: us, ms, s, m, h; none for any other text.
inline std::optional<double> seconds_of_unit(std::string_view unit) noexcept {
  constexpr std::array<std::pair<std::string_view, double>, 5> units = {
      {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}}};
  for (const auto& [name, seconds] : units) {
    if (unit == name) return seconds;
  }
  return {};
}

/// The seconds of "500us", "5ms", "30s", "2m", "1h"; of a number alone times `unitless` (0: a unit
/// is needed). None for any other text; may be negative or infinite.
inline std::optional<double> seconds_of_time(std::string_view text, double unitless) noexcept {
  const auto number = take_number(text);
  if (!number) return {};
  if (text.empty() && unitless > 0) return *number * unitless;
  const auto unit = seconds_of_unit(text);
  if (!unit) return {};
  return *number * *unit;
}

}  // namespace ombt
