// SPDX-License-Identifier: Apache-2.0
#pragma once
// Big-endian integers in a byte buffer. The caller has checked that the bytes are there.
// Internal to wire/amqp091.

#include <cstdint>

namespace ombt::wire::amqp091 {

inline std::uint8_t read_u8(const char* p) noexcept { return static_cast<std::uint8_t>(*p); }
inline std::uint16_t read_u16(const char* p) noexcept {
  return static_cast<std::uint16_t>(read_u8(p) << 8 | read_u8(p + 1));
}
inline std::uint32_t read_u32(const char* p) noexcept {
  return static_cast<std::uint32_t>(read_u16(p)) << 16 | read_u16(p + 2);
}
inline std::uint64_t read_u64(const char* p) noexcept {
  return static_cast<std::uint64_t>(read_u32(p)) << 32 | read_u32(p + 4);
}
inline char* write_u8(char* p, std::uint8_t v) noexcept {
  *p = static_cast<char>(v);
  return p + 1;
}
inline char* write_u16(char* p, std::uint16_t v) noexcept {
  return write_u8(write_u8(p, static_cast<std::uint8_t>(v >> 8)), static_cast<std::uint8_t>(v));
}
inline char* write_u32(char* p, std::uint32_t v) noexcept {
  return write_u16(write_u16(p, static_cast<std::uint16_t>(v >> 16)),
                   static_cast<std::uint16_t>(v));
}
inline char* write_u64(char* p, std::uint64_t v) noexcept {
  return write_u32(write_u32(p, static_cast<std::uint32_t>(v >> 32)),
                   static_cast<std::uint32_t>(v));
}

}  // namespace ombt::wire::amqp091
