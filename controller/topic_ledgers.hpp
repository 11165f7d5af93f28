// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledgers of a run, one a topic: what is sent in a topic is expected at the receivers of that
// topic, and what another's receivers had of it stands for nothing. Owns them; agents are known by
// their number in the session. No clock, one thread.

#include "controller/ledger_summary.hpp"
#include "controller/run_ledger.hpp"

#include <cstddef>
#include <vector>

namespace ombt::controller {

class topic_ledgers {
 public:
  /// `topics` of them, one at least, which share the room of a run.
  topic_ledgers(bool fanout, std::size_t topics);

  run_ledger& of(std::size_t topic) noexcept { return ledgers_[topic]; }
  const run_ledger& of(std::size_t topic) const noexcept { return ledgers_[topic]; }

  /// True if a client has sent its ledger, so that there is something to say.
  bool any() const noexcept;
  /// The counts of all clients so far.
  ledger_counts counts() const;
  /// Everything; names are asked for where they are told.
  ledger_summary summary(const run_ledger::name_of_agent& name_of) const;

 private:
  std::vector<run_ledger> ledgers_;
};

}  // namespace ombt::controller
