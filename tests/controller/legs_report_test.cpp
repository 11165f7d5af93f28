// SPDX-License-Identifier: Apache-2.0
// The legs of calls: asked for, added up and reported.
#include "wire/configuration_error.hpp"
#include "wire/json/value.hpp"

#include "controller/json_report.hpp"
#include "controller/load_options.hpp"
#include "controller/text_report.hpp"
#include "tests/controller/report_example.hpp"
#include "tests/controller/session_script.hpp"

#include <nlohmann/json.hpp>

#include <memory>

using namespace ombt;
using namespace ombt::controller;
using controller::test::agent_kind;
using tests::session_script;
using wire::control::series;

namespace {

constexpr std::int64_t ms = 1'000'000;

/// Of that many calls, one of which seems to have been answered before it was sent.
outcome with_legs(std::uint64_t calls) {
  outcome found = controller::test::example();
  found.clients = controller::test::side_of(2'000, 0, true, 1'000);
  auto& to = found.clients;
  for (std::uint64_t i = 1; i <= calls; ++i) {
    if (i > 1) to.series[series::request_leg].record(i * ms);
    to.series[series::server_time].record(5 * ms);
    to.series[series::reply_leg].record(2 * ms);
  }
  to.below_zero[series::request_leg].record(-1'500'000);
  return found;
}

plan wanting_legs() {
  plan what = controller::test::plan_of(task::rpc_call);
  what.parameters.legs = true;
  return what;
}

}  // namespace

TEST_CASE("legs are asked for in open loops and with --legs, and only of calls") {
  const lengths payload{4, {}};
  plan closed = controller::test::plan_of(task::rpc_call);
  add_load(closed, {}, 3, payload);
  CHECK_FALSE(closed.parameters.legs);
  load_settings wanted;
  wanted.legs = true;
  add_load(closed, wanted, 3, payload);
  CHECK(closed.parameters.legs);
  // It is no load: Python clients may take part, whose calls have none.
  CHECK(closed.native_clients_for.empty());
  CHECK_FALSE(closed.parameters.load);
  load_settings open;
  open.rate = "5:1s";
  plan call = controller::test::plan_of(task::rpc_call);
  add_load(call, open, {}, payload);
  CHECK(call.parameters.legs);
  plan cast = controller::test::plan_of(task::rpc_cast);
  add_load(cast, open, {}, payload);
  CHECK_FALSE(cast.parameters.legs);
  for (const task other : {task::rpc_cast, task::rpc_fanout, task::notify}) {
    plan what = controller::test::plan_of(other);
    CHECK_THROWS_WITH(add_load(what, wanted, 3, payload),
                      Catch::Contains("--legs is for rpc-call"));
  }
}

TEST_CASE("run_test says that legs are wanted, and only then") {
  for (const bool wanted : {false, true}) {
    plan what = tests::plan_for(task::rpc_call);
    what.parameters.legs = wanted;
    session_script s{what};
    const auto run = s.start_run({"c1"}, {"s1"});
    CHECK(tests::has(run.args_json, "\"legs\": true") == wanted);
    wire::json::reader reader;
    wire::json::value root;
    REQUIRE_FALSE(reader.parse(run.args_json, root));
    wire::control::run_test_request request;
    std::string why;
    REQUIRE(wire::control::read_run_test_args(root, request, why));
    CHECK(request.parameters.legs == wanted);
  }
}

TEST_CASE("what clients measured of legs and sites is added up, and forgotten after a warm-up") {
  plan what = tests::plan_for(task::rpc_call);
  what.parameters.legs = true;
  what.warmup = 1;
  what.parameters.load.emplace().duration = 1;
  session_script s{what};
  s.start_run({"c1", "c2"}, {"s1"});
  const auto result = [&](agent_kind kind, const std::string& name, const std::string& run) {
    auto r = session_script::record(kind, name, kind == tests::client ? 2 : 4);
    r.has_details = true;
    r.details.run = run;
    auto sites = std::make_shared<wire::control::site_counts>("a");
    if (kind == tests::client) {
      r.details.series.record_difference(series::request_leg, 5);
      r.details.series.record_difference(series::request_leg, name == "c1" ? -7 : -9);
      sites->answered("a", 1'000);
      sites->answered("a", 1'000);
    } else {
      for (int i = 0; i < 4; ++i) sites->arrived("a");
    }
    r.details.sites = std::move(sites);
    s.machine.on_result(r, s.now());
  };
  for (const std::string& run : {tests::run_id + "-warm-up", tests::run_id}) {
    result(tests::client, "c1", run);
    result(tests::client, "c2", run);
    s.expect_last(tests::method::get_server_results);
    result(tests::server, "s1", "");
    if (run != tests::run_id) s.expect_last(tests::method::run_test);
  }
  REQUIRE(s.machine.finished());
  const outcome& found = s.found();
  CHECK(found.clients.find(series::request_leg)->count() == 2);
  CHECK(found.clients.negatives(series::request_leg) == wire::control::below_zero{2, -9});
  REQUIRE(found.sites.cells().size() == 1);
  const auto& cell = found.sites.cells().at({"a", "a"});
  CHECK(cell.calls == 4);
  CHECK(cell.arrivals == 4);
}

TEST_CASE("legs are a table that says of how many calls they are, and how far clocks are apart") {
  const std::string text = test_report(wanting_legs(), with_legs(1'200));
  CHECK(controller::test::has(
      text,
      "\nLegs of 1,200 of 2,000 calls (msecs):\n"
      "                 50%        90%        99%      99.9%        Max\n"
      "  request    601.358   1081.082   1189.085        n/a   1200.000\n"
      "  server       5.000      5.000      5.000        n/a      5.000\n"
      "  reply        2.000      2.000      2.000        n/a      2.000\n"
      "Clocks apart: request leg: 1 samples below zero, the lowest -1.500000 msecs\n"));
  // Python servers answer without a note.
  CHECK(controller::test::has(test_report(wanting_legs(), controller::test::example()),
                              "\nLegs of 0 of 3 calls (msecs): n/a\n"));
  CHECK_FALSE(controller::test::has(
      test_report(controller::test::plan_of(task::rpc_call), controller::test::example()), "Legs"));
}

TEST_CASE("legs are in the JSON where they were asked for") {
  const auto clients = [](const plan& what, const outcome& found) {
    return nlohmann::json::parse(json_report({}, what, found))["clients"];
  };
  CHECK(clients(controller::test::plan_of(task::rpc_call), with_legs(1'200))["legs"].is_null());
  const auto none = clients(wanting_legs(), controller::test::example())["legs"];
  CHECK(none == nlohmann::json(
                    {{"calls", 0}, {"request", nullptr}, {"server", nullptr}, {"reply", nullptr}}));
  const auto legs = clients(wanting_legs(), with_legs(1'200))["legs"];
  CHECK(legs["calls"] == 1'200);
  CHECK(legs["request"]["samples"] == 1'199);
  CHECK(legs["request"]["negative_samples"] == 1);
  CHECK(legs["request"]["negative_min_ms"] == -1.5);
  CHECK(legs["server"]["max_ms"] == 5.0);
  CHECK(legs["server"]["negative_samples"] == 0);
  CHECK(legs["reply"]["negative_min_ms"].is_null());
  CHECK(legs["reply"]["p99_9_ms"].is_null());
}
