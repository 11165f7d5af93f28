// SPDX-License-Identifier: Apache-2.0
#pragma once
// The method clock, with which a native controller compares the clock of an agent process with its
// own, and tells it the difference: its arguments and its answer. Rendering and reading only: no
// clock, no state. Any thread.

#include "wire/json/value.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace ombt::wire::control {

/// Longest boot id that is believed, bytes.
inline constexpr std::size_t boot_limit = 64;
/// Instants and corrections beyond are no clock's, nanoseconds.
inline constexpr std::int64_t clock_limit = std::int64_t{1} << 61;

/// Arguments: {} or {"correct": ns}.
struct clock_request {
  /// From now on added to CLOCK_REALTIME by all agents of the process; none: as before.
  std::optional<std::int64_t> correct;

  friend bool operator==(const clock_request&, const clock_request&) = default;
};

/// The answer: {"boot", "received": ns, "replied": ns}.
struct clock_reply {
  std::string boot;           ///< of the machine; empty: not known there
  std::int64_t received = 0;  ///< CLOCK_REALTIME, uncorrected, when the question came
  std::int64_t replied = 0;   ///< the same when the answer was made

  friend bool operator==(const clock_reply&, const clock_reply&) = default;
};

void append_clock_args(std::string& out, const clock_request& request);
void append_clock_reply(std::string& out, const clock_reply& reply);

// False: why says in one line what is wrong, out is unspecified. Unknown keys are ignored.

bool read_clock_args(json::value args, clock_request& out, std::string& why);
bool read_clock_reply(json::value reply, clock_reply& out, std::string& why);

}  // namespace ombt::wire::control
