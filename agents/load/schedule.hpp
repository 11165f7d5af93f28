// SPDX-License-Identifier: Apache-2.0
#pragma once
// When a client of an open loop sends: fixed before the run, whatever the bus does. A profile is
// the rate over time that all clients of a run have alike; a schedule is one client's instants in
// it. Pure: no clock, time is nanoseconds since the run's start. One thread a schedule.
//
// With L(t) messages asked for until t, uniform arrivals put message k where L is k + phase, and
// Poisson arrivals where L is the sum of k + 1 exponential gaps of mean 1, which is exact for
// ramps.

#include "wire/control/load.hpp"

#include "agents/load/random.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ombt::agents {

/// The rate of one client, piece by piece. Immutable; shared by clients and threads.
class rate_profile {
 public:
  struct piece {
    double from = 0;      ///< messages/s at its beginning
    double slope = 0;     ///< and how they change, messages/s²
    double begins = 0;    ///< seconds
    double messages = 0;  ///< asked for before it
    double ends = 0;      ///< messages asked for until its end
  };

  /// Rates of so many clients together, shared evenly.
  rate_profile(const std::vector<wire::control::rate_segment>& segments, std::int64_t clients);

  const std::vector<piece>& pieces() const noexcept { return pieces_; }
  /// Messages that the whole profile asks one client for; not a whole number as a rule.
  double messages() const noexcept { return pieces_.back().ends; }
  /// When that many have been asked for, nanoseconds; `number` must lie in the piece.
  static std::int64_t instant(const piece& in, double number) noexcept;

 private:
  std::vector<piece> pieces_;
};

class schedule {
 public:
  /// The profile must outlive it. Ends after `count` messages, or with the profile.
  schedule(const rate_profile& profile, wire::control::arrivals arrive, std::int64_t count,
           double phase, std::uint64_t seed) noexcept
      : profile_(&profile), left_(count), asked_(phase), random_(seed), arrive_(arrive) {}

  /// The next message's instant, nanoseconds since the start, never before the last one; none: the
  /// schedule is over.
  std::optional<std::int64_t> next() noexcept;

 private:
  const rate_profile* profile_;
  std::size_t piece_ = 0;
  std::int64_t left_;
  double asked_;  ///< uniform: of the next message; Poisson: of the last one
  random_source random_;
  wire::control::arrivals arrive_;
  bool begun_ = false;
};

}  // namespace ombt::agents
