// SPDX-License-Identifier: Apache-2.0
#pragma once
// High dynamic range histograms of durations: 1 ns to 1 h with 3 significant digits, in
// HdrHistogram's bucket layout, so that its encodings and readers fit. Dense for a thread or a
// series (264 KiB), sparse for an agent (16 bytes a bucket in use). Merging adds counts. No locks:
// one thread per histogram.
// Source: the published layout (sub-buckets of a power of two, halved above the first bucket).

#include "wire/json/value.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ombt::wire::hdr {

/// Shortest and longest duration told apart, nanoseconds. Zero counts in the lowest bucket,
/// longer ones than highest as overflow.
inline constexpr std::uint64_t lowest = 1;
inline constexpr std::uint64_t highest = 3'600'000'000'000;
inline constexpr int significant_digits = 3;

/// 2048 sub-buckets tell 3 digits apart; 32 buckets reach beyond one hour.
inline constexpr int sub_bucket_magnitude = 11;
inline constexpr std::uint32_t sub_bucket_count = 1u << sub_bucket_magnitude;
inline constexpr std::uint32_t sub_bucket_half = sub_bucket_count / 2;
inline constexpr std::uint32_t bucket_count = 32;
/// Number of counters.
inline constexpr std::uint32_t index_limit = (bucket_count + 1) * sub_bucket_half;

/// The most samples that are believed of a histogram that is read. No real run comes near, and sums
/// of believed counts stay far from wrapping.
inline constexpr std::uint64_t sample_limit = std::uint64_t{1} << 53;

/// The counter of a value up to highest.
std::uint32_t index_of(std::uint64_t nanoseconds) noexcept;
/// The least and the greatest value that counter holds.
std::uint64_t lowest_value_at(std::uint32_t index) noexcept;
std::uint64_t highest_value_at(std::uint32_t index) noexcept;

/// A bucket in use.
struct bucket {
  std::uint32_t index = 0;
  std::uint64_t count = 0;
};

/// What dense and sparse histograms hold beside their buckets.
struct summary {
  std::uint64_t count = 0;     ///< samples in buckets
  std::uint64_t overflow = 0;  ///< samples above highest, in no bucket
  std::uint64_t min = 0;       ///< nanoseconds, exact; 0 without samples
  std::uint64_t max = 0;       ///< nanoseconds, exact, overflow included
  double total = 0;            ///< nanoseconds, of the samples in buckets

  std::uint64_t samples() const noexcept { return count + overflow; }
};

/// Few samples or few distinct ones: a sorted vector of buckets in use.
class sparse_histogram {
 public:
  /// Counts a duration. O(log n) for a bucket in use.
  void record(std::uint64_t nanoseconds, std::uint64_t times = 1);
  /// Counts durations of which only a range is known: width values from least on, of which none was
  /// seen above highest. min and max take its bounds, total its middle. False, with nothing
  /// counted, if they do not lie within one bucket.
  bool record_within(std::uint64_t least, std::uint64_t width, std::uint64_t times);
  void merge(const sparse_histogram& other);
  void clear() noexcept;
  /// Sets what a V2 encoding does not carry: the exact maximum, and how many samples were above
  /// highest. False, with nothing changed, if no histogram with these buckets has them.
  bool set_max(std::uint64_t max, std::uint64_t overflow);

  const summary& totals() const noexcept { return totals_; }
  const std::vector<bucket>& buckets() const noexcept { return buckets_; }
  /// As histogram's. O(n) in the buckets in use.
  std::uint64_t value_at_percentile(double percentile) const noexcept;

  /// Appends {"count", "overflow", "min", "max", "total", "counts": [[index, count], …]}.
  void append_json(std::string& out) const;
  /// Reads that; false with why for anything that no histogram can be: an index out of range or
  /// out of order, a count of 0 or absurd, sums that do not match.
  static bool read_json(json::value from, sparse_histogram& out, std::string& why);

 private:
  friend class histogram;
  void add_to_bucket(std::uint32_t index, std::uint64_t times);

  summary totals_;
  std::vector<bucket> buckets_;
};

/// Any number of samples: record is O(1).
class histogram {
 public:
  histogram();

  void record(std::uint64_t nanoseconds, std::uint64_t times = 1) noexcept;
  void merge(const histogram& other) noexcept;
  void merge(const sparse_histogram& other) noexcept;
  void clear() noexcept;

  const summary& totals() const noexcept { return totals_; }
  std::uint64_t count() const noexcept { return totals_.count; }
  std::uint64_t min() const noexcept { return totals_.min; }
  std::uint64_t max() const noexcept { return totals_.max; }
  /// Nanoseconds; 0 without samples.
  double mean() const noexcept;
  std::uint64_t count_at(std::uint32_t index) const noexcept { return counts_[index]; }

  /// The least value with at least `percentile` percent of the samples (overflow included) at or
  /// below it: the greatest value of its bucket, never above max. 0 without samples.
  std::uint64_t value_at_percentile(double percentile) const noexcept;
  /// The value of the sample of that rank, counted from 1, in ascending order; max for a rank
  /// among the overflow, 0 without samples.
  std::uint64_t value_at_rank(std::uint64_t rank) const noexcept;

  sparse_histogram to_sparse() const;

 private:
  summary totals_;
  std::vector<std::uint64_t> counts_;
};

}  // namespace ombt::wire::hdr
