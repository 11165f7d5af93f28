// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long a link waits before it comes back after the broker has closed its channel: not at all
// the first time, then 1 s, doubling to 30 s, as long as it never stays up for that long. What
// closed it may well come again with the link, for ever. Time comes in.

#include "drivers/loop.hpp"

#include <algorithm>

namespace ombt::drivers::rabbit {

class reopen_gaps {
 public:
  static constexpr duration shortest = std::chrono::seconds{1};
  static constexpr duration longest = std::chrono::seconds{30};

  /// The link works.
  void up(time_point now) noexcept {
    is_up_ = true;
    since_ = now;
  }
  /// Its channel was closed: how long to wait now.
  duration closed(time_point now) noexcept {
    if (is_up_ && now - since_ >= longest) next_ = duration{0};
    is_up_ = false;
    const duration gap = next_;
    next_ = gap == duration{0} ? shortest : std::min(2 * gap, longest);
    return gap;
  }

 private:
  time_point since_{};
  duration next_{0};
  bool is_up_ = false;
};

}  // namespace ombt::drivers::rabbit
