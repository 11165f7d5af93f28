// SPDX-License-Identifier: Apache-2.0
#include "wire/hdr/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ombt::wire::hdr {
namespace {

void add_summary(summary& to, const summary& from) noexcept {
  if (from.samples() == 0) return;
  to.min = to.samples() == 0 ? from.min : std::min(to.min, from.min);
  to.max = std::max(to.max, from.max);
  to.count += from.count;
  to.overflow += from.overflow;
  to.total += from.total;
}

// Counts a sample in the sums; true if it belongs into a bucket.
bool add_sample(summary& to, std::uint64_t nanoseconds, std::uint64_t times) noexcept {
  if (times == 0) return false;
  to.min = to.samples() == 0 ? nanoseconds : std::min(to.min, nanoseconds);
  to.max = std::max(to.max, nanoseconds);
  if (nanoseconds > highest) {
    to.overflow += times;
    return false;
  }
  to.count += times;
  to.total += static_cast<double>(nanoseconds) * static_cast<double>(times);
  return true;
}

void append_member(std::string& out, const char* key, std::uint64_t value) {
  out += '"';
  out += key;
  out += "\": ";
  out += std::to_string(value);
  out += ", ";
}

bool read_count(json::value from, std::uint64_t limit, std::uint64_t& out) {
  const auto number = from.integer();
  if (!number || *number < 0 || static_cast<std::uint64_t>(*number) > limit) return false;
  out = static_cast<std::uint64_t>(*number);
  return true;
}

/// The rank, from 1, of the least sample with at least so many percent at or below it.
std::uint64_t rank_of(const summary& of, double percentile) noexcept {
  const std::uint64_t samples = of.samples();
  if (percentile >= 100) return samples;
  const double asked = std::max(percentile, 0.0);
  // 99.9 % of 1000 is 999.0000000000001 in doubles: that must stay rank 999. More than their error
  // is not taken off, or the rank of 10^12 samples would be another.
  const double rank = std::ceil(asked / 100 * static_cast<double>(samples) * (1 - 1e-15));
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(rank));
}

}  // namespace

std::uint32_t index_of(std::uint64_t nanoseconds) noexcept {
  // The first bucket counts every value up to 2047; each later one halves the resolution.
  const auto width =
      static_cast<std::uint32_t>(std::bit_width(nanoseconds | (sub_bucket_count - 1)));
  const std::uint32_t shift = width - sub_bucket_magnitude;
  const auto sub_bucket = static_cast<std::uint32_t>(nanoseconds >> shift);
  return shift * sub_bucket_half + sub_bucket;
}

std::uint64_t lowest_value_at(std::uint32_t index) noexcept {
  if (index < sub_bucket_count) return index;
  const std::uint32_t shift = index / sub_bucket_half - 1;
  return static_cast<std::uint64_t>(index - shift * sub_bucket_half) << shift;
}

std::uint64_t highest_value_at(std::uint32_t index) noexcept {
  const std::uint32_t shift = index < sub_bucket_count ? 0 : index / sub_bucket_half - 1;
  return lowest_value_at(index) + (std::uint64_t{1} << shift) - 1;
}

void sparse_histogram::record(std::uint64_t nanoseconds, std::uint64_t times) {
  if (add_sample(totals_, nanoseconds, times)) add_to_bucket(index_of(nanoseconds), times);
}

bool sparse_histogram::record_within(std::uint64_t least, std::uint64_t width,
                                     std::uint64_t times) {
  if (width == 0 || least > highest) return false;
  const std::uint32_t index = index_of(least);
  if (width - 1 > highest_value_at(index) - least) return false;
  if (times == 0) return true;
  const std::uint64_t middle = least + width / 2;
  const double total = static_cast<double>(middle) * static_cast<double>(times);
  add_summary(totals_, {times, 0, least, std::min(least + width - 1, highest), total});
  add_to_bucket(index, times);
  return true;
}

