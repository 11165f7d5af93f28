// SPDX-License-Identifier: Apache-2.0
#pragma once
// A fleet on a bus in memory whose controllers come over connections of their own, in memory too.

#include "tests/agents/drive.hpp"
#include "tests/agents/fake_port.hpp"
#include "tests/agents/fleet_fixture.hpp"

#include <catch2/catch.hpp>

#include <cstdint>

namespace ombt::tests {

struct port_fixture : fleet_fixture {
  fake_port port;

  /// What comes back to the command of that id.
  direct_word answer(direct_peer& of, std::uint64_t id) {
    REQUIRE(drive(loop, [&] { return of->answer(id).has_value(); }));
    return *of->answer(id);
  }
  void hold(direct_peer& peer) {
    REQUIRE(answer(peer, peer.greet()).error.empty());
    REQUIRE(answer(peer, peer.say("hold", "{}", {}, "")).json == R"({"held": true})");
  }
};

}  // namespace ombt::tests
