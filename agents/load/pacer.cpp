// SPDX-License-Identifier: Apache-2.0
#include "agents/load/pacer.hpp"

#include "wire/control/series.hpp"

#include <algorithm>
#include <utility>

namespace ombt::agents {

void pacer::take_next() noexcept {
  const auto at = schedule_.next();
  over_ = over_ || !at;
  if (at) intended_ = *at;
}

pacer::step pacer::next(std::int64_t now) {
  const bool room = in_flight_ < outstanding_;
  if (full_ && room) {
    unblocked_ = now;
    full_ = false;
  }
  for (int drops = 0; !over_ && now - intended_ > max_late_; ++drops) {
    if (drops == drops_at_once) return step::again;
    ++dropped_;
    // One that the bound held when it was due had its chance when the bound let it go.
    const bool held = unblocked_ > intended_;
    if (room && (!held || now - unblocked_ > wire::control::late_after)) ++overslept_;
    take_next();
  }
  if (over_) return step::over;
  full_ = !room && intended_ <= now;
  if (intended_ > now) return step::wait;
  return full_ ? step::full : step::send;
}

std::uint64_t pacer::take_dropped() noexcept { return std::exchange(dropped_, 0); }

std::uint32_t pacer::begin(std::int64_t now, double epoch) {
  if (free_ == none) {
    free_ = static_cast<std::uint32_t>(table_.size());
    table_.emplace_back();
  }
  const std::uint32_t tag = free_;
  place& taken = table_[tag];
  free_ = std::exchange(taken.next_free, none);
  taken.what = {intended_, now, sequence_++, epoch};
  if (now - std::max(intended_, unblocked_) > wire::control::late_after) ++overslept_;
  ++in_flight_;
  take_next();
  return tag;
}

void pacer::end(std::uint32_t tag) noexcept {
  table_[tag].next_free = std::exchange(free_, tag);
  --in_flight_;
}

}  // namespace ombt::agents