void sparse_histogram::add_to_bucket(std::uint32_t index, std::uint64_t times) {
  const auto at = std::lower_bound(buckets_.begin(), buckets_.end(), index,
                                   [](const bucket& b, std::uint32_t i) { return b.index < i; });
  if (at != buckets_.end() && at->index == index) {
    at->count += times;
  } else {
    buckets_.insert(at, bucket{index, times});
  }
}

void sparse_histogram::merge(const sparse_histogram& other) {
  add_summary(totals_, other.totals_);
  std::vector<bucket> sum;
  sum.reserve(buckets_.size() + other.buckets_.size());
  auto a = buckets_.begin();
  auto b = other.buckets_.begin();
  while (a != buckets_.end() || b != other.buckets_.end()) {
    if (b == other.buckets_.end() || (a != buckets_.end() && a->index < b->index)) {
      sum.push_back(*a++);
    } else if (a == buckets_.end() || b->index < a->index) {
      sum.push_back(*b++);
    } else {
      sum.push_back({a->index, a->count + b->count});
      ++a;
      ++b;
    }
  }
  buckets_ = std::move(sum);
}

bool sparse_histogram::set_max(std::uint64_t max, std::uint64_t overflow) {
  if ((overflow > 0) != (max > highest) || overflow > sample_limit) return false;
  if (overflow == 0 && (buckets_.empty() ? max != 0 : index_of(max) != buckets_.back().index)) {
    return false;
  }
  totals_.overflow = overflow;
  totals_.max = max;
  if (buckets_.empty()) totals_.min = overflow > 0 ? highest + 1 : 0;
  totals_.min = std::min(totals_.min, max);
  return true;
}

void sparse_histogram::clear() noexcept {
  totals_ = {};
  buckets_.clear();
}

std::uint64_t sparse_histogram::value_at_percentile(double percentile) const noexcept {
  const std::uint64_t rank = rank_of(totals_, percentile);
  std::uint64_t seen = 0;
  for (const bucket& one : buckets_) {
    seen += one.count;
    if (seen >= rank) return std::min(highest_value_at(one.index), totals_.max);
  }
  return totals_.max;
}

void sparse_histogram::append_json(std::string& out) const {
  out += '{';
  append_member(out, "count", totals_.count);
  append_member(out, "overflow", totals_.overflow);
  append_member(out, "min", totals_.min);
  append_member(out, "max", totals_.max);
  out += "\"total\": ";
  json::append_number(out, totals_.total);
  out += ", \"counts\": [";
  bool first = true;
  for (const bucket& b : buckets_) {
    if (!first) out += ", ";
    first = false;
    out += '[';
    out += std::to_string(b.index);
    out += ", ";
    out += std::to_string(b.count);
    out += ']';
  }
  out += "]}";
}

