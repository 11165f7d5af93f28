// SPDX-License-Identifier: Apache-2.0
// The roll call of a session: who is asked when, who is there, and when that is all.
#include "controller/session.hpp"
#include "controller/session_text.hpp"

#include <algorithm>
#include <utility>

namespace ombt::controller {

using wire::control::agent_kind;
using wire::control::agent_kinds;
using wire::control::method;
using namespace std::chrono_literals;

void session::in_contact(time_point now) {
  outcome_.connected = true;
  if (!plan_.hold) return call_roll(now);
  enter(phase::holding, now);
  if (plan_.wait) phase_limit_ = now + *plan_.wait;
  ask_to_hold();
}

void session::call_roll(time_point now) {
  enter(phase::roll_call, now);
  // A test that expects agents has no quiet time to wait for.
  if (ends_when_quiet_ || !test_of(plan_.what)) {
    phase_limit_ = now + std::max(plan_.timeout, quiet_time());
  }
  retry_gap_ = std::max<duration>(quiet_time(), 1s);
  ping_all(now);
}

void session::ping_all(time_point now) {
  retry_at_.reset();
  ping_failed_ = false;
  ++pings_;
  for (const agent_kind kind : agent_kinds) {
    casts_pending_ += ask_all(purpose::ping, method::client_ping, kind);
  }
  if (!ends_when_quiet_) {
    // An agent that starts later has not heard the first question.
    retry_at_ = now + retry_gap_;
    retry_gap_ *= 2;
  }
}

std::string session::key_of(agent_kind kind, const std::string& name, std::uint32_t topic) {
  return std::to_string(topic) + static_cast<char>('A' + static_cast<int>(kind)) + name;
}

agent_record* session::find_or_add(agent_kind kind, const std::string& name, std::uint32_t topic,
                                   process_number from, bool pong) {
  const std::string key = key_of(kind, name, topic);
  if (const auto known = index_.find(key); known != index_.end()) {
    agent_record& agent = outcome_.agents[known->second];
    if (agent.process != from && !adopt(known->second, from, pong)) return nullptr;
    if (pong && ++states_[known->second].pongs > pings_) ++outcome_.same_names[agent.name];
    if (pong && agent.answered_roll_call) {
      ++outcome_.duplicate_pongs;
      return nullptr;
    }
    return &agent;
  }
  if (outcome_.agents.size() >= agent_limit) {
    ++outcome_.agents_refused;
    return nullptr;
  }
  index_.emplace(key, outcome_.agents.size());
  outcome_.agents.emplace_back();
  states_.emplace_back();
  outcome_.agents.back().kind = kind;
  outcome_.agents.back().name = name;
  outcome_.agents.back().topic = topic;
  if (pong) states_.back().pongs = 1;
  belongs_to(states_.size() - 1, from);
  return &outcome_.agents.back();
}

void session::on_pong(const wire::control::client_pong_request& pong, time_point now,
                      std::uint32_t topic, process_number from) {
  if (phase_ == phase::running) return on_sign(pong, now, topic);
  // Once run_test is out, a new agent may or may not have got it: its results will tell.
  if (phase_ != phase::roll_call && phase_ != phase::resetting) return;
  agent_record* agent = find_or_add(pong.kind, pong.name, topic, from, true);
  if (agent == nullptr) return;
  ++outcome_.topics[topic].agents[static_cast<std::size_t>(pong.kind)];
  agent->answered_roll_call = true;
  ++answered_[static_cast<std::size_t>(pong.kind)];
  agent->native = pong.run.has_value();
  if (plan_.needs(pong.kind)) clocks_.add(pong, topic);
  last_news_ = now;
  if (phase_ == phase::roll_call) {
    end_roll_call_if_met(now);
  } else if (pong.kind == wire::control::server_kind(*test_of(plan_.what))) {
    agent_state& state = states_[static_cast<std::size_t>(agent - outcome_.agents.data())];
    state.waited_for = true;
    ++waiting_;
    retry_at_ = now;  // it may not have heard get_server_results
  }
}

void session::end_roll_call_if_met(time_point now) {
  if (ends_when_quiet_ || !expectations_met() || !needed_kinds_there()) return;
  if (!plan_.over_bus && casts_pending_ > 0) return;  // all that are there will have answered
  if (test_of(plan_.what) && !plan_.others_too) return after_roll_call(now);
  // Who is there is the whole answer: an expectation that is met does not cut it short.
  ends_when_quiet_ = true;
  if (!ping_failed_) retry_at_.reset();
}

void session::after_roll_call(time_point now) {
  if (plan_.what == task::status) return finish();
  if (plan_.what == task::shutdown) {
    enter(phase::leaving, now);
    for (const agent_kind kind : agent_kinds) {
      for (std::uint32_t topic = 0; topic < plan_.topic_count(); ++topic) {
        send(purpose::shutdown, method::shutdown, kind, "{}", topic);
        ++casts_pending_;
      }
    }
    return;
  }
  const auto test = *test_of(plan_.what);
  std::string missing = missing_kinds(now);
  if (missing.empty()) missing = not_native();
  if (!missing.empty()) return fail(missing);
  enter(phase::resetting, now);
  const agent_kind servers = wire::control::server_kind(test);
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (outcome_.agents[i].kind != servers || outcome_.agents[i].left) continue;
    states_[i].waited_for = true;
    ++waiting_;
  }
  retry_gap_ = first_ask_gap;
  ask_servers(now);
}

}  // namespace ombt::controller
