// SPDX-License-Identifier: Apache-2.0
#include "wire/control/intervals.hpp"

#include "wire/control/link_counts.hpp"
#include "wire/hdr/base64.hpp"
#include "wire/hdr/encoding.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace ombt::wire::control {
namespace {

constexpr std::uint64_t count_most = static_cast<std::uint64_t>(largest_count);

std::uint64_t bounded_sum(std::uint64_t a, std::uint64_t b) { return std::min(a + b, count_most); }

std::int64_t begin_of(std::int64_t start, std::int64_t length) { return start - start % length; }

void append_values(std::string& out, const hdr::sparse_histogram& values) {
  out += ", " + std::to_string(values.totals().max) + ", " +
         std::to_string(values.totals().overflow) + ", \"";
  if (!values.buckets().empty()) {
    std::string plain;
    hdr::append_v2(plain, values);
    hdr::append_base64(out, plain);
  }
  out += '"';
}

/// Reads the elements of a row in their order.
class row_reader {
 public:
  row_reader(interval_row& out, std::string& why) : out_{out}, why_{why} {}

  bool take(json::value element) {
    switch (column_++) {
      case 0:
        return whole(element, interval_series::latest, "start") &&
               (out_.start = static_cast<std::int64_t>(number_), true);
      case 1:
        return whole(element, count_most, "ok") && (out_.ok = number_, true);
      case 2:
        return whole(element, count_most, "failed") && (out_.failed = number_, true);
      case 3:
      case 6:
        return whole(element, std::uint64_t{1} << 62, "max") && (max_ = number_, true);
      case 4:
      case 7:
        return whole(element, hdr::sample_limit, "overflow") && (overflow_ = number_, true);
      case 5:
        return values(element, out_.latency);
      case 8:
        return values(element, out_.intended);
      default:
        return refuse("has too many elements");
    }
  }

  bool whole_row() {
    if (column_ == 6 || column_ == 9) return true;
    return refuse("has too few elements");
  }

 private:
  bool refuse(const char* what) {
    why_ = std::string{"interval "} + what;
    return false;
  }
  bool whole(json::value element, std::uint64_t limit, const char* name) {
    const auto number = element.integer();
    if (!number || *number < 0 || static_cast<std::uint64_t>(*number) > limit) {
      why_ = std::string{"interval "} + name + " is no count";
      return false;
    }
    number_ = static_cast<std::uint64_t>(*number);
    return true;
  }
  bool values(json::value element, hdr::sparse_histogram& out) {
    const auto text = element.string();
    if (!text || text->size() > hdr::base64_limit) return refuse("histogram is no short text");
    std::string plain;
    if (!text->empty()) {
      if (!hdr::read_base64(*text, plain)) return refuse("histogram is no base64");
      if (hdr::read_v2(plain, out, why_)) return false;
      if (out.buckets().empty()) return refuse("histogram is empty, but there");
    }
    if (!out.set_max(max_, overflow_)) return refuse("maximum does not fit its histogram");
    if (out.totals().samples() > out_.ok) return refuse("has more latencies than successes");
    return true;
  }

  interval_row& out_;
  std::string& why_;
  int column_ = 0;
  std::uint64_t number_ = 0;
  std::uint64_t max_ = 0;
  std::uint64_t overflow_ = 0;
};

}  // namespace

void interval_row::merge(const interval_row& other) {
  ok = bounded_sum(ok, other.ok);
  failed = bounded_sum(failed, other.failed);
  latency.merge(other.latency);
  intended.merge(other.intended);
}

void interval_series::put(interval_row&& row) {
  row.start = begin_of(row.start, seconds_);
  const auto at =
      std::lower_bound(rows_.begin(), rows_.end(), row.start,
                       [](const interval_row& r, std::int64_t start) { return r.start < start; });
  if (at == rows_.end() || at->start != row.start) {
    buckets_ += row.buckets();
    rows_.insert(at, std::move(row));
    return;
  }
  buckets_ -= at->buckets();
  at->merge(row);
  buckets_ += at->buckets();
}

void interval_series::widen() {
  seconds_ *= 2;
  buckets_ = 0;
  std::vector<interval_row> wider;
  for (interval_row& row : rows_) {
    row.start = begin_of(row.start, seconds_);
    if (!wider.empty() && wider.back().start == row.start) {
      buckets_ -= wider.back().buckets();
      wider.back().merge(row);
    } else {
      wider.push_back(std::move(row));
    }
    buckets_ += wider.back().buckets();
  }
  rows_ = std::move(wider);
}

/// One row alone is within any bound.
void interval_series::fit() {
  while (rows_.size() > 1 && (rows_.size() > most_rows || buckets_ > limit_)) widen();
}

void interval_series::add(interval_row row) {
  row.start = std::clamp<std::int64_t>(row.start, 0, latest);
  put(std::move(row));
  fit();
}

void interval_series::merge(const interval_series& other) {
  while (seconds_ < other.seconds_) widen();
  for (const interval_row& row : other.rows_) put(interval_row{row});
  fit();
}

void interval_series::append_json(std::string& out) const {
  out += "{\"seconds\": " + std::to_string(seconds_) + ", \"rows\": [";
  bool first = true;
  for (const interval_row& row : rows_) {
    if (!first) out += ", ";
    first = false;
    append_interval_row(out, row);
  }
  out += "]}";
}

bool interval_series::read_json(json::value from, interval_series& out, std::string& why) {
  out = interval_series{};
  const auto refuse = [&](const char* what) {
    why = what;
    return false;
  };
  if (!from.is_object()) return refuse("intervals are no object");
  const auto seconds = from["seconds"].integer();
  if (!seconds || *seconds < 1 || *seconds > longest ||
      !std::has_single_bit(static_cast<std::uint64_t>(*seconds))) {
    return refuse("intervals have no length that is a power of two");
  }
  out.seconds_ = *seconds;
  const json::value rows = from["rows"];
  if (!rows.is_array() || rows.size() > most_rows) {
    return refuse("intervals are no list, or too many");
  }
  out.rows_.reserve(rows.size());
  bool ok = true;
  rows.for_each_element([&](json::value element) {
    if (!ok) return;
    interval_row row;
    ok = read_interval_row(element, row, why);
    if (!ok) return;
    if (row.start % *seconds != 0 || (!out.rows_.empty() && row.start <= out.rows_.back().start)) {
      ok = refuse("intervals begin out of order or place");
      return;
    }
    out.buckets_ += row.buckets();
    if (out.buckets_ > most_buckets) {
      ok = refuse("intervals hold too much");
      return;
    }
    out.rows_.push_back(std::move(row));
  });
  if (!ok) out = interval_series{};
  return ok;
}

void append_interval_row(std::string& out, const interval_row& row) {
  out += '[' + std::to_string(row.start) + ", " + std::to_string(row.ok) + ", " +
         std::to_string(row.failed);
  append_values(out, row.latency);
  if (row.intended.totals().samples() > 0) append_values(out, row.intended);
  out += ']';
}

bool read_interval_row(json::value from, interval_row& out, std::string& why) {
  out = {};
  if (!from.is_array()) {
    why = "interval is no list";
    return false;
  }
  row_reader reader{out, why};
  bool ok = true;
  from.for_each_element([&](json::value element) { ok = ok && reader.take(element); });
  return ok && reader.whole_row();
}

}  // namespace ombt::wire::control
