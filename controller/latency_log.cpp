// SPDX-License-Identifier: Apache-2.0
#include "controller/latency_log.hpp"

#include "wire/hdr/interval_log.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ombt::controller {
namespace {

using wire::control::interval_row;
using wire::hdr::sparse_histogram;

struct log_line {
  std::string tag;
  double start = 0;  ///< epoch seconds
  double length = 0;
  sparse_histogram values;
};

/// What a histogram has and those of the intervals have not, agents that sent none for example.
sparse_histogram rest_of(const sparse_histogram& all, const sparse_histogram& in_intervals) {
  sparse_histogram rest;
  auto known = in_intervals.buckets().begin();
  for (const auto& [index, count] : all.buckets()) {
    while (known != in_intervals.buckets().end() && known->index < index) ++known;
    const bool there = known != in_intervals.buckets().end() && known->index == index;
    if (there && known->count >= count) continue;
    rest.record(std::min(wire::hdr::lowest_value_at(index), wire::hdr::highest),
                count - (there ? known->count : 0));
  }
  return rest;
}

/// The lines of a series: one an interval, and one over the whole run for what is in none, so that
/// the sum of all lines is the run's histogram.
void add_series(std::vector<log_line>& lines, const std::string& tag, double base, const side& s,
                const wire::hdr::histogram& all, sparse_histogram interval_row::*values) {
  const double start = s.results.start_time.value_or(base);
  const double length = std::max(0.0, s.results.stop_time.value_or(start) - start);
  sparse_histogram in_intervals;
  for (const interval_row& row : s.intervals.rows()) {
    if ((row.*values).totals().samples() == 0) continue;
    in_intervals.merge(row.*values);
    lines.push_back({tag, static_cast<double>(row.start),
                     static_cast<double>(s.intervals.seconds()), row.*values});
  }
  const sparse_histogram whole = all.to_sparse();
  if (in_intervals.totals().samples() == 0) {
    if (whole.totals().samples() > 0) lines.push_back({tag, start, length, whole});
    return;
  }
  const sparse_histogram rest = rest_of(whole, in_intervals);
  if (rest.totals().samples() > 0) lines.push_back({tag, start, length, rest});
}

}  // namespace

std::string latency_log(const report_header& header, const plan& what, const outcome& found) {
  const std::string comment =
      header.program + " " OMBT_VERSION ", " + std::string{name_of(what.what)} + ", nanoseconds";
  std::vector<log_line> lines;
  if (const auto test = test_of(what.what)) {
    const std::string clients{wire_name(client_kind(*test))};
    const std::string servers{wire_name(server_kind(*test))};
    const double at = header.started;
    add_series(lines, clients, at, found.clients, found.clients.latency, &interval_row::latency);
    if (const auto* intended = found.clients.find(wire::control::series::intended)) {
      add_series(lines, clients + "-intended", at, found.clients, *intended,
                 &interval_row::intended);
    }
    add_series(lines, servers, at, found.servers, found.servers.latency, &interval_row::latency);
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const log_line& a, const log_line& b) { return a.start < b.start; });
  // Readers take what is before the start of a log for nothing of it, and a whole second may be.
  double base = std::floor(header.started);
  if (!lines.empty()) base = std::min(base, lines.front().start);
  std::string out;
  if (!wire::hdr::append_log_head(out, comment, base, base)) return out;
  for (const log_line& line : lines) {
    // Agents' clocks may be anywhere: an interval that no log can hold is left out.
    (void)wire::hdr::append_interval(out, line.tag, line.start - base, line.length, line.values);
  }
  return out;
}

}  // namespace ombt::controller
