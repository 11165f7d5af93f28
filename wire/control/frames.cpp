// SPDX-License-Identifier: Apache-2.0
#include "wire/control/frames.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace ombt::wire::control {
namespace {

/// What is read at once where nothing is known of a frame yet.
constexpr std::size_t least_room = 4096;

std::size_t frame_length(const char* header) noexcept {
  std::size_t length = 0;
  for (std::size_t i = 0; i < frame_header_bytes; ++i) {
    length = length << 8 | static_cast<unsigned char>(header[i]);
  }
  return length;
}

}  // namespace

void append_frame(std::string& out, std::string_view text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  for (const unsigned shift : {24u, 16u, 8u, 0u}) out += static_cast<char>(length >> shift & 0xff);
  out += text;
}

std::span<char> frame_splitter::read_buffer() {
  if (!failure_.empty()) return {};
  const std::size_t have = end_ - begin_;
  std::size_t missing = 0;
  if (have >= frame_header_bytes) {
    const std::size_t whole = frame_header_bytes + frame_length(buffer_.data() + begin_);
    missing = whole > have ? whole - have : 0;
  }
  // As much again as has come, so that a long frame is copied few times; not more than is missing.
  const std::size_t wanted = have + std::max(least_room, std::min(have, missing));
  const bool full = begin_ == 0 && end_ == buffer_.size();
  if (full || buffer_.size() > 2 * wanted) {
    std::string other;
    other.reserve(wanted);
    other.append(buffer_, begin_, have);
    other.resize(wanted);
    buffer_ = std::move(other);
  } else if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, have);
  }
  begin_ = 0;
  end_ = have;
  return {buffer_.data() + end_, buffer_.size() - end_};
}

void frame_splitter::read_done(std::size_t bytes) {
  end_ += std::min(bytes, buffer_.size() - end_);
}

std::optional<std::string_view> frame_splitter::next() {
  const std::size_t have = end_ - begin_;
  if (have == 0 && !buffer_.empty()) {
    std::string{}.swap(buffer_);
    begin_ = end_ = 0;
  }
  if (have < frame_header_bytes) return {};
  const std::size_t length = frame_length(buffer_.data() + begin_);
  if (length == 0 || length > limit_) {
    failure_ = length == 0 ? "an empty frame"
                           : "a frame of " + std::to_string(length) +
                                 " bytes, above the limit of " + std::to_string(limit_);
    std::string{}.swap(buffer_);
    begin_ = end_ = 0;
    return {};
  }
  if (have - frame_header_bytes < length) return {};
  const std::string_view text{buffer_.data() + begin_ + frame_header_bytes, length};
  begin_ += frame_header_bytes + length;
  return text;
}

}  // namespace ombt::wire::control
