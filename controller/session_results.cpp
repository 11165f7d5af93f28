// SPDX-License-Identifier: Apache-2.0
// Results of several agents that come as one (docs/direct.md): a batch is of one process, kind and
// topic, has one run and one number, and is taken or refused as a whole, since its sum can't be
// taken apart.
#include "controller/session.hpp"
#include "controller/session_text.hpp"

#include <set>
#include <utility>

namespace ombt::controller {

using wire::control::agent_kind;

void session::on_results(agent_kind kind, const wire::control::result_batch& batch, time_point now,
                         std::uint32_t topic, process_number from) {
  const auto test = test_of(plan_.what);
  const bool client = test && kind == wire::control::client_kind(*test);
  const bool server = test && kind == wire::control::server_kind(*test);
  if (!takes_now(client, server, batch.details.run)) {
    outcome_.foreign_results += batch.agents.size();
    return;
  }
  if (!is_new(from, batch.details.answer)) {
    outcome_.repeated_results += batch.agents.size();
    return;
  }
  const bool counts = phase_ != phase::resetting;
  if (!takes_all(kind, batch, topic, from, counts && client)) {
    return refuse(kind,
                  process_name(from) + " sent results that are not all of its agents (--name?)",
                  now, topic, from);
  }
  side& into = client ? outcome_.clients : outcome_.servers;
  if (counts) add_sums(into, topic, batch.sum, &batch.details);
  for (const wire::control::batch_agent& told : batch.agents) {
    agent_record& agent = *find_or_add(kind, told.name, topic, from, false);
    if (counts) take_own(agent, client, told.results, &told.own);
    agent_state& state = states_[static_cast<std::size_t>(&agent - outcome_.agents.data())];
    if (std::exchange(state.waited_for, false)) --waiting_;
  }
  results_came(client, server, batch.sum.msgs_ok + batch.sum.msgs_fail, now);
}

void session::on_unreadable(agent_kind kind, std::string_view why, time_point now,
                            std::uint32_t topic, process_number from) {
  on_malformed();
  refuse(kind, why, now, topic, from);
}

std::string session::process_name(process_number which) const {
  const std::uint32_t at = which < process_at_.size() ? process_at_[which] : 0;
  return at == 0 ? "its process" : process_text(outcome_.processes[at - 1].told);
}

void session::refuse(agent_kind kind, std::string_view why, time_point now, std::uint32_t topic,
                     process_number from) {
  const auto test = test_of(plan_.what);
  if (!test || from >= agents_of_.size()) return;
  const bool client = kind == wire::control::client_kind(*test);
  if (!takes_now(client, kind == wire::control::server_kind(*test), run_id())) return;
  refused_[{from, kind}] = why;
  for (const std::uint32_t number : agents_of_[from]) {
    agent_record& agent = outcome_.agents[number];
    agent_state& state = states_[number];
    if (agent.kind != kind || agent.topic != topic || !std::exchange(state.waited_for, false)) {
      continue;
    }
    --waiting_;
    agent.missing = agent.missing || !client || agent.reports == 0;
    // Before a run it is no part of it; in one what it had is not known.
    state.excluded = state.excluded || phase_ == phase::resetting;
    receiver_gone_ = receiver_gone_ || (!client && phase_ != phase::resetting);
  }
  go_on(now);
}

bool session::takes_now(bool client, bool server, const std::string& run) const noexcept {
  if (client && run != run_id()) return false;
  switch (phase_) {
    case phase::resetting:
      return server;
    case phase::running:
    case phase::settling:
    case phase::polling:
      return client || server;
    default:
      return false;
  }
}

/// A connection numbers its batches in ascending order.
bool session::is_new(process_number from, std::uint64_t answer) {
  if (last_batch_.size() <= from) last_batch_.resize(from + 1);
  if (answer <= last_batch_[from]) return false;
  last_batch_[from] = answer;
  return true;
}

/// Each agent must be that process's, or new, and one whose results count; `once`: and have sent
/// none before. Counts the batch where that is not so.
bool session::takes_all(agent_kind kind, const wire::control::result_batch& batch,
                        std::uint32_t topic, process_number from, bool once) {
  std::size_t joined = 0;
  for (const wire::control::batch_agent& told : batch.agents) {
    const auto known = index_.find(key_of(kind, told.name, topic));
    if (known == index_.end()) {
      ++joined;
      continue;
    }
    const agent_record& agent = outcome_.agents[known->second];
    if (agent.process != from || states_[known->second].excluded || (once && agent.reports > 0)) {
      outcome_.foreign_results += batch.agents.size();
      return false;
    }
  }
  if (outcome_.agents.size() + joined <= agent_limit) return true;
  outcome_.agents_refused += batch.agents.size();
  return false;
}

/// Where one server of a process and topic may not take part, none may: their results come as one.
void session::exclude_with_others() {
  if (plan_.per_agent) return;
  const agent_kind servers = wire::control::server_kind(*test_of(plan_.what));
  std::set<std::pair<process_number, std::uint32_t>> places;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (outcome_.agents[i].kind != servers || !states_[i].excluded) continue;
    places.emplace(outcome_.agents[i].process, outcome_.agents[i].topic);
  }
  for (std::size_t i = 0; i < states_.size() && !places.empty(); ++i) {
    agent_record& agent = outcome_.agents[i];
    if (agent.kind != servers || agent.process == over_the_bus ||
        !places.contains({agent.process, agent.topic})) {
      continue;
    }
    states_[i].excluded = agent.missing = true;
  }
}

}  // namespace ombt::controller
