// SPDX-License-Identifier: Apache-2.0
#pragma once
// Timers of one loop as an indexed binary heap: start and cancel in O(log n) without allocation
// once warm, so that each call may have one. Knows no clock; time comes in. One thread.

#include "drivers/loop.hpp"

#include <cstdint>
#include <vector>

namespace ombt::drivers::io {

class timer_queue {
 public:
  using id = loop::timer_id;

  /// Calls target.on_timer(tag) in the first fire() at or after `when`.
  id start(time_point when, timer_target& target, std::uint64_t tag);
  /// Forgets a timer; unknown, fired and cancelled ones are ignored.
  void cancel(id timer);
  /// The earliest timer, time_point::max() if there is none.
  time_point next() const noexcept;
  /// Fires all timers due at `now`. Those started meanwhile wait for the next call.
  void fire(time_point now);
  std::size_t size() const noexcept { return heap_.size(); }

 private:
  struct entry {
    time_point when;
    std::uint32_t slot;
  };
  struct slot {
    timer_target* target = nullptr;
    std::uint64_t tag = 0;
    std::uint32_t position = 0;    ///< in heap_
    std::uint32_t generation = 1;  ///< never 0, so that no id is 0
  };

  void place(std::size_t position, entry e);
  void sift_up(std::size_t position, entry e);
  void sift_down(std::size_t position, entry e);
  void remove(std::size_t position);
  static id make_id(std::uint32_t slot, std::uint32_t generation) {
    return (std::uint64_t{generation} << 32) | slot;
  }

  std::vector<entry> heap_;
  std::vector<slot> slots_;
  std::vector<std::uint32_t> free_;
};

}  // namespace ombt::drivers::io
