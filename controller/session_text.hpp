// SPDX-License-Identifier: Apache-2.0
#pragma once
// Words that a session and its reports have in common. Pure functions.

#include "wire/control/direct.hpp"

#include "controller/plan.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace ombt::controller {

duration from_seconds(double seconds);
/// "60 s", "0.3 s"
std::string seconds_text(duration d);
/// "1 agent", "3 agents"
std::string count_text(std::uint64_t number, std::string_view noun);
/// "process 71 of host n1 is gone; so are 2 more processes", of why the first is gone.
std::string gone_text(const std::string& first, std::uint64_t others);
/// "process 71 of host n1"
std::string process_text(const wire::control::process_hello& told);

}  // namespace ombt::controller
