// SPDX-License-Identifier: Apache-2.0
// What sessions and reports make of processes of standby agents, which have a role or none.
#include "controller/text_report.hpp"
#include "tests/controller/direct_fixture.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::tests;
using controller::task;

namespace {

std::string roles_frame(const std::string& key, std::uint32_t servers, std::uint32_t capacity) {
  wire::control::process_hello now;
  now.process = key;
  now.host = "h1";
  now.pid = 101;
  now.agents = {0, servers, 0, 0};
  now.standby = capacity - servers;
  now.capacity = capacity;
  now.topics = {"u"};
  now.topology = "oslo";
  now.bus = "amqp://elsewhere:5672/";
  std::string args;
  std::string out;
  append_process_hello(args, now);
  wire::control::append_direct_command(out, 0, "roles", {}, {}, args);
  return out;
}

}  // namespace

TEST_CASE_METHOD(direct_fixture, "a run is prepared by those who have such clients in its topic") {
  fake_process& both = agents.add("h1", 3, 1);
  // They have some without a role, so that they are asked who is there.
  fake_process& servers = agents.add("h1", 0, 2);
  servers.capacity = 10;
  fake_process& none = agents.add("h2", 0, 0, "elsewhere");
  none.capacity = 5;
  servers.errors["prepare"] = none.errors["prepare"] = "no RPCClient of that topic is here";
  const auto found = run(direct_plan(task::rpc_call));
  CHECK(found.failure.empty());
  CHECK(found.problems.empty());
  CHECK(found.clients.results.msgs_ok == 30);
  CHECK(both.times("prepare") == 1);
  CHECK(servers.times("client_ping") > 0);
  CHECK(servers.times("prepare") == 0);
  CHECK(none.times("client_ping") > 0);
  CHECK(none.times("start") == 0);
}

TEST_CASE_METHOD(direct_fixture, "without agents of a kind it is said that some are on standby") {
  agents.add("h1", 0, 2).capacity = 10;
  agents.add("h1", 0, 0).capacity = 5;
  const auto found = run(direct_plan(task::rpc_call));
  CHECK(has(
      found.failure,
      "no RPC client answered on topic t; 13 standby agents are there: assign gives them roles"));
}

TEST_CASE_METHOD(direct_fixture, "who is there is told with those on standby") {
  fake_process& some = agents.add("h1", 2, 0);
  some.capacity = 5;
  agents.add("h2", 0, 0).capacity = 1;
  agents.add("h2", 0, 3);
  const auto found = run(direct_plan(task::status));
  const std::string text = status_report(direct_plan(task::status), found, false);
  CHECK(text.starts_with("5 agents on topic t\n"));
  CHECK(has(text,
            "\nStandby agents: 4\n"
            "  host h1  process 101  3 agents  lean, amqp://u:***@bus\n"
            "  host h2  process 102  1 agent  lean, amqp://u:***@bus\n"));
}

TEST_CASE_METHOD(direct_fixture, "agents without a role are told to leave, and counted") {
  fake_process& none = agents.add("h1", 0, 0, "elsewhere");
  none.capacity = 7;
  agents.add("h1", 2, 1);
  const auto found = run(direct_plan(task::shutdown));
  CHECK(found.ok());
  CHECK(none.times("shutdown") >= 1);
  CHECK(shutdown_report(direct_plan(task::shutdown), found) == "10 agents told to leave\n");
}

TEST_CASE("where nobody is there, others may be on another topic") {
  controller::outcome found;
  found.topics.resize(1);
  found.processes.push_back({1, {}});
  found.processes[0].told.agents[0] = 1;
  found.processes[0].told.topics = {"elsewhere"};
  CHECK(shutdown_report(direct_plan(task::shutdown), found) ==
        "0 agents told to leave; agents are there on topic elsewhere\n");
  controller::plan unique = direct_plan(task::status);
  unique.unique = true;
  CHECK(status_report(unique, found, false)
            .starts_with("0 agents on topic t (unique); agents are there that were started without "
                         "--unique\n"));
  found.processes[0].told.topics = {"singleton"};
  CHECK(
      status_report(direct_plan(task::status), found, false)
          .starts_with("0 agents on topic t; agents are there that were started with --unique\n"));
}

TEST_CASE_METHOD(direct_fixture, "a process tells what its agents are now, and is asked as that") {
  fake_process& one = agents.add("h1", 0, 0);
  one.capacity = 9;
  fake_process& two = agents.add("h1", 0, 1);
  one.says["hold"] = roles_frame(one.key, 4, 9);
  auto what = direct_plan(task::shutdown);
  SECTION("which is believed") {
    const auto found = run(what);
    CHECK(found.ok());
    REQUIRE(found.processes.size() == 2);
    const auto& told = found.processes[0].told;
    CHECK(told.agents[1] == 4);
    CHECK(told.standby == 5);
    CHECK(told.bus == "amqp://elsewhere:5672/");
    // Some are left without a role: they are in every topic.
    CHECK(one.times("shutdown") > 0);
  }
  SECTION("so that it is not asked for what it has not") {
    one.says["hold"] = roles_frame(one.key, 9, 9);
    const auto found = run(what);
    CHECK(found.ok());
    CHECK(one.times("client_ping") == 0);
    CHECK(one.times("shutdown") == 0);
    CHECK(two.times("shutdown") > 0);
  }
  SECTION("in another's name, which ends it") {
    one.says["hold"] = roles_frame(two.key, 4, 9);
    run(what);
    CHECK(one.times("client_ping") == 0);
    CHECK(two.times("shutdown") > 0);
  }
  SECTION("which cannot be read, and ends it") {
    one.says["hold"] = R"({"method": "roles", "args": {"version": 1}})";
    run(what);
    CHECK(one.times("client_ping") == 0);
    CHECK(two.times("shutdown") > 0);
  }
}
