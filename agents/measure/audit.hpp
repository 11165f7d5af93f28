// SPDX-License-Identifier: Apache-2.0
#pragma once
// The self-audit of an I/O thread: while a run goes on, how much CPU the thread uses each second,
// how long it waits for one, and how late its loop fires a timer that is due every 10 ms, or, where
// it has so little to do that this would be most of it, every 100 ms. Owns the timer and the
// figures; what they mean is the controller's to say. While no run goes on there is no timer.
// Everything on the thread of its loop.

#include "wire/control/audit.hpp"
#include "wire/control/messages.hpp"

#include "drivers/loop.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace ombt::agents {

/// What there is to be read of a thread at an instant.
struct thread_reading {
  drivers::time_point at;
  std::chrono::nanoseconds cpu{0};  ///< used so far
  /// Runnable without a CPU so far; none where the kernel does not tell.
  std::optional<std::chrono::nanoseconds> waited;
};

/// Of the calling thread: CLOCK_THREAD_CPUTIME_ID and /proc/thread-self/schedstat.
thread_reading read_thread();
/// The second number of a schedstat file (Documentation/scheduler/sched-stats.rst).
std::optional<std::chrono::nanoseconds> run_delay_in(std::string_view schedstat) noexcept;

/// When the timer is due, and how late it fired: at fixed instants, so that a loop that was held up
/// for a second was late a hundred times, once for each timer that could have been due. Where the
/// timer is due at each tenth of the instants only, the nine before it are as late as that one.
class probe_beat {
 public:
  static constexpr std::chrono::milliseconds gap{10};
  static constexpr int seldom = 10;  ///< gaps
  /// Of one delay; what is beyond them is as late as the first.
  static constexpr int most_at_once = 10'000;

  void start(drivers::time_point now) noexcept {
    next_ = now + gap;
    gaps_ = covers_ = 1;
  }
  /// From the next time it fires on.
  void set_seldom(bool is) noexcept { gaps_ = is ? seldom : 1; }
  drivers::time_point next() const noexcept { return next_; }
  /// Calls late(nanoseconds, instants) for all instants up to now.
  template <class Late>
  void fired(drivers::time_point now, Late late) {
    if (next_ > now) return;
    late(std::chrono::nanoseconds(now - next_), covers_);
    drivers::time_point instant = next_ + gap;
    for (int i = 1; instant <= now; instant += gap) {
      if (i++ == most_at_once) return start(now);
      late(std::chrono::nanoseconds(now - instant), 1);
    }
    covers_ = gaps_;
    next_ = instant + (covers_ - 1) * gap;
  }

 private:
  drivers::time_point next_{};
  int gaps_ = 1;    ///< from one time to the next
  int covers_ = 1;  ///< instants, up to the next time
};

/// The figures of one stretch of time.
class audit_window {
 public:
  bool is_open() const noexcept { return open_; }
  /// Begins, from zero.
  void open(const thread_reading& now);
  void probed(std::chrono::nanoseconds lag, int instants = 1);
  void add_late(std::uint64_t late, std::uint64_t of) noexcept;
  bool second_is_over(drivers::time_point now) const noexcept;
  /// Ends a second, when one is over. What part of it the thread was at work.
  double end_second(const thread_reading& now);
  /// Ends; the figures stay until they are taken.
  void close(const thread_reading& now);
  /// Closes and hands them over; none if it was never opened.
  std::optional<wire::control::audit_report> take(const thread_reading& now);

 private:
  bool open_ = false;
  bool any_ = false;
  thread_reading before_;  ///< where the present second began
  wire::control::audit_report figures_;
};

/// A window for each kind of agent on a thread, as their runs begin and end at different times.
class thread_audit final : private drivers::timer_target {
 public:
  /// `wanted` is asked once a second for each kind with an open window; false closes it. It and the
  /// loop must outlive this.
  thread_audit(drivers::loop& on, std::uint32_t thread,
               std::function<bool(wire::control::agent_kind)> wanted,
               std::function<thread_reading()> read = &read_thread);
  ~thread_audit();
  thread_audit(const thread_audit&) = delete;
  thread_audit& operator=(const thread_audit&) = delete;

  /// Begins for that kind, from zero.
  void open(wire::control::agent_kind kind);
  bool is_open(wire::control::agent_kind kind) const noexcept {
    return windows_[static_cast<std::size_t>(kind)].is_open();
  }
  /// Messages of a run's schedule, and for how many of them this side was too late (pacer.hpp).
  void add_late(wire::control::agent_kind kind, std::uint64_t late, std::uint64_t of) noexcept;
  /// Ends for that kind; none if it did not begin.
  std::optional<wire::control::audit_report> take(wire::control::agent_kind kind);
  /// At work for less of a second than this, a thread probes seldom: with many processes on a
  /// machine what a wake-up costs would else be what their threads mostly do.
  static constexpr double little = 0.1;

  /// Whether the timer runs.
  bool at_work() const noexcept { return timer_ != 0; }
  /// When it is due next.
  drivers::time_point next_probe() const noexcept { return beat_.next(); }

 private:
  void on_timer(std::uint64_t) override;
  audit_window& window(wire::control::agent_kind kind) noexcept {
    return windows_[static_cast<std::size_t>(kind)];
  }
  bool any_open() const noexcept;

  drivers::loop& loop_;
  std::uint32_t thread_;
  std::function<bool(wire::control::agent_kind)> wanted_;
  std::function<thread_reading()> read_;
  probe_beat beat_;
  std::array<audit_window, wire::control::agent_kinds.size()> windows_;
  drivers::loop::timer_id timer_ = 0;
};

}  // namespace ombt::agents
