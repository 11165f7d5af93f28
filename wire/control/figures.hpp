// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a process counts over its life, runs or no runs, for whoever scrapes it: by kind of agent,
// and as Prometheus' text. Counters only grow. Owns the figures, their sums and their names; who
// counts is agents/measure/recorder.hpp and controller/spectator.hpp. Plain values, one thread
// each.

#include "wire/control/link_counts.hpp"
#include "wire/control/messages.hpp"
#include "wire/hdr/histogram.hpp"
#include "wire/metrics_text.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace ombt::wire::control {

/// Messages and their latencies.
struct life_counts {
  /// Upper bounds of the latency's buckets, seconds; one more bucket is above them. Fixed, so that
  /// those of many processes and of any two instants can be added and subtracted.
  static constexpr std::array<double, 18> bounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                                    0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                                    1,      2.5,     5,      10,    30,     60};

  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  std::uint64_t below_zero = 0;  ///< of the ok ones: arrived before they were sent, by the clocks
  double seconds = 0;            ///< sum of the latencies
  std::array<std::uint64_t, bounds.size() + 1> latency{};

  /// The latency of one, or of so many.
  void record(std::uint64_t nanoseconds, std::uint64_t times = 1) noexcept;
  void record(const hdr::sparse_histogram& values) noexcept;
  void merge(const life_counts& other) noexcept;
};

/// The agents of a kind.
struct kind_figures {
  bool present = false;      ///< false: the kind is not spoken of
  std::uint32_t agents = 0;  ///< that are there
  bool running = false;      ///< some of them are in a run
  std::uint64_t in_flight = 0;
  life_counts counts;
  link_counts links;

  void merge(const kind_figures& other) noexcept;
};

/// By kind of agent, as agent_kinds has them.
using process_figures = std::array<kind_figures, agent_kinds.size()>;

/// Appends the families ombt_build_info, ombt_agents, ombt_run_active, ombt_messages_total,
/// ombt_messages_in_flight, ombt_latency_seconds, ombt_clocks_apart_total and
/// ombt_link_events_total, each with a sample for the kinds that are there.
void append_figures(metrics_text& out, const process_figures& all);

}  // namespace ombt::wire::control
