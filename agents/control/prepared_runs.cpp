// SPDX-License-Identifier: Apache-2.0
#include "agents/control/prepared_runs.hpp"

#include "agents/measure/boot_id.hpp"
#include "agents/measure/clock.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

namespace ombt::agents {

namespace control = wire::control;
using control::agent_kind;

namespace {

constexpr std::int64_t second = 1'000'000'000;

/// Nanoseconds until the instant; negative: since.
std::int64_t until(const control::start_request& when, drivers::time_point now) {
  if (!when.boot.empty() && when.boot == boot_id()) {
    return when.monotonic_ns -
           std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  }
  return when.realtime_ns - real_now();
}

bool is_open_loop(const control::run_test_request& request) {
  return request.parameters.load && request.parameters.load->open_loop();
}

}  // namespace

std::string prepared_runs::prepare(command_handler& commands, agent_kind kind,
                                   control::run_test_request request,
                                   std::shared_ptr<answer_path> from) {
  const std::string& id = request.parameters.run;
  if (id.empty()) return "a run that is prepared needs an id";
  if (waiting_.contains(id)) return "run " + id + " has been started already";
  const auto known = parts_.find({&commands, kind});
  std::size_t payloads = payloads_ + request.parameters.data.size();
  if (known != parts_.end()) {
    const auto& other = known->second.request.parameters;
    if (waiting_.contains(other.run)) return "run " + other.run + " is about to begin";
    payloads -= other.data.size();
  }
  if (payloads > payload_limit) return "the payloads of prepared runs are above 256 MiB";
  if (std::string why = commands.on_prepare(kind, request); !why.empty()) return why;
  payloads_ = payloads;
  parts_[{&commands, kind}] = {std::move(request), std::move(from)};
  return {};
}

std::string prepared_runs::start(const control::start_request& when,
                                 const std::function<void()>& taken) {
  if (waiting_.contains(when.run)) return "run " + when.run + " has been started already";
  const auto now = drivers::steady_clock::now();
  const std::int64_t ahead = std::max<std::int64_t>(until(when, now), 0);
  if (ahead > static_cast<std::int64_t>(control::start_limit) * second) {
    return "a run begins at most 3600 s ahead, not " + std::to_string(ahead / second) + " s";
  }
  const auto begins = now + std::chrono::nanoseconds(ahead);
  told_run all;
  bool wait = false;
  for (auto& one : parts_) {
    if (!is_of(one, when.run)) continue;
    ++all.left;
    control::run_test_request& request = one.second.request;
    if (is_open_loop(request)) {
      all.not_before = real_now() + ahead;
      request.parameters.load->start = {boot_id(), begins.time_since_epoch().count(),
                                        static_cast<double>(ahead) / second};
    } else {
      wait = wait || ahead > 0;
    }
  }
  if (all.left == 0) return "no run " + when.run + " is prepared";
  taken();
  told_[when.run] = all;
  if (wait) {
    const std::uint64_t serial = ++serials_;
    waiting_[when.run] = {loop_.start_timer(begins, *this, serial), serial};
  }
  tell([&](const auto& one) {
    return is_of(one, when.run) && (!wait || is_open_loop(one.second.request));
  });
  return {};
}

void prepared_runs::on_timer(std::uint64_t serial) {
  const auto due = std::find_if(waiting_.begin(), waiting_.end(),
                                [&](const auto& one) { return one.second.serial == serial; });
  if (due == waiting_.end()) return;
  const std::string id = due->first;
  waiting_.erase(due);
  tell([&](const auto& one) { return is_of(one, id); });
}

template <class Which>
void prepared_runs::tell(Which which) {
  std::vector<parts::node_type> due;
  for (auto one = parts_.begin(); one != parts_.end();) {
    const auto next = std::next(one);
    if (which(*one)) {
      payloads_ -= one->second.request.parameters.data.size();
      due.push_back(parts_.extract(one));
    }
    one = next;
  }
  for (auto& one : due) {
    const auto& [commands, kind] = one.key();
    commands->on_run(kind, one.mapped().request, std::move(one.mapped().from));
  }
}

void prepared_runs::cancel(command_handler& commands, agent_kind kind, const std::string& run) {
  told_.erase(run);
  const auto known = parts_.find({&commands, kind});
  if (known == parts_.end() || !is_of(*known, run)) return;
  forget(known);
  const auto left =
      std::any_of(parts_.begin(), parts_.end(), [&](const auto& one) { return is_of(one, run); });
  const auto waits = waiting_.find(run);
  if (left || waits == waiting_.end()) return;
  loop_.cancel_timer(waits->second.timer);
  waiting_.erase(waits);
}

void prepared_runs::drop() {
  for (const auto& [run, waits] : waiting_) loop_.cancel_timer(waits.timer);
  waiting_.clear();
  while (!parts_.empty()) forget(parts_.begin());
}

void prepared_runs::forget(parts::iterator which) {
  const auto [commands, kind] = which->first;
  payloads_ -= which->second.request.parameters.data.size();
  parts_.erase(which);
  commands->on_forget(kind);
}

std::optional<std::int64_t> prepared_runs::begun(const std::string& run) {
  const auto found = told_.find(run);
  if (found == told_.end() || --found->second.left > 0) return {};
  const std::int64_t at = std::max(real_now(), found->second.not_before);
  told_.erase(found);
  return at;
}

}  // namespace ombt::agents
