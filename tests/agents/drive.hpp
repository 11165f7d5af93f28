// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs a loop until something has happened, with a limit that only a failing test meets.

#include "drivers/loop.hpp"

namespace ombt::tests {

/// True once condition() holds; false after 10 s.
template <class Condition>
bool drive(drivers::loop& loop, Condition condition) {
  const auto limit = drivers::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (drivers::steady_clock::now() > limit) return false;
    loop.run_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// Lets everything happen that needs no more than this time.
inline void settle(drivers::loop& loop, drivers::duration time = std::chrono::milliseconds(20)) {
  const auto limit = drivers::steady_clock::now() + time;
  while (drivers::steady_clock::now() < limit) loop.run_for(std::chrono::milliseconds(1));
}

}  // namespace ombt::tests
