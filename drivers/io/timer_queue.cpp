// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/timer_queue.hpp"

namespace ombt::drivers::io {

timer_queue::id timer_queue::start(time_point when, timer_target& target, std::uint64_t tag) {
  std::uint32_t index;
  if (free_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  slots_[index].target = &target;
  slots_[index].tag = tag;
  heap_.push_back({when, index});
  sift_up(heap_.size() - 1, {when, index});
  return make_id(index, slots_[index].generation);
}

void timer_queue::cancel(id timer) {
  const auto index = static_cast<std::uint32_t>(timer);
  const auto generation = static_cast<std::uint32_t>(timer >> 32);
  if (index >= slots_.size() || slots_[index].generation != generation) return;
  if (slots_[index].target == nullptr) return;
  remove(slots_[index].position);
}

time_point timer_queue::next() const noexcept {
  return heap_.empty() ? time_point::max() : heap_.front().when;
}

void timer_queue::fire(time_point now) {
  // A timer that is started by a callback for "now" fires in the next turn, so that a callback
  // which always starts another can't hold up the loop: only as many as are due now.
  std::size_t left = heap_.size();
  while (left-- > 0 && !heap_.empty() && heap_.front().when <= now) {
    slot& due = slots_[heap_.front().slot];
    timer_target* target = due.target;
    const std::uint64_t tag = due.tag;
    remove(0);
    target->on_timer(tag);
  }
}

void timer_queue::place(std::size_t position, entry e) {
  heap_[position] = e;
  slots_[e.slot].position = static_cast<std::uint32_t>(position);
}

void timer_queue::sift_up(std::size_t position, entry e) {
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (heap_[parent].when <= e.when) break;
    place(position, heap_[parent]);
    position = parent;
  }
  place(position, e);
}

void timer_queue::sift_down(std::size_t position, entry e) {
  const std::size_t count = heap_.size();
  for (;;) {
    std::size_t child = 2 * position + 1;
    if (child >= count) break;
    if (child + 1 < count && heap_[child + 1].when < heap_[child].when) ++child;
    if (e.when <= heap_[child].when) break;
    place(position, heap_[child]);
    position = child;
  }
  place(position, e);
}

void timer_queue::remove(std::size_t position) {
  slot& gone = slots_[heap_[position].slot];
  gone.target = nullptr;
  if (++gone.generation == 0) gone.generation = 1;
  free_.push_back(heap_[position].slot);
  const entry last = heap_.back();
  heap_.pop_back();
  if (position == heap_.size()) return;
  if (position > 0 && last.when < heap_[(position - 1) / 2].when) {
    sift_up(position, last);
  } else {
    sift_down(position, last);
  }
}

}  // namespace ombt::drivers::io
