// SPDX-License-Identifier: Apache-2.0
#pragma once
// Things in an order, linked through members of their own, so that nothing is allocated to put one
// into a chain and one leaves it without a search. Owns nothing. One thread.

#include <cstddef>

namespace ombt::wire {

/// The place of a T in one chain; a T in several chains has a place for each.
template <class T>
struct place_in_chain {
  T* next = nullptr;
  T* previous = nullptr;
  bool taken = false;
};

template <class T, place_in_chain<T> T::*Place>
class chain {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  T* front() const noexcept { return head_; }
  std::size_t size() const noexcept { return size_; }
  static T* after(const T& one) noexcept { return (one.*Place).next; }
  static bool is_in_one(const T& one) noexcept { return (one.*Place).taken; }

  void push_back(T& one) noexcept {
    place_in_chain<T>& mine = one.*Place;
    mine = {nullptr, tail_, true};
    (tail_ != nullptr ? (tail_->*Place).next : head_) = &one;
    tail_ = &one;
    ++size_;
  }
  void remove(T& one) noexcept {
    place_in_chain<T>& mine = one.*Place;
    (mine.previous != nullptr ? (mine.previous->*Place).next : head_) = mine.next;
    (mine.next != nullptr ? (mine.next->*Place).previous : tail_) = mine.previous;
    mine = {};
    --size_;
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ombt::wire
