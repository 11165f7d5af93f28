// SPDX-License-Identifier: Apache-2.0
#pragma once
// How an I/O thread of an agent process fared while a run went on: whether it, and not the bus, may
// have been the limit. Owns the figures, their sums and their JSON; who measures is
// agents/measure/audit.hpp, who judges controller/verdict.hpp. Plain values, any thread.

#include "wire/hdr/histogram.hpp"
#include "wire/json/value.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace ombt::wire::control {

struct audit_report {
  /// Seconds are kept by the thread's CPU time in them, in steps of 5 % of a core; the last step is
  /// of 100 % and more.
  static constexpr std::size_t steps = 21;
  static constexpr double step_percent = 5;

  struct load_row {
    double seconds = 0;
    double cpu_seconds = 0;  ///< used in them
  };

  std::uint32_t thread = 0;  ///< number of the I/O thread in its process
  std::array<load_row, steps> load{};
  double cpu_most = 0;  ///< of a core, in the busiest second; 1 is a core
  /// Runnable, and waiting for a CPU; none where the kernel does not tell.
  std::optional<double> run_delay_seconds;
  hdr::sparse_histogram lag;  ///< how late the loop fired timers, nanoseconds
  /// Messages that the thread itself sent more than late_after late, or dropped: not those that
  /// waited for room among their client's operations, as load_counts::late has them too.
  std::uint64_t late = 0;
  std::uint64_t scheduled = 0;  ///< messages of a schedule

  /// Adds a stretch of time and the CPU time in it, seconds.
  void add_time(double seconds, double cpu_seconds);
  /// All of it, and that spent at `percent` of a core or more.
  load_row total() const noexcept { return above(0); }
  load_row above(double percent) const noexcept;
  /// The lag that `percentile` percent of the timers did not exceed, milliseconds; 0 without any.
  double lag_ms(double percentile) const noexcept;
  /// Adds what the same thread reported of another time.
  void merge(const audit_report& other);
};

/// Appends {"thread", "load": [[step, seconds, cpu_seconds], …], "cpu_max", "run_delay", "lag":
/// histogram, "late", "scheduled"}; of load only rows that are not empty.
void append_audit(std::string& out, const audit_report& audit);

/// Reads that; false with why for what no thread can have reported: negative or absurd numbers, a
/// step out of range, more late than scheduled.
bool read_audit(json::value from, audit_report& out, std::string& why);

}  // namespace ombt::wire::control
