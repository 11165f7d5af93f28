// SPDX-License-Identifier: Apache-2.0
#pragma once
// The time that is compared between machines: CLOCK_REALTIME, corrected to the clock of the
// controller that asked for it last (docs/measurement.md, Time). One correction for the whole
// process, so that what its agents say of time agrees. In a header, as controllers have no agents
// to link. Any thread.

#include <atomic>
#include <cstdint>
#include <ctime>
#include <optional>

namespace ombt::agents {

namespace detail {
inline std::atomic<std::int64_t> clock_correction{0};
}

/// What CLOCK_REALTIME of this machine says: nanoseconds since the epoch.
inline std::int64_t uncorrected_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// How far CLOCK_REALTIME is ahead of CLOCK_MONOTONIC, nanoseconds: it changes when the clock is
/// set, and else not. Empty where the thread was kept from reading both at once, to 0.2 ms.
inline std::optional<std::int64_t> ahead_of_monotonic() noexcept {
  const auto monotonic_now = [] {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  };
  for (int tries = 0; tries < 5; ++tries) {
    const std::int64_t before = monotonic_now();
    const std::int64_t real = uncorrected_now();
    const std::int64_t after = monotonic_now();
    if (after - before < 200'000) return real - before;
  }
  return {};
}

/// Nanoseconds that are added to this machine's clock; 0 until a controller says otherwise.
inline std::int64_t clock_correction() noexcept {
  return detail::clock_correction.load(std::memory_order_relaxed);
}

/// From now on so many nanoseconds are added, at most 2^61 either way. Takes the place of what was
/// added before.
inline void correct_clock(std::int64_t nanoseconds) noexcept {
  detail::clock_correction.store(nanoseconds, std::memory_order_relaxed);
}

/// Nanoseconds since the epoch by the controller's clock.
inline std::int64_t real_now() noexcept { return uncorrected_now() + clock_correction(); }

/// The same in seconds, as Python's time.time() gives it.
inline double epoch_now() noexcept { return static_cast<double>(real_now()) / 1e9; }

}  // namespace ombt::agents
