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
  intended,  ///< of successes, from the instant that the schedule had for them
  failed,    ///< of failed operations, from when they were sent
  slip,      ///< how much later than its instant a message was sent
};
inline constexpr std::array<std::string_view, 3> series_names = {"intended", "failed", "slip"};

/// Those histograms that have samples: most agents have none, and then 24 bytes.
class series_set {
 public:
  struct entry {
    series which;
    hdr::sparse_histogram values;
  };

  /// Counts a duration, nanoseconds; one below zero counts as zero.
  void record(series which, std::int64_t nanoseconds);
  void merge(const series_set& other);
  /// Null for one without samples.
  const hdr::sparse_histogram* find(series which) const noexcept;
  const std::vector<entry>& entries() const noexcept { return entries_; }
  bool empty() const noexcept { return entries_.empty(); }

  /// Appends {name: histogram, …}.
  void append_json(std::string& out) const;
  /// Reads that; names that are not known are ignored. False: why says what is wrong.
  static bool read_json(json::value from, series_set& out, std::string& why);

 private:
  hdr::sparse_histogram& at(series which);
  std::vector<entry> entries_;  ///< in the order of their first samples
};

/// What the schedules of an open loop asked for.
struct load_counts {
  std::uint64_t scheduled = 0;  ///< messages whose instant came: sent or dropped
  std::uint64_t late = 0;       ///< of them sent more than late_after behind it
  std::uint64_t dropped = 0;    ///< of them not sent at all: too late for it

  void merge(const load_counts& other) noexcept;
  bool any() const noexcept { return scheduled > 0; }
  friend bool operator==(const load_counts&, const load_counts&) = default;
};
/// Nanoseconds.
inline constexpr std::int64_t late_after = 1'000'000;

}  // namespace ombt::wire::control
