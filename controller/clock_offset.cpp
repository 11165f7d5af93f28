// SPDX-License-Identifier: Apache-2.0
#include "controller/clock_offset.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace ombt::controller {
namespace {

/// Beyond that no difference of two instants overflows, nor is any clock so far off.
constexpr std::int64_t furthest = std::int64_t{1} << 61;

std::int64_t half_way(const clock_exchange& one) noexcept {
  return one.asked + (one.answered - one.asked) / 2;
}

std::int64_t drifted(std::int64_t nanoseconds) noexcept {
  return static_cast<std::int64_t>(
      std::ceil(std::fabs(static_cast<double>(nanoseconds)) * most_drift / 1e6));
}

/// The two offsets cannot both be right with clocks that only drift.
bool contradict(const clock_exchange& a, const clock_exchange& b) noexcept {
  const std::int64_t allowed =
      (a.round_trip() + b.round_trip()) / 2 + 1 + drifted(half_way(b) - half_way(a));
  return std::abs(b.offset() - a.offset()) > allowed;
}

}  // namespace

bool clock_round::add(const clock_exchange& one) noexcept {
  for (const std::int64_t instant : {one.asked, one.received, one.replied, one.answered}) {
    if (instant <= -furthest || instant >= furthest) return false;
  }
  if (one.answered < one.asked || one.replied < one.received || one.round_trip() < 0) return false;
  if (best_ && contradict(*best_, one)) stepped_ = true;
  if (!best_ || one.round_trip() < best_->round_trip()) best_ = one;
  return true;
}

void clock_course::add(const clock_round& round, const clock_round& before) noexcept {
  if (!round.best() || !before.best()) return;
  const clock_exchange& now = *round.best();
  const clock_exchange& first = *before.best();
  stepped_ = stepped_ || round.stepped() || contradict(last_.value_or(first), now);
  furthest_ = std::max(furthest_, std::abs(now.offset() - first.offset()) + now.round_trip() / 2);
  last_ = now;
}

std::optional<clock_quality> assess(const clock_round& before, const clock_course& during,
                                    const clock_round& after, std::int64_t end) noexcept {
  if (!before.best()) return {};
  const clock_exchange& first = *before.best();
  clock_quality out;
  out.offset = first.offset();
  out.stepped = before.stepped() || during.stepped() || after.stepped();
  const std::int64_t at_first = first.round_trip() / 2;
  const std::int64_t until_last = std::max(at_first, during.furthest());
  if (!after.best()) {
    const clock_exchange& known = during.last().value_or(first);
    out.bound = until_last + drifted(std::max<std::int64_t>(0, end - half_way(known)));
    return out;
  }
  const clock_exchange& last = *after.best();
  out.stepped = out.stepped || contradict(during.last().value_or(first), last);
  // Between two rounds it was on the line between them.
  const std::int64_t moved = last.offset() - first.offset();
  out.bound = std::max(until_last, std::abs(moved) + last.round_trip() / 2);
  const std::int64_t between = half_way(last) - half_way(first);
  if (between > 0) {
    const double per_million = 1e6 / static_cast<double>(between);
    out.drift = static_cast<double>(moved) * per_million;
    out.drift_error = static_cast<double>(at_first + last.round_trip() / 2 + 1) * per_million;
  }
  return out;
}

}  // namespace ombt::controller
