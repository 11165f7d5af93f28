// SPDX-License-Identifier: Apache-2.0
#include "agents/service_time.hpp"

#include "wire/configuration_error.hpp"
#include "wire/time_text.hpp"

#include <charconv>
#include <cmath>

namespace ombt::agents {
namespace {

constexpr double longest_seconds = 3600;

}  // namespace

service_time service_time::parse(std::string_view text) {
  const std::string_view given = text;
  service_time result;
  if (text.empty() || text == "0") return result;
  result.distribution = kind::fixed;
  if (text.starts_with("exp:")) {
    result.distribution = kind::exponential;
    text.remove_prefix(4);
  }
  const auto seconds = seconds_of_time(text, 0);
  if (!seconds || !(*seconds >= 0 && *seconds <= longest_seconds)) {
    throw configuration_error("service time \"" + std::string(given) +
                              "\": a duration such as 5ms or exp:5ms is expected (us, ms, s, m, h; "
                              "at most 1h)");
  }
  result.mean = std::chrono::nanoseconds(static_cast<std::int64_t>(*seconds * 1e9));
  if (result.mean.count() == 0) result.distribution = kind::none;
  return result;
}

std::string service_time::to_string() const {
  if (distribution == kind::none) return "0";
  const double microseconds = static_cast<double>(mean.count()) / 1e3;
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, microseconds);
  const std::string number(digits, end);
  return (distribution == kind::exponential ? "exp:" : "") + number + "us";
}

std::chrono::nanoseconds service_clock::next() noexcept {
  if (setting_.distribution != service_time::kind::exponential) return setting_.mean;
  // xorshift64*: 53 good bits for a uniform in (0, 1].
  state_ ^= state_ >> 12;
  state_ ^= state_ << 25;
  state_ ^= state_ >> 27;
  const std::uint64_t bits = (state_ * 0x2545F4914F6CDD1Dull) >> 11;
  const double uniform = (static_cast<double>(bits) + 1) * 0x1p-53;
  const double nanoseconds = -std::log(uniform) * static_cast<double>(setting_.mean.count());
  return std::chrono::nanoseconds(static_cast<std::int64_t>(nanoseconds));
}

}  // namespace ombt::agents
