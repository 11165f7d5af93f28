// SPDX-License-Identifier: Apache-2.0
#pragma once
// Brings together what clients say that they sent and what receivers say that they had: each
// message of each client becomes one of delivered, delivered more than once, lost or failed. Owns
// the sets of a run, within a bound; knows agents by their number in the session. No clock, one
// thread.
//
// Where only one receiver should have a message (call, cast, notification) the receivers' sets are
// added up as they come, and what two of them had counts as a copy. In a fanout each receiver's are
// kept apart, and a message is delivered when all of them have it.

#include "wire/control/results.hpp"

#include "controller/fanout_times.hpp"
#include "controller/ledger_summary.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace ombt::controller {

class run_ledger {
 public:
  using name_of_agent = std::function<std::string(std::size_t agent)>;
  /// What the sets of a run may take, bytes; what comes beyond is not placed.
  static constexpr std::size_t room_bytes = std::size_t{1} << 30;

  explicit run_ledger(bool fanout, std::size_t room = room_bytes) : fanout_{fanout}, room_{room} {}

  /// A receiver that should have every message of a fanout; before its first report.
  void expect_receiver(std::size_t agent) { receiver_at(agent).expected = fanout_; }
  /// What a client reported, once a client.
  void add_client(std::size_t agent, const wire::control::results& results,
                  const wire::control::result_details& details);
  /// What a receiver reported since it was last asked. `joined`: it was not asked before the run,
  /// so that messages may have come before it knew whose they are.
  void add_receiver(std::size_t agent, const wire::control::results& results,
                    const wire::control::result_details& details, bool joined);
  /// A client that sent no results: what became of its messages nobody knows.
  void miss_client() { ++clients_missed_; }
  /// A receiver whose report is missing: what it had nobody knows.
  void miss_receiver(std::size_t agent) { receiver_at(agent).missed = true; }

  /// True if a client has sent its ledger, so that there is something to say.
  bool any() const noexcept { return !clients_.empty(); }
  /// The counts of all clients so far.
  ledger_counts counts() const;
  ledger_gaps gaps() const;
  /// Of a fanout: the copies that succeeded and that no report has, over all receivers.
  std::uint64_t copies_missing() const;
  /// Everything; names are asked for where they are told.
  ledger_summary summary(const name_of_agent& name_of) const;
  /// When the messages sent arrived at the receivers; empty if none notes it, as where this is no
  /// fanout.
  std::optional<fanout_summary> fanout_figures(const fanout_times& times) const;

 private:
  struct client {
    std::size_t agent = 0;
    std::uint64_t id = 0;
    std::uint64_t sent = 0;
    std::uint64_t failed_not_kept = 0;
    wire::control::sequence_set failed;
  };
  struct receiver {
    bool expected = false;  ///< in a fanout: it should have every message
    bool missed = false;
    bool without = false;  ///< it gave a report without a ledger
    bool reported = false;
    bool timed = false;                       ///< it notes when messages arrive
    std::uint64_t arrived = 0;                ///< messages that it reported
    std::uint64_t unplaced = 0;               ///< of them: those that may be any messages
    wire::control::deliveries_by_client had;  ///< of a fanout
  };

  receiver& receiver_at(std::size_t agent) { return receivers_[agent]; }
  bool counts_in_fanout(const receiver& r) const noexcept { return r.expected && !r.without; }
  /// Messages that may be where nobody can say which arrived; at most all there are.
  std::uint64_t unplaced() const noexcept;
  ledger_counts counts_at(const receiver& r) const;
  ledger_counts counts_of(const client& c, wire::control::sequence_set* lost = nullptr) const;
  void list_clients(ledger_summary& out, const name_of_agent& name_of) const;
  void list_receivers(ledger_summary& out, const name_of_agent& name_of) const;

  bool fanout_;
  wire::control::ledger_room room_;
  std::vector<client> clients_;
  std::unordered_map<std::uint64_t, std::size_t, wire::control::client_hash> client_at_;
  std::map<std::size_t, receiver> receivers_;
  wire::control::deliveries_by_client had_;  ///< by all receivers, unless it is a fanout
  wire::control::results failed_kinds_;      ///< its errors only

  std::uint64_t clients_missed_ = 0;
  std::uint64_t clients_without_ = 0;
  std::uint64_t sent_without_ = 0;  ///< by these
  std::uint64_t clients_contradicting_ = 0;
  std::uint64_t reports_contradicting_ = 0;
  std::uint64_t unidentified_ = 0;
  std::uint64_t not_kept_ = 0;
  std::uint64_t joined_unplaced_ = 0;
};

}  // namespace ombt::controller
