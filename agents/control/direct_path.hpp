// SPDX-License-Identifier: Apache-2.0
#pragma once
// The way back to one controller over its connection, for the agents of one topic and one address
// of the controller's. Lives as long as somebody owes an answer; without the connection that is
// lost and counted. Part of direct_session; one thread, but for what progress() returns.

#include "drivers/loop.hpp"

#include "agents/control/carrier.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ombt::agents {

class direct_session;

class direct_path final : public answer_path, public std::enable_shared_from_this<direct_path> {
 public:
  direct_path(direct_session& session, drivers::loop& on, command_handler& commands,
              std::string topic, wire::control::reply_address controller,
              std::shared_ptr<carrier_counters> counters);

  const wire::control::reply_address& controller() const noexcept override { return controller_; }
  void send_pong(wire::control::agent_kind kind, const std::string& name,
                 const std::string& run) override;
  void send_result(wire::control::agent_kind kind, const std::string& name, report figures,
                   bool details) override;
  void results_complete(wire::control::agent_kind kind) override;
  /// At once: a connection that is open has its controller at the other end.
  void check_alive(std::function<void(bool)> answer) override { answer(session_ != nullptr); }
  void run_begun(const std::string& run) override;
  std::function<void(std::string_view)> progress() override;

  command_handler& commands() const noexcept { return commands_; }
  const std::string& topic() const noexcept { return topic_; }
  /// Nothing goes this way any more.
  void cut() noexcept { session_ = nullptr; }

 private:
  direct_session* session_;
  drivers::loop& loop_;
  command_handler& commands_;
  const std::string topic_;
  const wire::control::reply_address controller_;
  const std::shared_ptr<carrier_counters> counters_;
};

}  // namespace ombt::agents
