// SPDX-License-Identifier: Apache-2.0
// Reading: simdjson's DOM parser. A value is a document and an index into the parser's tape, which
// is what simdjson's own element is; ours keeps that header out of everybody else's build.
#include "wire/json/value.hpp"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <new>

namespace ombt::wire::json {
namespace {

using simdjson::dom::document;
using simdjson::internal::tape_ref;
using simdjson::internal::tape_type;

constexpr std::size_t depth_limit = 64;
/// What a larger text took is not kept.
constexpr std::size_t keep_limit = std::size_t{1} << 20;
/// simdjson's tape counts children in 24 bits and stays at the largest count.
constexpr std::size_t saturated_count = 0xFFFFFF;

tape_ref tape(const void* of, std::size_t index) noexcept {
  return {static_cast<const document*>(of), index};
}

tape_type type_of(const void* of, std::size_t index) noexcept {
  return of == nullptr ? tape_type::NULL_VALUE : tape(of, index).tape_ref_type();
}

/// Calls visit(key index) for each member of the object at index.
template <class Visit>
void each_key(const void* of, std::size_t index, Visit&& visit) {
  const std::size_t end = tape(of, index).matching_brace_index() - 1;
  for (std::size_t key = index + 1; key < end; key = tape(of, key + 1).after_element()) {
    visit(key);
  }
}

template <class Visit>
void each_element(const void* of, std::size_t index, Visit&& visit) {
  const std::size_t end = tape(of, index).matching_brace_index() - 1;
  for (std::size_t at = index + 1; at < end; at = tape(of, at).after_element()) visit(at);
}

template <class Integer>
void append_integer(std::string& out, Integer number) {
  char text[24];
  const auto written = std::to_chars(text, text + sizeof text, number);
  out.append(text, written.ptr);
}

}  // namespace

struct reader::state {
  simdjson::dom::parser parser;
  document doc;
  std::unique_ptr<char[]> text;
  std::size_t capacity = 0;

  /// Makes room for a text of this size: doubling, so that slowly growing messages are cheap.
  bool make_room(std::size_t size) {
    if (capacity > keep_limit && size <= keep_limit) release();
    if (text != nullptr && size <= capacity) return true;
    const std::size_t wanted =
        size <= keep_limit ? std::bit_ceil(std::max(size, std::size_t{512})) : size;
    capacity = 0;
    text.reset(new (std::nothrow) char[wanted + simdjson::SIMDJSON_PADDING]);
    if (text == nullptr || doc.allocate(wanted) != simdjson::SUCCESS ||
        parser.allocate(wanted, depth_limit) != simdjson::SUCCESS) {
      release();
      return false;
    }
    capacity = wanted;
    return true;
  }

  void release() noexcept {
    parser = simdjson::dom::parser{};
    doc = document{};
    text.reset();
    capacity = 0;
  }
};

reader::reader() : state_{std::make_unique<state>()} {}
reader::reader(reader&&) noexcept = default;
reader& reader::operator=(reader&&) noexcept = default;
reader::~reader() = default;

error_code reader::parse(std::string_view text, value& root) {
  root = {};
  state& s = *state_;
  if (!s.make_room(text.size())) return errc::limit_exceeded;
  if (!text.empty()) std::memcpy(s.text.get(), text.data(), text.size());
  std::memset(s.text.get() + text.size(), 0, simdjson::SIMDJSON_PADDING);
  const auto parsed = s.parser.parse_into_document(s.doc, s.text.get(), text.size(), false);
  if (parsed.error() != simdjson::SUCCESS) return errc::malformed_message;
  root = value{&s.doc, 1};
  return {};
}

void reader::release() noexcept { state_->release(); }

bool value::is_null() const noexcept {
  return document_ != nullptr && type_of(document_, index_) == tape_type::NULL_VALUE;
}

bool value::is_object() const noexcept {
  return type_of(document_, index_) == tape_type::START_OBJECT;
}

bool value::is_array() const noexcept {
  return type_of(document_, index_) == tape_type::START_ARRAY;
}

std::optional<bool> value::boolean() const noexcept {
  switch (type_of(document_, index_)) {
    case tape_type::TRUE_VALUE:
      return true;
    case tape_type::FALSE_VALUE:
      return false;
    default:
      return std::nullopt;
  }
}

std::optional<std::string_view> value::string() const noexcept {
  if (type_of(document_, index_) != tape_type::STRING) return std::nullopt;
  return tape(document_, index_).get_string_view();
}

std::optional<std::int64_t> value::integer() const noexcept {
  if (type_of(document_, index_) != tape_type::INT64) return std::nullopt;
  return tape(document_, index_).next_tape_value<std::int64_t>();
}

std::optional<double> value::number() const noexcept {
  switch (type_of(document_, index_)) {
    case tape_type::INT64:
      return static_cast<double>(tape(document_, index_).next_tape_value<std::int64_t>());
    case tape_type::UINT64:
      return static_cast<double>(tape(document_, index_).next_tape_value<std::uint64_t>());
    case tape_type::DOUBLE:
      return tape(document_, index_).next_tape_value<double>();
    default:
      return std::nullopt;
  }
}

value value::operator[](std::string_view key) const noexcept {
  value found;
  if (!is_object()) return found;
  each_key(document_, index_, [&](std::size_t at) {
    if (tape(document_, at).get_string_view() == key) found = value{document_, at + 1};
  });
  return found;
}

std::size_t value::size() const noexcept {
  if (!is_object() && !is_array()) return 0;
  std::size_t count = tape(document_, index_).scope_count();
  if (count < saturated_count) return count;
  count = 0;
  if (is_object()) {
    each_key(document_, index_, [&](std::size_t) { ++count; });
  } else {
    each_element(document_, index_, [&](std::size_t) { ++count; });
  }
  return count;
}

void value::visit_members(void* context, member_visitor visit) const {
  if (!is_object()) return;
  each_key(document_, index_, [&](std::size_t at) {
    visit(context, tape(document_, at).get_string_view(), value{document_, at + 1});
  });
}

void value::visit_elements(void* context, element_visitor visit) const {
  if (!is_array()) return;
  each_element(document_, index_, [&](std::size_t at) { visit(context, value{document_, at}); });
}

void value::append_to(std::string& out) const {
  if (document_ == nullptr) return;
  const tape_ref at = tape(document_, index_);
  const char* separator = "";
  switch (at.tape_ref_type()) {
    case tape_type::START_OBJECT:
      out += '{';
      for_each_member([&](std::string_view key, value member) {
        out += separator;
        separator = ", ";
        append_string(out, key);
        out += ": ";
        member.append_to(out);
      });
      out += '}';
      return;
    case tape_type::START_ARRAY:
      out += '[';
      for_each_element([&](value element) {
        out += separator;
        separator = ", ";
        element.append_to(out);
      });
      out += ']';
      return;
    case tape_type::STRING:
      return append_string(out, at.get_string_view());
    case tape_type::INT64:
      return append_integer(out, at.next_tape_value<std::int64_t>());
    case tape_type::UINT64:
      return append_integer(out, at.next_tape_value<std::uint64_t>());
    case tape_type::DOUBLE:
      return append_number(out, at.next_tape_value<double>());
    case tape_type::TRUE_VALUE:
      out += "true";
      return;
    case tape_type::FALSE_VALUE:
      out += "false";
      return;
    default:
      out += "null";
      return;
  }
}

bool is_utf8(std::string_view text) noexcept {
  return simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace ombt::wire::json
