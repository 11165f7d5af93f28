// SPDX-License-Identifier: Apache-2.0
#include "wire/hdr/histogram.hpp"

#include "wire/json/value.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::wire::hdr;

namespace {

std::vector<std::uint64_t> log_normal_samples(std::size_t n, unsigned seed) {
  std::mt19937_64 random{seed};
  std::lognormal_distribution<double> shape{std::log(500'000.0), 2.0};
  std::vector<std::uint64_t> samples(n);
  for (auto& s : samples) s = static_cast<std::uint64_t>(shape(random));
  return samples;
}

bool reads(const std::string& text, sparse_histogram& out, std::string& why) {
  wire::json::reader reader;
  wire::json::value root;
  REQUIRE_FALSE(reader.parse(text, root));
  return sparse_histogram::read_json(root, out, why);
}

}  // namespace

TEST_CASE("every value lies within its bucket, and buckets follow each other without a gap") {
  for (std::uint32_t i = 0; i + 1 < index_limit; ++i) {
    REQUIRE(index_of(lowest_value_at(i)) == i);
    REQUIRE(index_of(highest_value_at(i)) == i);
    REQUIRE(highest_value_at(i) + 1 == lowest_value_at(i + 1));
  }
  REQUIRE(index_of(highest) < index_limit);
}

TEST_CASE("a bucket is narrower than a thousandth of its values") {
  for (std::uint32_t i = 1; i < index_limit; ++i) {
    const auto width = highest_value_at(i) - lowest_value_at(i);
    REQUIRE(static_cast<double>(width) <= static_cast<double>(lowest_value_at(i)) / 1000.0);
  }
}

TEST_CASE("the layout is HdrHistogram's for 1 ns to 1 h and 3 digits") {
  // Known positions: the first 2048 values are exact, then 1024 counters an octave.
  CHECK(index_of(0) == 0);
  CHECK(index_of(2047) == 2047);
  CHECK(index_of(2048) == 2048);
  CHECK(index_of(2049) == 2048);
  CHECK(index_of(4095) == 3071);
  CHECK(index_of(4096) == 3072);
  CHECK(index_of(1'000'000) == 9 * 1024 + (1'000'000 >> 9));
  CHECK(index_limit == 33'792);
}

TEST_CASE("percentiles agree with the sorted samples to three digits") {
  for (const std::size_t n : {1u, 2u, 10u, 999u, 1'000u, 100'003u}) {
    auto samples = log_normal_samples(n, static_cast<unsigned>(n));
    histogram h;
    for (const auto s : samples) h.record(s);
    std::sort(samples.begin(), samples.end());
    REQUIRE(h.count() == n);
    CHECK(h.min() == samples.front());
    CHECK(h.max() == samples.back());
    for (const double p : {0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
      const auto rank = std::max<std::size_t>(
          1, static_cast<std::size_t>(std::ceil(p / 100 * static_cast<double>(n) - 1e-6)));
      const auto exact = samples[rank - 1];
      const auto got = h.value_at_percentile(p);
      CHECK(h.to_sparse().value_at_percentile(p) == got);
      INFO("n " << n << " percentile " << p);
      CHECK(got >= exact);
      CHECK(static_cast<double>(got) <= static_cast<double>(exact) * 1.001 + 1);
    }
    double sum = 0;
    for (const auto s : samples) sum += static_cast<double>(s);
    CHECK(h.mean() == Approx(sum / static_cast<double>(n)));
  }
}

TEST_CASE("percentiles of very many samples are exact to one sample") {
  constexpr std::uint64_t many = 999'000'000'000'000;
  histogram h;
  h.record(1, many);
  h.record(1'000, many / 999);
  CHECK(h.value_at_percentile(99.9) == 1);
  CHECK(h.value_at_percentile(100) == 1'000);
  h.clear();
  h.record(1, many - 1);
  h.record(1'000, many / 999 + 1);
  CHECK(h.value_at_percentile(99.9) == 1'000);
  h.clear();
  h.record(1, many);
  h.record(1'000);
  CHECK(h.value_at_percentile(100) == 1'000);
}

TEST_CASE("an empty histogram answers zero") {
  const histogram h;
  CHECK(h.count() == 0);
  CHECK(h.value_at_percentile(50) == 0);
  CHECK(h.value_at_rank(1) == 0);
  CHECK(h.mean() == 0);
  CHECK(h.to_sparse().buckets().empty());
}

TEST_CASE("more than an hour is overflow: counted, in no bucket, and above every other sample") {
  histogram h;
  h.record(1'000, 9);
  h.record(highest);
  h.record(highest + 1);
  CHECK(h.count() == 10);
  CHECK(h.totals().overflow == 1);
  CHECK(h.max() == highest + 1);
  CHECK(h.value_at_percentile(50) == 1'000);
  CHECK(h.value_at_percentile(100) == highest + 1);
  CHECK(h.mean() == Approx((9'000.0 + static_cast<double>(highest)) / 10));

  histogram only;
  only.record(highest + 5, 2);
  CHECK(only.value_at_percentile(1) == highest + 5);
  CHECK(only.to_sparse().value_at_percentile(1) == highest + 5);
  CHECK(only.min() == highest + 5);
}

TEST_CASE("samples known to a range within a bucket count as its middle, others not at all") {
  sparse_histogram h;
  REQUIRE(h.record_within(4'096, 4, 2));
  REQUIRE(h.record_within(4'098, 2, 1));
  REQUIRE(h.record_within(10, 1, 5));
  REQUIRE(h.record_within(4'096, 4, 0));
  CHECK_FALSE(h.record_within(4'096, 5, 1));
  CHECK_FALSE(h.record_within(4'098, 3, 1));
  CHECK_FALSE(h.record_within(10, 0, 1));
  CHECK_FALSE(h.record_within(10, ~std::uint64_t{0}, 1));
  CHECK_FALSE(h.record_within(highest + 1, 1, 1));
  REQUIRE(h.buckets().size() == 2);
  CHECK(h.buckets()[1].index == index_of(4'096));
  CHECK(h.buckets()[1].count == 3);
  CHECK(h.totals().count == 8);
  CHECK(h.totals().min == 10);
  CHECK(h.totals().max == 4'099);
  CHECK(h.totals().total == 2 * 4'098 + 4'099 + 5 * 10);
  REQUIRE(h.record_within(lowest_value_at(index_of(highest)), 1u << 31, 1));
  CHECK(h.totals().max == highest);
}

TEST_CASE("merging in any order and form gives the histogram of all samples") {
  const auto a = log_normal_samples(3'000, 1);
  const auto b = log_normal_samples(50, 2);
  histogram all;
  histogram dense_a;
  sparse_histogram sparse_a;
  sparse_histogram sparse_b;
  for (const auto s : a) {
    all.record(s);
    dense_a.record(s);
    sparse_a.record(s);
  }
  for (const auto s : b) {
    all.record(s);
    sparse_b.record(s);
  }
  histogram merged = dense_a;
  merged.merge(sparse_b);
  histogram other;
  other.merge(sparse_b);
  other.merge(dense_a);
  sparse_histogram sparse = sparse_b;
  sparse.merge(sparse_a);
  histogram third;
  third.merge(sparse);
  for (const histogram* h : {&merged, &other, &third}) {
    CHECK(h->count() == all.count());
    CHECK(h->min() == all.min());
    CHECK(h->max() == all.max());
    CHECK(h->mean() == Approx(all.mean()));
    for (std::uint32_t i = 0; i < index_limit; ++i) REQUIRE(h->count_at(i) == all.count_at(i));
  }
  const auto back = all.to_sparse();
  REQUIRE(back.buckets().size() == sparse.buckets().size());
  for (std::size_t i = 0; i < back.buckets().size(); ++i) {
    CHECK(back.buckets()[i].index == sparse.buckets()[i].index);
    CHECK(back.buckets()[i].count == sparse.buckets()[i].count);
  }
  sparse.clear();
  CHECK(sparse.buckets().empty());
  CHECK(sparse.totals().count == 0);
  merged.clear();
  CHECK(merged.value_at_percentile(99) == 0);
}

TEST_CASE("a sparse histogram survives JSON") {
  sparse_histogram h;
  for (const auto s : log_normal_samples(5'000, 7)) h.record(s);
  h.record(0);
  h.record(highest + 100, 3);
  std::string text;
  h.append_json(text);
  sparse_histogram back;
  std::string why;
  REQUIRE(reads(text, back, why));
  CHECK(back.totals().count == h.totals().count);
  CHECK(back.totals().overflow == 3);
  CHECK(back.totals().min == 0);
  CHECK(back.totals().max == highest + 100);
  CHECK(back.totals().total == Approx(h.totals().total));
  std::string again;
  back.append_json(again);
  CHECK(again == text);

  sparse_histogram empty;
  text.clear();
  empty.append_json(text);
  CHECK(text == R"({"count": 0, "overflow": 0, "min": 0, "max": 0, "total": 0.0, "counts": []})");
  REQUIRE(reads(text, back, why));
  CHECK(back.totals().count == 0);
}

TEST_CASE("JSON that no histogram can be is refused with a reason") {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {R"([])", "no object"},
      {R"({})", "missing"},
      {R"({"count": -1, "overflow": 0, "min": 0, "max": 0, "total": 0, "counts": []})", "negative"},
      {R"({"count": 1e3, "overflow": 0, "min": 0, "max": 0, "total": 0, "counts": []})", "absurd"},
      {R"({"count": 1, "overflow": 0, "min": 5, "max": 5, "total": -5, "counts": [[5, 1]]})",
       "total"},
      {R"({"count": 1, "overflow": 0, "min": 5, "max": 5, "total": 50, "counts": [[5, 1]]})",
       "total does not fit"},
      {R"({"count": 1, "overflow": 0, "min": 5, "max": 5, "total": 5, "counts": {"5": 1}})",
       "no list"},
      {R"({"count": 1, "overflow": 0, "min": 5, "max": 5, "total": 5, "counts": [5]})",
       "[index, count]"},
      {R"({"count": 1, "overflow": 0, "min": 5, "max": 5, "total": 5, "counts": [[5, 1, 1]]})",
       "[index, count]"},
      {R"({"count": 1, "overflow": 0, "min": 5, "max": 5, "total": 5, "counts": [[5, -1]]})",
       "[index, count]"},
      {R"({"count": 1, "overflow": 0, "min": 5, "max": 5, "total": 5, "counts": [[5, "1"]]})",
       "[index, count]"},
      {R"({"count": 1, "overflow": 0, "min": 5, "max": 5, "total": 5, "counts": [[33792, 1]]})",
       "range or order"},
      {R"({"count": 2, "overflow": 0, "min": 5, "max": 6, "total": 11, "counts": [[6, 1], [5, 1]]})",
       "range or order"},
      {R"({"count": 2, "overflow": 0, "min": 5, "max": 5, "total": 10, "counts": [[5, 1], [5, 1]]})",
       "range or order"},
      {R"({"count": 0, "overflow": 0, "min": 5, "max": 5, "total": 0, "counts": [[5, 0]]})",
       "count of 0"},
      {R"({"count": 7, "overflow": 0, "min": 5, "max": 5, "total": 5, "counts": [[5, 1]]})",
       "add up"},
      {R"({"count": 1, "overflow": 0, "min": 4, "max": 5, "total": 5, "counts": [[5, 1]]})",
       "min or max"},
      {R"({"count": 1, "overflow": 0, "min": 5, "max": 9, "total": 5, "counts": [[5, 1]]})",
       "min or max"},
      {R"({"count": 0, "overflow": 0, "min": 1, "max": 1, "total": 0, "counts": []})",
       "without samples"},
      {R"({"count": 0, "overflow": 4, "min": 1, "max": 1, "total": 0, "counts": []})",
       "min or max"},
      {R"({"count": 9007199254740992, "overflow": 0, "min": 5, "max": 6, "total": 0,
           "counts": [[5, 9007199254740992], [6, 9007199254740992]]})",
       "absurd"},
  };
  for (const auto& [text, reason] : bad) {
    sparse_histogram out;
    std::string why;
    INFO(text);
    CHECK_FALSE(reads(text, out, why));
    CHECK(why.find(reason) != std::string::npos);
    CHECK(why.find('\n') == std::string::npos);
  }
}
