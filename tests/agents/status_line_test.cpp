// SPDX-License-Identifier: Apache-2.0
#include "agents/status_line.hpp"

#include <catch2/catch.hpp>

using ombt::agents::ready_text;

TEST_CASE("The numbers of agents are told in groups of three digits") {
  CHECK(ready_text(3'200, 10'000) == "connecting: 3,200 of 10,000 agents are ready");
  CHECK(ready_text(0, 1) == "connecting: 0 of 1 agents are ready");
  CHECK(ready_text(999, 1'000) == "connecting: 999 of 1,000 agents are ready");
  CHECK(ready_text(12, 1'234'567) == "connecting: 12 of 1,234,567 agents are ready");
}
