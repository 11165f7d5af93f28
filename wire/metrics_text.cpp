// SPDX-License-Identifier: Apache-2.0
#include "wire/metrics_text.hpp"

#include <charconv>

namespace ombt::wire {
namespace {

/// The shortest text that reads as the same number.
std::string number_of(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

/// Without an exponent.
std::string bound_of(double value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr;
  return {text, end};
}

/// In a help text quotes stay as they are.
void append_plain(std::string& out, std::string_view text, bool quoted) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quoted) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

void append_label(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append("=\"");
  append_plain(out, value, true);
  out += '"';
}

}  // namespace

void metrics_text::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_.append("# HELP ").append(name) += ' ';
  append_plain(text_, help, false);
  text_.append("\n# TYPE ").append(name).append(" ").append(type) += '\n';
}

void metrics_text::begin(std::string_view suffix, labels of, std::string_view bound) {
  text_.append(name_).append(suffix);
  char before = '{';
  for (const auto& [name, value] : of) {
    text_ += before;
    before = ',';
    append_label(text_, name, value);
  }
  if (!bound.empty()) {
    text_ += before;
    before = ',';
    append_label(text_, "le", bound);
  }
  if (before == ',') text_ += '}';
  text_ += ' ';
}

void metrics_text::sample(labels of, std::uint64_t value) {
  begin("", of);
  text_ += std::to_string(value) + '\n';
}

void metrics_text::sample(labels of, double value) {
  begin("", of);
  text_ += number_of(value) + '\n';
}

void metrics_text::buckets(labels of, std::span<const double> bounds,
                           std::span<const std::uint64_t> counts, double sum) {
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    so_far += counts[i];
    begin("_bucket", of, i < bounds.size() ? bound_of(bounds[i]) : "+Inf");
    text_ += std::to_string(so_far) + '\n';
  }
  begin("_sum", of);
  text_ += number_of(sum) + '\n';
  begin("_count", of);
  text_ += std::to_string(so_far) + '\n';
}

}  // namespace ombt::wire
