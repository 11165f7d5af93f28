// SPDX-License-Identifier: Apache-2.0
#include "agents/load/schedule.hpp"

#include <algorithm>
#include <cmath>

namespace ombt::agents {

using wire::control::arrivals;

rate_profile::rate_profile(const std::vector<wire::control::rate_segment>& segments,
                           std::int64_t clients) {
  const double share = 1 / static_cast<double>(clients);
  double begins = 0;
  double messages = 0;
  pieces_.reserve(segments.size());
  for (const wire::control::rate_segment& s : segments) {
    const double ends = messages + (s.from + s.to) / 2 * share * s.seconds;
    pieces_.push_back(
        {s.from * share, (s.to - s.from) * share / s.seconds, begins, messages, ends});
    begins += s.seconds;
    messages = ends;
  }
}

std::int64_t rate_profile::instant(const piece& in, double number) noexcept {
  const double asked = number - in.messages;
  if (asked <= 0) return std::llround(in.begins * 1e9);
  // The root of asked = from t + slope t² / 2 that is also right where the slope is none.
  const double root = std::sqrt(std::max(0.0, in.from * in.from + 2 * in.slope * asked));
  return std::llround((in.begins + 2 * asked / (in.from + root)) * 1e9);
}

std::optional<std::int64_t> schedule::next() noexcept {
  if (left_ <= 0) return {};
  if (arrive_ == arrivals::poisson) {
    if (!begun_) asked_ = 0;
    asked_ += random_.exponential();
  } else if (begun_) {
    asked_ += 1;
  }
  begun_ = true;
  const auto& pieces = profile_->pieces();
  while (piece_ < pieces.size() && asked_ >= pieces[piece_].ends) ++piece_;
  if (piece_ == pieces.size()) {
    left_ = 0;
    return {};
  }
  --left_;
  return rate_profile::instant(pieces[piece_], asked_);
}

}  // namespace ombt::agents
