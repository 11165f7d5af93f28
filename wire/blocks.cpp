// SPDX-License-Identifier: Apache-2.0
#include "wire/blocks.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ombt::wire {

block_cache::block_cache() { spare_.reserve(most_kept); }

block block_cache::take(std::size_t at_least) {
  // The smallest that is large enough; one that is far too large stays for who needs it.
  const std::size_t capacity = std::max(at_least, smallest);
  block* found = nullptr;
  for (block& one : spare_) {
    if (one.capacity < at_least || one.capacity / 4 > capacity) continue;
    if (found == nullptr || one.capacity < found->capacity) found = &one;
  }
  if (found != nullptr) {
    std::swap(*found, spare_.back());
    block taken = std::move(spare_.back());
    spare_.pop_back();
    return taken;
  }
  return {std::unique_ptr<char[]>(new char[capacity]), capacity};
}

void block_cache::give(block&& back) noexcept {
  block owned{std::move(back.data), std::exchange(back.capacity, 0)};
  const bool useful = owned.capacity >= smallest && owned.capacity <= largest_kept;
  if (useful && spare_.size() < most_kept) spare_.push_back(std::move(owned));
}

char* out_buffer::reserve(std::size_t n) {
  if (block_.capacity - end_ >= n) return block_.data.get() + end_;
  const std::size_t waiting = size();
  if (begin_ >= waiting && block_.capacity - waiting >= n) {
    // More than half was written already: moving the rest down costs less than it has freed.
    std::memcpy(block_.data.get(), block_.data.get() + begin_, waiting);
    if (secret_) wipe(block_.data.get() + waiting, end_ - waiting);
  } else {
    block larger = cache_.take(std::max(waiting + n, waiting * 2));
    if (waiting != 0) std::memcpy(larger.data.get(), block_.data.get() + begin_, waiting);
    if (secret_) wipe(block_.data.get(), end_);
    cache_.give(std::move(block_));
    block_ = std::move(larger);
  }
  begin_ = 0;
  end_ = waiting;
  return block_.data.get() + end_;
}

void out_buffer::consume(std::size_t n) noexcept {
  begin_ += std::min(n, size());
  if (begin_ == end_) clear();
}

void out_buffer::clear() noexcept {
  if (secret_) wipe(block_.data.get(), end_);
  secret_ = false;
  cache_.give(std::move(block_));
  begin_ = end_ = 0;
}

void wipe(char* bytes, std::size_t size) noexcept {
  if (size != 0) explicit_bzero(bytes, size);
}

}  // namespace ombt::wire
