// SPDX-License-Identifier: Apache-2.0
#include "controller/json_values.hpp"

#include <nlohmann/json.hpp>

namespace ombt::controller {
namespace {

template <class Number>
nlohmann::ordered_json or_null(const std::optional<Number>& number) {
  return number ? nlohmann::ordered_json(*number) : nlohmann::ordered_json(nullptr);
}

}  // namespace

nlohmann::ordered_json optional_number(const std::optional<double>& number) {
  return or_null(number);
}
nlohmann::ordered_json optional_number(const std::optional<std::uint64_t>& number) {
  return or_null(number);
}
nlohmann::ordered_json optional_number(const std::optional<std::int64_t>& number) {
  return or_null(number);
}

nlohmann::ordered_json value_of(const percentile_of_all& value) {
  if (!value.known) return nullptr;
  return value.infinite ? nlohmann::ordered_json(in_words(value))
                        : nlohmann::ordered_json(value.ms);
}

}  // namespace ombt::controller
