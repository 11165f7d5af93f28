// SPDX-License-Identifier: Apache-2.0
#pragma once
// Interval logs, HdrHistogram's .hlog format 1.3: a text line an interval, with its start, its
// length, its maximum and its histogram, and a tag that tells several series apart. Plotters and
// other implementations read them. Owns no file: the writer appends to a string, the reader is
// given lines. One thread a reader. Source: HdrHistogram 2.1.11, HistogramLogWriter.java and
// HistogramLogReader.java.

#include "wire/error.hpp"
#include "wire/hdr/histogram.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::wire::hdr {

/// Appends what a log begins with: a comment line for each line of comment, the format version, the
/// base time that starts of intervals count from and the start time (both seconds since the epoch,
/// printed to the millisecond), and the legend.
/// False, with nothing appended, for a time that is no number or beyond 10^12 s.
[[nodiscard]] bool append_log_head(std::string& out, std::string_view comment, double base_time,
                                   double start_time);

/// Appends the line of an interval that starts `start` seconds after the base time and is `length`
/// seconds long (both to the millisecond); no tag if it is empty. Interval_Max is the exact maximum
/// in milliseconds, overflow included; the histogram in the line has no overflow.
/// False, with nothing appended, for a tag that holds a comma, a space or a line break, and for
/// times as above or a negative length.
[[nodiscard]] bool append_interval(std::string& out, std::string_view tag, double start,
                                   double length, const sparse_histogram& values);
[[nodiscard]] bool append_interval(std::string& out, std::string_view tag, double start,
                                   double length, const histogram& values);

/// An interval as a log has it.
struct interval {
  std::string tag;          ///< empty without one
  double start = 0;         ///< seconds since the epoch, as far as the log says where it begins
  double length = 0;        ///< seconds
  double logged_max = 0;    ///< Interval_Max: milliseconds, unless its writer chose another unit
  sparse_histogram values;  ///< nanoseconds, as read_base64_v2 says
};

/// Reads a log line by line. What HdrHistogram's reader accepts is accepted: comments and legends
/// anywhere, a later StartTime or BaseTime, spaces for commas, lines without a tag; blank lines
/// too.
class interval_log_reader {
 public:
  /// The longest line, in bytes.
  static constexpr std::size_t line_limit = std::size_t{1024} * 1024;

  /// Takes the next line, with or without its line break. out holds an interval if the line is one,
  /// else nothing. Errors, with why as "line 7: …", after which further lines can be read:
  /// malformed_message (no interval, or its histogram is damaged), limit_exceeded (line_limit), and
  /// those of read_base64_v2.
  error_code read_line(std::string_view line, std::optional<interval>& out, std::string& why);

 private:
  void read_comment(std::string_view line);
  error_code read_interval(std::string_view line, interval& out, std::string& why);
  double base_for(double logged_start);

  std::uint64_t lines_ = 0;
  std::optional<double> start_time_;
  std::optional<double> base_time_;
};

}  // namespace ombt::wire::hdr
