// SPDX-License-Identifier: Apache-2.0
// What a session has of direct control alone: processes that it holds, that say who they are, and
// that take their agents with them when they are gone.
#include "controller/session.hpp"
#include "controller/session_text.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

namespace ombt::controller {

using wire::control::agent_kind;
using wire::control::agent_kinds;
using namespace std::chrono_literals;

void session::ask_to_hold() {
  retry_at_.reset();
  send(purpose::hold, wire::control::method::self_ready, agent_kind::rpc_client);
  actions_.back().what = order::hold;
}

void session::on_hold_answered(error_code error, std::string_view detail, time_point now) {
  if (!error) {
    held_by_.clear();
    return call_roll(now);
  }
  const std::string why = detail.empty() ? bus_error_ : std::string{detail};
  if (!plan_.wait) return fail(why);
  held_by_ = why;
  has_waited_ = true;
  // Two that wait for each other's processes must not go on asking at the same instants.
  const auto apart = std::hash<std::string>{}(run_id_ + std::to_string(next_tag_)) % 500;
  retry_at_ = now + 500ms + std::chrono::milliseconds{apart};
}

void session::on_process(process_number which, const wire::control::process_hello& hello) {
  if (finished()) return;
  if (process_at_.size() <= which) process_at_.resize(which + 1);
  if (const std::uint32_t at = process_at_[which]; at != 0) {
    outcome_.processes[at - 1].told = hello;
    return;
  }
  outcome_.processes.push_back({which, hello});
  process_at_[which] = static_cast<std::uint32_t>(outcome_.processes.size());
}

void session::on_gone(process_number which, std::string_view why, time_point now) {
  if (finished() || which == over_the_bus) return;
  if (gone_.size() <= which) gone_.resize(which + 1);
  gone_[which] = why;
  // Who goes while others are waited for is not missed.
  const bool waits = phase_ < phase::roll_call && has_waited_;
  const bool answered = which < agents_of_.size() && !agents_of_[which].empty();
  if (phase_ <= phase::roll_call && !waits) gone_before_.push_back({which, answered});
  if (which >= agents_of_.size()) return;
  for (const std::uint32_t agent : std::exchange(agents_of_[which], {})) lose(agent);
  go_on(now);
}

void session::go_on(time_point now) {
  switch (phase_) {
    case phase::resetting:
      if (waiting_ == 0) compare_clocks(now);
      break;
    case phase::running:
      if (waiting_ == 0) after_run(now);
      break;
    case phase::polling:
      end_round_if_complete(now);
      break;
    default:
      break;
  }
}

void session::lose(std::size_t number) {
  agent_state& state = states_[number];
  agent_record& agent = outcome_.agents[number];
  state.gone = true;
  if (phase_ == phase::roll_call) {
    if (!std::exchange(agent.answered_roll_call, false)) return;
    agent.left = true;
    --outcome_.topics[agent.topic].agents[static_cast<std::size_t>(agent.kind)];
    --answered_[static_cast<std::size_t>(agent.kind)];
    return;
  }
  if (std::exchange(state.waited_for, false)) --waiting_;
  if (!plan_.needs(agent.kind) || phase_ == phase::comparing_again) return;
  if (agent.kind == wire::control::client_kind(*test_of(plan_.what))) {
    agent.missing = agent.missing || agent.reports == 0;
    return;
  }
  agent.missing = true;
  // Gone before the run it is no part of it; in a run what it had is not known any more.
  const bool before =
      phase_ == phase::resetting || phase_ == phase::comparing || phase_ == phase::preparing;
  state.excluded = state.excluded || before;
  receiver_gone_ = receiver_gone_ || !before;
}

bool session::has_agents_for_it(const wire::control::process_hello& told) const {
  const bool of_kind = std::any_of(agent_kinds.begin(), agent_kinds.end(), [&](agent_kind kind) {
    return plan_.needs(kind) && told.agents[static_cast<std::size_t>(kind)] > 0;
  });
  if (!of_kind) return false;
  for (std::size_t topic = 0; topic < plan_.topic_count(); ++topic) {
    if (std::count(told.topics.begin(), told.topics.end(), plan_.direct_topic(topic)) > 0)
      return true;
  }
  return false;
}

/// Nobody waited for agents that went before the run, but it was to have them; where those that
/// were expected are there it is only to be known.
void session::tell_gone_before() {
  std::set<process_number> missed;  // of those whose agents had answered
  for (const agent_record& agent : outcome_.agents) {
    if (agent.left) missed.insert(agent.process);
  }
  const auto no_part = [&](const early_leaver& one) {
    if (one.had_answered) return !missed.contains(one.which);
    const std::uint32_t at = one.which < process_at_.size() ? process_at_[one.which] : 0;
    return at == 0 || !has_agents_for_it(outcome_.processes[at - 1].told);
  };
  std::erase_if(gone_before_, no_part);
  if (gone_before_.empty()) return;
  const std::string text = gone_text(gone_[gone_before_[0].which], gone_before_.size() - 1) +
                           ": the run was without " + (gone_before_.size() > 1 ? "their" : "its") +
                           " agents";
  if (!plan_.expect.empty()) return on_note(text);
  outcome_.processes_gone_before = gone_before_.size();
  outcome_.problems.push_back(text);
}

void session::belongs_to(std::size_t agent, process_number process) {
  outcome_.agents[agent].process = process;
  if (process == over_the_bus) return;
  if (agents_of_.size() <= process) agents_of_.resize(process + 1);
  agents_of_[process].push_back(static_cast<std::uint32_t>(agent));
}

bool session::adopt(std::size_t agent, process_number process, bool pong) {
  agent_state& state = states_[agent];
  if (pong && state.gone && phase_ == phase::roll_call) {
    state.gone = false;
    outcome_.agents[agent].left = false;
    state.pongs = 0;
    belongs_to(agent, process);
    return true;
  }
  if (pong) {
    ++outcome_.same_names[outcome_.agents[agent].name];
  } else {
    ++outcome_.foreign_results;
  }
  return false;
}

std::string session::why_missing(std::size_t agent, const std::string& otherwise) const {
  const agent_record& record = outcome_.agents[agent];
  if (states_[agent].gone) return ": " + gone_[record.process];
  const auto refused = refused_.find({record.process, record.kind});
  return refused != refused_.end() ? ": " + refused->second : otherwise;
}

void session::on_started(const wire::control::started_notice& started) {
  if (phase_ == phase::finished || started.run != run_id()) return;
  outcome_.start.add(started.realtime_ns);
}

void run_start::add(std::int64_t instant) noexcept {
  first = processes == 0 ? instant : std::min(first, instant);
  last = processes == 0 ? instant : std::max(last, instant);
  ++processes;
}

}  // namespace ombt::controller
