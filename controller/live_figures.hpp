// SPDX-License-Identifier: Apache-2.0
#pragma once
// A session's figures for Prometheus, under the names that agents use (wire/control/figures.hpp),
// and the phase. Owns the counters, which never fall, and a warm-up's messages are in them. While a
// run goes on they are of the agents on this machine, then of all that reported. One thread.

#include "wire/control/figures.hpp"
#include "wire/control/live.hpp"

#include "controller/live_view.hpp"
#include "controller/session.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace ombt::controller {

class live_figures {
 public:
  /// A second of a thread that was not told of before.
  void add_second(const wire::control::live_report& report);
  /// What is known now; to be called now and then, so that what a warm-up came to is not missed.
  void see(const session& machine, const live_view::figures& now);
  /// The families of agents for the kinds that the session has heard of, ombt_phase, and
  /// ombt_last_second_latency_seconds.
  std::string text(const session& machine, const live_view::figures& now);

 private:
  std::string run_;  ///< that is counted
  wire::control::process_figures before_;
  wire::control::process_figures all_;
};

}  // namespace ombt::controller
