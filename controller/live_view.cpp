// SPDX-License-Identifier: Apache-2.0
#include "controller/live_view.hpp"

#include <algorithm>

namespace ombt::controller {

void live_view::follow(std::string_view run) {
  if (run == run_) return;
  run_ = run;
  threads_.clear();
}

bool live_view::take(const wire::control::live_report& report, std::int64_t process,
                     time_point now) {
  if (run_.empty() || report.run != run_) return false;
  const speaker who{process, report.thread, report.kind};
  auto known = threads_.find(who);
  if (known == threads_.end()) {
    if (threads_.size() >= thread_limit) return false;
    known = threads_.emplace(who, words{}).first;
    known->second.report.second.start = -1;
  }
  const bool fresh = report.second.start > known->second.report.second.start &&
                     report.second.ok + report.second.failed > 0;
  known->second = {report, now};
  return fresh;
}

live_view::figures live_view::at(time_point now) const {
  figures out;
  std::int64_t newest = 0;
  for (const auto& [who, said] : threads_) {
    out.any = true;
    out.ok += said.report.ok;
    out.failed += said.report.failed;
    if (now - said.heard > silent_after) continue;
    out.agents += said.report.agents;
    out.in_flight += said.report.in_flight;
    newest = std::max(newest, said.report.second.start);
  }
  for (const auto& [who, said] : threads_) {
    const auto& second = said.report.second;
    // Threads speak one after the other: some have told of the next second already.
    if (now - said.heard > silent_after || second.start + 1 < newest) continue;
    out.last_second += second.ok + second.failed;
    out.latency.merge(second.latency);
  }
  return out;
}

}  // namespace ombt::controller
