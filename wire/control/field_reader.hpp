// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads members of what a peer reported, each within its bounds. One record, one thread.

#include "wire/control/link_counts.hpp"
#include "wire/json/value.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::wire::control {

/// Whether a text may be shown: no control characters.
inline bool is_printable(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// A string of 1 to `limit` bytes that may be printed.
inline bool read_text(json::value from, std::string_view what, std::size_t limit, std::string& out,
                      std::string& why) {
  const auto text = from.string();
  const char* wrong = !text                  ? (from ? " is no string" : " is missing")
                      : text->empty()        ? " is empty"
                      : text->size() > limit ? " is too long"
                      : !is_printable(*text) ? " has control characters"
                                             : nullptr;
  if (wrong != nullptr) {
    why.assign(what).append(wrong);
    return false;
  }
  out = *text;
  return true;
}

/// Reads members one by one; the first that is wrong stays in why.
class field_reader {
 public:
  field_reader(std::string_view prefix, std::string& why) : prefix_{prefix}, why_{why} {}

  bool ok() const noexcept { return ok_; }

  /// A count; 0 if absent.
  void count(json::value from, std::string_view key, std::uint64_t& out) {
    out = 0;
    const json::value member = from[key];
    if (!member || !ok_) return;
    const auto number = member.integer();
    if (!number || *number < 0 || *number > largest_count) {
      fail(key, " is no count");
      return;
    }
    out = static_cast<std::uint64_t>(*number);
  }

  /// True or false; left as it is if absent.
  void flag(json::value from, std::string_view key, bool& out) {
    const json::value member = from[key];
    if (!member || !ok_) return;
    const auto value = member.boolean();
    if (!value) return fail(key, " is neither true nor false");
    out = *value;
  }

  /// A whole number that must be there.
  template <class Integer>
  void whole(json::value from, std::string_view key, std::int64_t lowest, std::int64_t highest,
             Integer& out) {
    if (!ok_) return;
    const auto number = from[key].integer();
    if (!number || *number < lowest || *number > highest) {
      return fail(key, " is no whole number that it may be");
    }
    out = static_cast<Integer>(*number);
  }

  /// A string of 1 to `limit` bytes that may be printed, and must be there.
  void text(json::value from, std::string_view key, std::size_t limit, std::string& out) {
    if (!ok_) return;
    std::string wrong;
    if (!read_text(from[key], "", limit, out, wrong)) fail(key, wrong);
  }

  /// The same, but empty if it is that or absent.
  void optional_text(json::value from, std::string_view key, std::size_t limit, std::string& out) {
    out.clear();
    const json::value member = from[key];
    if (!member || member.string() == std::string_view{}) return;
    text(from, key, limit, out);
  }

  /// A number that may be null or absent.
  void optional_number(json::value from, std::string_view key, double lowest, double highest,
                       std::optional<double>& out) {
    out.reset();
    const json::value member = from[key];
    if (!member || member.is_null() || !ok_) return;
    const auto number = member.number();
    if (!number || !(*number >= lowest && *number <= highest)) {
      fail(key, " is no plausible number");
      return;
    }
    out = *number;
  }

  void number(json::value from, std::string_view key, double lowest, double highest, double& out) {
    std::optional<double> read;
    optional_number(from, key, lowest, highest, read);
    out = read.value_or(0);
  }

  void fail(std::string_view key, std::string_view what) {
    if (!ok_) return;
    ok_ = false;
    why_ = prefix_;
    why_ += key.substr(0, 60);
    why_ += what;
  }

 private:
  std::string_view prefix_;
  std::string& why_;
  bool ok_ = true;
};

}  // namespace ombt::wire::control
