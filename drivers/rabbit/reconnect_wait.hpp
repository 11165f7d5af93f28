// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long a connection waits before its next attempt, as the Python library waits. Pure functions;
// knows no connection and no clock.
//
//   who                          | waits, in seconds
//   -----------------------------+------------------------------------------------------------
//   any, before it was ever up   | 0 until every host was tried, then 1, 3, 5, … 31 (options)
//   a sender whose attempt failed| the same
//   a listener that was up       | 1, 2, 4 and again; with several hosts 1, 2 and again
//   a sender that was lost       | until its next look, 15 (options)
//
// Source: kombu's retry_over_time and fxrange, impl_rabbit.Connection (consume,
// _heartbeat_thread_job).

#include "wire/oslo/options.hpp"

#include "drivers/loop.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace ombt::drivers::rabbit {

/// After that many failed attempts in a row (1 or more) at that many hosts.
inline duration wait_after_failures(const wire::oslo::rabbit_options& o, std::size_t failures,
                                    std::size_t hosts) {
  if (failures % hosts != 0) return duration{0};  // the other hosts first
  // From the interval by steps up to the last that is not above interval_max + interval.
  const auto round = static_cast<std::int64_t>(failures / hosts) - 1;
  const std::int64_t step = o.rabbit_retry_backoff;
  const std::int64_t steps = step > 0 ? std::min(round, o.rabbit_interval_max / step) : 0;
  return std::chrono::seconds{o.rabbit_retry_interval + steps * step};
}

/// Of a listener that was up: it polls anew each time. failures: attempts since it was lost.
inline duration wait_of_listener(std::size_t failures, std::size_t hosts) {
  constexpr int gaps[] = {1, 2, 4};
  return std::chrono::seconds{gaps[failures % (hosts > 1 ? 2 : 3)]};
}

/// Of a sender that was lost while nobody wants it.
inline duration wait_of_idle_sender(const wire::oslo::rabbit_options& o) {
  const std::chrono::duration<double> look(o.heartbeat_timeout_threshold > 0
                                               ? double(o.heartbeat_timeout_threshold) /
                                                     o.heartbeat_rate / 2
                                               : 15.0);
  return std::chrono::duration_cast<duration>(look);
}

}  // namespace ombt::drivers::rabbit
