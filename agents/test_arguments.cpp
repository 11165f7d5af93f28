// SPDX-License-Identifier: Apache-2.0
#include "agents/test_arguments.hpp"

#include <cmath>

namespace ombt::agents {

const char* read_test_arguments(wire::json::value from, std::string_view data_key,
                                test_arguments& out) noexcept {
  // No clock is 30,000 years off; larger numbers would only spoil the sums.
  constexpr double furthest = 1e12;
  out.data = from[data_key];
  if (!out.data) return data_key == "data" ? "no argument \"data\"" : "no \"payload\"";
  const auto timestamp = from["timestamp"].number();
  if (!timestamp) return "no number \"timestamp\"";
  if (!(std::fabs(*timestamp) < furthest)) return "a \"timestamp\" that is no time";
  out.timestamp = *timestamp;
  out.msgid = from["msgid"].string().value_or(std::string_view());
  return nullptr;
}

}  // namespace ombt::agents
