// SPDX-License-Identifier: Apache-2.0
#pragma once
// Plays a bus and agents to a controller session, in simulated time: takes its actions, completes
// them, answers as told. One session a script.

#include "controller/session.hpp"

#include <catch2/catch.hpp>

#include <deque>
#include <string>
#include <vector>

namespace ombt::tests {

using namespace std::chrono_literals;
using controller::action;
using controller::phase;
using controller::plan;
using controller::task;
using wire::control::agent_kind;
using wire::control::method;

inline const auto client = agent_kind::rpc_client;
inline const auto server = agent_kind::rpc_server;
inline const std::string run_id = "0123456789abcdef-1";
inline const wire::control::reply_address own_address{
    "ombt-control", "controller-t", "ombt-t-None-h-1-0123456789abcdef0123456789abcdef-native"};

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline plan plan_for(task what, std::int64_t count = 10) {
  plan p;
  p.what = what;
  p.topic = "t";
  p.parameters.count = count;
  p.parameters.data = "XXXX";
  return p;
}

class session_script {
 public:
  explicit session_script(plan what)
      : machine{std::move(what), own_address, run_id, start()}, now_{start()} {}

  /// What the session wants sent now; kept in `sent` as well.
  std::vector<action> take() {
    std::vector<action> out;
    action next;
    while (machine.next_action(next)) {
      out.push_back(next);
      sent.push_back(next);
    }
    return out;
  }

  void complete(const action& a, error_code error = {}, std::string_view detail = {}) {
    machine.on_complete(a.tag, error, detail, now_);
  }
  /// Takes all actions there are, which must be of this method, and completes them.
  std::vector<action> expect(method m, std::size_t count) {
    auto actions = take();
    for (const action& a : actions) UNSCOPED_INFO(wire_name(a.method));
    REQUIRE(actions.size() == count);
    for (const action& a : actions) {
      REQUIRE(a.method == m);
      complete(a);
    }
    return actions;
  }

  /// Takes and completes all actions there are, of which the last must be of this method: behind
  /// the questions after silent clients, for instance.
  void expect_last(method m) {
    const auto actions = take();
    REQUIRE_FALSE(actions.empty());
    REQUIRE(actions.back().method == m);
    for (const action& a : actions) complete(a);
  }

  void pong(agent_kind kind, const std::string& name) { machine.on_pong({kind, name, {}}, now_); }
  /// Of a native agent, with the run that it is at (empty: none).
  void native_pong(agent_kind kind, const std::string& name, const std::string& run = {}) {
    machine.on_pong({kind, name, run}, now_);
  }

  /// A record of ok messages of 1 ms and failures.
  static wire::control::client_result_request record(agent_kind kind, const std::string& name,
                                                     std::uint64_t ok, std::uint64_t failed = 0) {
    wire::control::client_result_request out;
    out.kind = kind;
    out.name = name;
    for (std::uint64_t i = 0; i < ok; ++i) out.results.add_success(1.0);
    for (std::uint64_t i = 0; i < failed; ++i) out.results.add_failure("no luck");
    return out;
  }
  void result(agent_kind kind, const std::string& name, std::uint64_t ok,
              std::uint64_t failed = 0) {
    machine.on_result(record(kind, name, ok, failed), now_);
  }
  /// The same from a native client, of this run or another.
  void native_result(const std::string& name, std::uint64_t ok, const std::string& run) {
    auto r = record(agent_kind::rpc_client, name, ok);
    r.has_details = true;
    r.details.run = run;
    r.details.latency.record(1'000'000, ok);
    machine.on_result(r, now_);
  }

  /// Lets time pass, with a tick at each deadline on the way.
  void pass(controller::duration time) {
    const auto until = now_ + time;
    for (int turns = 0; turns < 10'000; ++turns) {
      const auto next = machine.next_deadline();
      if (!next || *next > until) break;
      now_ = std::max(now_, *next);
      machine.tick(now_);
    }
    now_ = until;
    machine.tick(now_);
  }
  controller::duration elapsed() const { return now_ - start(); }
  controller::time_point now() const { return now_; }

  /// Through connecting, to the roll call whose pings are out.
  void connect() {
    machine.on_listening(now_);
    expect(method::self_ready, 1);
    REQUIRE(machine.current() == phase::roll_call);
    const auto pings = expect(method::client_ping, 4);
    for (std::size_t i = 0; i < 4; ++i) REQUIRE(pings[i].to == wire::control::agent_kinds[i]);
  }
  /// Through the roll call and the reset, to a run that is out.
  action start_run(const std::vector<std::string>& clients, const std::vector<std::string>& servers,
                   agent_kind client_kind = agent_kind::rpc_client,
                   agent_kind server_kind = agent_kind::rpc_server) {
    connect();
    for (const auto& name : clients) pong(client_kind, name);
    for (const auto& name : servers) pong(server_kind, name);
    pass(machine.what().idle);
    REQUIRE(machine.current() == phase::resetting);
    const auto reset = expect(method::get_server_results, 1);
    REQUIRE(reset[0].to == server_kind);
    for (const auto& name : servers) result(server_kind, name, 77, 3);
    REQUIRE(machine.current() == phase::running);
    const auto run = expect(method::run_test, 1);
    REQUIRE(run[0].to == client_kind);
    return run[0];
  }

  const controller::outcome& found() const { return machine.result(); }

  controller::session machine;
  std::deque<action> sent;

 private:
  static controller::time_point start() { return controller::time_point{} + 1h; }
  controller::time_point now_;
};

}  // namespace ombt::tests
