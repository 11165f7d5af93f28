// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp091/table_scan.hpp"

#include "wire/amqp091/bytes.hpp"

#include <array>
#include <cstdint>

namespace ombt::wire::amqp091 {
namespace {

constexpr int unknown_type = -1;
constexpr int counted = -2;  ///< a 4-byte length and that many bytes
constexpr int nested = -3;   ///< a table or an array

/// Bytes of a value of that type, or one of the above.
int size_of(char type) noexcept {
  switch (type) {
    case 'V':
      return 0;
    case 't':
    case 'b':
    case 'B':
      return 1;
    case 's':
    case 'u':
      return 2;
    case 'I':
    case 'i':
    case 'f':
      return 4;
    case 'D':
      return 5;
    case 'l':
    case 'L':
    case 'd':
    case 'T':
      return 8;
    case 'S':
    case 'x':
      return counted;
    case 'F':
    case 'A':
      return nested;
    default:
      return unknown_type;
  }
}

struct level {
  std::size_t end;  ///< offset behind its last byte
  bool keys;        ///< a table: names before the values
};

}  // namespace

const char* scan_table(std::string_view input, std::size_t& offset) noexcept {
  constexpr const char* too_long = "a table that is longer than what holds it";
  std::array<level, max_table_depth> open;
  std::size_t depth = 0;
  std::size_t at = offset;
  std::size_t limit = input.size();

  const auto enter = [&](bool keys) -> const char* {
    if (depth == max_table_depth) return nested_too_deeply;
    if (limit - at < 4) return too_long;
    const std::uint32_t length = read_u32(input.data() + at);
    at += 4;
    if (length > limit - at) return too_long;
    limit = at + length;
    open[depth++] = {limit, keys};
    return nullptr;
  };

  if (const char* wrong = enter(true)) return wrong;
  while (depth != 0) {
    if (at == limit) {
      --depth;
      limit = depth == 0 ? input.size() : open[depth - 1].end;
      continue;
    }
    if (open[depth - 1].keys) {
      const std::size_t name = read_u8(input.data() + at);
      if (limit - at < 1 + name) return "a name that is longer than its table";
      at += 1 + name;
    }
    if (at == limit) return "a name without a value";
    const char type = input[at++];
    const int size = size_of(type);
    if (size == unknown_type) return "a value of an unknown type";
    if (size == nested) {
      if (const char* wrong = enter(type == 'F')) return wrong;
      continue;
    }
    std::size_t bytes = static_cast<std::size_t>(size);
    if (size == counted) {
      if (limit - at < 4) return "a value that is longer than its table";
      bytes = read_u32(input.data() + at);
      at += 4;
    }
    if (bytes > limit - at) return "a value that is longer than its table";
    at += bytes;
  }
  offset = at;
  return nullptr;
}

}  // namespace ombt::wire::amqp091
