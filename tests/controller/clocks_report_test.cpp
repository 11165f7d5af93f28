// SPDX-License-Identifier: Apache-2.0
// What the reports say of machines' clocks.
#include "controller/clocks_text.hpp"
#include "controller/json_report.hpp"
#include "controller/text_report.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <string>

using namespace ombt::controller;

namespace {

constexpr std::int64_t us = 1'000;

machine_clock machine(const std::string& host, std::int64_t offset, std::int64_t bound,
                      double drift = 0, double drift_error = 0) {
  machine_clock out;
  out.host = host;
  out.boot = "boot-of-" + host;
  out.agents = 3;
  out.processes = 2;
  out.known = clock_quality{offset, bound, drift, drift_error, false};
  return out;
}

std::string text_of(const clocks_summary& clocks) {
  std::string out;
  append_clocks_text(out, clocks);
  return out;
}

plan plan_of_call() {
  plan p;
  p.parameters.count = 3;
  return p;
}

}  // namespace

TEST_CASE("on one machine the text says nothing of clocks") {
  outcome found;
  CHECK(test_report(plan_of_call(), found, {}).find("Clocks") == std::string::npos);
  CHECK(text_of({}).empty());
}

TEST_CASE("each machine's clock is a line, and the bound of what lies between") {
  clocks_summary clocks;
  clocks.machines = {machine("b", 50'012 * us, 310 * us, 198.24, 12),
                     machine("c", -1'500 * us, 1'000 * us, 3, 800)};
  clocks.machines[1].agents = 1;
  clocks.bound = 1'310 * us;
  CHECK(text_of(clocks) ==
        "  host b (3 agents): clock 50.012 ms ahead, corrected; right within 0.310 ms; drift 198.2 "
        "ppm, give or take 12.0\n"
        "  host c (1 agent): clock 1.500 ms behind, corrected; right within 1.000 ms\n"
        "  one-way times between hosts: right within 1.310 ms\n");
  outcome found;
  found.clocks = clocks;
  const auto report = test_report(plan_of_call(), found, {});
  CHECK(report.find("\n\nClocks:\n-------\n  host b ") != std::string::npos);
}

TEST_CASE("what is not corrected, and what is not to be believed, is told") {
  clocks_summary clocks;
  clocks.machines = {machine("b", 0, 0), machine("c", 5'000 * us, 1), machine("d", 1, 2 * us)};
  clocks.machines[0].known.reset();
  clocks.machines[1].known->stepped = true;
  clocks.machines[2].processes_untold = 1;
  clocks.own_untold = 2;
  clocks.own_step = -5'000'250 * us;
  clocks.unknown_agents = 1;
  clocks.bound = 10 * us;
  CHECK(
      text_of(clocks) ==
      "  host b (3 agents): said nothing of its clock; its one-way times are not corrected\n"
      "  host c (3 agents): clock 5.000 ms ahead, corrected; a clock was set during the run: its "
      "one-way times are not to be believed\n"
      "  host d (3 agents): clock 0.000 ms ahead, corrected; right within 0.002 ms\n"
      "    1 of its 2 processes did not hear of it: not corrected\n"
      "  processes on the controller's host that another controller has corrected and that did "
      "not answer: 2\n"
      "  the clock of the controller's host was set by -5000.250 ms during the run: one-way times "
      "are not to be believed\n"
      "  1 agent of unknown clocks (Python, or came during the run): one-way times not "
      "corrected\n"
      "  one-way times between hosts whose clocks are known: right within 0.010 ms\n");
}

TEST_CASE("of very many machines the first are listed") {
  clocks_summary clocks;
  for (int i = 0; i < 25; ++i) clocks.machines.push_back(machine("h" + std::to_string(i), 1, 1));
  const auto text = text_of(clocks);
  CHECK(text.find("host h19 ") != std::string::npos);
  CHECK(text.find("host h20 ") == std::string::npos);
  CHECK(text.find("  and 5 more hosts\n") != std::string::npos);
}

TEST_CASE("the JSON report has every machine, and null for what is not known") {
  outcome found;
  const auto json_of = [&] {
    return nlohmann::json::parse(json_report({}, plan_of_call(), found)).at("clocks");
  };
  CHECK(json_of().is_null());  // it did not come to the end
  found.ledger.emplace();
  CHECK(json_of() == nlohmann::json{{"one_way_bound_ms", 0.0},
                                    {"machines", nlohmann::json::array()},
                                    {"own_processes_not_corrected", 0},
                                    {"own_step_ms", 0.0},
                                    {"agents_unknown", 0}});
  found.clocks.machines = {machine("b", 50'000 * us, 310 * us, 200, 12), machine("c", 5, 1)};
  found.clocks.bound = 310 * us;
  auto json = json_of();
  CHECK(json["one_way_bound_ms"] == Approx(0.31));
  CHECK(json["machines"][0] == nlohmann::json{{"host", "b"},
                                              {"boot", "boot-of-b"},
                                              {"agents", 3},
                                              {"processes", 2},
                                              {"processes_not_corrected", 0},
                                              {"offset_ms", 50.0},
                                              {"bound_ms", 0.31},
                                              {"drift_ppm", 200.0},
                                              {"drift_error_ppm", 12.0},
                                              {"stepped", false}});
  CHECK(json["machines"][1]["drift_ppm"].is_null());
  found.clocks.machines[0].known->stepped = true;
  found.clocks.machines[1].known.reset();
  found.clocks.unknown_agents = 4;
  found.clocks.own_step = -5'000 * us;
  json = json_of();
  CHECK(json["one_way_bound_ms"].is_null());
  CHECK(json["agents_unknown"] == 4);
  CHECK(json["own_step_ms"] == -5.0);
  CHECK(json["machines"][0]["stepped"] == true);
  CHECK(json["machines"][0]["bound_ms"].is_null());
  for (const char* key : {"offset_ms", "bound_ms", "drift_ppm", "drift_error_ppm", "stepped"}) {
    CHECK(json["machines"][1][key].is_null());
  }
}
