// SPDX-License-Identifier: Apache-2.0
// One session over several carriers: direct control and another beside it.
#include "tests/controller/direct_fixture.hpp"

#include <algorithm>

using namespace ombt;
using namespace std::chrono_literals;
using namespace ombt::tests;
using controller::action;
using controller::order;
using controller::phase;
using controller::plan;
using controller::task;
using wire::control::method;

namespace {

/// Carries nothing, and completes as it is told.
struct other_carrier final : controller::session_carrier {
  controller::carrier_events* told = nullptr;
  bool takes = true;
  error_code error;
  std::vector<action> carried;
  std::vector<std::uint64_t> open;  ///< with `holds`
  bool holds = false;
  std::string words;

  void start(const controller::session&, controller::carrier_events& events) override {
    told = &events;
    events.on_ready(*this);
  }
  bool carry(const action& what) override {
    if (!takes) return false;
    carried.push_back(what);
    if (holds) {
      open.push_back(what.tag);
    } else {
      told->on_complete(what.tag, error, error ? "no luck" : "");
    }
    return true;
  }
  void close(std::function<void()> done) override { done(); }
  std::string lost_contact() const override { return {}; }
  std::string last_error() const override { return words; }
};

}  // namespace

TEST_CASE("an action is complete when all carriers have completed it, and failed if one failed") {
  direct_fixture f;
  f.agents.add("h1", 1, 1);
  plan p = direct_plan(task::rpc_call);
  p.over_bus = true;
  p.idle = 100ms;
  p.timeout = 3s;
  auto beside = std::make_unique<other_carrier>();
  other_carrier& other = *beside;
  SECTION("both do it") {
    const auto found = f.run(p, std::move(beside));
    INFO(found.failure);
    REQUIRE(found.ok());
    std::vector<order> orders;
    for (const action& one : other.carried) orders.push_back(one.what);
    CHECK(std::count(orders.begin(), orders.end(), order::prepare) == 1);
    CHECK(std::count(orders.begin(), orders.end(), order::start) == 1);
    // A bus needs the message for start.
    const auto start = std::find(orders.begin(), orders.end(), order::start) - orders.begin();
    CHECK(has(other.carried[static_cast<std::size_t>(start)].args_json, "test_call"));
  }
  SECTION("one has not completed it") {
    other.holds = true;
    other.words = "the bus is slow";
    const auto found = f.run(p, std::move(beside));
    CHECK(other.open.size() == 1);
    CHECK(has(found.failure, "no contact"));
    CHECK(has(found.failure, "the bus is slow"));
  }
  SECTION("it failed in one") {
    f.changed = [&] {
      if (f.runner->machine().current() == phase::running) return;
      other.error = f.runner->machine().current() == phase::preparing ? error_code{errc::nacked}
                                                                      : error_code{};
    };
    const auto found = f.run(p, std::move(beside));
    CHECK(has(found.failure, "no luck"));
  }
  SECTION("one does not take it") {
    other.takes = false;
    REQUIRE(f.run(p, std::move(beside)).ok());
  }
}

TEST_CASE("a call to one process goes to the carrier that reaches it, and to no other") {
  direct_fixture f;
  f.agents.add("h1", 1, 1).boot = "far";
  plan p = direct_plan(task::rpc_call);
  p.over_bus = true;
  p.idle = 100ms;
  auto beside = std::make_unique<other_carrier>();
  other_carrier& other = *beside;
  const auto found = f.run(p, std::move(beside));
  REQUIRE(found.ok());
  CHECK(found.clocks.machines.at(0).good());
  for (const action& one : other.carried) CHECK(one.method != method::clock);
}
