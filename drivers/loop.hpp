// SPDX-License-Identifier: Apache-2.0
#pragma once
// One I/O thread's event loop as the owners of agents see it: run, post, time, timers. The
// socket side of it is drivers/io. Everything of an agent happens on its loop's thread; only
// post() and stop() may be called from others.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace ombt::drivers {

using steady_clock = std::chrono::steady_clock;
using time_point = steady_clock::time_point;
using duration = steady_clock::duration;

namespace io {
class context;
}

/// What a timer calls. The owner must outlive the timer or cancel it.
class timer_target {
 public:
  virtual void on_timer(std::uint64_t tag) = 0;

 protected:
  ~timer_target() = default;
};

class loop {
 public:
  loop();
  ~loop();
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;

  /// Runs until stop(), or until nothing is left to wait for.
  void run();
  /// Runs for at most this long; true if stopped or out of work.
  bool run_for(duration limit);
  /// Ends run(); callable from any thread and from a signal's posted handler.
  void stop();
  /// Queues work for this loop's thread; callable from any thread.
  void post(std::function<void()> work);
  /// Calls `handler` once on this loop when one of SIGINT, SIGTERM and, if it
  /// is not ignored, SIGHUP arrives.
  void on_termination(std::function<void(int signal)> handler);

  using timer_id = std::uint64_t;
  /// Calls target.on_timer(tag) once at `when` or soon after (resolution 1 ms). O(log n).
  timer_id start_timer(time_point when, timer_target& target, std::uint64_t tag);
  /// Forgets a timer; one that fired already is ignored.
  void cancel_timer(timer_id id);

  io::context& context() noexcept { return *context_; }

 private:
  std::unique_ptr<io::context> context_;
};

}  // namespace ombt::drivers
