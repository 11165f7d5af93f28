// SPDX-License-Identifier: Apache-2.0
#include "agents/control/result_batches.hpp"

#include <algorithm>

namespace ombt::agents {

result_batches::~result_batches() { drop(); }

void result_batches::add(const std::string& topic, wire::control::agent_kind kind,
                         const std::string& name, const report& figures) {
  const place of{topic, kind};
  auto at = waiting_.find(of);
  if (at != waiting_.end() && !at->second.results.takes(name, figures.details)) {
    complete(topic, kind);
    at = waiting_.end();
  }
  if (at == waiting_.end()) {
    at = waiting_.try_emplace(of).first;
    at->second.until = drivers::steady_clock::now() + patience;
    if (timer_ == 0) set_timer();
  }
  at->second.results.add(name, figures.results, figures.details);
  if (at->second.results.bytes() >= most_bytes) complete(topic, kind);
}

void result_batches::complete(const std::string& topic, wire::control::agent_kind kind) {
  auto done = waiting_.extract({topic, kind});
  if (!done.empty()) send(done.key(), std::move(done.mapped()));
}

void result_batches::flush() {
  auto all = std::exchange(waiting_, {});
  for (auto& [of, what] : all) send(of, std::move(what));
}

std::size_t result_batches::drop() {
  std::size_t agents = 0;
  for (const auto& [of, what] : waiting_) agents += what.results.agents();
  waiting_.clear();
  if (timer_ != 0) loop_.cancel_timer(std::exchange(timer_, 0));
  return agents;
}

void result_batches::send(const place& of, gathering&& what) {
  batch out{of.first, of.second, {}, what.results.agents()};
  what.results.append_args(out.args, ++answers_);
  send_(std::move(out));
}

void result_batches::set_timer() {
  const auto first = std::min_element(
      waiting_.begin(), waiting_.end(),
      [](const auto& a, const auto& b) { return a.second.until < b.second.until; });
  if (first != waiting_.end()) timer_ = loop_.start_timer(first->second.until, *this, 0);
}

void result_batches::on_timer(std::uint64_t) {
  timer_ = 0;
  const auto now = drivers::steady_clock::now();
  std::map<place, gathering> due;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto next = std::next(at);
    if (at->second.until <= now) due.insert(waiting_.extract(at));
    at = next;
  }
  set_timer();
  for (auto& [of, what] : due) send(of, std::move(what));
}

}  // namespace ombt::agents
