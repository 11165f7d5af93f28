// SPDX-License-Identifier: Apache-2.0
#pragma once
// What results may hold beside ombt's record and its latency: further histograms by name, and what
// an open loop's schedule asked for. Owns their names, sums and JSON. Plain values, one thread
// each.

#include "wire/hdr/histogram.hpp"
#include "wire/json/value.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::control {

/// The histograms, all in nanoseconds. A new one is a line here and in series_names.
enum class series : std::uint8_t {
  intended,     ///< of successes, from the instant that the schedule had for them
  failed,       ///< of failed operations, from when they were sent
  slip,         ///< how much later than its instant a message was sent
  request_leg,  ///< of answered calls: from when the request was sent until its server had read it
  server_time,  ///< of answered calls: from there until the reply was made
  reply_leg,    ///< of answered calls: from there until the call had completed
};
inline constexpr std::array<std::string_view, 6> series_names = {
    "intended", "failed", "slip", "request_leg", "server_time", "reply_leg"};

/// Samples that clocks apart made negative, which no histogram holds.
struct below_zero {
  std::uint64_t samples = 0;
  std::int64_t lowest = 0;  ///< nanoseconds; 0 without samples

  void record(std::int64_t nanoseconds) noexcept;
  void merge(const below_zero& other) noexcept;
  friend bool operator==(const below_zero&, const below_zero&) = default;
};

/// Those histograms that have samples: most agents have none, and then 24 bytes.
class series_set {
 public:
  struct entry {
    series which;
    hdr::sparse_histogram values;  ///< may be empty where all samples are below zero
    below_zero below;
  };

  /// Counts a duration, nanoseconds; one below zero counts as zero.
  void record(series which, std::int64_t nanoseconds);
  /// Counts a difference of two clocks, nanoseconds; one below zero is kept apart.
  void record_difference(series which, std::int64_t nanoseconds);
  void merge(const series_set& other);
  /// Null for one without samples.
  const hdr::sparse_histogram* find(series which) const noexcept;
  const std::vector<entry>& entries() const noexcept { return entries_; }
  bool empty() const noexcept { return entries_.empty(); }

  /// Appends {name: histogram, …[, "below_zero": {name: {"samples", "min_ns"}, …}]}.
  void append_json(std::string& out) const;
  /// Reads that; names that are not known are ignored. False: why says what is wrong.
  static bool read_json(json::value from, series_set& out, std::string& why);

 private:
  entry& at(series which);
  std::vector<entry> entries_;  ///< in the order of their first samples
};

/// What the schedules of an open loop asked for.
struct load_counts {
  std::uint64_t scheduled = 0;  ///< messages whose instant came: sent or dropped
  std::uint64_t late = 0;       ///< of them sent more than late_after behind it, whatever was why
  std::uint64_t dropped = 0;    ///< of them not sent at all: too late for it

  void merge(const load_counts& other) noexcept;
  bool any() const noexcept { return scheduled > 0; }
  friend bool operator==(const load_counts&, const load_counts&) = default;
};
/// Nanoseconds.
inline constexpr std::int64_t late_after = 1'000'000;

}  // namespace ombt::wire::control
