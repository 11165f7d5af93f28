// SPDX-License-Identifier: Apache-2.0
#pragma once
// A queue for agents of which there are thousands: nearly always empty, so that it owns nothing
// then, where a std::deque has 576 bytes before its first element. Knows nothing of what is in it.
// One thread.

#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace ombt::drivers {

template <class T>
class short_queue {
 public:
  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept { return items_.size() - head_; }
  T& front() noexcept { return items_[head_]; }
  const T& front() const noexcept { return items_[head_]; }
  auto begin() noexcept { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  auto end() noexcept { return items_.end(); }
  auto begin() const noexcept { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  auto end() const noexcept { return items_.end(); }

  void push_back(T one) { items_.push_back(std::move(one)); }
  /// O(n).
  void push_front(T one) { items_.insert(begin(), std::move(one)); }
  T pop_front() {
    T taken = std::move(items_[head_++]);
    tidy();
    return taken;
  }
  /// Takes those out of which `unwanted` is true; O(n).
  template <class Predicate>
  std::size_t erase_if(Predicate unwanted) {
    items_.erase(items_.begin(), begin());
    head_ = 0;
    const std::size_t erased = std::erase_if(items_, unwanted);
    tidy();
    return erased;
  }
  void clear() noexcept { *this = {}; }

 private:
  static constexpr std::size_t few = 8;

  /// Keeps the room of few; more than half of many is not empty room at the front.
  void tidy() {
    if (empty()) {
      items_.clear();
      head_ = 0;
      if (items_.capacity() > few) std::vector<T>().swap(items_);
    } else if (head_ > few && head_ > items_.size() / 2) {
      items_.erase(items_.begin(), begin());
      head_ = 0;
    }
  }

  std::vector<T> items_;
  std::size_t head_ = 0;
};

}  // namespace ombt::drivers
