// SPDX-License-Identifier: Apache-2.0
#include "agents/control/run_bounds.hpp"

#include <algorithm>
#include <cstdio>

namespace ombt::agents {
namespace {

/// Shares of a rate may add up to a little more than the whole.
constexpr double rounding = 1 + 1e-9;

std::string text_of(double rate) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.10g", rate);
  return digits;
}

}  // namespace

double asked_rate(const wire::control::test_parameters& asked, std::size_t agents) {
  const auto of_all = static_cast<double>(agents);
  if (asked.load && asked.load->open_loop()) {
    double most = 0;
    for (const auto& piece : asked.load->profile) most = std::max({most, piece.from, piece.to});
    return most * of_all / static_cast<double>(asked.load->clients);
  }
  return asked.pause > 0 ? of_all / asked.pause : 0;
}

std::string run_bounds::refusal(addressee who, const wire::control::test_parameters& asked,
                                std::size_t agents) const {
  if (length_ && asked.data.size() > *length_) {
    return "the run has a payload of " + std::to_string(asked.data.size()) +
           " bytes, and --max-length allows " + std::to_string(*length_);
  }
  if (!rate_) return {};
  double beside = 0;
  for (const auto& [other, asks] : asked_) {
    if (other != who) beside += std::max(asks.runs, asks.promised);
  }
  const double rate = asked_rate(asked, agents);
  if (rate == 0 || rate + beside <= *rate_ * rounding) return {};
  std::string why = "the run asks " + text_of(rate) + " messages/s of this process, ";
  if (beside > 0) why += "beside " + text_of(beside) + " of other topics and kinds of agents, ";
  return why + "and --max-rate allows " + text_of(*rate_);
}

void run_bounds::set(addressee who, double now::*what, double rate) {
  now& of = asked_[who];
  of.*what = rate;
  if (of.runs == 0 && of.promised == 0) asked_.erase(who);
}

}  // namespace ombt::agents
