// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers in texts, as printf writes them. Stateless.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

namespace ombt {

/// Appends, cut after 511 characters.
template <class... Values>
void append_format(std::string& out, const char* pattern, Values... values) {
  char text[512];
  const int length = std::snprintf(text, sizeof text, pattern, values...);
  if (length > 0) out.append(text, std::min(static_cast<std::size_t>(length), sizeof text - 1));
}

template <class... Values>
std::string format(const char* pattern, Values... values) {
  std::string out;
  append_format(out, pattern, values...);
  return out;
}

/// "1,234,567"
inline std::string grouped(std::uint64_t number) {
  std::string out = std::to_string(number);
  for (std::size_t at = out.size(); at > 3;) out.insert(at -= 3, 1, ',');
  return out;
}

}  // namespace ombt
