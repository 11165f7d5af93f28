// SPDX-License-Identifier: Apache-2.0
#pragma once
// Commands that lead to nothing, for tests that look at some of them.

#include "agents/control/carrier.hpp"

namespace ombt::tests {

struct silent_commands : agents::command_handler {
  using kind_t = wire::control::agent_kind;
  using path = std::shared_ptr<agents::answer_path>;

  std::size_t agents(kind_t) const override { return 1; }
  std::string on_prepare(kind_t, const wire::control::run_test_request&) override { return {}; }
  void on_forget(kind_t) override {}
  void on_ping(kind_t, path) override {}
  void on_run(kind_t, const wire::control::run_test_request&, path) override {}
  void on_cancel(kind_t, const std::string&, path) override {}
  void on_collect(kind_t, path) override {}
  void on_shutdown(kind_t) override {}
  void on_gone(const agents::answer_path&) override {}
  void on_carrier_ready() override {}
  void on_carrier_failed(std::string) override {}

 protected:
  ~silent_commands() = default;
};

}  // namespace ombt::tests
