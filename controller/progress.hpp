// SPDX-License-Identifier: Apache-2.0
#pragma once
// One line of progress on standard error, only where that is a terminal: the phase, how long it has
// gone on, and of a run what is left of it and what the agents on this machine say. One thread.

#include "controller/live_view.hpp"
#include "controller/session.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace ombt::controller {

class progress_line {
 public:
  /// Between two changes of the line, unless the phase is another one.
  static constexpr duration gap = std::chrono::milliseconds{200};

  progress_line();
  bool is_terminal() const noexcept { return terminal_; }
  /// Shows where the session is, at most five times a second and at each new phase.
  void show(const session& machine, const live_view& live);
  /// Stands before the phase from now on ("probe 3 at 400/s, running 12 s"); empty: nothing does.
  void set_heading(std::string heading) { heading_ = std::move(heading); }
  /// Takes the line away.
  void clear();

 private:
  bool terminal_;
  bool shown_ = false;
  std::string heading_;
  phase last_ = phase::finished;
  time_point next_{};
};

/// "running 12 s: 3 of 10 clients done"; without the time in the first second. `name`: of the
/// phase, unless it is the usual one. Pure.
std::string progress_text(phase p, session::progress how_far, duration elapsed = {},
                          std::string_view name = {});

/// Of a run that agents tell of: "running 12 s, 18 s left  24,310 msgs  2,031/s  p50 1.2 p99 4.8 ms
/// 0 err  40 up" in one line, of which what matters least is left out until it fits into so many
/// columns. A percentile needs 10/(1-p) messages in the second. Pure.
std::string running_text(std::string_view name, duration elapsed, std::optional<duration> left,
                         const live_view::figures& now, std::size_t columns);

/// What is left of a run: by its time, or by its number of messages at the present rate, whichever
/// is less; none if neither says anything. Pure.
std::optional<duration> time_left(const plan& what, std::uint32_t clients, bool warming_up,
                                  duration elapsed, const live_view::figures& now);

}  // namespace ombt::controller
