// SPDX-License-Identifier: Apache-2.0
#pragma once
// The topics of a session, one by one, for the reports. Pure functions.

#include "controller/outcome.hpp"
#include "controller/plan.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace ombt::controller {

/// Most topics that a text lists.
inline constexpr std::size_t topic_lines = 20;

/// A percentile of a topic's successes in milliseconds; empty where the histogram does not hold all
/// samples, or there are too few of them.
std::optional<double> percentile_ms(const topic_side& s, double percentile);
/// Messages of a topic that are lost by the ledger, or not accounted for by number.
std::uint64_t lost_of(task what, const topic_figures& topic) noexcept;

/// A line a topic with its messages, throughput and latency at the clients; where there are more
/// than topic_lines, those with most messages lost or failed come first.
void append_topics_text(std::string& out, const plan& what, const outcome& found);
/// A line a topic with its agents: "  topic-3: 1 RPC client, 1 RPC server".
void append_topic_agents(std::string& out, const plan& what, const outcome& found, bool all);

}  // namespace ombt::controller
