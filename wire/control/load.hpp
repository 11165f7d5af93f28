// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a native controller asks of native clients beyond ombt's count and pause: the key "load" of
// run_test's kwargs "ombt" (docs/control.md). Owns its limits, rendering and reading; what it means
// is agents/load. ombt ignores the key. Plain values, any thread.
//
// With a load, kwargs.count says nothing: `count` here does. The run ends with the first of what is
// given: `count` messages, `duration` (closed loop), the profile's own end (open loop).

#include "wire/json/value.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::control {

/// Most pieces of a profile, and most entries of a list of sizes.
inline constexpr std::size_t load_list_limit = 1'000;
/// Highest rate, messages/s.
inline constexpr double rate_limit = 1e7;
/// Longest run, seconds: 7 days.
inline constexpr double load_time_limit = 604'800;
/// Most operations that a client may have at once.
inline constexpr std::uint32_t outstanding_limit = 100'000;
/// Most clients that share a profile.
inline constexpr std::int64_t load_clients_limit = 1'000'000;
/// Longest time that clients are given to get ready, seconds.
inline constexpr double start_limit = 3'600;
/// Operations that a client may have at once, unless told otherwise.
inline constexpr std::uint32_t usual_outstanding = 1'000;

/// A piece of a rate profile: from one rate to another (messages/s), evenly, in so many seconds.
struct rate_segment {
  double from = 0;
  double to = 0;
  double seconds = 0;

  friend bool operator==(const rate_segment&, const rate_segment&) = default;
};

enum class arrivals : std::uint8_t { uniform, poisson };
/// "uniform", "poisson".
std::string_view name_of(arrivals which) noexcept;
std::optional<arrivals> arrivals_from(std::string_view name) noexcept;

/// Payloads of least to most bytes, each as likely; weighed against the other entries of a list.
struct size_range {
  std::uint32_t least = 0;
  std::uint32_t most = 0;
  double weight = 1;

  friend bool operator==(const size_range&, const size_range&) = default;
};

/// When a schedule begins: for processes of the same boot at an instant of CLOCK_MONOTONIC, for
/// others so many seconds after the message came.
struct load_start {
  std::string boot;               ///< /proc/sys/kernel/random/boot_id of the controller's machine
  std::int64_t monotonic_ns = 0;  ///< CLOCK_MONOTONIC there
  double in = 0;                  ///< seconds

  friend bool operator==(const load_start&, const load_start&) = default;
};

struct load {
  std::vector<rate_segment> profile;  ///< open loop, rates of `clients` together; empty: closed
  std::int64_t clients = 1;           ///< that share the profile evenly
  arrivals arrive = arrivals::uniform;
  std::int64_t seed = 0;              ///< of arrivals and sizes; not negative
  std::optional<std::int64_t> count;  ///< messages a client
  std::optional<double> duration;     ///< closed loop: seconds
  std::uint32_t outstanding = usual_outstanding;
  std::optional<double> max_late;  ///< seconds; none: the timeout of the agent's operations
  std::vector<size_range> sizes;   ///< empty: the whole of kwargs.data
  load_start start;

  bool open_loop() const noexcept { return !profile.empty(); }
  friend bool operator==(const load&, const load&) = default;
};

/// How long the pieces of a profile last together, seconds.
double seconds_of(const std::vector<rate_segment>& profile) noexcept;
/// How many messages they ask for.
double messages_of(const std::vector<rate_segment>& profile) noexcept;

/// Appends the object, keys with their defaults left out.
void append_load(std::string& out, const load& what);
/// Reads it; false: why says in one line what is wrong. data is kwargs.data, of which messages of
/// other sizes are prefixes: it must then be as long as the largest and need no escaping.
bool read_load(json::value from, std::string_view data, load& out, std::string& why);

}  // namespace ombt::wire::control
