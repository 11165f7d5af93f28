// SPDX-License-Identifier: Apache-2.0
#include "controller/session_runner.hpp"

#include "agents/measure/clock.hpp"

#include <algorithm>
#include <utility>

namespace ombt::controller {
namespace {

time_point now() { return clock::now(); }

}  // namespace

session_runner::session_runner(drivers::loop& loop,
                               std::vector<std::unique_ptr<session_carrier>> carriers,
                               session machine, std::function<void()> changed,
                               std::function<void()> closed)
    : loop_{loop},
      carriers_{std::move(carriers)},
      ready_(carriers_.size()),
      machine_{std::move(machine)},
      changed_{std::move(changed)},
      closed_{std::move(closed)},
      open_{carriers_.size()} {}

session_runner::~session_runner() {
  if (timer_ != 0) loop_.cancel_timer(timer_);
}

void session_runner::start() {
  for (const auto& carrier : carriers_) carrier->start(machine_, *this);
  pump();
}

void session_runner::cancel(std::string_view why) {
  machine_.cancel(why, now());
  pump();
}

std::string session_runner::lost_contact() const {
  for (const auto& carrier : carriers_) {
    if (std::string why = carrier->lost_contact(); !why.empty()) return why;
  }
  return {};
}

std::string session_runner::last_error() const {
  for (const auto& carrier : carriers_) {
    if (std::string words = carrier->last_error(); !words.empty()) return words;
  }
  return {};
}

outcome session_runner::take_result() {
  outcome out = machine_.take_result();
  if (!out.failure.empty() && !out.connected && !last_error_.empty() &&
      out.failure.find(last_error_) == std::string::npos) {
    out.failure += " (" + last_error_ + ')';
  }
  return out;
}

void session_runner::pump() {
  // What a carrier completes at once is taken by the turn that is on.
  if (pumping_) return;
  pumping_ = true;
  action next;
  while (machine_.next_action(next)) send(next);
  pumping_ = false;
  if (const auto ahead = agents::ahead_of_monotonic()) machine_.on_own_clock(*ahead);
  if (closing_) return;
  if (machine_.finished()) {
    close();
  } else if (const auto deadline = machine_.next_deadline(); deadline != timer_at_) {
    if (timer_ != 0) loop_.cancel_timer(timer_);
    timer_ = deadline ? loop_.start_timer(*deadline, *this, 0) : 0;
    timer_at_ = deadline;
  }
  if (changed_) changed_();
}

void session_runner::close() {
  closing_ = true;
  last_error_ = last_error();
  if (timer_ != 0) loop_.cancel_timer(std::exchange(timer_, 0));
  for (const auto& carrier : carriers_) {
    const std::string at = carrier->never_reached();
    if (!at.empty() && machine_.result().failure.empty()) machine_.on_note(at);
    carrier->close([this] {
      if (--open_ == 0 && closed_) closed_();
    });
  }
}

void session_runner::send(const action& what) {
  under_way& one = under_way_[what.tag];
  // One more, so that it cannot complete while it is being given out.
  one.carriers = 1 + carriers_.size();
  bool taken = false;
  for (const auto& carrier : carriers_) {
    // A process is reached by one carrier, which is asked before those that can't tell.
    const bool other_has_it = taken && !what.server.empty();
    if (!other_has_it && carrier->carry(what)) {
      taken = true;
    } else {
      --one.carriers;
    }
  }
  on_complete(what.tag, taken ? error_code{} : error_code{errc::connection_lost}, {});
}

void session_runner::on_complete(std::uint64_t tag, error_code error, std::string_view detail) {
  const auto at = under_way_.find(tag);
  if (at == under_way_.end()) return;
  if (error && !at->second.error) {
    at->second.error = error;
    at->second.detail = detail;
  }
  if (--at->second.carriers > 0) return;
  const under_way done = std::move(at->second);
  under_way_.erase(at);
  machine_.on_complete(tag, done.error, done.detail, now());
  pump();
}

void session_runner::on_ready(session_carrier& which) {
  // What was wrong with a bus is so no more.
  known_error_ = last_error();
  machine_.on_bus_words({});
  for (std::size_t i = 0; i < carriers_.size(); ++i) {
    if (carriers_[i].get() == &which) ready_[i] = true;
  }
  if (std::find(ready_.begin(), ready_.end(), false) == ready_.end()) {
    machine_.on_listening(now());
  }
  pump();
}

void session_runner::on_trouble(error_code error, std::string_view detail, bool final) {
  machine_.on_listener_trouble(error, detail, final);
  pump();
}

void session_runner::on_asking(std::uint64_t tag) {
  machine_.on_asking(tag, agents::uncorrected_now(), now());
}

void session_runner::on_answer(std::uint64_t tag, wire::json::value answer) {
  machine_.on_answer(tag, answer, agents::uncorrected_now());
}

void session_runner::on_pong(const wire::control::client_pong_request& pong, std::uint32_t topic,
                             process_number from) {
  machine_.on_pong(pong, now(), topic, from);
  pump();
}

void session_runner::on_result(const wire::control::client_result_request& result,
                               std::uint32_t topic, process_number from) {
  machine_.on_result(result, now(), topic, from);
  pump();
}

void session_runner::on_results(wire::control::agent_kind kind,
                                const wire::control::result_batch& results, std::uint32_t topic,
                                process_number from) {
  machine_.on_results(kind, results, now(), topic, from);
  pump();
}

void session_runner::on_unreadable(wire::control::agent_kind kind, std::string_view why,
                                   std::uint32_t topic, process_number from) {
  machine_.on_unreadable(kind, why, now(), topic, from);
  pump();
}

void session_runner::on_process(process_number which, const wire::control::process_hello& hello) {
  machine_.on_process(which, hello);
}

void session_runner::on_gone(process_number which, std::string_view why) {
  machine_.on_gone(which, why, now());
  pump();
}

void session_runner::on_started(const wire::control::started_notice& started) {
  machine_.on_started(started);
}

void session_runner::on_progress(const wire::control::live_report& report, process_number from) {
  if (live_) live_(report, from);
}

void session_runner::on_timer(std::uint64_t) {
  timer_ = 0;
  timer_at_.reset();
  // What is said now is said in each phase.
  std::string words = last_error();
  if (words != known_error_ || (!words.empty() && words == lost_contact())) {
    machine_.on_bus_words(words);
    known_error_ = std::move(words);
  }
  machine_.tick(now());
  pump();
}

}  // namespace ombt::controller
