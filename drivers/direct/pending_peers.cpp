// SPDX-License-Identifier: Apache-2.0
#include "drivers/direct/pending_peers.hpp"

#include <utility>

namespace ombt::drivers::direct {

pending_peers::pending_peers(io::context& on, std::size_t most, duration limit,
                             std::function<void()> room)
    : context_(on), most_(most), limit_(limit), room_(std::move(room)) {}

pending_peers::~pending_peers() { context_.cancel_timer(timer_); }

bool pending_peers::has_room() {
  if (all_.size() < most_) return true;
  if (first_may_go(steady_clock::now())) {
    end_first();
    return true;
  }
  wanted_ = true;
  arm();
  return false;
}

pending_peers::ticket pending_peers::enter(std::function<void()> end) {
  const ticket mine = next_++;
  all_.emplace(mine, entry{steady_clock::now(), std::move(end)});
  if (all_.size() == 1) arm();
  return mine;
}

void pending_peers::leave(ticket whose) {
  if (all_.erase(whose) != 0) look();
}

bool pending_peers::first_may_go(time_point now) const {
  return !all_.empty() && now - all_.begin()->second.since >= grace;
}

void pending_peers::end_first() {
  const auto first = all_.begin();
  const auto end = std::move(first->second.end);
  all_.erase(first);
  end();
}

/// Somebody left, or time has passed.
void pending_peers::look() {
  if (wanted_ && (all_.size() < most_ || first_may_go(steady_clock::now()))) {
    wanted_ = false;
    room_();
  }
  arm();
}

void pending_peers::arm() {
  context_.cancel_timer(std::exchange(timer_, 0));
  if (all_.empty()) return;
  const duration time = wanted_ ? std::min(grace, limit_) : limit_;
  timer_ = context_.start_timer(all_.begin()->second.since + time, *this, 0);
}

void pending_peers::on_timer(std::uint64_t) {
  timer_ = 0;
  const time_point now = steady_clock::now();
  while (!all_.empty() && now - all_.begin()->second.since >= limit_) end_first();
  look();
}

}  // namespace ombt::drivers::direct
