// SPDX-License-Identifier: Apache-2.0
// Sections by hand: the few types that occur are written in the shortest form that holds them, as
// proton does; on reading every form of a value is measured before it is believed, and what is
// not needed is passed over by its size.
// Source: OASIS AMQP 1.0 part 1, 1.2 (constructors), 1.6 (encodings); part 3, 3.2 (sections).
#include "wire/amqp10/message.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace ombt::wire::amqp10 {
namespace {

/// The low byte of a section's descriptor. A message has its sections in this order.
enum section : std::uint8_t {
  header = 0x70,
  delivery_annotations,
  message_annotations,
  properties,
  application_properties,
  data,
  amqp_sequence,
  amqp_value,
  footer,
};

constexpr std::string_view section_names[] = {"amqp:header:list",
                                              "amqp:delivery-annotations:map",
                                              "amqp:message-annotations:map",
                                              "amqp:properties:list",
                                              "amqp:application-properties:map",
                                              "amqp:data:binary",
                                              "amqp:amqp-sequence:list",
                                              "amqp:amqp-value:*",
                                              "amqp:footer:map"};

/// Constructors, each the first byte of a value.
enum form : std::uint8_t {
  described = 0x00,
  null = 0x40,
  list0 = 0x45,
  uint8 = 0x52,
  ulong8 = 0x53,
  uint32 = 0x70,
  ulong64 = 0x80,
  timestamp = 0x83,
  binary8 = 0xa0,
  string8 = 0xa1,
  symbol8 = 0xa3,
  binary32 = 0xb0,
  string32 = 0xb1,
  symbol32 = 0xb3,
  list8 = 0xc0,
  list32 = 0xd0,
};

/// Places in the list of a section.
constexpr std::size_t ttl_at = 2;  // of header
enum property : std::size_t {
  id_at = 0,
  to_at = 2,
  reply_to_at = 4,
  correlation_id_at = 5,
  expiry_at = 8,
};

constexpr std::size_t largest_byte = 0xff;

// ---- Writing ------------------------------------------------------------------------------------

constexpr std::size_t size_of_section = 3;
constexpr std::size_t size_of_list = 9;  ///< its beginning, at the most
constexpr std::size_t expiry_size = 9;
constexpr std::size_t largest_prefix = 5;  ///< of a text

/// What put_text writes, or one byte of null.
std::size_t size_of(std::string_view text) noexcept {
  if (text.empty()) return 1;
  return text.size() + (text.size() <= largest_byte ? 2 : 5);
}

/// Writes behind a text, which has been made large enough, byte by byte without looking again.
class writer {
 public:
  writer(std::string& out, std::size_t most) : out_(out), begin_(out.size()) {
    out.resize(begin_ + most);
    at_ = out.data() + begin_;
  }
  ~writer() { out_.resize(static_cast<std::size_t>(at_ - out_.data())); }
  writer(const writer&) = delete;
  writer& operator=(const writer&) = delete;

  void put(std::uint64_t byte) noexcept { *at_++ = static_cast<char>(byte); }
  void put_number(std::uint64_t number, int bytes) noexcept {
    while (bytes-- > 0) put(number >> (8 * bytes) & 0xff);
  }
  void put_section(section which) noexcept {
    put(form::described);
    put(form::ulong8);
    put(which);
  }
  /// A string or binary; `small` is its form up to 255 bytes, the larger one is 0x10 above.
  void put_text(form small, std::string_view text) noexcept {
    const bool fits = text.size() <= largest_byte;
    put(fits ? small : small + 0x10);
    put_number(text.size(), fits ? 1 : 4);
    at_ = std::copy(text.begin(), text.end(), at_);
  }
  /// The beginning of a list whose elements take `size` bytes.
  void put_list(std::size_t count, std::size_t size) noexcept {
    if (count == 0) return put(form::list0);
    // The size on the wire counts the count.
    const bool fits = size + 1 <= largest_byte;
    put(fits ? form::list8 : form::list32);
    put_number(size + (fits ? 1 : 4), fits ? 1 : 4);
    put_number(count, fits ? 1 : 4);
  }

