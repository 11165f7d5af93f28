// SPDX-License-Identifier: Apache-2.0
#pragma once
// Results of several agents of one process that travel as one, by direct control: those of a kind
// and topic of one run, or of one question to servers. What can be added is there once, as the sum;
// of each agent there is its name, its counts, and what is its own alone: errors, its ledger, the
// arrivals and the self-audit of its thread. Owns gathering, rendering and reading; nothing here
// knows a connection or a clock. One thread an object.

#include "wire/control/results.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace ombt::wire::control {

/// Most agents in a batch.
inline constexpr std::size_t batch_agents_limit = 65'536;

/// What a batch says of one agent.
struct batch_agent {
  std::string name;
  /// Messages, the number and the sum of the latencies, and errors; the rest is empty.
  control::results results;
  /// cut_short, load.scheduled, sent, received, arrivals, audit; the rest is empty.
  result_details own;
};

struct result_batch {
  control::results sum;
  result_details details;  ///< the sums; nothing that is an agent's own
  std::vector<batch_agent> agents;
};

/// Gathers agents' results.
class result_gatherer {
 public:
  /// False: this one belongs in another batch: one of another run or site, its agent is in this one
  /// already, or there are too many.
  bool takes(std::string_view name, const result_details& details) const;
  /// Adds results that it takes.
  void add(std::string_view name, const results& figures, const result_details& details);

  std::size_t agents() const noexcept { return names_.size(); }
  /// How long it will be, about, bytes.
  std::size_t bytes() const noexcept;
  /// Appends the arguments of the notice, with that number (result_details::answer).
  void append_args(std::string& out, std::uint64_t answer);

 private:
  std::unordered_set<std::string> names_;
  std::string agents_;  ///< rendered
  results sum_;
  result_details details_;
  std::shared_ptr<interval_series> intervals_;  ///< what details_ has
  std::shared_ptr<site_counts> sites_;          ///< the same
};

/// {"agents": [[name, ok, failed, samples, milliseconds in all[, {["cut_short": true]
/// [, "scheduled": n][, "errors": {text: count}][, "ledger"][, "arrivals"][, "audit"]}]], …],
/// "results": the sum, as append_results() writes it}.
void append_result_batch(std::string& out, const result_batch& batch);

/// Reads that. False: why says what is wrong: no agents, or more than batch_agents_limit, one
/// twice, counts that do not add up to the sum's, and what read_results() refuses. What the sum
/// holds of parts that are agents' own is ignored.
bool read_result_batch(json::value args, result_batch& out, std::string& why);

}  // namespace ombt::wire::control
