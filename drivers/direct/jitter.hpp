// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long a process waits before it tries again what others try at the same time. Any thread.

#include "drivers/loop.hpp"

#include <random>

namespace ombt::drivers::direct {

/// 20 to 60 ms, evenly.
inline duration jitter() {
  thread_local std::minstd_rand from{std::random_device{}()};
  return std::chrono::microseconds(std::uniform_int_distribution(20'000, 60'000)(from));
}

}  // namespace ombt::drivers::direct
