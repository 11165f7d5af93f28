// SPDX-License-Identifier: Apache-2.0
#include "wire/control/series.hpp"

#include "wire/control/link_counts.hpp"

#include <algorithm>
#include <utility>

namespace ombt::wire::control {
namespace {

constexpr std::string_view below_zero_key = "below_zero";
/// No difference of two clocks that are believed is above it, nanoseconds: 73 years.
constexpr std::int64_t furthest_apart = std::int64_t{1} << 61;

/// Of the series of that name.
bool read_below_zero(json::value from, std::string_view name, below_zero& out, std::string& why) {
  const auto samples = from["samples"].integer();
  const auto lowest = from["min_ns"].integer();
  if (!samples || *samples < 1 || *samples > largest_count || !lowest || *lowest >= 0 ||
      *lowest < -furthest_apart) {
    why = "series.below_zero." + std::string{name} + " is no samples below zero";
    return false;
  }
  out = {static_cast<std::uint64_t>(*samples), *lowest};
  return true;
}

}  // namespace

void below_zero::record(std::int64_t nanoseconds) noexcept { merge({1, nanoseconds}); }

void below_zero::merge(const below_zero& other) noexcept {
  if (other.samples == 0) return;
  lowest = std::min(lowest, other.lowest);
  samples += other.samples;
}

series_set::entry& series_set::at(series which) {
  for (entry& e : entries_) {
    if (e.which == which) return e;
  }
  return entries_.emplace_back(entry{which, {}, {}});
}

void series_set::record(series which, std::int64_t nanoseconds) {
  at(which).values.record(static_cast<std::uint64_t>(std::max<std::int64_t>(0, nanoseconds)));
}

void series_set::record_difference(series which, std::int64_t nanoseconds) {
  if (nanoseconds >= 0) return record(which, std::min(nanoseconds, furthest_apart));
  at(which).below.record(std::max(nanoseconds, -furthest_apart));
}

void series_set::merge(const series_set& other) {
  for (const entry& e : other.entries_) {
    entry& to = at(e.which);
    to.values.merge(e.values);
    to.below.merge(e.below);
  }
}

const hdr::sparse_histogram* series_set::find(series which) const noexcept {
  for (const entry& e : entries_) {
    if (e.which == which) return &e.values;
  }
  return nullptr;
}

void series_set::append_json(std::string& out) const {
  out += '{';
  bool first = true;
  for (std::size_t i = 0; i < series_names.size(); ++i) {
    const hdr::sparse_histogram* const values = find(static_cast<series>(i));
    if (values == nullptr) continue;
    if (!first) out += ", ";
    first = false;
    out.append("\"").append(series_names[i]).append("\": ");
    values->append_json(out);
  }
  // Who has one of these has a histogram above, if an empty one.
  std::string_view before = ", \"below_zero\": {";
  for (std::size_t i = 0; i < series_names.size(); ++i) {
    for (const entry& e : entries_) {
      if (e.which != static_cast<series>(i) || e.below.samples == 0) continue;
      out.append(std::exchange(before, ", ")).append("\"").append(series_names[i]);
      out += "\": {\"samples\": " + std::to_string(e.below.samples);
      out += ", \"min_ns\": " + std::to_string(e.below.lowest) + '}';
    }
  }
  out += before == ", " ? "}}" : "}";
}

bool series_set::read_json(json::value from, series_set& out, std::string& why) {
  out.entries_.clear();
  if (!from.is_object()) {
    why = "series is no object";
    return false;
  }
  const json::value negatives = from[below_zero_key];
  if (negatives && !negatives.is_object()) {
    why = "series.below_zero is no object";
    return false;
  }
  for (std::size_t i = 0; i < series_names.size(); ++i) {
    const auto which = static_cast<series>(i);
    const json::value values = from[series_names[i]];
    if (values && !hdr::sparse_histogram::read_json(values, out.at(which).values, why)) {
      why.insert(0, "series." + std::string{series_names[i]} + ": ");
      return false;
    }
    const json::value below = negatives[series_names[i]];
    if (below && !read_below_zero(below, series_names[i], out.at(which).below, why)) return false;
  }
  return true;
}

void load_counts::merge(const load_counts& other) noexcept {
  scheduled += other.scheduled;
  late += other.late;
  dropped += other.dropped;
}

}  // namespace ombt::wire::control
