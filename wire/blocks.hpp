// SPDX-License-Identifier: Apache-2.0
#pragma once
// Blocks of raw memory that the connections of a thread lend each other, for what was half read and
// for what waits to be written: a connection that is idle owns none, and a busy thread allocates
// none. Knows no protocol. One thread.

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace ombt::wire {

/// Raw bytes of a known capacity; uninitialised.
struct block {
  std::unique_ptr<char[]> data;
  std::size_t capacity = 0;
};

/// Spare blocks, so that a connection that is idle owns none and a busy one allocates none.
class block_cache {
 public:
  block_cache();
  /// A block of at least so many bytes.
  block take(std::size_t at_least);
  /// Takes a block back; those too large or too small to be of use, or too many, are freed.
  void give(block&& back) noexcept;

 private:
  static constexpr std::size_t smallest = 4096;
  static constexpr std::size_t largest_kept = 65536;
  static constexpr std::size_t most_kept = 32;
  std::vector<block> spare_;
};

/// Bytes waiting to be written, in one piece. Owns no block while empty.
class out_buffer {
 public:
  explicit out_buffer(block_cache& cache) noexcept : cache_(cache) {}
  ~out_buffer() { clear(); }
  out_buffer(const out_buffer&) = delete;
  out_buffer& operator=(const out_buffer&) = delete;

  /// Room for n more bytes behind what is waiting; commit() says how many were used.
  char* reserve(std::size_t n);
  void commit(std::size_t n) noexcept { end_ += n; }
  std::span<const char> unsent() const noexcept {
    return {block_.data.get() + begin_, end_ - begin_};
  }
  std::size_t size() const noexcept { return end_ - begin_; }
  /// Forgets the first n bytes; n at most size().
  void consume(std::size_t n) noexcept;
  void clear() noexcept;
  /// The next time that the buffer is emptied its bytes are overwritten first (they hold a
  /// password).
  void wipe_when_empty() noexcept { secret_ = true; }

 private:
  block_cache& cache_;
  block block_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool secret_ = false;
};

/// Overwrites memory in a way that the compiler does not drop.
void wipe(char* bytes, std::size_t size) noexcept;

}  // namespace ombt::wire
