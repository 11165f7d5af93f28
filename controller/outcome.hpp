// SPDX-License-Identifier: Apache-2.0
#pragma once
// What came out of a session: the agents, their results, their sums, and what went wrong. Filled
// by the session, read by the reports.

#include "wire/control/direct.hpp"
#include "wire/control/results.hpp"
#include "wire/hdr/histogram.hpp"

#include "controller/clocks_summary.hpp"
#include "controller/fanout_times.hpp"
#include "controller/ledger_summary.hpp"
#include "controller/plan.hpp"
#include "controller/site_matrix.hpp"
#include "controller/topic_figures.hpp"
#include "controller/watch/bus_watch.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ombt::controller {

/// A process of agents that is reached by direct control, in a session; 0 stands for the bus.
using process_number = std::uint32_t;
inline constexpr process_number over_the_bus = 0;

/// One agent and what it reported in this session.
struct agent_record {
  wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;
  std::string name;
  std::uint32_t topic = 0;  ///< its place among the plan's
  process_number process = over_the_bus;
  bool answered_roll_call = false;  ///< false: heard of by its results only
  bool native = false;              ///< its pongs say what it works on
  bool missing = false;             ///< waited for in vain
  bool left = false;                ///< it answered and was gone before the roll call was over
  bool cut_short = false;           ///< ended its run with messages left to send
  std::uint32_t reports = 0;        ///< results taken
  std::uint32_t reports_with_details = 0;
  /// Sum of its reports; where these came merged with others', its messages, the number and the
  /// sum of its latencies, and its errors only.
  wire::control::results results;
  /// With plan::per_agent: of a native one, nanoseconds.
  std::shared_ptr<wire::hdr::sparse_histogram> latency;
  std::uint64_t scheduled = 0;  ///< of an open loop: what it reported of its schedule
};

/// What such a process says of itself.
struct process_record {
  process_number number = over_the_bus;
  wire::control::process_hello told;
};

/// When processes began a run that they had been prepared for, by the controller's CLOCK_REALTIME,
/// nanoseconds.
struct run_start {
  std::uint32_t processes = 0;  ///< that have told
  std::int64_t agreed = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;

  void add(std::int64_t instant) noexcept;
  std::int64_t skew() const noexcept { return last - first; }
};

/// An I/O thread of an agent process.
struct audited_thread {
  wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;  ///< of its agents
  std::string host;          ///< or the agent's name, where that was chosen by hand
  std::int64_t process = 0;  ///< its id; 0 where it is not known
  std::uint32_t thread = 0;

  friend auto operator<=>(const audited_thread&, const audited_thread&) = default;
};

/// Buckets that the intervals of a side may have in use: 64 MiB.
inline constexpr std::size_t interval_buckets = 4'000'000;

/// The sum over one kind of agents.
struct side {
  wire::control::results results;
  wire::hdr::histogram latency;
  std::uint64_t negative_samples = 0;
  double negative_min = 0;                                                ///< milliseconds
  wire::control::link_counts links;                                       ///< of the native agents
  std::map<wire::control::series, wire::hdr::histogram> series;           ///< those with samples
  std::map<wire::control::series, wire::control::below_zero> below_zero;  ///< those with any
  wire::control::load_counts load;                                        ///< of an open loop
  std::uint64_t lost = 0;  ///< of clients: succeeded, and not known to have arrived
  /// Of clients: what those that sent no results were to send, and those that ended early had left;
  /// none: that is not known, as where only time ends a closed loop. In `load` it is not.
  std::optional<std::uint64_t> unreported = 0;
  /// Second by second, of the native agents.
  wire::control::interval_series intervals{interval_buckets};

  /// True if the histogram holds every latency sample, so that percentiles may be told.
  bool has_percentiles() const noexcept {
    return results.latency.count > 0 &&
           latency.count() + latency.totals().overflow == results.latency.count;
  }
  /// Operations that percentiles over all have as infinite ones, beside those that are lost.
  std::uint64_t infinite() const noexcept {
    return results.msgs_fail + load.dropped + unreported.value_or(0);
  }
  /// Of an open loop: what the schedules of all clients ask for, as far as it is known.
  std::uint64_t scheduled() const noexcept { return load.scheduled + unreported.value_or(0); }
  /// Null for one without samples.
  const wire::hdr::histogram* find(wire::control::series which) const noexcept {
    const auto found = series.find(which);
    return found == series.end() ? nullptr : &found->second;
  }
  /// Samples of it that clocks apart made negative.
  wire::control::below_zero negatives(wire::control::series which) const noexcept {
    const auto found = below_zero.find(which);
    return found == below_zero.end() ? wire::control::below_zero{} : found->second;
  }
};

struct outcome {
  /// Set if the task could not be done at all: one line, no report.
  std::string failure;
  bool connected = false;             ///< the control bus answered
  std::vector<agent_record> agents;   ///< in the order in which they were heard of
  std::vector<topic_figures> topics;  ///< of each of the plan's; one at least, of a session
  /// Of a test.
  side clients;
  side servers;
  std::uint64_t expected = 0;                     ///< messages that the servers should have had
  std::uint64_t received = 0;                     ///< messages that they had
  bool polled = false;                            ///< servers were asked after the run
  std::optional<std::uint64_t> warm_up_messages;  ///< of a run before, of which nothing is kept
  std::optional<ledger_summary> ledger;           ///< of a test that was run
  std::optional<fanout_summary> fanout;           ///< of one whose servers note arrivals
  /// In what the run fell short: agents that vanished, messages that failed, are not accounted for
  /// or are too many.
  std::vector<std::string> problems;
  /// What is to be known, though the run has what was expected of it.
  std::vector<std::string> notes;
  /// What was not taken, and why not a problem: results of other runs, twice the same, …
  std::uint64_t foreign_results = 0;
  std::uint64_t repeated_results = 0;  ///< that came again, as the answer to the first was lost
  std::uint64_t duplicate_pongs = 0;
  /// Names by which more than one agent answered one question, and how many more.
  std::map<std::string, std::uint32_t> same_names;
  std::uint64_t malformed_requests = 0;
  std::uint64_t agents_refused = 0;  ///< above the limit of agents

  /// Those that are reached by direct control.
  std::vector<process_record> processes;
  /// Of those, such as had agents for the test and went before it, where nothing was expected.
  std::size_t processes_gone_before = 0;
  run_start start;

  /// What the agents' threads say of themselves.
  std::map<audited_thread, wire::control::audit_report> audits;
  /// Which sites called which.
  site_matrix sites;
  /// Of a test that was run: how far machines' clocks are apart, and what that is worth.
  clocks_summary clocks;
  /// The bus's own processes, as far as they are on this machine.
  bus_watched bus;

  bool ok() const noexcept { return failure.empty() && problems.empty(); }
  /// Adds what an agent's thread reported.
  void add_audit(const agent_record& from, const wire::control::audit_report& audit);
  /// Agents of a kind that answered the roll call.
  std::uint32_t count(wire::control::agent_kind kind) const noexcept;
};

}  // namespace ombt::controller
