// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledgers of a run, one a topic: what is sent in a topic is expected at the receivers of that
// topic, and what another's receivers had of it stands for nothing. Owns them; agents are known by
// their number in the session. No clock, one thread.

#include "controller/fanout_times.hpp"
#include "controller/ledger_summary.hpp"
#include "controller/run_ledger.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace ombt::controller {

class topic_ledgers {
 public:
  /// `topics` of them, one at least, which share the room of a run.
  topic_ledgers(bool fanout, std::size_t topics);

  run_ledger& of(std::size_t topic) noexcept { return ledgers_[topic]; }
  const run_ledger& of(std::size_t topic) const noexcept { return ledgers_[topic]; }

  /// What a receiver of that topic reported (run_ledger::add_receiver), and when messages arrived
  /// at it and others of its thread, whatever their topic is.
  void add_receiver(std::size_t topic, std::size_t agent, const wire::control::results& results,
                    const wire::control::result_details& details, bool joined);

  /// True if a client has sent its ledger, so that there is something to say.
  bool any() const noexcept;
  /// The counts of all clients so far.
  ledger_counts counts() const;
  /// Everything; names are asked for where they are told.
  ledger_summary summary(const run_ledger::name_of_agent& name_of) const;
  /// When messages of a fanout arrived, over those sent and so many that nobody had: dropped
  /// by their schedules, or of clients that sent no results. Empty if this is no fanout, or no
  /// receiver notes it.
  std::optional<fanout_summary> fanout_figures(std::uint64_t never) const;

 private:
  std::vector<run_ledger> ledgers_;
  fanout_times times_;
};

}  // namespace ombt::controller
