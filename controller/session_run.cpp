// SPDX-License-Identifier: Apache-2.0
// The run of a session: begun, watched while its clients are at work, ended before its time.
#include "controller/session.hpp"
#include "controller/session_text.hpp"

#include <algorithm>
#include <utility>

namespace ombt::controller {

using wire::control::agent_kind;
using wire::control::method;
using wire::control::words;

void session::start_run(time_point now) {
  const auto test = *test_of(plan_.what);
  const agent_kind servers = wire::control::server_kind(test);
  bool any_server = false;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (outcome_.agents[i].kind != servers || states_[i].excluded) continue;
    any_server = true;
    if (outcome_.agents[i].answered_roll_call) ledger_.expect_receiver(i);
  }
  if (!any_server) {
    return fail("none of " + std::to_string(outcome_.count(servers)) + " " +
                std::string{words(servers)} + "s answered get_server_results within " +
                seconds_text(plan_.timeout));
  }
  enter(phase::running, now);
  // What the clients must take at least is no part of the time that they may be silent.
  const double pauses = static_cast<double>(plan_.parameters.count) * plan_.parameters.pause;
  wait_for_clients(phase_limit_ + from_seconds(std::min(pauses, 1e9)));
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (outcome_.agents[i].kind != wire::control::client_kind(test)) continue;
    states_[i].waited_for = true;
    ++waiting_;
  }
  wire::control::test_parameters parameters = plan_.parameters;
  parameters.run = run_id_;
  parameters.detail = run_id_.empty() ? 0 : 1;
  std::string args;
  wire::control::append_run_test_args(args, test, parameters, own_);
  send(purpose::run, method::run_test, wire::control::client_kind(test), std::move(args));
}

/// A client at work on this run, or that has it waiting behind another controller's, is not gone,
/// however long it takes.
void session::on_sign(const wire::control::client_pong_request& pong, time_point now) {
  const auto known = index_.find(key_of(pong.kind, pong.name));
  if (known == index_.end() || !states_[known->second].waited_for) return;
  if (run_id_.empty() || pong.run != run_id_ || now + plan_.timeout <= phase_limit_) return;
  wait_for_clients(now + plan_.timeout);
}

/// They are looked for where half of the timeout before that is left.
void session::wait_for_clients(time_point limit) {
  phase_limit_ = limit;
  retry_at_ = limit - plan_.timeout / 2;
}

void session::look_for_clients(time_point now) {
  std::string args;
  wire::control::append_reply_addr_args(args, own_);
  send(purpose::look, method::client_ping, wire::control::client_kind(*test_of(plan_.what)),
       std::move(args));
  // Once more before the limit: this one may be lost with a connection.
  retry_at_ = now + plan_.timeout / 4;
}

void session::cancel(std::string_view why, time_point now) {
  if (finished()) return;
  if (phase_ != phase::running || run_id_.empty()) return fail(std::string{why});
  outcome_.failure = why;
  enter(phase::stopping, now);
  phase_limit_ = now + self_ready_timeout;
  cancel_run();
}

/// Python agents don't know it: they go on to the end of their run.
void session::cancel_run() {
  std::string args;
  wire::control::append_cancel_run_args(args, run_id_, own_);
  send(purpose::cancel, method::run_test, wire::control::client_kind(*test_of(plan_.what)),
       std::move(args));
}

}  // namespace ombt::controller
