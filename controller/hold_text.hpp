// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which controllers hold agents, in words. Pure functions.

#include "wire/control/direct.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace ombt::controller {

/// "controller NAME (host h, process 12, since 2026-01-31 13:20:05)", local time.
std::string holder_text(const wire::control::hold_answer& by);
/// "another controller holds 3 of 4 processes of agents: controller NAME …", each controller once;
/// of processes that did not let themselves be held.
std::string holders_text(const std::vector<wire::control::hold_answer>& refused, std::size_t all);

}  // namespace ombt::controller
