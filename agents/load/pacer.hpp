// SPDX-License-Identifier: Apache-2.0
#pragma once
// The open loop of one client: which message of its schedule is due, which is too late, and what
// is on its way. Owns the schedule's progress and the table of operations in flight, not the clock,
// the timer or the messages: time comes in, and the sender does what it is told. Lives as long as
// the run. One thread.
//
// All times are nanoseconds since the schedule's start; before it they are negative. Messages that
// are overdue go at once, in the schedule's order, as far as the bound on operations allows, and
// keep their intended times; one that is overdue by more than max_late is dropped. So never more is
// sent than the schedule has asked for.
//
// next() says      when                                              the sender then
// send             a message is due, and there is room for it        sends it, tells begin()
// wait             the next one is not due yet                       sets its timer for intended()
// full             one is due, and there is no room                  asks again at a completion
// again            many had to be dropped                            asks again at its next turn
// over             the schedule is at its end, or was cut off        waits for those in flight

#include "agents/load/schedule.hpp"

#include <chrono>
#include <cstdint>
#include <vector>

namespace ombt::agents {

class pacer {
 public:
  enum class step : std::uint8_t { send, wait, full, again, over };

  /// A message on its way.
  struct operation {
    std::int64_t intended = 0;
    std::int64_t sent = 0;
    std::int64_t sequence = 0;  ///< of messages sent
    double sent_epoch = 0;      ///< epoch seconds
  };

  /// Most messages that one next() drops, so that a thread is never held up for long.
  static constexpr int drops_at_once = 4'096;

  /// At most `outstanding` operations at once, above 0.
  pacer(schedule when, std::uint32_t outstanding, std::chrono::nanoseconds max_late)
      : schedule_(when), max_late_(max_late.count()), outstanding_(outstanding) {
    take_next();
  }

  /// What is to be done now. Drops what is too late.
  step next(std::int64_t now);
  /// The instant of the message that next() spoke of with send, wait or full.
  std::int64_t intended() const noexcept { return intended_; }
  /// Messages dropped since the last call.
  std::uint64_t take_dropped() noexcept;
  /// The message of send goes out now; returns the tag by which it ends. Allocates only where more
  /// are in flight than ever before.
  std::uint32_t begin(std::int64_t now, double epoch);
  /// One in flight by its tag.
  const operation& of(std::uint32_t tag) const noexcept { return table_[tag].what; }
  /// It has completed: its tag is free.
  void end(std::uint32_t tag) noexcept;
  /// Sends nothing more.
  void cut_off() noexcept { over_ = true; }

  bool idle() const noexcept { return in_flight_ == 0; }
  std::uint32_t in_flight() const noexcept { return in_flight_; }
  /// Messages for which this side was too late, and not the bus by way of the bound on operations:
  /// that went out more than control::late_after after they could have, at their instant or when
  /// the bound last let one go; and that were dropped although the bound did not hold them.
  std::uint64_t overslept() const noexcept { return overslept_; }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;
  struct place {
    operation what;
    std::uint32_t next_free = none;
  };

  void take_next() noexcept;

  schedule schedule_;
  std::int64_t intended_ = 0;
  std::int64_t max_late_;
  std::int64_t sequence_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t overslept_ = 0;
  std::int64_t unblocked_ = INT64_MIN;  ///< when the bound last let one go
  std::vector<place> table_;
  std::uint32_t free_ = none;
  std::uint32_t in_flight_ = 0;
  std::uint32_t outstanding_;
  bool full_ = false;  ///< the bound held the next message up
  bool over_ = false;
};

}  // namespace ombt::agents
