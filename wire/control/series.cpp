// SPDX-License-Identifier: Apache-2.0
#include "wire/control/series.hpp"

#include <algorithm>

namespace ombt::wire::control {

hdr::sparse_histogram& series_set::at(series which) {
  for (entry& e : entries_) {
    if (e.which == which) return e.values;
  }
  return entries_.emplace_back(entry{which, {}}).values;
}

void series_set::record(series which, std::int64_t nanoseconds) {
  at(which).record(static_cast<std::uint64_t>(std::max<std::int64_t>(0, nanoseconds)));
}

void series_set::merge(const series_set& other) {
  for (const entry& e : other.entries_) at(e.which).merge(e.values);
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
  out += '}';
}

bool series_set::read_json(json::value from, series_set& out, std::string& why) {
  out.entries_.clear();
  if (!from.is_object()) {
    why = "series is no object";
    return false;
  }
  for (std::size_t i = 0; i < series_names.size(); ++i) {
    const json::value values = from[series_names[i]];
    if (!values) continue;
    if (!hdr::sparse_histogram::read_json(values, out.at(static_cast<series>(i)), why)) {
      why.insert(0, "series." + std::string{series_names[i]} + ": ");
      return false;
    }
  }
  return true;
}

void load_counts::merge(const load_counts& other) noexcept {
  scheduled += other.scheduled;
  late += other.late;
  dropped += other.dropped;
}

}  // namespace ombt::wire::control
