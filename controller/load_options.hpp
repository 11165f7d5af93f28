// SPDX-License-Identifier: Apache-2.0
#pragma once
// The options of a test that say how it loads the bus, beyond ombt's: their texts, and the checking
// of them against each other. Knows no command line and no agents. Pure but for the file of sizes,
// which is read here.

#include "wire/control/load.hpp"

#include "controller/plan.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::controller {

/// Bytes of a text that is refused, in the line that refuses it.
inline constexpr std::size_t refused_text_shown = 60;

/// As a user gives them; empty: not given. Times are texts as read_time() takes them.
struct load_settings {
  std::string rate;             ///< "1000", or a profile "1000:30s,5000:60s"
  std::string rate_per_client;  ///< the same, of each client
  std::string ramp;             ///< "FROM:TO:TIME"
  std::string arrivals;
  std::optional<long long> seed;
  std::optional<long long> outstanding;
  std::string max_late;
  std::string duration;
  std::string warmup;
  bool legs = false;  ///< of calls, in a closed loop; in an open one they are there anyway
};

/// Seconds of "30s", "500ms", "500us", "2m", "1h" or "30" (seconds), above 0 and at most 7 days.
/// Throws configuration_error, which names the option.
double read_time(std::string_view option, std::string_view text);
/// Messages/s of "1000", above 0. Throws as above.
double read_rate(std::string_view option, std::string_view text);
/// "R" is one piece without a length (seconds 0); "R:TIME,R:TIME" are pieces. Throws as above.
std::vector<wire::control::rate_segment> read_profile(std::string_view option,
                                                      std::string_view text);
/// "FROM:TO:TIME": one piece. FROM may be 0. Throws as above.
wire::control::rate_segment read_ramp(std::string_view text);

/// What --length says.
struct lengths {
  std::size_t longest = 0;
  std::vector<wire::control::size_range> sizes;  ///< empty: all are `longest`
};
/// "N", "MIN-MAX", or "@FILE" with lines "SIZE WEIGHT" ("#" begins a comment). Throws as above.
lengths read_length(std::string_view text, std::size_t limit);

/// Puts into the plan what these options say, once its count (none: not given), pause and length
/// are known. Throws configuration_error for what is impossible, and for two options that
/// contradict each other, naming both.
void add_load(plan& to, const load_settings& given, std::optional<long long> count,
              const lengths& payload);

/// The load of the warm-up before such a run: at the rate that it begins with, for that time.
wire::control::load warm_up_of(const wire::control::load& run, double seconds);
/// What clients of an open loop have to be ready in, seconds: to hear the command and, the first
/// time, to connect.
double lead_of(std::uint32_t clients) noexcept;
/// What such a run takes at least, seconds.
double least_seconds(const wire::control::load& run) noexcept;
/// "open loop, uniform arrivals, 1000/s over 10 clients, 30 s"; "closed loop, 30 s".
std::string load_words(const plan& what, std::uint32_t clients);
/// Messages/s that all clients together are to send, on average; of an open loop.
double offered_rate(const plan& what, std::uint32_t clients) noexcept;

}  // namespace ombt::controller
