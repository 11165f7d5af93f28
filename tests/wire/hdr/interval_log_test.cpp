// SPDX-License-Identifier: Apache-2.0
#include "wire/hdr/interval_log.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace ombt;
using namespace ombt::wire::hdr;

namespace {

struct log_contents {
  std::vector<interval> intervals;
  std::vector<std::pair<error_code, std::string>> errors;
};

log_contents read_log(const std::string& text) {
  log_contents found;
  interval_log_reader reader;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    std::optional<interval> got;
    std::string why;
    if (const auto error = reader.read_line(text.substr(at, end - at), got, why)) {
      REQUIRE_FALSE(got);
      found.errors.emplace_back(error, why);
    } else if (got) {
      found.intervals.push_back(*got);
    }
    at = end;
  }
  return found;
}

sparse_histogram some_values() {
  sparse_histogram h;
  h.record(1'000'000, 3);
  h.record(20'000'000);
  h.record(2'000);
  return h;
}

std::string some_line(std::string_view tag = "calls") {
  std::string line;
  REQUIRE(append_interval(line, tag, 1.5, 1, some_values()));
  return line;
}

void check_values(const interval& got, const sparse_histogram& wanted) {
  REQUIRE(got.values.buckets().size() == wanted.buckets().size());
  for (std::size_t i = 0; i < wanted.buckets().size(); ++i) {
    CHECK(got.values.buckets()[i].index == wanted.buckets()[i].index);
    CHECK(got.values.buckets()[i].count == wanted.buckets()[i].count);
  }
}

}  // namespace

TEST_CASE("a log begins with comments, version, base time, start time and legend") {
  std::string text;
  REQUIRE(append_log_head(text, "[ombt 1.0]\n bus rabbit", 1441812000, 1441812279.474));
  CHECK(text ==
        "#[ombt 1.0]\n"
        "# bus rabbit\n"
        "#[Histogram log format version 1.3]\n"
        "#[BaseTime: 1441812000.000 (seconds since epoch)]\n"
        "#[StartTime: 1441812279.474 (seconds since epoch), Wed Sep 09 15:24:39 UTC 2015]\n"
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_"
        "Histogram\"\n");
  const auto found = read_log(text);
  CHECK(found.intervals.empty());
  CHECK(found.errors.empty());
}

TEST_CASE("an interval is a line of tag, start, length, maximum in milliseconds and histogram") {
  std::string line;
  REQUIRE(append_interval(line, "calls", 12.0004, 0.9996, some_values()));
  CHECK(line.substr(0, 39) == "Tag=calls,12.000,1.000,20.000,HISTFAAAA");
  CHECK(line.back() == '\n');
  CHECK(line.find('\n') == line.size() - 1);

  histogram dense;
  dense.merge(some_values());
  std::string untagged;
  REQUIRE(append_interval(untagged, "", 12.0004, 0.9996, dense));
  CHECK("Tag=calls," + untagged == line);

  // What has no bucket shows in the maximum.
  dense.record(highest + 400'000'000);
  untagged.clear();
  REQUIRE(append_interval(untagged, "", 0, 1, dense));
  CHECK(untagged.substr(0, 24) == "0.000,1.000,3600400.000,");
}

