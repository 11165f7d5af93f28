// SPDX-License-Identifier: Apache-2.0
// What a session does with clocks: they are compared just before the run that counts and after it,
// and it goes on whoever answers. Who is asked what is up to clock_exchanges.
#include "controller/session.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace ombt::controller {

using wire::control::method;

namespace {

/// Readings of two clocks differ by less, nanoseconds.
constexpr std::int64_t least_step = 1'000'000;

}  // namespace

void session::compare_clocks(time_point now) {
  if (warming_up_ || !clocks_.begin_before()) return start_run(now);
  enter(phase::comparing, now);
  ask_clocks(now);
}

void session::compare_clocks_again(time_point now) {
  if (!clocks_.begin_after(now)) return finish();
  enter(phase::comparing_again, now);
  ask_clocks(now);
}

void session::ask_clocks(time_point now) {
  const bool running = phase_ == phase::running;
  if (!running && phase_ != phase::comparing && phase_ != phase::comparing_again) return;
  clock_question next;
  while (clocks_.next(next_tag_, next)) {
    actions_.push_back({next_tag_++, method::clock, next.to, std::move(next.args_json), next.topic,
                        std::move(next.server)});
  }
  if (clocks_.done() && !running) clocks_compared(now);
}

/// Over a bus that would be traffic beside the test's.
void session::compare_clocks_at_work(time_point now) {
  clocks_at_ = now + clock_exchanges::gap;
  if (clocks_.begin_during()) ask_clocks(now);
}

void session::clocks_compared(time_point now) {
  clocks_.give_up();
  if (phase_ == phase::comparing) return start_run(now);
  finish();
}

void session::on_own_clock(std::int64_t ahead) {
  ahead_ = ahead;
  if (phase_ == phase::running && !warming_up_ && !own_ahead_) own_ahead_ = ahead;
  if (!finished() || !own_ahead_) return;
  const std::int64_t moved = ahead - *std::exchange(own_ahead_, std::nullopt);
  if (std::abs(moved) >= least_step) outcome_.clocks.own_step = moved;
}

void session::tell_clocks() {
  const auto test = *test_of(plan_.what);
  const auto senders = wire::control::client_kind(test);
  const auto receivers = wire::control::server_kind(test);
  const auto agents = std::count_if(
      outcome_.agents.begin(), outcome_.agents.end(),
      [&](const agent_record& agent) { return agent.kind == senders || agent.kind == receivers; });
  outcome_.clocks = clocks_.summary(static_cast<std::size_t>(agents), senders, receivers);
}

void session::on_answer(std::uint64_t tag, wire::json::value answer, std::int64_t real) {
  wire::control::clock_reply reply;
  std::string why;
  if (clocks_.waits_for(tag) && read_clock_reply(answer, reply, why)) {
    clocks_.answered(tag, reply, real);
  }
}

}  // namespace ombt::controller
