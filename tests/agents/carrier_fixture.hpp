// SPDX-License-Identifier: Apache-2.0
#pragma once
// A bus_carrier on a bus in memory, and what it was told.
#include "agents/control/bus_carrier.hpp"
#include "tests/agents/fake_controller.hpp"
#include "tests/agents/silent_commands.hpp"

#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ombt::tests {

struct carrier_fixture : silent_commands {
  drivers::loop loop;
  fake_bus bus;
  agents::bus_carrier_settings settings;
  std::unique_ptr<agents::bus_carrier> carrier;

  int ready = 0;
  std::vector<std::string> failures;
  std::vector<std::string> commands;
  std::vector<std::shared_ptr<agents::answer_path>> paths;
  std::vector<wire::control::run_test_request> runs;
  std::string refusal;  ///< of runs

  carrier_fixture() {
    settings.endpoints = {{wire::control::agent_kind::rpc_client, "clients", "t"},
                          {wire::control::agent_kind::rpc_server, "server", "t"}};
    settings.ready_timeout = std::chrono::milliseconds(2);
  }
  void on_ping(wire::control::agent_kind kind, std::shared_ptr<agents::answer_path> from) override {
    note("ping", kind, std::move(from));
  }
  std::string on_prepare(wire::control::agent_kind,
                         const wire::control::run_test_request&) override {
    return refusal;
  }
  void on_run(wire::control::agent_kind kind, const wire::control::run_test_request& request,
              std::shared_ptr<agents::answer_path> from) override {
    runs.push_back(request);
    note("run", kind, std::move(from));
  }
  void on_cancel(wire::control::agent_kind kind, const std::string& run,
                 std::shared_ptr<agents::answer_path> from) override {
    note(("cancel " + run).c_str(), kind, std::move(from));
  }
  void on_collect(wire::control::agent_kind kind,
                  std::shared_ptr<agents::answer_path> from) override {
    note("collect", kind, std::move(from));
  }
  void on_shutdown(wire::control::agent_kind kind) override { note("shutdown", kind, nullptr); }
  void on_carrier_ready() override { ++ready; }
  void on_carrier_failed(std::string why) override { failures.push_back(std::move(why)); }

  void note(const char* what, wire::control::agent_kind kind,
            std::shared_ptr<agents::answer_path> from) {
    commands.push_back(std::string(what) + " " + std::string(wire_name(kind)));
    if (from) paths.push_back(std::move(from));
  }
  void make() {
    carrier = std::make_unique<agents::bus_carrier>(loop, settings, *this, bus.make(loop));
    carrier->start();
  }
  void start() {
    make();
    REQUIRE(drive(loop, [&] { return ready == 1; }));
  }
  /// Calls a method of the clients; the exception that it ends in, or nothing.
  std::string call(const std::string& method, const std::string& args) {
    struct caller : drivers::completion {
      bool done = false;
      std::string exception;
      void on_complete(std::uint64_t, const drivers::outcome& o) override {
        done = true;
        if (o.exception) exception = o.exception->class_name + ": " + o.exception->message;
      }
    } caller;
    const auto peer = bus.make(loop);
    drivers::target to;
    to.exchange = "ombt-control";
    to.topic = "client-RPCClient-t";
    drivers::request_message r;
    r.method = method;
    r.args_json = args;
    peer->call(to, r, {}, caller, 0);
    REQUIRE(drive(loop, [&] { return caller.done; }));
    return caller.exception;
  }
  std::shared_ptr<agents::answer_path> path_from(fake_controller& controller) {
    const std::size_t before = paths.size();
    controller.ask(wire::control::agent_kind::rpc_client, "client_ping");
    REQUIRE(drive(loop, [&] { return paths.size() > before; }));
    return paths.back();
  }
};

inline scripted_outcome fails(errc e) {
  scripted_outcome outcome;
  outcome.error = e;
  return outcome;
}

}  // namespace ombt::tests
