// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds that no controller has been there for some time (--idle-exit). Owns a timer. One thread,
// its loop's.

#include "drivers/loop.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace ombt::agents {

class idle_watch final : private drivers::timer_target {
 public:
  /// `heard` says when a controller was there last; `found` runs once.
  idle_watch(drivers::loop& on, drivers::duration limit, std::function<drivers::time_point()> heard,
             std::function<void()> found)
      : loop_(on),
        limit_(limit),
        begun_(drivers::steady_clock::now()),
        heard_(std::move(heard)),
        found_(std::move(found)) {
    wait(begun_ + limit_);
  }
  ~idle_watch() {
    if (timer_ != 0) loop_.cancel_timer(timer_);
  }
  idle_watch(const idle_watch&) = delete;
  idle_watch& operator=(const idle_watch&) = delete;

 private:
  void wait(drivers::time_point until) { timer_ = loop_.start_timer(until, *this, 0); }
  void on_timer(std::uint64_t) override {
    timer_ = 0;
    const auto over = std::max(heard_(), begun_) + limit_;
    if (over > drivers::steady_clock::now()) return wait(over);
    found_();
  }

  drivers::loop& loop_;
  const drivers::duration limit_;
  const drivers::time_point begun_;
  std::function<drivers::time_point()> heard_;
  std::function<void()> found_;
  drivers::loop::timer_id timer_ = 0;
};

}  // namespace ombt::agents