bool sparse_histogram::read_json(json::value from, sparse_histogram& out, std::string& why) {
  out.clear();
  if (!from.is_object()) {
    why = "histogram is no object";
    return false;
  }
  summary& totals = out.totals_;
  // An overflow may have any duration, the sum of the others can't exceed what they are.
  if (!read_count(from["count"], sample_limit, totals.count) ||
      !read_count(from["overflow"], sample_limit, totals.overflow) ||
      !read_count(from["min"], std::uint64_t{1} << 62, totals.min) ||
      !read_count(from["max"], std::uint64_t{1} << 62, totals.max)) {
    why = "histogram count, overflow, min or max is missing, negative or absurd";
    return false;
  }
  const auto total = from["total"].number();
  if (!total || !std::isfinite(*total) || *total < 0) {
    why = "histogram total is missing or absurd";
    return false;
  }
  totals.total = *total;
  const json::value counts = from["counts"];
  if (!counts.is_array() || counts.size() > index_limit) {
    why = "histogram counts are no list, or too many";
    return false;
  }
  const char* wrong = nullptr;
  std::uint64_t sum = 0;
  double least = 0;
  double most = 0;
  out.buckets_.reserve(counts.size());
  counts.for_each_element([&](json::value pair) {
    if (wrong != nullptr) return;
    std::uint64_t fields[2] = {};
    std::size_t known = 0;
    bool numbers = pair.is_array() && pair.size() == 2;
    if (numbers) {
      pair.for_each_element([&](json::value field) {
        numbers = read_count(field, sample_limit, fields[known++]) && numbers;
      });
    }
    if (!numbers) {
      wrong = "histogram counts hold something else than [index, count]";
    } else if (fields[0] >= index_limit ||
               (!out.buckets_.empty() && fields[0] <= out.buckets_.back().index)) {
      wrong = "histogram index out of range or order";
    } else if (fields[1] == 0) {
      wrong = "histogram count of 0";
    } else {
      const auto index = static_cast<std::uint32_t>(fields[0]);
      out.buckets_.push_back({index, fields[1]});
      sum += fields[1];  // at most index_limit x 2^53 < 2^69: checked against the limit below
      if (sum > sample_limit) wrong = "histogram counts are absurd";
      least += static_cast<double>(lowest_value_at(index)) * static_cast<double>(fields[1]);
      most += static_cast<double>(highest_value_at(index)) * static_cast<double>(fields[1]);
    }
  });
  if (wrong == nullptr && sum != totals.count)
    wrong = "histogram counts do not add up to its count";
  // Rounding of the sender's additions: one part in 10^9 is far above it, far below a digit.
  if (wrong == nullptr && (totals.total < least * (1 - 1e-9) || totals.total > most * (1 + 1e-9))) {
    wrong = "histogram total does not fit its counts";
  }
  if (wrong == nullptr && totals.samples() > 0) {
    const bool above = totals.overflow > 0;
    if (totals.min > totals.max || above != (totals.max > highest) ||
        (totals.count > 0 && index_of(totals.min) != out.buckets_.front().index) ||
        (totals.count > 0 && !above && index_of(totals.max) != out.buckets_.back().index) ||
        (totals.count == 0 && totals.min <= highest)) {
      wrong = "histogram min or max does not fit its counts";
    }
  }
  if (wrong == nullptr && totals.samples() == 0 && (totals.min | totals.max) != 0) {
    wrong = "histogram min or max without samples";
  }
  if (wrong != nullptr) {
    why = wrong;
    return false;
  }
  return true;
}

histogram::histogram() : counts_(index_limit, 0) {}

void histogram::record(std::uint64_t nanoseconds, std::uint64_t times) noexcept {
  if (add_sample(totals_, nanoseconds, times)) counts_[index_of(nanoseconds)] += times;
}

void histogram::merge(const histogram& other) noexcept {
  add_summary(totals_, other.totals_);
  for (std::uint32_t i = 0; i < index_limit; ++i) counts_[i] += other.counts_[i];
}

void histogram::merge(const sparse_histogram& other) noexcept {
  add_summary(totals_, other.totals_);
  for (const bucket& b : other.buckets_) counts_[b.index] += b.count;
}

void histogram::clear() noexcept {
  totals_ = {};
  std::fill(counts_.begin(), counts_.end(), 0);
}

double histogram::mean() const noexcept {
  return totals_.count == 0 ? 0 : totals_.total / static_cast<double>(totals_.count);
}

std::uint64_t histogram::value_at_percentile(double percentile) const noexcept {
  return value_at_rank(rank_of(totals_, percentile));
}

std::uint64_t histogram::value_at_rank(std::uint64_t rank) const noexcept {
  if (totals_.samples() == 0) return 0;
  if (rank > totals_.count) return totals_.max;
  std::uint64_t seen = 0;
  const std::uint32_t end = index_of(std::min(totals_.max, highest));
  for (std::uint32_t i = index_of(totals_.min); i <= end; ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(highest_value_at(i), totals_.max);
  }
  return totals_.max;
}

sparse_histogram histogram::to_sparse() const {
  sparse_histogram out;
  out.totals_ = totals_;
  for (std::uint32_t i = 0; i < index_limit; ++i) {
    if (counts_[i] > 0) out.buckets_.push_back({i, counts_[i]});
  }
  return out;
}

}  // namespace ombt::wire::hdr
