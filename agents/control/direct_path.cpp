// SPDX-License-Identifier: Apache-2.0
#include "agents/control/direct_path.hpp"

#include "agents/control/direct_session.hpp"

#include <utility>

namespace ombt::agents {

namespace control = wire::control;

direct_path::direct_path(direct_session& session, drivers::loop& on, command_handler& commands,
                         std::string topic, control::reply_address controller,
                         std::shared_ptr<carrier_counters> counters)
    : session_(&session),
      loop_(on),
      commands_(commands),
      topic_(std::move(topic)),
      controller_(std::move(controller)),
      counters_(std::move(counters)) {}

void direct_path::send_pong(control::agent_kind kind, const std::string& name,
                            const std::string& run) {
  if (session_ == nullptr) {
    ++counters_->answers_lost;
    return;
  }
  direct_session::owed pong;
  pong.answers = 1;
  pong.topic = topic_;
  pong.kind = kind;
  pong.name = name;
  pong.run = run;
  session_->queue(std::move(pong));
}

void direct_path::send_result(control::agent_kind kind, const std::string& name, report figures,
                              bool details) {
  if (session_ == nullptr) {
    ++counters_->answers_lost;
    return;
  }
  if (details && session_->controller().merged)
    return session_->gather(topic_, kind, name, figures);
  direct_session::owed result;
  result.answers = 1;
  result.topic = topic_;
  result.kind = kind;
  result.name = name;
  result.figures = std::make_unique<report>(std::move(figures));
  result.details = details;
  session_->queue(std::move(result));
}

void direct_path::results_complete(control::agent_kind kind) {
  if (session_ != nullptr) session_->batches_.complete(topic_, kind);
}

void direct_path::run_begun(const std::string& run) {
  if (session_ != nullptr) session_->run_begun(run);
}

std::function<void(std::string_view)> direct_path::progress() {
  return [&loop = loop_, to = weak_from_this()](std::string_view text) {
    loop.post([to, text = std::string(text)] {
      const auto path = to.lock();
      if (path && path->session_ != nullptr) path->session_->tell_progress(text);
    });
  };
}

}  // namespace ombt::agents
