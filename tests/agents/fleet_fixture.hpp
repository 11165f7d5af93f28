// SPDX-License-Identifier: Apache-2.0
#pragma once
// A fleet on a bus in memory, and a loop for whoever talks to it there.

#include "wire/control/messages.hpp"

#include "drivers/loop.hpp"

#include "agents/fleet.hpp"
#include "tests/agents/fake_transport.hpp"

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>

namespace ombt::tests {

struct fleet_fixture {
  fake_bus bus;
  agents::fleet_options options;
  drivers::loop loop;  ///< of the test's own peers

  fleet_fixture() {
    options.topic = "t";
    options.control_url = "bus";
    options.timeout = 5;
  }
  std::unique_ptr<agents::fleet> make() {
    return std::make_unique<agents::fleet>(
        agents::make_fleet_plan(options),
        [this](drivers::loop& on, std::shared_ptr<const drivers::transport_settings>) {
          return bus.make(on);
        });
  }
  static wire::control::test_parameters parameters(std::int64_t count) {
    wire::control::test_parameters p;
    p.count = count;
    p.data = "XXXX";
    return p;
  }
  /// Runs something that blocks while the test's own loop goes on.
  template <class Work>
  auto alongside(Work work) {
    auto result = std::async(std::launch::async, work);
    while (result.wait_for(std::chrono::milliseconds(0)) != std::future_status::ready) {
      loop.run_for(std::chrono::milliseconds(1));
    }
    return result.get();
  }
};

}  // namespace ombt::tests
