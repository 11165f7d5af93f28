// SPDX-License-Identifier: Apache-2.0
#pragma once
// A session by direct control, with processes whose agents a test plays.

#include "tests/controller/session_script.hpp"

#include <string>
#include <utility>
#include <vector>

namespace ombt::tests {

using controller::order;

inline plan plan_of_processes(task what = task::rpc_call) {
  plan p = plan_for(what);
  p.boot_id = "here";
  p.over_bus = false;
  p.direct = true;
  p.hold = what != task::status;
  return p;
}

/// Processes 1 and 2 have a client each, 3 and 4 a server.
struct direct_script : session_script {
  explicit direct_script(plan what = plan_of_processes()) : session_script{std::move(what)} {}

  std::vector<action> expect_order(order what, std::size_t count) {
    auto actions = take();
    REQUIRE(actions.size() == count);
    for (const action& a : actions) REQUIRE(a.what == what);
    return actions;
  }
  void pong_from(agent_kind kind, const std::string& name, controller::process_number from) {
    machine.on_pong({kind, name, ""}, now(), 0, from);
  }
  void result_from(agent_kind kind, const std::string& name, controller::process_number from,
                   std::uint64_t ok) {
    auto r = record(kind, name, ok);
    r.has_details = true;
    r.details.run = kind == client ? run_id : "";
    machine.on_result(r, now(), 0, from);
  }
  void lose(controller::process_number which) {
    machine.on_gone(which, "process " + std::to_string(which) + " is gone", now());
  }
  /// To the roll call, whose questions are out and not answered.
  std::vector<action> to_roll_call() {
    machine.on_listening(now());
    expect(method::self_ready, 1);
    if (machine.what().hold) {
      REQUIRE(machine.current() == phase::holding);
      complete(expect_order(order::hold, 1)[0]);
    }
    REQUIRE(machine.current() == phase::roll_call);
    return take();
  }
  /// To the reset; the roll call is over as soon as its questions are answered.
  void to_reset() {
    const auto pings = to_roll_call();
    REQUIRE(pings.size() == 4);
    pong_from(client, "c1", 1);
    pong_from(client, "c2", 2);
    pong_from(server, "s1", 3);
    pong_from(server, "s2", 4);
    for (const action& a : pings) complete(a);
    pass(0s);
    REQUIRE(machine.current() == phase::resetting);
    expect(method::get_server_results, 1);
  }
  action to_prepare() {
    to_reset();
    result_from(server, "s1", 3, 5);
    result_from(server, "s2", 4, 5);
    REQUIRE(machine.current() == phase::preparing);
    return expect_order(order::prepare, 1)[0];
  }
  action to_run() {
    const action a = to_prepare();
    complete(a);
    REQUIRE(machine.current() == phase::running);
    const action run = expect_order(order::start, 1)[0];
    complete(run);
    return run;
  }
  /// Through the roll call to a run of these agents alone.
  struct agent_there {
    agent_kind kind;
    const char* name;
    controller::process_number from;
  };
  void to_run_with(const std::vector<agent_there>& agents) {
    const auto pings = to_roll_call();
    for (const agent_there& one : agents) pong_from(one.kind, one.name, one.from);
    std::vector<agent_there> servers;
    for (const agent_there& one : agents) {
      if (one.kind == server) servers.push_back(one);
    }
    to_run_of(pings, servers);
  }
  /// From these questions of the roll call, which has heard all there are, to the run.
  void to_run_of(const std::vector<action>& pings, const std::vector<agent_there>& servers) {
    for (const action& a : pings) complete(a);
    pass(0s);
    expect(method::get_server_results, 1);
    for (const agent_there& one : servers) result_from(server, one.name, one.from, 0);
    complete(expect_order(order::prepare, 1)[0]);
    complete(expect_order(order::start, 1)[0]);
  }
  /// To the end of a run in which the one client called the one server ten times.
  void to_end_of(const agent_there& caller, const agent_there& called) {
    result_from(client, caller.name, caller.from, 10);
    expect(method::get_server_results, 1);
    result_from(server, called.name, called.from, 10);
  }
  /// What a process says of itself.
  void tell_of(controller::process_number which, std::int64_t pid, agent_kind kind,
               const std::string& topic) {
    wire::control::process_hello told;
    told.host = "n1";
    told.pid = pid;
    told.agents[static_cast<std::size_t>(kind)] = 1;
    told.topics = {topic};
    machine.on_process(which, told);
  }
  void to_poll() {
    to_run();
    result_from(client, "c1", 1, 10);
    result_from(client, "c2", 2, 10);
    REQUIRE(machine.current() == phase::polling);
    expect(method::get_server_results, 1);
  }
  bool has_problem(const std::string& part) const {
    for (const std::string& one : found().problems) {
      if (has(one, part)) return true;
    }
    return false;
  }
};

}  // namespace ombt::tests
