// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tells a controller, once a second, how the run of a thread's agents goes on
// (wire/control/live.hpp). Owns the timer and the ways there; while nobody looks on there is
// neither. All on the thread of its loop.

#include "wire/control/live.hpp"

#include "drivers/loop.hpp"

#include "agents/measure/intervals.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::agents {

class live_sender final : private drivers::timer_target {
 public:
  /// What is asked for each second: agents of a kind that are at work on a run, and their messages
  /// that have not ended.
  struct activity {
    std::uint32_t agents = 0;
    std::uint64_t in_flight = 0;
  };

  live_sender(drivers::loop& on, std::uint32_t thread,
              std::function<activity(wire::control::agent_kind, const std::string& run)> now);
  ~live_sender();
  live_sender(const live_sender&) = delete;
  live_sender& operator=(const live_sender&) = delete;

  /// Takes a text, or drops it; never waits.
  using way = std::function<void(std::string_view text)>;

  /// Begins for a run of that kind, unless it has.
  void begin(wire::control::agent_kind kind, const std::string& run, way to,
             std::shared_ptr<second_recorder> seconds);
  /// Tells the last figures, and that it is over; nothing if it did not begin.
  void end(wire::control::agent_kind kind, const std::string& run);
  /// Whether the timer runs.
  bool at_work() const noexcept { return timer_ != 0; }

 private:
  struct watched {
    wire::control::agent_kind kind;
    std::string run;
    way to;
    std::shared_ptr<second_recorder> seconds;
  };

  void on_timer(std::uint64_t) override;
  void arm();
  std::vector<watched>::iterator find(wire::control::agent_kind kind, const std::string& run);
  void tell(watched& of, const activity& now);

  drivers::loop& loop_;
  std::uint32_t thread_;
  std::function<activity(wire::control::agent_kind, const std::string& run)> now_;
  std::vector<watched> watched_;
  drivers::loop::timer_id timer_ = 0;
  std::string text_;
};

}  // namespace ombt::agents
