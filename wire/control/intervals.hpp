// SPDX-License-Identifier: Apache-2.0
#pragma once
// A run second by second: what succeeded and failed in each and how long it took, as the I/O
// threads of agents count it and the controller adds it up. Owns the rows, their sums, their bounds
// and their JSON; whose clock says which second it is, is agents/measure/intervals.hpp. Intervals
// begin at whole epoch seconds that their length divides, so that those of several threads are the
// same ones. Plain values, any thread.

#include "wire/hdr/histogram.hpp"
#include "wire/json/value.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ombt::wire::control {

/// What completed, or at a receiver arrived, in an interval.
struct interval_row {
  std::int64_t start = 0;  ///< epoch seconds
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  hdr::sparse_histogram latency;   ///< of those that succeeded, nanoseconds
  hdr::sparse_histogram intended;  ///< the same from the instants of an open loop's schedule

  /// Adds what is in another; the start stays.
  void merge(const interval_row& other);
  std::size_t buckets() const noexcept {
    return latency.buckets().size() + intended.buckets().size();
  }
};

/// Intervals of one length, in order, those in which nothing happened left out. Where they would
/// become too many, or too large, each two become one of twice the length.
class interval_series {
 public:
  static constexpr std::size_t most_rows = 3'600;
  /// Buckets in use, in all rows, of what an agent's thread reports; the controller holds more.
  static constexpr std::size_t most_buckets = 1'000'000;
  /// The longest interval, seconds: a power of two, as all are.
  static constexpr std::int64_t longest = std::int64_t{1} << 40;
  /// Later starts are no clock's.
  static constexpr std::int64_t latest = 1'000'000'000'000;

  explicit interval_series(std::size_t bucket_limit = most_buckets) : limit_{bucket_limit} {}

  /// Adds a row of seconds() length or less; its start is moved to the interval that it lies in.
  void add(interval_row row);
  /// Adds those of another series; the coarser of both lengths stays.
  void merge(const interval_series& other);

  /// The length of each, seconds.
  std::int64_t seconds() const noexcept { return seconds_; }
  const std::vector<interval_row>& rows() const noexcept { return rows_; }
  bool empty() const noexcept { return rows_.empty(); }

  /// Appends {"seconds", "rows": [row, …]}.
  void append_json(std::string& out) const;
  /// Reads that; false with why for what no thread can have reported: lengths that are no power of
  /// two, starts out of order or not at a multiple of the length, more rows or buckets than the
  /// bounds, and what read_interval_row() refuses.
  static bool read_json(json::value from, interval_series& out, std::string& why);

 private:
  void put(interval_row&& row);
  void widen();
  void fit();

  std::size_t limit_;
  std::size_t buckets_ = 0;
  std::int64_t seconds_ = 1;
  std::vector<interval_row> rows_;
};

/// Appends [start, ok, failed, max, overflow, "counts"], and where there are intended latencies
/// their max, overflow and counts. max is exact, nanoseconds; counts is HdrHistogram's plain V2
/// encoding as base64, empty without samples.
void append_interval_row(std::string& out, const interval_row& row);
/// Reads that; false with why for absurd numbers, histograms that cannot be read, more latencies
/// than successes, or a maximum that is in no bucket.
bool read_interval_row(json::value from, interval_row& out, std::string& why);

}  // namespace ombt::wire::control
