// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the agents of a kind on one I/O thread do second by second. Owns the present second, dense,
// and those that are over, sparse; whole epoch seconds by the clock that the samples' ends come
// from. Nothing is allocated before the first sample, and the present second is given back when the
// figures are taken. One thread.

#include "wire/control/intervals.hpp"
#include "wire/hdr/histogram.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

namespace ombt::agents {

class second_recorder {
 public:
  /// So far back a sample's end may be and still count in the present second: ends are computed
  /// from a start and a duration, of two clocks. Further back, the clock was set.
  static constexpr std::int64_t slack = 2;

  /// An operation that succeeded, or a message that arrived, at `end` (epoch seconds).
  void success(double end, std::uint64_t nanoseconds) {
    turn_to(end);
    ++now_.ok;
    dense_->latency.record(nanoseconds);
  }
  /// The last success, from the instant that its schedule had for it.
  void success_from_intended(std::uint64_t nanoseconds);
  /// One of which nothing else is known.
  void success_without_latency(double end) {
    turn_to(end);
    ++now_.ok;
  }
  void failure(double end) {
    turn_to(end);
    ++now_.failed;
  }

  /// Hands over what was counted, the present second too, and starts from nothing.
  wire::control::interval_series take();

  /// Ends the present second if `now` (epoch seconds) is a later one. Slack then has it that what
  /// ended before counts in the next.
  void pass(std::int64_t now) {
    if (dense_ && now > now_.start) turn(now);
  }
  /// The last second in which something ended and that is over.
  const wire::control::interval_row& last() const noexcept { return last_; }
  /// Messages since it was made.
  std::uint64_t ok() const noexcept { return ok_ + now_.ok; }
  std::uint64_t failed() const noexcept { return failed_ + now_.failed; }

 private:
  struct present {
    wire::hdr::histogram latency;
    std::unique_ptr<wire::hdr::histogram> intended;
  };

  void turn_to(double epoch) {
    if (const auto second = static_cast<std::int64_t>(epoch); second != now_.start || !dense_) {
      turn(second);
    }
  }
  void turn(std::int64_t second);
  void close();

  wire::control::interval_row now_;  ///< its histograms are in dense_
  std::unique_ptr<present> dense_;   ///< empty: no second has begun
  wire::control::interval_series over_;
  wire::control::interval_row last_;
  std::uint64_t ok_ = 0;  ///< before the present second
  std::uint64_t failed_ = 0;
};

/// The same of receivers, which count the messages of each native controller apart from all others
/// (agents/receiver.hpp).
class controller_seconds {
 public:
  /// Controllers whose seconds are kept; as many as a receiver tells apart.
  static constexpr std::size_t controller_limit = 16;

  /// Where a receiver counts from now on; empty: nowhere.
  struct places {
    std::shared_ptr<second_recorder> own;     ///< messages of the controller that asked
    std::shared_ptr<second_recorder> others;  ///< messages that are no known controller's
  };
  /// For a controller of that server name, and the receivers of a topic. Its own messages are
  /// counted together in all topics, the others in each. A controller that is not native wants no
  /// seconds, and then those of other messages are not kept any more.
  places asked_by(std::string_view controller, std::uint32_t topic = 0);
  /// What both have counted; to be called when all receivers of the topic were asked.
  static wire::control::interval_series take(const places& of);

 private:
  struct kept {
    std::uint64_t tag = 0;
    std::uint64_t asked = 0;  ///< when, in asks
    std::shared_ptr<second_recorder> seconds;
  };
  std::vector<kept> kept_;
  std::map<std::uint32_t, std::shared_ptr<second_recorder>> others_;  ///< by topic
  std::uint64_t asks_ = 0;
};

}  // namespace ombt::agents
