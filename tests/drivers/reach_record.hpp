// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a transport tells of reach(), kept. One thread.

#include "drivers/transport.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace ombt::tests {

struct reach_record : drivers::reach_handler {
  int reached = 0;
  bool final = false;
  std::vector<std::string> failures;

  void on_reached() override { ++reached; }
  void on_unreached(error_code, std::string_view detail, bool is_final) override {
    failures.emplace_back(detail);
    final = is_final;
  }
};

}  // namespace ombt::tests
