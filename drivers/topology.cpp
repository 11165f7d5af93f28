// SPDX-License-Identifier: Apache-2.0
#include "wire/configuration_error.hpp"

#include "drivers/transport.hpp"

#include <charconv>

namespace ombt::drivers {

topology topology::parse(std::string_view text) {
  if (text == "oslo") return {kind::oslo, 0};
  if (text == "lean") return {kind::lean, 0};
  constexpr std::string_view prefix = "shared:";
  if (text.starts_with(prefix)) {
    const auto number = text.substr(prefix.size());
    int n = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), n);
    if (error == std::errc() && end == number.data() + number.size() && n >= 1 && n <= 10000) {
      return {kind::shared, n};
    }
  }
  throw configuration_error("topology '" + std::string(text) +
                            "': expected oslo, lean or shared:N with N from 1 to 10000");
}

std::string topology::to_string() const {
  switch (mode) {
    case kind::oslo:
      return "oslo";
    case kind::lean:
      return "lean";
    case kind::shared:
      return "shared:" + std::to_string(connections);
  }
  return {};
}

}  // namespace ombt::drivers
