// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp10/frame.hpp"

#include <algorithm>
#include <cstring>

namespace ombt::wire::amqp10 {
namespace {

std::uint8_t byte_at(std::string_view bytes, std::size_t i) noexcept {
  return static_cast<std::uint8_t>(bytes[i]);
}

/// Big-endian; `size` bytes are there.
std::uint64_t read_number(std::string_view bytes, std::size_t size) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | byte_at(bytes, i);
  return value;
}

/// Walks over values; false: malformed, too deep or too many.
class walker {
 public:
  explicit walker(std::string_view bytes) noexcept : rest(bytes) {}

  bool value(int depth) noexcept {
    std::uint8_t code = 0;
    if (!constructor(code, depth)) return false;
    return body(code, depth);
  }

  std::string_view rest;
  std::size_t left = most_values;

 private:
  bool take(std::size_t n) noexcept {
    if (rest.size() < n) return false;
    rest.remove_prefix(n);
    return true;
  }

  bool constructor(std::uint8_t& code, int depth) noexcept {
    if (rest.empty()) return false;
    code = byte_at(rest, 0);
    rest.remove_prefix(1);
    if (code != 0) return true;
    // A descriptor and what it describes; neither may be described again.
    if (depth >= most_depth || rest.empty() || rest[0] == 0) return false;
    std::uint8_t of_descriptor = 0;
    if (!constructor(of_descriptor, depth + 1) || !body(of_descriptor, depth + 1)) return false;
    if (rest.empty() || rest[0] == 0) return false;
    code = byte_at(rest, 0);
    rest.remove_prefix(1);
    return true;
  }

  bool body(std::uint8_t code, int depth) noexcept {
    if (left == 0) return false;
    --left;
    switch (code >> 4) {
      case 0x4:
        return true;
      case 0x5:
        return take(1);
      case 0x6:
        return take(2);
      case 0x7:
        return take(4);
      case 0x8:
        return take(8);
      case 0x9:
        return take(16);
      case 0xa:
        return !rest.empty() && take(std::size_t{1} + byte_at(rest, 0));
      case 0xb:
        return rest.size() >= 4 && take(4 + read_number(rest, 4));
      case 0xc:
        return compound(1, false, depth);
      case 0xd:
        return compound(4, false, depth);
      case 0xe:
        return compound(1, true, depth);
      case 0xf:
        return compound(4, true, depth);
      default:
        return false;
    }
  }

  /// A list or map, or an array; `width`: bytes of its size and of its count.
  bool compound(std::size_t width, bool array, int depth) noexcept {
    if (depth >= most_depth || rest.size() < 2 * width) return false;
    const std::uint64_t size = read_number(rest, width);
    const std::uint64_t count = read_number(rest.substr(width), width);
    if (size < width || size > rest.size() - width || count > left) return false;
    const std::string_view behind = rest.substr(width + size);
    rest = rest.substr(2 * width, size - width);
    if (array) {
      std::uint8_t code = 0;
      if (!constructor(code, depth + 1)) return false;
      for (std::uint64_t i = 0; i < count; ++i) {
        if (!body(code, depth + 1)) return false;
      }
    } else {
      for (std::uint64_t i = 0; i < count; ++i) {
        if (!value(depth + 1)) return false;
      }
    }
    if (!rest.empty()) return false;
    rest = behind;
    return true;
  }
};

bool read_descriptor(std::string_view& body, std::uint64_t& code) noexcept {
  if (body.size() < 3 || body[0] != 0) return false;
  const std::uint8_t encoding = byte_at(body, 1);
  if (encoding == 0x53) {
    code = byte_at(body, 2);
    body.remove_prefix(3);
    return true;
  }
  if (encoding == 0x80 && body.size() >= 10) {
    code = read_number(body.substr(2), 8);
    body.remove_prefix(10);
    return true;
  }
  return false;
}

void append_u32(std::string& out, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 255);
}

/// A string, symbol or binary by its short code (a1, a3, a0).
void append_text(std::string& out, std::uint8_t code, std::string_view text) {
  if (text.size() <= 255) {
    out += static_cast<char>(code);
    out += static_cast<char>(text.size());
  } else {
    out += static_cast<char>(code + 0x10);
    append_u32(out, text.size());
  }
  out += text;
}

/// A frame of one described list; `fields`: the encodings, `count` of them.
void append_frame(std::string& out, std::uint8_t type, std::uint8_t code, std::string_view fields,
                  std::size_t count) {
  append_u32(out, frame_header_size + 3 + 9 + fields.size());
  out += '\2';
  out += static_cast<char>(type);
  out.append(2, '\0');
  out += {'\0', '\x53', static_cast<char>(code), static_cast<char>(0xd0)};
  append_u32(out, fields.size() + 4);
  append_u32(out, count);
  out += fields;
}

constexpr char null_value = '\x40';

}  // namespace

split_result split_frame(std::string_view input, std::size_t limit) noexcept {
  using status = split_result::status;
  if (input.size() < 4) return {status::incomplete, {}, frame_header_size, nullptr};
  const std::size_t size = read_number(input, 4);
  if (size < frame_header_size) return {status::malformed, {}, 0, "a frame below 8 bytes"};
  if (size > limit) return {status::malformed, {}, 0, "a frame above the size that is allowed"};
  if (input.size() < size) return {status::incomplete, {}, size, nullptr};
  const std::size_t offset = std::size_t{byte_at(input, 4)} * 4;
  if (offset < frame_header_size || offset > size) {
    return {status::malformed, {}, 0, "a frame with a data offset outside of it"};
  }
  return {status::complete,
          {byte_at(input, 5), static_cast<std::uint16_t>(read_number(input.substr(6), 2)),
           input.substr(offset, size - offset)},
          size,
          nullptr};
}

