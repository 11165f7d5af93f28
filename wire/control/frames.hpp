// SPDX-License-Identifier: Apache-2.0
#pragma once
// Frames of the direct control plane: four bytes of length, the highest first, and so many bytes of
// text. Sans I/O; one thread.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ombt::wire::control {

inline constexpr std::size_t frame_header_bytes = 4;

/// Appends a frame; text at most 2^32 - 1 bytes.
void append_frame(std::string& out, std::string_view text);

/// Cuts what comes into frames. Memory grows with what has come, never with what is announced, and
/// is given back after a large frame; when next() has found that nothing is left, there is none.
class frame_splitter {
 public:
  /// Longer frames, and empty ones, are refused.
  explicit frame_splitter(std::size_t limit) : limit_(limit) {}
  void set_limit(std::size_t limit) noexcept { limit_ = limit; }

  /// Where to read to: never empty, unless it has failed.
  std::span<char> read_buffer();
  void read_done(std::size_t bytes);
  /// The next frame's text, valid until read_buffer() or next() is called again. Nothing: it has
  /// not come yet, or failure() says what came instead.
  std::optional<std::string_view> next();
  /// Why nothing more is taken; empty: it is.
  const std::string& failure() const noexcept { return failure_; }
  /// Whether there is more than next() has given: the beginning of a frame.
  bool has_part() const noexcept { return end_ > begin_; }
  std::size_t capacity() const noexcept { return buffer_.capacity(); }

 private:
  std::size_t limit_;
  std::string buffer_;
  std::size_t begin_ = 0;  ///< of what has not been taken
  std::size_t end_ = 0;    ///< of what has come
  std::string failure_;
};

}  // namespace ombt::wire::control
