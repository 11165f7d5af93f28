// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers in texts, as printf writes them.

#include <cstdio>
#include <string>

namespace ombt::controller {

/// Cut after 159 characters.
template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[160];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

}  // namespace ombt::controller
