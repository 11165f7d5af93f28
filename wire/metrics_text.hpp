// SPDX-License-Identifier: Apache-2.0
#pragma once
// Figures as Prometheus reads them: its text format 0.0.4. Appends families of samples in the order
// in which they are given; what they mean is the caller's. One thread.
// Source: Prometheus, "Exposition formats" and "Metric and label naming".

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace ombt::wire {

class metrics_text {
 public:
  /// Names and values; values may be any text.
  using labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  /// Begins a family: its HELP and TYPE lines. Samples follow, all of one family together.
  void counter(std::string_view name, std::string_view help) { family(name, "counter", help); }
  void gauge(std::string_view name, std::string_view help) { family(name, "gauge", help); }
  void histogram(std::string_view name, std::string_view help) { family(name, "histogram", help); }

  void sample(labels of, std::uint64_t value);
  void sample(labels of, double value);
  /// A histogram's lines: `counts` has those of each bucket up to its bound, and one more for what
  /// is above the last; `sum` is of all values.
  void buckets(labels of, std::span<const double> bounds, std::span<const std::uint64_t> counts,
               double sum);

  const std::string& text() const noexcept { return text_; }

 private:
  void family(std::string_view name, std::string_view type, std::string_view help);
  void begin(std::string_view suffix, labels of, std::string_view bound = {});

  std::string name_;
  std::string text_;
};

}  // namespace ombt::wire
