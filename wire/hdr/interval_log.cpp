// SPDX-License-Identifier: Apache-2.0
#include "wire/hdr/interval_log.hpp"

#include "wire/hdr/encoding.hpp"

#include <charconv>
#include <cmath>
#include <ctime>

namespace ombt::wire::hdr {
namespace {

constexpr double time_limit = 1e12;       // seconds
constexpr double nanoseconds_each = 1e6;  // of the unit of Interval_Max
constexpr std::string_view line_breaks = "\r\n";
constexpr std::string_view separators = " ,";

bool is_time(double seconds) { return std::abs(seconds) <= time_limit; }  // false for NaN

/// With three digits after the point, whatever the locale. The value is below 10^19.
void append_fixed(std::string& out, double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, 3);
  out.append(text, end.ptr);
}

/// As Java's Date has it, of the time zone UTC.
void append_date(std::string& out, double seconds) {
  const auto whole = static_cast<std::time_t>(std::floor(seconds));
  std::tm date{};
  char text[64];
  if (gmtime_r(&whole, &date) == nullptr) return;
  out.append(text, std::strftime(text, sizeof text, ", %a %b %d %H:%M:%S UTC %Y", &date));
}

/// Takes a field off the front, and the one separator behind it.
std::string_view take_field(std::string_view& line) {
  const std::size_t end = line.find_first_of(separators);
  const std::string_view field = line.substr(0, end);
  line = end == std::string_view::npos ? std::string_view{} : line.substr(end + 1);
  return field;
}

bool read_number(std::string_view field, double& out) {
  const char* const end = field.data() + field.size();
  const auto result = std::from_chars(field.data(), end, out);
  return result.ec == std::errc{} && result.ptr == end && std::isfinite(out);
}

bool holds_any(std::string_view text, std::string_view characters) {
  return text.find_first_of(characters) != std::string_view::npos;
}

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

template <class Histogram>
bool append_line(std::string& out, std::string_view tag, double start, double length,
                 const Histogram& values) {
  if (holds_any(tag, separators) || holds_any(tag, line_breaks) || !is_time(start) ||
      !is_time(length) || length < 0) {
    return false;
  }
  if (!tag.empty()) {
    out += "Tag=";
    out += tag;
    out += ',';
  }
  append_fixed(out, start);
  out += ',';
  append_fixed(out, length);
  out += ',';
  append_fixed(out, static_cast<double>(values.totals().max) / nanoseconds_each);
  out += ',';
  append_base64_v2(out, values);
  out += '\n';
  return true;
}

}  // namespace

bool append_log_head(std::string& out, std::string_view comment, double base_time,
                     double start_time) {
  if (!is_time(base_time) || !is_time(start_time)) return false;
  while (!comment.empty()) {
    const std::size_t end = comment.find_first_of(line_breaks);
    out += '#';
    out += comment.substr(0, end);
    out += '\n';
    comment = end == std::string_view::npos ? std::string_view{} : comment.substr(end + 1);
  }
  out += "#[Histogram log format version 1.3]\n#[BaseTime: ";
  append_fixed(out, base_time);
  out += " (seconds since epoch)]\n#[StartTime: ";
  append_fixed(out, start_time);
  out += " (seconds since epoch)";
  append_date(out, start_time);
  out += "]\n\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",";
  out += "\"Interval_Compressed_Histogram\"\n";
  return true;
}

bool append_interval(std::string& out, std::string_view tag, double start, double length,
                     const sparse_histogram& values) {
  return append_line(out, tag, start, length, values);
}

bool append_interval(std::string& out, std::string_view tag, double start, double length,
                     const histogram& values) {
  return append_line(out, tag, start, length, values);
}

error_code interval_log_reader::read_line(std::string_view line, std::optional<interval>& out,
                                          std::string& why) {
  ++lines_;
  out.reset();
  error_code error;
  if (line.size() > line_limit) {
    error = errc::limit_exceeded;
    why = "longer than any interval";
  } else {
    while (!line.empty() && holds_any(line.substr(line.size() - 1), " \r\n")) {
      line.remove_suffix(1);
    }
    if (starts_with(line, "#")) {
      read_comment(line);
    } else if (!line.empty() && !starts_with(line, "\"StartTimestamp\"")) {
      error = read_interval(line, out.emplace(), why);
    }
  }
  if (!error) return {};
  out.reset();
  why = "line " + std::to_string(lines_) + ": " + why;
  return error;
}

void interval_log_reader::read_comment(std::string_view line) {
  const std::string_view what = take_field(line);
  double seconds = 0;
  if (!read_number(take_field(line), seconds) || !is_time(seconds)) return;
  if (what == "#[StartTime:") start_time_ = seconds;
  if (what == "#[BaseTime:") base_time_ = seconds;
}

error_code interval_log_reader::read_interval(std::string_view line, interval& out,
                                              std::string& why) {
  constexpr std::string_view tag_mark = "Tag=";
  if (starts_with(line, tag_mark)) out.tag = take_field(line).substr(tag_mark.size());
  double start = 0;
  if (!read_number(take_field(line), start) || !is_time(start)) {
    why = "no start time";
    return errc::malformed_message;
  }
  if (!read_number(take_field(line), out.length) || !is_time(out.length)) {
    why = "no interval length";
    return errc::malformed_message;
  }
  if (!read_number(take_field(line), out.logged_max)) {
    why = "no maximum";
    return errc::malformed_message;
  }
  if (holds_any(line, separators)) {
    why = "more than an interval";
    return errc::malformed_message;
  }
  const error_code error = read_base64_v2(line, out.values, why);
  if (!error) out.start = start + base_for(start);
  return error;
}

/// A log that does not say whether its starts are absolute is believed to have relative ones if
/// they are more than a year before its start time, as HistogramLogReader does.
double interval_log_reader::base_for(double logged_start) {
  constexpr double year = 365 * 24 * 3600.0;
  if (!start_time_) start_time_ = logged_start;
  if (!base_time_) base_time_ = logged_start < *start_time_ - year ? *start_time_ : 0;
  return *base_time_;
}

}  // namespace ombt::wire::hdr
