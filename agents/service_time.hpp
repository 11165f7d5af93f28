// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long a test server takes for a request: nothing, always the same, or exponentially
// distributed. Owns the parsing and the random numbers, not the timers. One thread.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace ombt::agents {

/// The setting, as --service-time gives it.
struct service_time {
  enum class kind : std::uint8_t { none, fixed, exponential };
  kind distribution = kind::none;
  std::chrono::nanoseconds mean{0};

  /// "5ms", "exp:5ms"; units us, ms, s, m, h; empty or "0" is none; at most one hour.
  /// Throws configuration_error.
  static service_time parse(std::string_view text);
  /// As parse() reads it; "0" for none.
  std::string to_string() const;
};

/// Draws service times for one server.
class service_clock {
 public:
  service_clock(service_time setting, std::uint64_t seed) : setting_(setting), state_(seed | 1) {}
  bool instant() const noexcept { return setting_.distribution == service_time::kind::none; }
  std::chrono::nanoseconds next() noexcept;

 private:
  service_time setting_;
  std::uint64_t state_;
};

}  // namespace ombt::agents