 private:
  std::string& out_;
  std::size_t begin_;
  char* at_;
};

void put_header(writer& out, std::optional<std::chrono::milliseconds> ttl) noexcept {
  constexpr std::int64_t longest = 0xffffffff;
  out.put_section(section::header);
  const auto left = std::min<std::int64_t>(ttl ? ttl->count() : 0, longest);
  if (left <= 0) return out.put_list(0, 0);
  const bool fits = left <= static_cast<std::int64_t>(largest_byte);
  out.put_list(ttl_at + 1, ttl_at + (fits ? 2 : 5));
  for (std::size_t i = 0; i < ttl_at; ++i) out.put(form::null);
  out.put(fits ? form::uint8 : form::uint32);
  out.put_number(static_cast<std::uint64_t>(left), fits ? 1 : 4);
}

/// What stands in the list of properties.
struct property_list {
  explicit property_list(const message& m) noexcept
      : texts{m.id, {}, m.to, {}, m.reply_to, m.correlation_id},
        expiry(m.absolute_expiry_time.value_or(0)) {
    for (std::size_t i = 0; i < std::size(texts); ++i) {
      if (!texts[i].empty()) count = i + 1;
    }
    if (expiry != 0) count = expiry_at + 1;
    for (std::size_t i = 0; i < count; ++i) size += i == expiry_at ? expiry_size : size_of(text(i));
  }
  std::string_view text(std::size_t i) const noexcept {
    return i < std::size(texts) ? texts[i] : std::string_view();
  }

  std::string_view texts[correlation_id_at + 1];
  std::int64_t expiry;
  std::size_t count = 0;
  std::size_t size = 0;  ///< of the elements, bytes
};

void put_properties(writer& out, const property_list& list) noexcept {
  out.put_section(section::properties);
  out.put_list(list.count, list.size);
  for (std::size_t i = 0; i < list.count; ++i) {
    if (i == expiry_at) {
      out.put(form::timestamp);
      out.put_number(static_cast<std::uint64_t>(list.expiry), 8);
    } else if (const std::string_view text = list.text(i); !text.empty()) {
      out.put_text(form::string8, text);
    } else {
      out.put(form::null);
    }
  }
}

// ---- Reading ------------------------------------------------------------------------------------

/// One value: its constructor and its content, without the length that stands before it.
struct value {
  std::uint8_t constructor = form::null;
  std::string_view content;

