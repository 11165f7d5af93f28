// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads members of what a peer reported, each within its bounds. One record, one thread.

#include "wire/control/link_counts.hpp"
#include "wire/json/value.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::wire::control {

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
