// SPDX-License-Identifier: Apache-2.0
#pragma once
// The messages of a connection that proton was told of and has not written yet. Proton gets a token
// in a message's place, which it keeps, orders, holds back and writes as if it were the message;
// the engine finds it in the frame and writes the message there instead. So the bytes are copied
// once, here, and proton's pool of deliveries keeps no large buffers. Owns a block while it is not
// empty, and no other memory worth mentioning. Internal to wire/amqp10. One thread.
//
// A token begins with random bytes of the process that no peer ever sees, so no message that is
// written as it is can pass for one.

#include "wire/blocks.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace ombt::wire::amqp10 {

struct link_state;

class outbox {
 public:
  static constexpr std::size_t secret_size = 16;
  using token = std::array<char, secret_size + sizeof(std::uint64_t)>;

  explicit outbox(block_cache& cache) noexcept : cache_(cache) {}
  ~outbox() { cache_.give(std::move(bytes_)); }
  outbox(const outbox&) = delete;
  outbox& operator=(const outbox&) = delete;

  bool empty() const noexcept { return count_ == 0; }
  /// Bytes of messages.
  std::size_t size() const noexcept { return live_; }
  /// Keeps a copy of a message of that link; the token stands for it.
  token put(std::string_view message, const link_state* of);
  /// Calls write(message) and forgets the message, if `text` is the token of one that is here.
  template <class Write>
  bool take(std::string_view text, Write write) {
    const std::size_t at = find(text);
    if (at == entries_.size()) return false;
    const entry& found = entries_[at];
    write(std::string_view(bytes_.data.get() + found.offset, found.size));
    forget(at);
    return true;
  }
  /// The link ends: bytes of its messages, which are no link's from now on. They stay, as proton
  /// keeps their tokens.
  std::size_t disown(const link_state* gone) noexcept;

 private:
  struct entry {
    std::uint64_t number;
    std::size_t offset;
    std::size_t size;
    const link_state* of;
    bool taken;
  };

  std::size_t find(std::string_view text) const noexcept;
  void forget(std::size_t at) noexcept;
  char* room_for(std::size_t size);
  void close_gaps() noexcept;

  block_cache& cache_;
  block bytes_;
  std::size_t used_ = 0;        ///< of the block
  std::size_t live_ = 0;        ///< of those, not taken
  std::vector<entry> entries_;  ///< by number; those before head_ were taken
  std::size_t head_ = 0;
  std::size_t count_ = 0;  ///< not taken
  std::uint64_t next_ = 0;
};

}  // namespace ombt::wire::amqp10
