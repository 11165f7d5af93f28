// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/live_sender.hpp"

#include "agents/measure/clock.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace ombt::agents {

using std::chrono::milliseconds;
using wire::control::agent_kind;

namespace {

/// After the end of a second its last messages are in; threads speak one after the other, as the
/// kernel keeps few datagrams.
milliseconds delay_of(std::uint32_t thread) { return milliseconds(20 + 5 * (thread % 32)); }

}  // namespace

live_sender::live_sender(drivers::loop& on, std::uint32_t thread,
                         std::function<activity(agent_kind, const std::string& run)> now)
    : loop_(on), thread_(thread), now_(std::move(now)) {}

live_sender::~live_sender() {
  if (timer_ != 0) loop_.cancel_timer(timer_);
}

std::vector<live_sender::watched>::iterator live_sender::find(agent_kind kind,
                                                              const std::string& run) {
  return std::find_if(watched_.begin(), watched_.end(),
                      [&](const watched& one) { return one.kind == kind && one.run == run; });
}

void live_sender::begin(agent_kind kind, const std::string& run, way to,
                        std::shared_ptr<second_recorder> seconds) {
  if (find(kind, run) != watched_.end()) return;
  watched_.push_back({kind, run, std::move(to), std::move(seconds)});
  if (timer_ == 0) arm();
}

void live_sender::end(agent_kind kind, const std::string& run) {
  const auto ended = find(kind, run);
  if (ended == watched_.end()) return;
  tell(*ended, {});
  watched_.erase(ended);
  if (watched_.empty() && timer_ != 0) loop_.cancel_timer(std::exchange(timer_, 0));
}

void live_sender::arm() {
  const std::chrono::nanoseconds epoch{real_now()};
  const auto begun = std::chrono::floor<std::chrono::seconds>(epoch);
  const drivers::duration left = begun + std::chrono::seconds(1) + delay_of(thread_) - epoch;
  timer_ = loop_.start_timer(drivers::steady_clock::now() + left, *this, 0);
}

void live_sender::on_timer(std::uint64_t) {
  // By the clock that the seconds are told apart by.
  const auto second =
      std::chrono::floor<std::chrono::seconds>(std::chrono::nanoseconds{real_now()}).count();
  for (watched& of : watched_) {
    of.seconds->pass(second);
    tell(of, now_(of.kind, of.run));
  }
  arm();
}

void live_sender::tell(watched& of, const activity& now) {
  wire::control::live_report report;
  report.run = of.run;
  report.kind = of.kind;
  report.thread = thread_;
  report.agents = now.agents;
  report.ok = of.seconds->ok();
  report.failed = of.seconds->failed();
  report.in_flight = now.in_flight;
  report.second = of.seconds->last();
  text_.clear();
  append_live_report(text_, report);
  of.to(text_);
}

}  // namespace ombt::agents
