// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an I/O thread of agents tells the controller of its own machine each second of a run, so
// that progress can be shown while it goes on: a datagram of JSON. Owns its fields, their bounds
// and the name of where it goes; who carries it is drivers/datagrams.hpp. Nothing of it is a
// result. Plain values, any thread.

#include "wire/control/intervals.hpp"
#include "wire/control/messages.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace ombt::wire::control {

/// The longest datagram, bytes.
inline constexpr std::size_t live_limit = 16'384;

struct live_report {
  std::string run;  ///< id of run_test
  agent_kind kind = agent_kind::rpc_client;
  std::uint32_t thread = 0;     ///< number of the I/O thread in its process
  std::uint32_t agents = 0;     ///< of the thread, that are at work; 0: its part of the run is over
  std::uint64_t ok = 0;         ///< messages of the run so far
  std::uint64_t failed = 0;     ///< the same
  std::uint64_t in_flight = 0;  ///< messages that have not ended
  interval_row second;          ///< the last second that is over; without intended latencies
};

/// Appends the datagram, with a histogram as coarse as it takes to be no longer than live_limit.
void append_live_report(std::string& out, const live_report& report);
/// Reads one; false with why for anything that no thread sends: absurd counts, an unknown kind,
/// what read_interval_row() refuses.
bool read_live_report(json::value from, live_report& out, std::string& why);

}  // namespace ombt::wire::control
