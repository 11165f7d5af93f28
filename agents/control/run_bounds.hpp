// SPDX-License-Identifier: Apache-2.0
#pragma once
// What controllers may ask of a process at most, whatever carries their commands (--max-rate,
// --max-length), and what its runs ask of it now, all topics and kinds of agents together. On the
// first loop's thread.

#include "wire/control/messages.hpp"

#include "agents/fleet_options.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace ombt::agents {

/// Messages/s that a run asks of so many agents: an open loop's highest rate, or one message a
/// pause each. 0: a closed loop that does not pause, of which nobody knows before.
double asked_rate(const wire::control::test_parameters& asked, std::size_t agents);

class run_bounds {
 public:
  /// Nothing is bounded.
  run_bounds() = default;
  /// Messages/s of all agents together; bytes of a payload.
  run_bounds(std::optional<double> rate, std::optional<std::uint64_t> length)
      : rate_(rate), length_(length) {}

  /// Why these agents, so many, must not be asked for such a run beside what all others are asked
  /// for; empty: they may.
  std::string refusal(addressee who, const wire::control::test_parameters& asked,
                      std::size_t agents) const;
  /// They have runs, of which the highest asks for so many messages/s; 0: none that counts.
  void run(addressee who, double rate) { set(who, &now::runs, rate); }
  /// They may be asked for such a run.
  void promise(addressee who, double rate) { set(who, &now::promised, rate); }

 private:
  struct now {
    double runs = 0;
    double promised = 0;
  };
  void set(addressee who, double now::*what, double rate);

  std::optional<double> rate_;
  std::optional<std::uint64_t> length_;
  std::map<addressee, now> asked_;  ///< nothing that is 0
};

}  // namespace ombt::agents