TEST_CASE("tagged intervals come back, with starts since the epoch") {
  std::string text;
  REQUIRE(append_log_head(text, "", 1'700'000'000, 1'700'000'000));
  sparse_histogram other;
  other.record(7, 1'000'000'000'000);
  REQUIRE(append_interval(text, "calls", 0, 1, some_values()));
  REQUIRE(append_interval(text, "casts", 0, 1, other));
  REQUIRE(append_interval(text, "calls", 1, 0.5, sparse_histogram{}));
  REQUIRE(append_interval(text, "", 1.25, 0.5, other));
  const auto found = read_log(text);
  CHECK(found.errors.empty());
  REQUIRE(found.intervals.size() == 4);
  CHECK(found.intervals[0].tag == "calls");
  CHECK(found.intervals[0].start == 1'700'000'000);
  CHECK(found.intervals[0].length == 1);
  CHECK(found.intervals[0].logged_max == 20);
  check_values(found.intervals[0], some_values());
  CHECK(found.intervals[1].tag == "casts");
  check_values(found.intervals[1], other);
  CHECK(found.intervals[2].values.totals().count == 0);
  CHECK(found.intervals[3].tag.empty());
  CHECK(found.intervals[3].start == 1'700'000'001.25);
  CHECK(found.intervals[3].length == 0.5);
}

TEST_CASE("nothing is written of an interval that a log cannot hold") {
  std::string out = "before";
  for (const char* tag : {"a,b", "a b", "a\nb", "a\r"}) {
    CHECK_FALSE(append_interval(out, tag, 1, 1, some_values()));
  }
  const double none = std::numeric_limits<double>::quiet_NaN();
  const double endless = std::numeric_limits<double>::infinity();
  for (const double time : {none, endless, -endless, 1.1e12}) {
    CHECK_FALSE(append_interval(out, "a", time, 1, some_values()));
    CHECK_FALSE(append_interval(out, "a", 1, time, some_values()));
    CHECK_FALSE(append_log_head(out, "", time, 1));
    CHECK_FALSE(append_log_head(out, "", 1, time));
  }
  CHECK_FALSE(append_interval(out, "a", 1, -0.1, histogram{}));
  CHECK(out == "before");
}

TEST_CASE("comments, blank lines, legends, Windows line ends and spaces for commas are read over") {
  const std::string line = some_line("");
  std::string spaced = line;
  for (char& c : spaced) c = c == ',' ? ' ' : c;
  const auto found =
      read_log("\n#\n# comment, with, commas\r\n\r\n  \n\"StartTimestamp\",\"Interval\"\n" +
               line.substr(0, line.size() - 1) + "\r\n#[Something: else]\n" + spaced + "Tag=x " +
               spaced + "Tag=," + line + line.substr(0, line.size() - 1));
  CHECK(found.errors.empty());
  REQUIRE(found.intervals.size() == 5);
  for (const interval& i : found.intervals) {
    CHECK(i.start == 1.5);
    check_values(i, some_values());
  }
  CHECK(found.intervals[2].tag == "x");
  CHECK(found.intervals[3].tag.empty());
}

TEST_CASE("starts are absolute unless a base time says otherwise, or they are a year off") {
  const std::string line = some_line();
  const std::string start_line = "#[StartTime: 1700000000.5 (seconds since epoch), any day]\n";
  CHECK(read_log(line).intervals.at(0).start == 1.5);
  CHECK(read_log(start_line + line).intervals.at(0).start == 1'700'000'002.0);
  CHECK(read_log("#[BaseTime: 100 (seconds since epoch)]\n" + start_line + line)
            .intervals.at(0)
            .start == 101.5);
  CHECK(read_log("#[StartTime: 1000 s]\n" + line).intervals.at(0).start == 1.5);
  CHECK(read_log("#[StartTime: soon]\n#[BaseTime:]\n" + line).intervals.at(0).start == 1.5);
  // Logs that were put together: the later base counts.
  const auto found = read_log("#[BaseTime: 100 s]\n" + line + "#[BaseTime: 200 s]\n" + line);
  CHECK(found.intervals.at(0).start == 101.5);
  CHECK(found.intervals.at(1).start == 201.5);
}

TEST_CASE("an error names its line, and the lines after it are read") {
  const std::string line = some_line();
  const std::string histogram_text = line.substr(line.rfind(',') + 1);
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"Tag=a\n", "no start time"},
      {"Tag=a,,1,1," + histogram_text, "no start time"},
      {"soon,1,1," + histogram_text, "no start time"},
      {"1.5s,1,1," + histogram_text, "no start time"},
      {"nan,1,1," + histogram_text, "no start time"},
      {"1e13,1,1," + histogram_text, "no start time"},
      {"1\n", "no interval length"},
      {"1,inf,1," + histogram_text, "no interval length"},
      {"1,1,," + histogram_text, "no maximum"},
      {"1,1,1," + histogram_text.substr(0, 20) + "," + histogram_text, "more than an interval"},
      {"1,1,1\n", "histogram is cut off"},
      {"1,1,1,%%%%\n", "histogram is no base64"},
      {"1,1,1,AAAAAAAAAAAA\n", "not HdrHistogram's compressed V2 encoding"},
  };
  for (const auto& [text, reason] : bad) {
    INFO(text);
    const auto found = read_log("# first\n" + line + text + line);
    REQUIRE(found.errors.size() == 1);
    CHECK(found.errors[0].second == "line 3: " + reason);
    CHECK(found.intervals.size() == 2);
  }
  const auto found = read_log(std::string(interval_log_reader::line_limit, '#') + "#\n" + line);
  REQUIRE(found.errors.size() == 1);
  CHECK(found.errors[0].first == errc::limit_exceeded);
  CHECK(found.errors[0].second == "line 1: longer than any interval");
  CHECK(found.intervals.size() == 1);
}

TEST_CASE("a line that is cut off anywhere is no interval") {
  const std::string line = some_line();
  for (std::size_t size = 1; size + 1 < line.size(); ++size) {
    INFO(size);
    const auto found = read_log(line.substr(0, size));
    CHECK(found.intervals.empty());
    REQUIRE(found.errors.size() == 1);
    CHECK(found.errors[0].second.substr(0, 8) == "line 1: ");
  }
}

TEST_CASE("a flipped bit of a line changes no count") {
  const std::string line = some_line();
  for (std::size_t bit = 0; bit < 8 * (line.size() - 1); ++bit) {
    std::string damaged = line;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    INFO(damaged);
    for (const interval& i : read_log(damaged).intervals) check_values(i, some_values());
  }
}
