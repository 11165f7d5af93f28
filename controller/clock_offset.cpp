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

std::optional<clock_quality> assess(const clock_round& before, const clock_round& after,
                                    std::int64_t end) noexcept {
  if (!before.best()) return {};
  const clock_exchange& first = *before.best();
  clock_quality out;
  out.offset = first.offset();
  out.stepped = before.stepped() || after.stepped();
  const std::int64_t at_first = first.round_trip() / 2;
  if (!after.best()) {
    out.bound = at_first + drifted(std::max<std::int64_t>(0, end - half_way(first)));
    return out;
  }
  const clock_exchange& last = *after.best();
  out.stepped = out.stepped || contradict(first, last);
  // Between the two it was on the line between them.
  const std::int64_t moved = last.offset() - first.offset();
  out.bound = std::max(at_first, std::abs(moved) + last.round_trip() / 2);
  const std::int64_t between = half_way(last) - half_way(first);
  if (between > 0) {
    const double per_million = 1e6 / static_cast<double>(between);
    out.drift = static_cast<double>(moved) * per_million;
    out.drift_error = static_cast<double>(at_first + last.round_trip() / 2 + 1) * per_million;
  }
  return out;
}

}  // namespace ombt::controller
