// SPDX-License-Identifier: Apache-2.0
#pragma once
// A direct_carrier at a port in memory, with agents in two topics that only note what they are
// asked.

#include "wire/control/messages.hpp"

#include "agents/control/direct_carrier.hpp"
#include "agents/measure/boot_id.hpp"
#include "agents/measure/clock.hpp"
#include "tests/agents/drive.hpp"
#include "tests/agents/fake_port.hpp"
#include "tests/agents/silent_commands.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace ombt::tests {

using agents::answer_path;
using wire::control::agent_kind;
using wire::control::test_kind;

/// Notes what a topic's agents are asked for.
struct noted_commands : silent_commands {
  std::vector<std::string> commands;
  std::vector<std::shared_ptr<answer_path>> paths;
  std::vector<wire::control::run_test_request> runs;
  std::vector<const answer_path*> gone;
  std::string refusal;     ///< of runs
  std::size_t number = 3;  ///< of agents
  int pongs = 0;           ///< that each ping leads to

  std::size_t agents(agent_kind) const override { return number; }
  std::string on_prepare(agent_kind, const wire::control::run_test_request&) override {
    if (refusal.empty()) commands.emplace_back("prepare");
    return refusal;
  }
  void on_forget(agent_kind) override { commands.emplace_back("forget"); }
  void on_ping(agent_kind kind, path from) override {
    note("ping", kind, from);
    for (int i = 0; i < pongs; ++i) from->send_pong(kind, "agent-" + std::to_string(i), "");
  }
  void on_run(agent_kind kind, const wire::control::run_test_request& request, path from) override {
    runs.push_back(request);
    note("run", kind, from);
    from->run_begun(request.parameters.run);
  }
  void on_cancel(agent_kind kind, const std::string& run, path from) override {
    note("cancel " + run, kind, from);
  }
  void on_collect(agent_kind kind, path from) override { note("collect", kind, from); }
  void on_shutdown(agent_kind kind) override { note("shutdown", kind, nullptr); }
  void on_gone(const answer_path& which) override { gone.push_back(&which); }
  void note(const std::string& what, agent_kind kind, path from) {
    commands.push_back(what + " " + std::string(wire_name(kind)));
    if (from) paths.push_back(std::move(from));
  }
  std::size_t count(const std::string& what) const {
    return static_cast<std::size_t>(std::count(commands.begin(), commands.end(), what));
  }
};

struct direct_fixture : noted_commands {
  drivers::loop loop;
  fake_port port;
  agents::direct_carrier_settings settings;
  noted_commands others;  ///< of topic "u"
  std::unique_ptr<agents::direct_carrier> carrier;
  int ready = 0;
  std::vector<std::string> failures;

  direct_fixture() {
    settings.endpoints = {{agent_kind::rpc_client, "", "t"},
                          {agent_kind::notifier, "", "t"},
                          {agent_kind::rpc_client, "", "u", &others}};
    settings.hello.program = "ombt-agent 1";
    settings.hello.process = "0123456789abcdef";
    settings.hello.host = "our-host";
    settings.hello.topics = {"t", "u"};
    settings.hello.bus = "rabbit://u:***@h";
    settings.port.port = 5700;
  }
  ~direct_fixture() { agents::correct_clock(0); }
  void on_carrier_ready() override { ++ready; }
  void on_carrier_failed(std::string why) override { failures.push_back(std::move(why)); }

  void make() {
    carrier = std::make_unique<agents::direct_carrier>(loop, settings, *this, port.joining());
    carrier->start();
  }
  void start() {
    make();
    REQUIRE(drive(loop, [&] { return ready == 1; }));
  }
  direct_word answer(direct_peer& of, std::uint64_t id) {
    REQUIRE(drive(loop, [&] { return of->answer(id).has_value(); }));
    return *of->answer(id);
  }
  std::string error(direct_peer& of, std::uint64_t id) { return answer(of, id).error; }
  bool closed(direct_peer& of) {
    return drive(loop, [&] { return of->closed(); });
  }
  void greet(direct_peer& peer) { REQUIRE(answer(peer, peer.greet()).error.empty()); }
  void hold(direct_peer& peer) {
    greet(peer);
    REQUIRE(answer(peer, peer.say("hold", "{}", {}, "")).json == R"({"held": true})");
  }
  static wire::control::test_parameters run(const std::string& id) {
    wire::control::test_parameters p;
    p.count = 5;
    p.run = id;
    p.detail = 1;
    return p;
  }
  static std::int64_t monotonic() {
    return drivers::steady_clock::now().time_since_epoch().count();
  }
  /// An instant so many milliseconds from now, on this machine's clock.
  static wire::control::start_request in(std::int64_t milliseconds, const std::string& id) {
    return {id, agents::boot_id(), monotonic() + milliseconds * 1'000'000, 0};
  }
};

}  // namespace ombt::tests
