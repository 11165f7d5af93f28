// SPDX-License-Identifier: Apache-2.0
#pragma once
// A loop, a bus in memory and the context of one thread's senders, for their tests.

#include "wire/control/messages.hpp"

#include "agents/sender.hpp"
#include "tests/agents/drive.hpp"
#include "tests/agents/fake_transport.hpp"

#include <memory>
#include <vector>

namespace ombt::tests {

struct sender_fixture : agents::sender_owner {
  drivers::loop loop;
  fake_bus bus;
  agents::sender_context context{loop, *this, std::chrono::seconds(7), {}, {}, {}};
  int runs_done = 0;

  sender_fixture() {
    context.rpc.exchange = wire::control::rpc_test_exchange;
    context.rpc.topic = "rpc-t";
    context.rpc_fanout = context.rpc;
    context.rpc_fanout.fanout = true;
    context.notifications.exchange = wire::control::notify_test_exchange;
    context.notifications.topic = "notify-t";
  }

  void on_reached(agents::sender&) override {}
  void on_unreachable(agents::sender&, std::string) override {}
  void on_run_done(agents::sender&) override { ++runs_done; }

  static std::shared_ptr<agents::message_text> text(wire::control::test_kind test,
                                                    std::int64_t count, double pause = 0) {
    wire::control::run_test_request request;
    request.test = test;
    request.parameters.count = count;
    request.parameters.data = "XXX";
    request.parameters.pause = pause;
    request.parameters.severity = "warn";
    request.parameters.run = "run-7";
    return std::make_shared<agents::message_text>(agents::make_test_plan(request));
  }

  bool run_to_end(agents::sender& s, std::shared_ptr<agents::message_text> what) {
    const int before = runs_done;
    return s.run(std::move(what)) && drive(loop, [&] { return runs_done > before; });
  }

  static scripted_outcome fails(errc e) {
    scripted_outcome outcome;
    outcome.error = e;
    return outcome;
  }
  static scripted_outcome answers(std::string json) {
    scripted_outcome outcome;
    outcome.result_json = std::move(json);
    return outcome;
  }
  static scripted_outcome hangs() {
    scripted_outcome outcome;
    outcome.hang = true;
    return outcome;
  }
};

}  // namespace ombt::tests
