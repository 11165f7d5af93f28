// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether two processes share a CLOCK_MONOTONIC: they do where the kernel's boot id is the same,
// which a host name can't tell. In a header, as controllers have no agents to link. Any thread.

#include <fstream>
#include <string>

namespace ombt::agents {

/// /proc/sys/kernel/random/boot_id, read once; empty where there is none.
inline const std::string& boot_id() {
  static const std::string id = [] {
    std::string line;
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::getline(file, line);
    return line;
  }();
  return id;
}

}  // namespace ombt::agents
