// SPDX-License-Identifier: Apache-2.0
#include "wire/control/intervals.hpp"

#include "wire/control/results.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

interval_row row_at(std::int64_t start, std::uint64_t ok, std::uint64_t failed = 0,
                    std::uint64_t each = 1'000'000) {
  interval_row row;
  row.start = start;
  row.ok = ok;
  row.failed = failed;
  row.latency.record(each, ok);
  return row;
}

std::string json_of(const interval_series& series) {
  std::string out;
  series.append_json(out);
  return out;
}

bool reads(const std::string& text, interval_series& out, std::string& why) {
  json::reader reader;
  json::value root;
  INFO(text.substr(0, 300));
  REQUIRE_FALSE(reader.parse(text, root));
  return interval_series::read_json(root, out, why);
}

std::uint64_t samples_of(const interval_series& series) {
  std::uint64_t sum = 0;
  for (const interval_row& row : series.rows()) sum += row.latency.totals().count;
  return sum;
}

}  // namespace

TEST_CASE("intervals of one second add up, whoever counted them and in whatever order") {
  interval_series a;
  a.add(row_at(1'001, 3));
  a.add(row_at(1'000, 2, 1));
  a.add(row_at(1'001, 4, 2, 5'000'000));
  interval_series b;
  b.add(row_at(1'000, 10));
  b.add(row_at(1'007, 1));
  a.merge(b);
  REQUIRE(a.rows().size() == 3);  // a second in which nothing happened has none
  CHECK(a.seconds() == 1);
  CHECK(a.rows()[0].start == 1'000);
  CHECK(a.rows()[0].ok == 12);
  CHECK(a.rows()[0].failed == 1);
  CHECK(a.rows()[1].ok == 7);
  CHECK(a.rows()[1].failed == 2);
  CHECK(a.rows()[1].latency.totals().count == 7);
  CHECK(a.rows()[1].latency.totals().max == 5'000'000);
  CHECK(a.rows()[2].start == 1'007);
}

TEST_CASE("intervals that would become too many double in length, at the same instants for all") {
  interval_series long_run;
  for (std::int64_t second = 0; second < 10'000; ++second) long_run.add(row_at(7'001 + second, 2));
  CHECK(long_run.seconds() == 4);
  CHECK(long_run.rows().size() <= interval_series::most_rows);
  CHECK(samples_of(long_run) == 20'000);
  for (const interval_row& row : long_run.rows()) CHECK(row.start % 4 == 0);
  CHECK(long_run.rows().front().start == 7'000);
  CHECK(long_run.rows().front().ok == 6);  // 7,001 to 7,003
  interval_series other;
  other.add(row_at(7'003, 5));
  other.merge(long_run);
  CHECK(other.seconds() == 4);
  CHECK(other.rows().front().ok == 11);
  CHECK(samples_of(other) == 20'005);
  interval_series third;
  third.add(row_at(7'003, 5));
  long_run.merge(third);
  CHECK(json_of(long_run) == json_of(other));
}

TEST_CASE("intervals that would become too large double in length as well") {
  constexpr std::size_t limit = 100;
  interval_series series{limit};
  for (std::int64_t second = 0; second < 64; ++second) {
    for (std::uint64_t i = 0; i < 10; ++i) {
      series.add(row_at(second, 1, 0, 1'000 + i));
    }
  }
  CHECK(series.seconds() > 1);
  std::size_t buckets = 0;
  for (const interval_row& row : series.rows()) buckets += row.buckets();
  CHECK(buckets <= limit);
  CHECK(samples_of(series) == 640);
  // One alone may be as large as it is.
  interval_series one{limit};
  for (std::uint64_t i = 0; i < 200; ++i) one.add(row_at(5, 1, 0, 1'000 + i));
  CHECK(one.rows().size() == 1);
  CHECK(one.seconds() == 1);
}

TEST_CASE("starts that are far apart, or that no clock has, keep within the bounds") {
  interval_series series;
  for (std::int64_t i = 0; i < 4'000; ++i) series.add(row_at(i * 250'000'000, 1));
  series.add(row_at(-5, 1));
  series.add(row_at(INT64_MAX, 1));
  CHECK(series.rows().size() <= interval_series::most_rows);
  CHECK(samples_of(series) == 4'002);
}

TEST_CASE("intervals survive the wire, with exact maxima and what is above an hour") {
  interval_series series;
  interval_row row = row_at(1'700'000'000, 3, 2, 1'234'567);
  row.latency.record(7'654'321);
  row.ok = 6;  // one of which the time is not known, and one that took too long for any bucket
  row.latency.record(hdr::highest + 5);
  row.intended.record(9'000'001, 4);
  series.add(row);
  series.add(row_at(1'700'000'004, 0, 9));
  interval_row slow;
  slow.start = 1'700'000'009;
  slow.ok = 1;
  slow.latency.record(hdr::highest + 7);
  series.add(slow);
  interval_series back;
  std::string why;
  REQUIRE(reads(json_of(series), back, why));
  CHECK(json_of(back) == json_of(series));
  REQUIRE(back.rows().size() == 3);
  CHECK(back.rows()[0].latency.totals().count == 4);
  CHECK(back.rows()[0].latency.totals().overflow == 1);
  CHECK(back.rows()[0].latency.totals().max == hdr::highest + 5);
  CHECK(back.rows()[0].intended.totals().max == 9'000'001);
  CHECK(back.rows()[1].failed == 9);
  CHECK(back.rows()[2].latency.totals().overflow == 1);
}

TEST_CASE("intervals that no thread can have counted are refused with a reason") {
  std::string good;
  append_interval_row(good, row_at(1'000, 2));
  const auto rows = [](const std::string& seconds, const std::string& inside) {
    return "{\"seconds\": " + seconds + ", \"rows\": [" + inside + "]}";
  };
  interval_series out;
  std::string why;
  REQUIRE(reads(rows("1", good), out, why));
  REQUIRE(reads(rows("8", good), out, why));
  CHECK(out.seconds() == 8);
  const std::string counts = good.substr(good.find('"'));  // "…"]
  const auto row = [&](const std::string& front) { return "[" + front + ", " + counts; };
  std::string many;
  for (int i = 0; i < 3'601; ++i) {
    many += (i > 0 ? ", [" : "[") + std::to_string(i) + ", 1, 0, 0, 0, \"\"]";
  }
  const std::vector<std::string> wrong = {
      "[]",
      "7",
      "{}",
      rows("0", good),
      rows("3", good),
      rows("-1", good),
      rows("1.5", good),
      rows("2199023255552", good),
      rows("16", good),  // 1,000 is no multiple
      rows("1", good + ", " + good),
      rows("1", many),
      "{\"seconds\": 1, \"rows\": {}}",
      rows("1", "7"),
      rows("1", "[]"),
      rows("1", "[1000, 2, 0, 1000000, 0]"),
      rows("1", good.substr(0, good.size() - 1) + ", 7]"),
      rows("1", good.substr(0, good.size() - 1) + ", 0, 0, \"\", 1]"),
      rows("1", row("-1, 2, 0, 1000000, 0")),
      rows("1", row("1000000000001, 2, 0, 1000000, 0")),
      rows("1", row("1000, 1, 0, 1000000, 0")),  // more latencies than successes
      rows("1", row("1000, 2, -1, 1000000, 0")),
      rows("1", row("1000, 9007199254740993, 0, 1000000, 0")),
      rows("1", row("1000, 2, 0, 2000000, 0")),  // in no bucket of it
      rows("1", row("1000, 2, 0, 0, 0")),
      rows("1", row("1000, 9, 0, 1000000, 1")),        // nothing above an hour
      rows("1", row("1000, 9, 0, 3600000000001, 0")),  // something above it
      rows("1", "[1000, 2, 0, 5, 0, \"\"]"),
      rows("1", "[1000, 2, 0, 5, 0, \"!\"]"),
      rows("1", "[1000, 2, 0, 5, 0, \"AAAA\"]"),
      rows("1", "[1000, 2, 0, 5, 0, 7]"),
      rows("1", "[1000, 2, 0, \"5\", 0, \"\"]"),
  };
  for (const std::string& text : wrong) {
    INFO(text.substr(0, 200));
    why.clear();
    CHECK_FALSE(reads(text, out, why));
    CHECK_FALSE(why.empty());
    CHECK(out.empty());
  }
}

TEST_CASE("intervals with more buckets than any thread sends are refused") {
  interval_series large{std::size_t{1} << 40};
  for (std::int64_t second = 0; second < 40; ++second) {
    interval_row row;
    row.start = second;
    for (std::uint32_t i = 0; i < 30'000; ++i) row.latency.record(hdr::lowest_value_at(i));
    row.ok = 30'000;
    large.add(std::move(row));
  }
  interval_series out;
  std::string why;
  CHECK_FALSE(reads(json_of(large), out, why));
  CHECK(why == "intervals hold too much");
}

TEST_CASE("intervals go with a result, and a result with wrong ones is refused") {
  result_details details;
  details.run = "r";
  auto series = std::make_shared<interval_series>();
  series->add(row_at(1'000, 2));
  details.intervals = series;
  std::string text;
  append_results(text, results{}, &details);
  json::reader reader;
  json::value root;
  REQUIRE_FALSE(reader.parse(text, root));
  results read;
  result_details back;
  bool present = false;
  std::string why;
  REQUIRE(read_results(root, read, back, present, why));
  REQUIRE(back.intervals);
  CHECK(json_of(*back.intervals) == json_of(*series));
  text.replace(text.find("\"seconds\": 1"), 12, "\"seconds\": 5");
  REQUIRE_FALSE(reader.parse(text, root));
  CHECK_FALSE(read_results(root, read, back, present, why));
  CHECK(why == "results.ombt.intervals: intervals have no length that is a power of two");
}