const char* performative::read(std::string_view body) noexcept {
  const std::size_t all = body.size();
  fields_ = 0;
  wrong_ = false;
  if (!read_descriptor(body, code_)) return "a frame without a performative";
  if (body.empty()) return "a performative that is no list";
  const std::uint8_t list = byte_at(body, 0);
  body.remove_prefix(1);
  if (list == 0x45) {
    size_ = all - body.size();
    return nullptr;
  }
  if (list != 0xc0 && list != 0xd0) return "a performative that is no list";
  const std::size_t width = list == 0xc0 ? 1 : 4;
  if (body.size() < 2 * width) return "a performative that is cut short";
  const std::uint64_t size = read_number(body, width);
  const std::uint64_t count = read_number(body.substr(width), width);
  if (size < width || size > body.size() - width) return "a performative that is cut short";
  if (count > most_fields) return "a performative with too many fields";
  walker walk(body.substr(2 * width, size - width));
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view before = walk.rest;
    if (!walk.value(1)) return "a performative that is malformed or too complex";
    field_[i] = before.substr(0, before.size() - walk.rest.size());
  }
  if (!walk.rest.empty()) return "a performative longer than its fields";
  fields_ = count;
  size_ = all - (body.size() - width - size);
  return nullptr;
}

std::string_view performative::raw(std::size_t i) const noexcept {
  return i < fields_ ? field_[i] : std::string_view("\x40", 1);
}

std::optional<std::uint32_t> performative::number(std::size_t i) noexcept {
  const std::string_view value = raw(i);
  switch (byte_at(value, 0)) {
    case 0x40:
      return std::nullopt;
    case 0x43:
      return 0;
    case 0x50:
    case 0x52:
      return byte_at(value, 1);
    case 0x60:
      return static_cast<std::uint32_t>(read_number(value.substr(1), 2));
    case 0x70:
      return static_cast<std::uint32_t>(read_number(value.substr(1), 4));
    default:
      wrong_ = true;
      return std::nullopt;
  }
}

std::optional<bool> performative::truth(std::size_t i) noexcept {
  const std::string_view value = raw(i);
  switch (byte_at(value, 0)) {
    case 0x40:
      return std::nullopt;
    case 0x41:
      return true;
    case 0x42:
      return false;
    case 0x56:
      return value[1] != 0;
    default:
      wrong_ = true;
      return std::nullopt;
  }
}

std::optional<std::string_view> performative::text(std::size_t i) noexcept {
  const std::string_view value = raw(i);
  switch (byte_at(value, 0)) {
    case 0x40:
      return std::nullopt;
    case 0xa0:
    case 0xa1:
    case 0xa3:
      return value.substr(2);
    case 0xb0:
    case 0xb1:
    case 0xb3:
      return value.substr(5);
    default:
      wrong_ = true;
      return std::nullopt;
  }
}

// The encoding was walked before, so its lengths fit.
symbol_list::symbol_list(std::string_view raw) noexcept {
  const std::uint8_t outer = byte_at(raw, 0);
  if (outer == 0xa3 || outer == 0xb3) {
    code_ = outer;
    left_ = 1;
    rest_ = raw.substr(1);
  } else if (outer == 0xe0 || outer == 0xf0) {
    const std::size_t width = outer == 0xe0 ? 1 : 4;
    left_ = read_number(raw.substr(1 + width), width);
    code_ = byte_at(raw, 1 + 2 * width);
    rest_ = raw.substr(2 + 2 * width);
    if (code_ != 0xa3 && code_ != 0xb3) left_ = 0;
  }
}

std::optional<std::string_view> symbol_list::next() noexcept {
  if (left_ == 0) return std::nullopt;
  --left_;
  const std::size_t width = code_ == 0xa3 ? 1 : 4;
  const std::size_t size = read_number(rest_, width);
  const std::string_view found = rest_.substr(width, size);
  rest_.remove_prefix(width + size);
  return found;
}

void append_mechanisms(std::string& out, std::string_view names) {
  std::string items;
  std::size_t count = 0;
  while (!names.empty()) {
    const std::string_view one = names.substr(0, names.find(' '));
    names.remove_prefix(std::min(one.size() + 1, names.size()));
    if (one.empty()) continue;
    append_u32(items, one.size());
    items += one;
    ++count;
  }
  std::string array{static_cast<char>(0xf0)};
  append_u32(array, items.size() + 5);
  append_u32(array, count);
  array += static_cast<char>(0xb3);
  array += items;
  append_frame(out, 1, sasl_mechanisms_code, array, 1);
}

void append_init(std::string& out, std::string_view mechanism, std::string_view response) {
  std::string fields;
  fields.reserve(mechanism.size() + response.size() + 16);
  append_text(fields, 0xa3, mechanism);
  append_text(fields, 0xa0, response);
  append_frame(out, 1, sasl_init_code, fields, 2);
  explicit_bzero(fields.data(), fields.size());  // it may hold a password
}

void append_outcome(std::string& out, std::uint8_t code) {
  append_frame(out, 1, sasl_outcome_code, std::string{'\x50', static_cast<char>(code)}, 1);
}

void append_close(std::string& out, std::string_view condition, std::string_view description) {
  if (condition.empty()) return append_frame(out, 0, close_code, {}, 0);
  std::string fields;
  append_text(fields, 0xa3, condition);
  if (description.empty()) {
    fields += null_value;
  } else {
    append_text(fields, 0xa1, description);
  }
  std::string error{'\0', '\x53', '\x1d', static_cast<char>(0xd0)};
  append_u32(error, fields.size() + 4);
  append_u32(error, 2);
  error += fields;
  append_frame(out, 0, close_code, error, 1);
}

}  // namespace ombt::wire::amqp10
