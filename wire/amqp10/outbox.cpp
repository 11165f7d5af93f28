// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp10/outbox.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

namespace ombt::wire::amqp10 {
namespace {

/// Entries that an empty outbox keeps the room of, and that are too few to be tidied.
constexpr std::size_t few = 16;

using secret_bytes = std::array<char, outbox::secret_size>;

const secret_bytes& secret() {
  static const secret_bytes made = [] {
    secret_bytes bytes;
    std::random_device device;
    for (char& one : bytes) one = static_cast<char>(device());
    return bytes;
  }();
  return made;
}

}  // namespace

outbox::token outbox::put(std::string_view message, const link_state* of) {
  if (entries_.size() >= few && count_ < entries_.size() / 2) close_gaps();
  char* const room = room_for(message.size());
  if (!message.empty()) std::memcpy(room, message.data(), message.size());
  entries_.push_back({next_, used_, message.size(), of, false});
  used_ += message.size();
  live_ += message.size();
  ++count_;
  token made;
  std::copy(secret().begin(), secret().end(), made.begin());
  std::memcpy(made.data() + secret_size, &next_, sizeof next_);
  ++next_;
  return made;
}

char* outbox::room_for(std::size_t size) {
  if (bytes_.capacity - used_ < size && live_ < used_ / 2) close_gaps();
  if (bytes_.capacity - used_ < size) {
    block larger = cache_.take(std::max(used_ + size, used_ * 2));
    if (used_ != 0) std::memcpy(larger.data.get(), bytes_.data.get(), used_);
    cache_.give(std::exchange(bytes_, std::move(larger)));
  }
  return bytes_.data.get() + used_;
}

std::size_t outbox::find(std::string_view text) const noexcept {
  const std::size_t none = entries_.size();
  if (text.size() != std::tuple_size_v<token> || empty()) return none;
  if (std::memcmp(text.data(), secret().data(), secret_size) != 0) return none;
  std::uint64_t number;
  std::memcpy(&number, text.data() + secret_size, sizeof number);
  const auto from = entries_.begin() + static_cast<std::ptrdiff_t>(head_);
  if (from->number == number) return head_;  // as a rule they leave in their order
  const auto at = std::lower_bound(from, entries_.end(), number,
                                   [](const entry& e, std::uint64_t n) { return e.number < n; });
  if (at == entries_.end() || at->number != number || at->taken) return none;
  return static_cast<std::size_t>(at - entries_.begin());
}

void outbox::forget(std::size_t at) noexcept {
  entries_[at].taken = true;
  live_ -= entries_[at].size;
  --count_;
  while (head_ < entries_.size() && entries_[head_].taken) ++head_;
  if (!empty()) return;
  entries_.clear();
  if (entries_.capacity() > few) std::vector<entry>().swap(entries_);
  head_ = used_ = 0;
  cache_.give(std::move(bytes_));
}

/// Moves what is left to the front.
void outbox::close_gaps() noexcept {
  std::erase_if(entries_, [](const entry& e) { return e.taken; });
  head_ = used_ = 0;
  for (entry& one : entries_) {
    if (one.size != 0) {
      std::memmove(bytes_.data.get() + used_, bytes_.data.get() + one.offset, one.size);
    }
    one.offset = std::exchange(used_, used_ + one.size);
  }
}

std::size_t outbox::disown(const link_state* gone) noexcept {
  std::size_t bytes = 0;
  for (std::size_t i = head_; i < entries_.size(); ++i) {
    entry& one = entries_[i];
    if (one.of != gone || one.taken) continue;
    bytes += one.size;
    one.of = nullptr;
  }
  return bytes;
}

}  // namespace ombt::wire::amqp10
