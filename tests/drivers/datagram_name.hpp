// SPDX-License-Identifier: Apache-2.0
#pragma once
// A name for datagrams that no other test has, in this process or another one.

#include <chrono>
#include <string>
#include <unistd.h>

namespace ombt::tests {

inline std::string unique_datagram_name() {
  std::string digits = std::to_string(::getpid());
  digits += std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
  return "ombt-" + digits.insert(0, 32 - digits.size(), '0');
}

}  // namespace ombt::tests
