// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp091/frame_splitter.hpp"

#include "wire/amqp091/bytes.hpp"

#include <algorithm>

namespace ombt::wire::amqp091 {
namespace {

constexpr std::size_t header_size = 7;
constexpr char frame_end = static_cast<char>(0xCE);

bool is_frame_type(std::uint8_t type) noexcept {
  return type == 1 || type == 2 || type == 3 || type == 8;
}

split_result malformed(const char* why) noexcept { return {split_status::malformed, {}, 0, why}; }

std::string hex(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto value = static_cast<unsigned char>(c);
    if (!text.empty()) text += ' ';
    text += digits[value >> 4];
    text += digits[value & 15];
  }
  return text;
}

/// Words for a protocol header "AMQP" and four bytes.
std::string describe_amqp(std::string_view header) {
  const auto at = [&](std::size_t i) {
    return static_cast<unsigned>(static_cast<unsigned char>(header[i]));
  };
  if (at(4) == 0 && at(5) == 0 && at(6) == 9 && at(7) == 1) {
    return "the peer refused the AMQP 0-9-1 header that it offers itself";
  }
  if (at(5) == 1 && at(6) == 0 && at(7) == 0) {
    if (at(4) == 3) return "the peer speaks AMQP 1.0 (with SASL), not AMQP 0-9-1";
    if (at(4) == 2) return "the peer speaks AMQP 1.0 (with TLS), not AMQP 0-9-1";
    return "the peer speaks AMQP 1.0, not AMQP 0-9-1";
  }
  // Peers before 0-9-1 answer "AMQP" 1 1 major minor.
  if (at(4) == 1 && at(5) == 1) {
    return "the peer speaks AMQP " + amqp_version(at(6), at(7)) + ", not AMQP 0-9-1";
  }
  return "the peer speaks another version of AMQP (header " + hex(header.substr(4, 4)) +
         "), not AMQP 0-9-1";
}

/// True when one of text and input begins like the other.
bool may_be(std::string_view input, std::string_view text) noexcept {
  const std::size_t n = std::min(input.size(), text.size());
  return input.substr(0, n) == text.substr(0, n);
}

}  // namespace

split_result split_frame(std::string_view input, std::uint32_t frame_max) noexcept {
  if (input.empty()) return {split_status::incomplete, {}, header_size + 1, nullptr};
  const auto type = static_cast<std::uint8_t>(input[0]);
  if (!is_frame_type(type)) return malformed("a frame of an unknown type");
  if (input.size() < header_size) return {split_status::incomplete, {}, header_size + 1, nullptr};
  const std::uint16_t channel = read_u16(input.data() + 1);
  const std::uint32_t length = read_u32(input.data() + 3);
  if (length > frame_max - frame_overhead) return malformed("a frame longer than agreed");
  if (type == static_cast<std::uint8_t>(frame_type::heartbeat) && (length != 0 || channel != 0)) {
    return malformed("a heartbeat that is not empty or not on channel 0");
  }
  const std::size_t size = length + frame_overhead;
  if (input.size() < size) return {split_status::incomplete, {}, size, nullptr};
  if (input[size - 1] != frame_end) return malformed("a frame without its end byte");
  return {split_status::complete,
          {static_cast<frame_type>(type), channel, input.substr(header_size, length)},
          size,
          nullptr};
}

std::string amqp_version(unsigned major, unsigned minor) {
  if (major == 8 && minor == 0) return "0-8";  // 0-8 counts the other way round
  return std::to_string(major) + "-" + std::to_string(minor);
}

greeting judge_greeting(std::string_view input, std::string& words) {
  if (input.empty()) return greeting::undecided;
  const auto first = static_cast<std::uint8_t>(input[0]);
  if (is_frame_type(first)) return greeting::amqp091;
  if (may_be(input, "AMQP")) {
    if (input.size() < 8) return greeting::undecided;
    words = describe_amqp(input.substr(0, 8));
    return greeting::foreign;
  }
  if (may_be(input, "HTTP/")) {
    if (input.size() < 5) return greeting::undecided;
    words = "the peer speaks HTTP, not AMQP 0-9-1";
    return greeting::foreign;
  }
  if (first == 0x15 || first == 0x16) {
    if (input.size() < 2) return greeting::undecided;
    if (input[1] == 3) {
      words = "the peer speaks TLS; the URL asks for a plain connection (add ?ssl=1)";
      return greeting::foreign;
    }
  }
  words = "the peer does not speak AMQP 0-9-1 (its first bytes are " +
          hex(input.substr(0, std::min<std::size_t>(input.size(), 8))) + ")";
  return greeting::foreign;
}

}  // namespace ombt::wire::amqp091
