// SPDX-License-Identifier: Apache-2.0
#pragma once
// ombt's results record: what an agent reports of a run, and its sums over agents. Latencies are
// milliseconds, times epoch seconds. Owns arithmetic, JSON and ombt's text; nothing here knows a
// bus. One thread per record.
//
// Unlike ombt, a failed operation is counted by its error and never enters the latency or the
// throughput, and a negative clock difference is no failure: the message counts as received, the
// sample goes to `negative_samples`.

#include "wire/control/arrivals.hpp"
#include "wire/control/audit.hpp"
#include "wire/control/intervals.hpp"
#include "wire/control/ledger.hpp"
#include "wire/control/link_counts.hpp"
#include "wire/control/messages.hpp"
#include "wire/control/series.hpp"
#include "wire/control/site_counts.hpp"
#include "wire/hdr/histogram.hpp"
#include "wire/json/value.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::control {

/// Most different error texts that a record holds; further ones are counted as other_errors.
inline constexpr std::size_t error_text_limit = 200;
/// Longest error text that is kept, bytes.
inline constexpr std::size_t error_length_limit = 400;
inline constexpr std::string_view other_errors = "other errors";
/// Decades of the distribution: [1, 10) ms is 0; the largest is [10^18, 10^19).
inline constexpr int decade_limit = 18;

/// Sums over latency samples, milliseconds.
struct latency_statistics {
  /// Samples in [10^decade, 10^(decade+1)) by first digit; decade 0 index 0 is below 1 ms.
  struct row {
    int decade = 0;
    std::array<std::uint64_t, 10> counts{};
  };

  std::optional<double> min;
  std::optional<double> max;
  double total = 0;
  std::uint64_t count = 0;
  double sum_of_squares = 0;
  std::vector<row> distribution;  ///< by ascending decade, only decades that have samples

  /// Adds a sample; negative and non-finite ones must not come here.
  void add_sample(double milliseconds);
  void merge(const latency_statistics& other);
  /// 0 without samples.
  double average() const noexcept;
  /// Of the population; -1 without samples, as ombt has it.
  double std_dev() const noexcept;
};

/// What native agents add to their results when a native controller asked (messages.hpp).
struct result_details {
  std::string run;  ///< id of run_test; empty from servers
  /// Of these results and no others of the agent, so that they count once however often they come;
  /// 0: none. At most largest_count.
  std::uint64_t answer = 0;
  bool cut_short = false;                     ///< a client's run ended with messages left to send
  hdr::sparse_histogram latency;              ///< of successes, nanoseconds
  std::uint64_t negative_samples = 0;         ///< one-way times below zero: clocks apart
  double negative_min = 0;                    ///< the lowest of them, milliseconds
  link_counts links;                          ///< of what these results are about
  series_set series;                          ///< further histograms
  load_counts load;                           ///< of an open loop
  std::shared_ptr<const client_ledger> sent;  ///< of a client; empty: none
  std::shared_ptr<const server_ledger> received;  ///< of a receiver; empty: none
  /// Of a receiver that notes when a fanout's messages arrive; of one on its I/O thread they are
  /// those of all.
  std::shared_ptr<const control::arrival_report> arrivals;
  /// Of the I/O thread; with the results of one of its agents only, or none.
  std::shared_ptr<const audit_report> audit;
  /// The same: second by second, of all its agents in the run.
  std::shared_ptr<const interval_series> intervals;
  std::shared_ptr<const site_counts> sites;  ///< empty: no message was at a site
};

/// An error's text as records count it: message ids and passwords masked, without control
/// characters, cut to error_length_limit.
std::string error_key(std::string_view text);

/// One agent's results, or the sum of several.
struct results {
  std::optional<double> start_time;  ///< epoch seconds; empty: nothing seen
  std::optional<double> stop_time;
  std::uint64_t msgs_ok = 0;
  std::uint64_t msgs_fail = 0;
  latency_statistics latency;
  std::map<std::string, std::uint64_t, std::less<>> errors;

  /// Counts an error by its text, without a failed message (ombt's self_ready before a test).
  /// Message ids in it (32 hexadecimal digits or more) become <id>, so that equal causes share a
  /// count; a text too long is cut, a text too many counted as other_errors.
  void count_error(std::string_view text, std::uint64_t times = 1);
  /// A message that failed: counts it and its error. Returns the text under which that counts,
  /// valid as long as the record.
  std::string_view add_failure(std::string_view error);
  /// A message that succeeded, with its latency.
  void add_success(double milliseconds);
  /// Moves start_time down and stop_time up to include an instant, epoch seconds.
  void saw_time(double epoch_seconds);
  void merge(const results& other);
  bool empty() const noexcept { return msgs_ok == 0 && msgs_fail == 0 && errors.empty(); }
  /// Messages succeeded per second of the test interval; empty if that has no length.
  std::optional<double> throughput() const noexcept;
};

/// Appends the record as ombt's agents send it; details, where given, as a last key "ombt":
/// {"run", "answer" (unless 0), "cut_short" (only if true), "latency": histogram,
/// "negative_samples", "negative_min_ms", "links": {name: count}, "series": {name: histogram},
/// "load": {"scheduled", "late", "dropped"}, "ledger": ledger.hpp, "arrivals": arrivals.hpp,
/// "audit": audit.hpp, "site" and "sites": site_counts.hpp, "intervals": intervals.hpp}.
void append_results(std::string& out, const results& r, const result_details* details = nullptr);

/// client_result: {"name", "kind", "results"}.
void append_client_result_args(std::string& out, std::string_view name, agent_kind kind,
                               const results& r, const result_details* details = nullptr);

/// Reads a record; keys left out have their defaults, unknown ones are ignored. Details are read
/// where they are there (present says so). False: why says what is wrong: wrong types, negative
/// or absurd counts, a decade outside 0 … decade_limit, a distribution row without ten counts.
bool read_results(json::value record, results& out, result_details& details, bool& present,
                  std::string& why);

/// Arguments of client_result.
struct client_result_request {
  std::string name;
  agent_kind kind = agent_kind::rpc_client;
  wire::control::results results;
  bool has_details = false;
  result_details details;
};
bool read_client_result_args(json::value args, client_result_request& out, std::string& why);

/// Appends the lines that ombt prints for a record: errors, total, interval, throughput, latency
/// and its distribution, each ending in a newline.
void append_results_text(std::string& out, const results& r);

}  // namespace ombt::wire::control
