// SPDX-License-Identifier: Apache-2.0
#pragma once
// The reply queues that are known to be gone: the last 200, for 60 s each, so that replies to a
// client that left do not hold slots and connections for a minute each. Time comes in.
// Source: amqpdriver.ObsoleteReplyQueuesCache.

#include "drivers/loop.hpp"

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>

namespace ombt::drivers::rabbit {

class gone_queues {
 public:
  static constexpr std::size_t size_limit = 200;
  static constexpr duration lifetime = std::chrono::seconds{60};

  void add(std::string_view queue, time_point now) {
    expire(now);
    std::erase_if(entries_, [queue](const entry& e) { return e.queue == queue; });
    if (entries_.size() == size_limit) entries_.pop_front();
    entries_.push_back({std::string(queue), now + lifetime});
  }

  bool contains(std::string_view queue, time_point now) {
    if (entries_.empty()) return false;
    expire(now);
    return std::any_of(entries_.begin(), entries_.end(),
                       [queue](const entry& e) { return e.queue == queue; });
  }

 private:
  struct entry {
    std::string queue;
    time_point until;
  };
  void expire(time_point now) {
    while (!entries_.empty() && entries_.front().until <= now) entries_.pop_front();
  }
  std::deque<entry> entries_;  ///< in the order of their end
};

}  // namespace ombt::drivers::rabbit
