// SPDX-License-Identifier: Apache-2.0
#pragma once
// What one topic of a session came to: the agents in it, what they sent and had, and the ledger.
// Plain data; the session fills it, the reports read it.

#include "wire/control/results.hpp"
#include "wire/hdr/histogram.hpp"

#include "controller/ledger_summary.hpp"

#include <cstdint>

namespace ombt::controller {

/// The sum over the agents of a kind in a topic.
struct topic_side {
  wire::control::results results;
  wire::hdr::sparse_histogram latency;  ///< of native agents, where the plan has several topics

  /// True if the histogram holds every latency sample, so that percentiles may be told.
  bool has_percentiles() const noexcept {
    return results.latency.count > 0 && latency.totals().samples() == results.latency.count;
  }
};

struct topic_figures {
  /// Agents of each kind that answered the roll call.
  wire::control::agents_by_kind agents{};
  topic_side clients;
  topic_side servers;
  std::uint64_t expected = 0;     ///< messages that its servers should have had
  std::uint64_t unaccounted = 0;  ///< of them: those that no server's report has
  ledger_counts ledger;           ///< of a test that was run

  std::uint32_t count(wire::control::agent_kind kind) const noexcept {
    return agents[static_cast<std::size_t>(kind)];
  }
  std::uint64_t received() const noexcept {
    return servers.results.msgs_ok + servers.results.msgs_fail;
  }
};

}  // namespace ombt::controller
