// SPDX-License-Identifier: Apache-2.0
#pragma once
// Peers that have not proven who they are: so many at once, each for so long. Where one more waits
// for a place, the one that has had its place longest loses it, if it has had the grace time, which
// is plenty for who has nothing to hide; so silent peers keep nobody out. One thread.

#include "drivers/io/context.hpp"

#include <cstdint>
#include <functional>
#include <map>

namespace ombt::drivers::direct {

class pending_peers final : private timer_target {
 public:
  using ticket = std::uint64_t;
  static constexpr duration grace = std::chrono::milliseconds(250);

  /// room: called when there is a place again after has_room() has said no.
  pending_peers(io::context& on, std::size_t most, duration limit, std::function<void()> room);
  ~pending_peers();
  pending_peers(const pending_peers&) = delete;
  pending_peers& operator=(const pending_peers&) = delete;

  /// Whether one more may enter now; makes room where it can.
  bool has_room();
  /// end: called once if its time is over before leave(). Ticket 0 is never given.
  ticket enter(std::function<void()> end);
  void leave(ticket whose);
  std::size_t size() const noexcept { return all_.size(); }

 private:
  struct entry {
    time_point since;
    std::function<void()> end;
  };
  bool first_may_go(time_point now) const;
  void end_first();
  void look();
  void arm();
  void on_timer(std::uint64_t tag) override;

  io::context& context_;
  std::size_t most_;
  duration limit_;
  std::function<void()> room_;
  std::map<ticket, entry> all_;  ///< in the order in which they came
  ticket next_ = 1;
  bool wanted_ = false;
  loop::timer_id timer_ = 0;
};

}  // namespace ombt::drivers::direct
