// SPDX-License-Identifier: Apache-2.0
#include "wire/configuration_error.hpp"

#include "drivers/transport.hpp"

#include <catch2/catch.hpp>

using ombt::drivers::topology;

TEST_CASE("a topology reads and prints as it is written") {
  const auto text = GENERATE(as<std::string>{}, "oslo", "lean", "shared:1", "shared:10000");
  CHECK(topology::parse(text).to_string() == text);
}

TEST_CASE("shared:N keeps N") { CHECK(topology::parse("shared:12").connections == 12); }

TEST_CASE("a topology that is none is refused by name") {
  const auto text = GENERATE(as<std::string>{}, "", "Oslo", "shared", "shared:", "shared:0",
                             "shared:-1", "shared:10001", "shared:2x", "shared: 2", "lean:2");
  CHECK_THROWS_AS(topology::parse(text), ombt::configuration_error);
  CHECK_THROWS_WITH(topology::parse(text), Catch::Contains("'" + text + "'"));
}
