// SPDX-License-Identifier: Apache-2.0
#pragma once
// The agent that calls and casts: test_call calls echo, test_cast and test_fanout cast noop, on
// the test RPC servers of the topic. Before a run it calls self_ready once, so that links are up.
// The loop, its states and its results are sender's.

#include "agents/sender.hpp"

namespace ombt::agents {

class rpc_client final : public sender {
 public:
  rpc_client(std::string name, std::uint32_t number, const sender_context& context,
             std::unique_ptr<drivers::transport> transport)
      : sender(wire::control::agent_kind::rpc_client, std::move(name), number, context,
               std::move(transport)) {}

 private:
  bool start_warm_up() override;
  void send(std::string_view args, std::string_view context, std::uint64_t tag) override;
};

}  // namespace ombt::agents
