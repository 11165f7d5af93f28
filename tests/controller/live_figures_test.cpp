// SPDX-License-Identifier: Apache-2.0
#include "controller/live_figures.hpp"

#include "tests/controller/session_script.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <string>

using namespace ombt;
using namespace ombt::controller;
using namespace ombt::tests;

namespace {

/// The value of the sample that begins so; -1 without one.
double value_of(const std::string& text, const std::string& sample) {
  const auto at = text.find('\n' + sample + ' ');
  return at == std::string::npos ? -1 : std::stod(text.substr(at + sample.size() + 2));
}

}  // namespace

TEST_CASE("a session's figures follow its run, and no counter falls when a warm-up is forgotten") {
  controller::plan what = plan_for(task::rpc_call);
  what.warmup = 1;
  what.parameters.load.emplace().duration = 5;
  session_script s{what};
  live_figures figures;
  live_view::figures now;
  CHECK(value_of(figures.text(s.machine, now), "ombt_phase{phase=\"connecting\"}") == 1);
  s.start_run({"c1", "c2"}, {"s1"});
  const auto run_over = [&](std::uint64_t each) {
    const std::string run = s.machine.run_id();
    for (const char* name : {"c1", "c2"}) s.native_result(name, each, run);
    s.expect_last(method::get_server_results);
    s.result(server, "s1", 2 * each);
  };
  const std::string clients = "ombt_messages_total{kind=\"RPCClient\",result=\"ok\"}";
  const std::string failed = "ombt_messages_total{kind=\"RPCClient\",result=\"failed\"}";
  now.ok = 40;
  now.failed = 3;
  now.in_flight = 2;
  now.latency.record(2'000'000, 990);
  now.latency.record(9'000'000, 10);
  REQUIRE(s.machine.current() == phase::running);
  REQUIRE(s.machine.warming_up());
  std::string text = figures.text(s.machine, now);
  CHECK(value_of(text, clients) == 40);
  CHECK(value_of(text, failed) == 3);
  CHECK(value_of(text, "ombt_agents{kind=\"RPCClient\"}") == 2);
  CHECK(value_of(text, "ombt_agents{kind=\"RPCServer\"}") == 1);
  CHECK(value_of(text, "ombt_run_active{kind=\"RPCClient\"}") == 1);
  CHECK(value_of(text, "ombt_messages_in_flight{kind=\"RPCClient\"}") == 2);
  CHECK(value_of(text, "ombt_phase{phase=\"warming up\"}") == 1);
  CHECK(value_of(text, "ombt_phase{phase=\"running\"}") == 0);
  CHECK(value_of(text, "ombt_phase{phase=\"roll call\"}") == 0);
  CHECK(value_of(text, "ombt_last_second_latency_seconds{kind=\"RPCClient\",quantile=\"0.99\"}") ==
        Approx(0.002).epsilon(0.001));
  CHECK_FALSE(has(text, "Notifier"));
  now.ok = 30;  // a thread that is not heard of any more
  CHECK(value_of(figures.text(s.machine, now), clients) == 40);
  wire::control::live_report second;
  second.second.latency.record(2'000'000, 7);
  figures.add_second(second);
  CHECK(value_of(figures.text(s.machine, now), "ombt_latency_seconds_count{kind=\"RPCClient\"}") ==
        7);

  run_over(25);
  REQUIRE(s.machine.current() == phase::running);
  REQUIRE_FALSE(s.machine.warming_up());
  now = {};
  text = figures.text(s.machine, now);
  CHECK(value_of(text, "ombt_phase{phase=\"warming up\"}") == 0);
  CHECK(value_of(text, "ombt_phase{phase=\"running\"}") == 1);
  CHECK(value_of(text, clients) == 40);
  now.ok = 10;
  CHECK(value_of(figures.text(s.machine, now), clients) == 50);
  run_over(30);
  REQUIRE(s.machine.finished());
  text = figures.text(s.machine, {});
  CHECK(value_of(text, clients) == 40 + 60);
  CHECK(value_of(text, "ombt_messages_total{kind=\"RPCServer\",result=\"ok\"}") == 60);
  CHECK(value_of(text, "ombt_run_active{kind=\"RPCClient\"}") == 0);
  CHECK(value_of(text, "ombt_phase{phase=\"finished\"}") == 1);
}

TEST_CASE("a session that runs no test tells of the agents that are there") {
  session_script s{plan_for(task::status)};
  live_figures figures;
  const std::string text = figures.text(s.machine, {});
  CHECK(value_of(text, "ombt_phase{phase=\"connecting\"}") == 1);
  CHECK_FALSE(has(text, "last_second"));
}