  bool is(form one) const noexcept { return constructor == one; }
  bool is(form one, form other) const noexcept { return is(one) || is(other); }
  bool is_string() const noexcept { return is(form::string8, form::string32); }
  bool is_binary() const noexcept { return is(form::binary8, form::binary32); }
  bool is_list() const noexcept { return is(form::list0) || is(form::list8, form::list32); }
};

std::uint64_t number_in(std::string_view bytes) noexcept {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

bool take(std::string_view& rest, std::size_t size, std::string_view& out) noexcept {
  if (rest.size() < size) return false;
  out = rest.substr(0, size);
  rest.remove_prefix(size);
  return true;
}

/// A primitive value, or only the mark of a described one. The upper half of a constructor says how
/// long the value is, also where its type is not known here.
bool take_plain(std::string_view& rest, value& out) noexcept {
  std::string_view part;
  if (!take(rest, 1, part)) return false;
  out.constructor = static_cast<std::uint8_t>(part[0]);
  out.content = {};
  if (out.is(form::described)) return true;
  const int kind = out.constructor >> 4;
  switch (kind) {
    case 0x4:
      return true;
    case 0x5:
    case 0x6:
    case 0x7:
    case 0x8:
    case 0x9:
      return take(rest, std::size_t{1} << (kind - 5), out.content);
    case 0xa:
    case 0xb:
    case 0xc:
    case 0xd:
    case 0xe:
    case 0xf:
      // Lengths of one byte and of four take turns.
      return take(rest, kind % 2 == 0 ? 1 : 4, part) && take(rest, number_in(part), out.content);
    default:
      return false;
  }
}

/// Any value; of a described one only that it is one. A description may be described itself: each
/// mark asks for one value more, which is counted and not recursed into.
bool take_value(std::string_view& rest, value& out) noexcept {
  if (!take_plain(rest, out)) return false;
  std::size_t missing = out.is(form::described) ? 2 : 0;
  while (missing > 0) {
    value part;
    if (!take_plain(rest, part)) return false;
    if (part.is(form::described)) {
      ++missing;
    } else {
      --missing;
    }
  }
  return true;
}

/// The section that a descriptor names: a ulong or a symbol.
bool take_section(std::string_view& rest, section& out) noexcept {
  value mark;
  value name;
  if (!take_plain(rest, mark) || !mark.is(form::described) || !take_plain(rest, name)) return false;
  std::uint64_t number = 0;
  if (name.is(form::symbol8, form::symbol32)) {
    const auto* const found =
        std::find(std::begin(section_names), std::end(section_names), name.content);
    number = section::header + static_cast<std::uint64_t>(found - std::begin(section_names));
  } else if (name.is(form::ulong8, form::ulong64)) {
    number = number_in(name.content);
  }
  if (number < section::header || number > section::footer) return false;
  out = static_cast<section>(number);
  return true;
}

/// Calls visit(place, value) for each element; false if it is no list or its elements do not fill
/// it.
template <class Visit>
bool for_each_element(const value& list, Visit visit) {
  if (list.is(form::list0)) return true;
  if (!list.is_list()) return false;
  std::string_view rest = list.content;
  std::string_view count;
  if (!take(rest, list.is(form::list8) ? 1 : 4, count)) return false;
  const std::uint64_t elements = number_in(count);
  for (std::uint64_t i = 0; i < elements; ++i) {
    value element;
    if (!take_value(rest, element)) return false;  // at the latest when nothing is left
    visit(i, element);
  }
  return rest.empty();
}

std::string_view text_of(const value& v) noexcept {
  return v.is_string() ? v.content : std::string_view{};
}

bool read_header(const value& list, message& out) {
  return for_each_element(list, [&](std::uint64_t place, const value& v) {
    if (place != ttl_at || !v.is(form::uint8, form::uint32)) return;
    const std::uint64_t left = number_in(v.content);
    if (left != 0) out.ttl = std::chrono::milliseconds{static_cast<std::int64_t>(left)};
  });
}

bool read_properties(const value& list, message& out) {
  return for_each_element(list, [&](std::uint64_t place, const value& v) {
    if (place == id_at) out.id = text_of(v);
    if (place == to_at) out.to = text_of(v);
    if (place == reply_to_at) out.reply_to = text_of(v);
    if (place == correlation_id_at) out.correlation_id = text_of(v);
    if (place == expiry_at && v.is(form::timestamp)) {
      const auto expiry = static_cast<std::int64_t>(number_in(v.content));
      if (expiry != 0) out.absolute_expiry_time = expiry;
    }
  });
}

void read_value(const value& v, message& out) {
  using kind = message::body_kind;
  if (v.is(form::null)) return;
  out.kind = kind::other;
  if (v.is_string()) out.kind = kind::text;
  if (v.is_binary()) out.kind = kind::binary;
  if (out.kind != kind::other) out.body = v.content;
}

bool read_data(const value& v, bool first, message& out) {
  if (!v.is_binary()) return false;
  out.kind = first ? message::body_kind::binary : message::body_kind::other;
  out.body = first ? v.content : std::string_view{};
  return true;
}

bool is_body(section s) noexcept { return s >= section::data && s <= section::amqp_value; }

/// True if a message may have `next` after `last`. Data and sequences may stand there repeatedly.
bool may_follow(section last, section next) noexcept {
  if (next == last) return next == section::data || next == section::amqp_sequence;
  return next > last && !(is_body(last) && is_body(next));
}

bool read_section(section which, bool first, const value& v, message& out) {
  switch (which) {
    case section::header:
      return read_header(v, out);
    case section::properties:
      return read_properties(v, out);
    case section::data:
      return read_data(v, first, out);
    case section::amqp_sequence:
      out.kind = message::body_kind::other;
      return v.is_list();
    case section::amqp_value:
      read_value(v, out);
      return true;
    default:
      return true;
  }
}

}  // namespace

void append_message(std::string& out, const message& m) {
  constexpr std::size_t size_of_header = size_of_section + size_of_list + ttl_at + 5;
  const property_list properties(m);
  writer w(out, size_of_header + 2 * size_of_section + size_of_list + properties.size +
                    largest_prefix + m.body.size());
  put_header(w, m.ttl);
  put_properties(w, properties);
  if (m.kind != message::body_kind::text && m.kind != message::body_kind::binary) return;
  w.put_section(section::amqp_value);
  w.put_text(m.kind == message::body_kind::text ? form::string8 : form::binary8, m.body);
}

error_code read_message(std::string_view bytes, message& out) {
  out = {};
  section last{};
  do {
    section which{};
    value v;
    if (!take_section(bytes, which) || !may_follow(last, which) || !take_value(bytes, v) ||
        !read_section(which, which != last, v, out)) {
      return errc::malformed_message;
    }
    last = which;
  } while (!bytes.empty());
  return {};
}

}  // namespace ombt::wire::amqp10
