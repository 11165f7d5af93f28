// SPDX-License-Identifier: Apache-2.0
#include "agents/control/coordinator.hpp"

#include <algorithm>
#include <utility>

namespace ombt::agents {

using wire::control::agent_kind;

void coordinator::on_ping(agent_kind kind, std::shared_ptr<answer_path> from) {
  std::string at_work_on;
  for (const run& one : runs(kind)) {
    if (one.from->controller() != from->controller()) continue;
    at_work_on = one.plan->run;
    break;
  }
  for (const std::string& name : host_.names({kind, topic_}))
    from->send_pong(kind, name, at_work_on);
}

std::string coordinator::on_prepare(agent_kind kind,
                                    const wire::control::run_test_request& request) {
  if (runs(kind).size() >= run_limit) return std::to_string(run_limit) + " runs wait already";
  const addressee who{kind, topic_};
  const std::size_t agents = host_.count(who);
  if (std::string why = bounds_.refusal(who, request.parameters, agents); !why.empty()) return why;
  bounds_.promise(who, asked_rate(request.parameters, agents));
  return {};
}

void coordinator::on_forget(agent_kind kind) { bounds_.promise({kind, topic_}, 0); }

void coordinator::note_rate(agent_kind kind) {
  double most = 0;
  for (const run& one : runs(kind)) most = std::max(most, one.rate);
  bounds_.run({kind, topic_}, most);
}

void coordinator::on_run(agent_kind kind, const wire::control::run_test_request& request,
                         std::shared_ptr<answer_path> from) {
  on_forget(kind);
  std::deque<run>& queue = runs(kind);
  if (queue.size() >= run_limit) {
    ++refused_;
    return;
  }
  const double rate = asked_rate(request.parameters, host_.count({kind, topic_}));
  auto plan = make_test_plan(request, from->progress());
  queue.push_back({std::move(plan), std::move(from), rate, 0, next_serial_++, 0});
  note_rate(kind);
  if (queue.size() == 1) {
    start_first(kind);
  } else {
    suspect(kind);
  }
}

void coordinator::start_first(agent_kind kind) {
  std::deque<run>& queue = runs(kind);
  while (!queue.empty()) {
    queue.front().agents_left = host_.count({kind, topic_});
    if (queue.front().agents_left > 0) break;
    queue.pop_front();  // the agents have left
  }
  note_rate(kind);
  if (queue.empty()) return;
  host_.start_run({kind, topic_}, queue.front().plan);
  queue.front().from->run_begun(queue.front().plan->run);
  suspect(kind);
}

void coordinator::suspect(agent_kind kind) {
  const std::deque<run>& queue = runs(kind);
  if (queue.size() < 2) return;
  const run& first = queue.front();
  if (queue.back().from->controller() == first.from->controller()) return;
  first.from->check_alive([this, kind, serial = first.serial](bool alive) {
    const std::deque<run>& now = runs(kind);
    if (!alive && !now.empty() && now.front().serial == serial) host_.cancel_run({kind, topic_});
  });
}

template <class Which>
void coordinator::end_runs(agent_kind kind, Which which) {
  std::deque<run>& queue = runs(kind);
  if (queue.empty()) return;
  if (which(queue.front())) host_.cancel_run({kind, topic_});
  queue.erase(std::remove_if(queue.begin() + 1, queue.end(), which), queue.end());
  note_rate(kind);
}

void coordinator::on_cancel(agent_kind kind, const std::string& id,
                            std::shared_ptr<answer_path> from) {
  end_runs(kind, [&](const run& one) {
    return one.plan->run == id && one.from->controller() == from->controller();
  });
}

void coordinator::on_gone(const answer_path& which) {
  for (const agent_kind kind : wire::control::agent_kinds) {
    end_runs(kind, [&](const run& one) { return one.from.get() == &which; });
  }
}

void coordinator::check_controllers() {
  for (const agent_kind kind : wire::control::agent_kinds) {
    if (runs(kind).empty()) continue;
    const run& first = runs(kind).front();
    if (!wire::control::is_native_controller(first.from->controller().server)) continue;
    first.from->check_alive([this, kind, serial = first.serial](bool alive) {
      std::deque<run>& now = runs(kind);
      if (now.empty() || now.front().serial != serial) return;
      now.front().unanswered = alive ? 0 : now.front().unanswered + 1;
      if (now.front().unanswered == most_unanswered) host_.cancel_run({kind, topic_});
    });
  }
}

void coordinator::run_done(agent_kind kind, const std::string& name, report figures) {
  std::deque<run>& queue = runs(kind);
  if (queue.empty()) return;
  run& first = queue.front();
  first.from->send_result(kind, name, std::move(figures), first.plan->details);
  if (--first.agents_left > 0) return;
  first.from->results_complete(kind);
  queue.pop_front();
  start_first(kind);
}

void coordinator::on_collect(agent_kind kind, std::shared_ptr<answer_path> from) {
  const std::size_t agents = host_.count({kind, topic_});
  if (agents == 0) return;
  if (collections_.size() >= ticket_limit) {
    ++refused_;
    return;
  }
  const std::uint64_t ticket = next_ticket_++;
  const std::string controller = from->controller().server;
  collections_.emplace(ticket, collection{kind, std::move(from), agents});
  host_.collect({kind, topic_}, controller, ticket);
}

void coordinator::collected(std::uint64_t ticket, const std::string& name, report figures) {
  const auto found = collections_.find(ticket);
  if (found == collections_.end()) return;
  collection& asked = found->second;
  const bool details = wire::control::is_native_controller(asked.from->controller().server);
  asked.from->send_result(asked.kind, name, std::move(figures), details);
  if (--asked.agents_left > 0) return;
  asked.from->results_complete(asked.kind);
  collections_.erase(found);
}

bool coordinator::running(agent_kind kind) const noexcept {
  return !runs_[static_cast<std::size_t>(kind)].empty();
}

bool coordinator::running() const noexcept {
  return std::any_of(runs_.begin(), runs_.end(), [](const auto& queue) { return !queue.empty(); });
}

}  // namespace ombt::agents
