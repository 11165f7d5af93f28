// SPDX-License-Identifier: Apache-2.0
#pragma once
// What became of every message of a run, as the ledgers of both sides say it together: figures for
// the reports. Plain data; run_ledger fills it.

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace ombt::controller {

/// Each message sent is one of these; in a fanout "a receiver has it" means all of them have.
struct ledger_counts {
  std::uint64_t sent = 0;
  std::uint64_t delivered = 0;   ///< succeeded, and arrived once
  std::uint64_t duplicated = 0;  ///< succeeded, and arrived more than once
  std::uint64_t lost = 0;        ///< succeeded, and no receiver has it
  std::uint64_t failed = 0;
  /// Succeeded, and is at no receiver that has a ledger; arrivals that no ledger places may be it.
  std::uint64_t unknown = 0;
  std::uint64_t not_kept = 0;  ///< above the highest sequence that ledgers keep

  // Beside these.
  std::uint64_t extra_copies = 0;  ///< arrivals that were not the first of their message
  std::uint64_t failed_but_delivered = 0;

  bool closes() const noexcept {
    return sent == delivered + duplicated + lost + failed + unknown + not_kept;
  }
  /// Each message succeeded and arrived once.
  bool clean() const noexcept { return sent == delivered && extra_copies == 0; }
  void add(const ledger_counts& other) noexcept;
  /// The worst first: lost (or perhaps lost), more than once, failed.
  auto badness() const noexcept {
    return std::tuple{lost + unknown, duplicated, extra_copies, failed};
  }
};

/// The counts of one client or, in a fanout, of one receiver.
struct ledger_line {
  std::string name;
  ledger_counts counts;
  std::string lost;  ///< of a client: sequence numbers ("3, 17-20, …")
};

/// What a ledger cannot say, and why.
struct ledger_gaps {
  std::uint64_t clients_missed = 0;  ///< that sent no results
  std::uint64_t clients_without = 0;
  std::uint64_t clients_contradicting = 0;
  std::uint64_t sent_without = 0;  ///< by these
  std::uint64_t receivers_without = 0;
  std::uint64_t arrived_there = 0;
  std::uint64_t receivers_missed = 0;
  std::uint64_t reports_contradicting = 0;
  std::uint64_t unidentified = 0;
  std::uint64_t not_kept = 0;
  std::uint64_t joined_unplaced = 0;
  std::uint64_t strangers = 0;  ///< clients that sent no results, and of whom messages arrived
  std::uint64_t of_strangers = 0;

  void add(const ledger_gaps& other) noexcept;
  std::vector<std::string> texts() const;
};

struct ledger_summary {
  /// Most clients and receivers that are listed, the worst first.
  static constexpr std::size_t lines_limit = 100;

  ledger_counts all;
  std::map<std::string, std::uint64_t> failed_by_kind;
  bool fanout = false;
  std::uint64_t receivers = 0;    ///< of a fanout: those that should have every message
  std::uint64_t copies_lost = 0;  ///< of a fanout: messages missing, over all receivers
  std::uint64_t caught_by_window = 0;
  std::uint64_t late_replies = 0;
  std::uint64_t clients_listed_of = 0;  ///< clients that are not clean; `clients` has the worst
  std::vector<ledger_line> clients;
  std::uint64_t receivers_listed_of = 0;  ///< of a fanout
  std::vector<ledger_line> receivers_wrong;
  /// What the ledger cannot say, and why, a line each.
  std::vector<std::string> gaps;

  /// It says of every message of the run what became of it.
  bool complete() const noexcept {
    return gaps.empty() && all.closes() && all.unknown == 0 && all.not_kept == 0;
  }
};

}  // namespace ombt::controller
