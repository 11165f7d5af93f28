// SPDX-License-Identifier: Apache-2.0
#pragma once
// The agent that notifies: test_notify sends notifications of the run's severity to the topic's
// listeners, as ombt does without an envelope. The loop, its states and its results are
// sender's.

#include "agents/sender.hpp"

namespace ombt::agents {

class notifier final : public sender {
 public:
  notifier(std::string name, std::uint32_t number, const sender_context& context,
           std::unique_ptr<drivers::transport> transport)
      : sender(wire::control::agent_kind::notifier, std::move(name), number, context,
               std::move(transport)) {}

 private:
  void send(std::string_view args, std::string_view context, std::uint64_t tag) override;
};

}  // namespace ombt::agents
