// SPDX-License-Identifier: Apache-2.0
#include "controller/rate_search.hpp"

#include <algorithm>
#include <cmath>

namespace ombt::controller {
namespace {

/// Four significant digits, so that what is asked for can be told and typed again.
double tidy(double rate) {
  const int digits = 3 - static_cast<int>(std::floor(std::log10(rate)));
  const double scale = std::pow(10.0, std::abs(digits));
  return digits < 0 ? std::round(rate / scale) * scale : std::round(rate * scale) / scale;
}

}  // namespace

rate_search::rate_search(search_limits limits) : limits_(limits) {
  limits_.least = std::min(limits_.least, limits_.most);
  next_ = std::clamp(limits_.first, limits_.least, limits_.most);
}

void rate_search::add(bool held) {
  if (!next_) return;
  const double rate = *next_;
  probes_.push_back({rate, held});
  const bool again = !held && !doubted_;
  doubted_ = again;
  if (held) low_ = rate;
  if (!held && !again) high_ = rate;
  if (!again) decide();
  if (next_ && probes_.size() >= limits_.probes) next_.reset();
}

void rate_search::decide() {
  next_.reset();
  if (!high_) {
    found_ = *low_ >= limits_.most;
    if (!found_) next_ = std::min(*low_ * 2, limits_.most);
  } else if (!low_) {
    found_ = *high_ <= limits_.least;
    if (!found_) next_ = std::max(*high_ / 2, limits_.least);
  } else {
    found_ = *high_ <= *low_ * (1 + limits_.precision);
    if (found_) return;
    const double middle = std::sqrt(*low_ * *high_);
    const double told = tidy(middle);
    next_ = told > *low_ && told < *high_ ? told : middle;
  }
}

}  // namespace ombt::controller
