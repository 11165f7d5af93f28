// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whole sessions over direct control, with agents in memory.
#include "wire/control/live.hpp"

#include "controller/direct_carrier.hpp"
#include "controller/session_runner.hpp"
#include "tests/controller/fake_agents.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ombt::tests {

inline const wire::control::reply_address own_address{
    "ombt-control", "controller-t", "ombt-t-None-h-1-0123456789abcdef0123456789abcdef-native"};

inline controller::plan direct_plan(controller::task what) {
  controller::plan p;
  p.what = what;
  p.topic = "t";
  p.parameters.count = 10;
  p.parameters.data = "XXXX";
  p.boot_id = "boot";
  p.timeout = std::chrono::seconds{10};
  p.direct = true;
  p.over_bus = false;
  p.hold = what != controller::task::status;
  return p;
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct direct_fixture {
  drivers::loop loop;
  fake_agents agents{loop};
  std::unique_ptr<controller::direct_links> links;
  std::unique_ptr<controller::session_runner> runner;
  std::vector<wire::control::live_report> live;
  std::function<void()> changed;
  bool closed = false;
  bool merged = false;  ///< processes send results as one

  /// Runs a session to its end.
  controller::outcome run(controller::plan what,
                          std::unique_ptr<controller::session_carrier> beside = nullptr,
                          const std::string& run_id = "0123456789abcdef-1") {
    runner.reset();
    if (!links) {
      links = std::make_unique<controller::direct_links>(
          loop, agents.places(), agents.connector(),
          wire::control::controller_hello{1, own_address.server, "here", 7, merged});
    }
    std::vector<std::unique_ptr<controller::session_carrier>> carriers;
    carriers.push_back(std::make_unique<controller::direct_carrier>(*links, !what.expect.empty()));
    if (beside) carriers.push_back(std::move(beside));
    closed = false;
    runner = std::make_unique<controller::session_runner>(
        loop, std::move(carriers),
        controller::session{std::move(what), own_address, run_id, controller::clock::now()},
        [this] {
          if (changed) changed();
        },
        [this] {
          closed = true;
          loop.stop();
        });
    runner->on_live(
        [this](const auto& report, controller::process_number) { live.push_back(report); });
    runner->start();
    loop.run_for(std::chrono::seconds{40});
    REQUIRE(closed);
    return runner->take_result();
  }
};

}  // namespace ombt::tests
