// SPDX-License-Identifier: Apache-2.0
#pragma once
// How far another machine's clock is from this one's, from exchanges of four timestamps before and
// after a run, and what that is worth. Pure arithmetic over instants that come in, nanoseconds.
// Source: RFC 5905, 8 (on-wire protocol: offset and delay).

#include <cstdint>
#include <optional>

namespace ombt::controller {

/// A question and its answer. All instants are nanoseconds, each on the clock of who read it.
struct clock_exchange {
  std::int64_t asked = 0;     ///< here
  std::int64_t received = 0;  ///< there
  std::int64_t replied = 0;   ///< there
  std::int64_t answered = 0;  ///< here

  /// The time that the question and its answer were on their way.
  std::int64_t round_trip() const noexcept { return (answered - asked) - (replied - received); }
  /// Their clock minus this one, if both ways took as long; wrong by half the round trip at most.
  std::int64_t offset() const noexcept { return ((received - asked) + (replied - answered)) / 2; }
};

/// Some exchanges in a row: the one with the shortest round trip, and whether the others agree.
class clock_round {
 public:
  /// False, and it counts for nothing, for one that no clock can have made.
  bool add(const clock_exchange& one) noexcept;
  const std::optional<clock_exchange>& best() const noexcept { return best_; }
  /// An exchange contradicts another one: a clock was set meanwhile.
  bool stepped() const noexcept { return stepped_; }

 private:
  std::optional<clock_exchange> best_;
  bool stepped_ = false;
};

/// Rounds during a run, in their order.
class clock_course {
 public:
  /// A round without an exchange counts for nothing; `before`: the one before the run.
  void add(const clock_round& round, const clock_round& before) noexcept;
  const std::optional<clock_exchange>& last() const noexcept { return last_; }
  /// How far from the offset before the run the clock can have been at a round, nanoseconds.
  std::int64_t furthest() const noexcept { return furthest_; }
  bool stepped() const noexcept { return stepped_; }

 private:
  std::optional<clock_exchange> last_;
  std::int64_t furthest_ = 0;
  bool stepped_ = false;
};

/// What is known of a clock over a run.
struct clock_quality {
  std::int64_t offset = 0;  ///< as measured before the run: what figures are corrected by
  /// How wrong that may be at any instant of the run, nanoseconds.
  std::int64_t bound = 0;
  double drift = 0;        ///< of their clock against this one, parts per million; 0 if not known
  double drift_error = 0;  ///< how wrong that may be; 0 if it is not known
  bool stepped = false;    ///< a clock was set: the bound is worth nothing
};

/// Clocks are believed to go wrong by no more, parts per million (as NTP does).
inline constexpr double most_drift = 500;

/// `end` is the run's, on this clock; where `after` has no exchange, the bound grows by most_drift
/// from the last one of `during` until then. Empty without an exchange in `before`.
std::optional<clock_quality> assess(const clock_round& before, const clock_course& during,
                                    const clock_round& after, std::int64_t end) noexcept;

}  // namespace ombt::controller
