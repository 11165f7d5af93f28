// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading JSON on the path of a message: a validated document and a light handle into it, and
// writing strings and numbers the way Python's json.dumps does. One reader per thread; a value is
// valid until its reader parses again. Values know nothing of oslo.messaging. Control messages and
// configuration use nlohmann::json instead.
//
// Read: RFC 8259 in UTF-8. Not read, though Python's json.loads does: NaN and Infinity, integers
// beyond 64 bits, numbers beyond a double, and unpaired surrogates (\ud800); such a document is
// malformed as a whole.

#include "wire/error.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace ombt::wire::json {

/// A handle to a value of a parsed document, or to nothing (a missing key).
class value {
 public:
  value() = default;

  /// False for a missing key.
  explicit operator bool() const noexcept { return document_ != nullptr; }
  bool is_null() const noexcept;
  bool is_object() const noexcept;
  bool is_array() const noexcept;

  /// The value of true or false; nothing for any other type.
  std::optional<bool> boolean() const noexcept;
  /// The decoded string (UTF-8), valid as long as this value.
  std::optional<std::string_view> string() const noexcept;
  /// A number written without fraction and exponent that fits; 1.0 is none.
  std::optional<std::int64_t> integer() const noexcept;
  /// Any number, as a double.
  std::optional<double> number() const noexcept;

  /// Member of an object; an empty value if this is no object or has no such key. Of a repeated
  /// key the last counts, as in Python.
  value operator[](std::string_view key) const noexcept;
  /// Calls visit(string_view key, value) for each member of an object, in order.
  template <class Visit>
  void for_each_member(Visit&& visit) const;
  /// Calls visit(value) for each element of an array, in order.
  template <class Visit>
  void for_each_element(Visit&& visit) const;
  /// Number of elements or members; 0 for scalars.
  std::size_t size() const noexcept;

  /// Appends the value as Python's json.dumps writes it (", " and ": ", ASCII only); nothing for a
  /// missing key.
  void append_to(std::string& out) const;

 private:
  friend class reader;
  using member_visitor = void (*)(void*, std::string_view, value);
  using element_visitor = void (*)(void*, value);
  void visit_members(void* context, member_visitor visit) const;
  void visit_elements(void* context, element_visitor visit) const;

  value(const void* document, std::size_t index) noexcept : document_{document}, index_{index} {}

  const void* document_ = nullptr;
  std::size_t index_ = 0;
};
static_assert(std::is_trivially_copyable_v<value>);

/// Parses and validates one document at a time, reusing its memory. Not copyable; one thread.
class reader {
 public:
  reader();
  reader(reader&&) noexcept;
  reader& operator=(reader&&) noexcept;
  ~reader();

  /// Parses the whole of text (copied, so text may go; it must not be of this reader's own values,
  /// which become invalid). Errors: malformed_message (bad JSON, bad UTF-8, nesting above 64,
  /// trailing text), limit_exceeded (no memory: it takes 14 times the text at worst). What a text
  /// above 1 MiB took is given back before the next smaller text, or by release().
  error_code parse(std::string_view text, value& root);

  /// Gives back all memory; values of this reader become invalid.
  void release() noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Appends text as a JSON string with quotes, non-ASCII as \uXXXX (UTF-16 pairs above the BMP),
/// the way Python's json.dumps does. Text should be UTF-8; each invalid byte becomes \ufffd.
void append_string(std::string& out, std::string_view text);

/// As append_string but without the quotes: also escapes a JSON text into a JSON string, which
/// is how the envelope carries its message.
void append_escaped(std::string& out, std::string_view text);

/// True if append_escaped would write text as it is.
bool is_plain(std::string_view text) noexcept;

bool is_utf8(std::string_view text) noexcept;

/// Appends a finite double as Python's repr writes it ("1.5", "2.0", "1e+16"); NaN and
/// infinities as Python's json.dumps: NaN, Infinity, -Infinity.
void append_number(std::string& out, double number);

template <class Visit>
void value::for_each_member(Visit&& visit) const {
  visit_members(&visit, [](void* context, std::string_view key, value member) {
    (*static_cast<std::remove_reference_t<Visit>*>(context))(key, member);
  });
}

template <class Visit>
void value::for_each_element(Visit&& visit) const {
  visit_elements(&visit, [](void* context, value element) {
    (*static_cast<std::remove_reference_t<Visit>*>(context))(element);
  });
}

}  // namespace ombt::wire::json
