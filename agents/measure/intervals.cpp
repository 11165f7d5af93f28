// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/intervals.hpp"

#include "wire/control/ledger.hpp"
#include "wire/control/messages.hpp"

#include <algorithm>
#include <utility>

namespace ombt::agents {

namespace control = wire::control;

void second_recorder::success_from_intended(std::uint64_t nanoseconds) {
  if (!dense_) return;
  if (!dense_->intended) dense_->intended = std::make_unique<wire::hdr::histogram>();
  dense_->intended->record(nanoseconds);
}

void second_recorder::turn(std::int64_t second) {
  if (dense_ && second < now_.start && second + slack >= now_.start) return;
  if (dense_) {
    close();
  } else {
    dense_ = std::make_unique<present>();
  }
  now_.start = second;
}

/// Where the clock was set back a second may come twice: the series adds both.
void second_recorder::close() {
  now_.latency = dense_->latency.to_sparse();
  dense_->latency.clear();
  if (dense_->intended) {
    now_.intended = dense_->intended->to_sparse();
    dense_->intended->clear();
  }
  if (now_.ok + now_.failed == 0) return;
  ok_ += now_.ok;
  failed_ += now_.failed;
  last_ = now_;
  over_.add(std::exchange(now_, {}));
}

control::interval_series second_recorder::take() {
  if (dense_) close();
  dense_.reset();
  return std::exchange(over_, control::interval_series{});
}

controller_seconds::places controller_seconds::asked_by(std::string_view controller,
                                                        std::uint32_t topic) {
  const auto tag = control::read_hex16(control::run_tag_of(controller));
  if (!tag) {
    others_.erase(topic);
    return {};
  }
  auto& others = others_[topic];
  if (!others) others = std::make_shared<second_recorder>();
  auto known =
      std::find_if(kept_.begin(), kept_.end(), [&](const kept& k) { return k.tag == *tag; });
  if (known == kept_.end()) {
    if (kept_.size() >= controller_limit) {
      kept_.erase(std::min_element(kept_.begin(), kept_.end(),
                                   [](const kept& a, const kept& b) { return a.asked < b.asked; }));
    }
    kept_.push_back({*tag, 0, std::make_shared<second_recorder>()});
    known = std::prev(kept_.end());
  }
  known->asked = ++asks_;
  return {known->seconds, others};
}

control::interval_series controller_seconds::take(const places& of) {
  control::interval_series sum;
  if (of.own) sum = of.own->take();
  if (of.others) sum.merge(of.others->take());
  return sum;
}

}  // namespace ombt::agents
