// SPDX-License-Identifier: Apache-2.0
#pragma once
// Words that a session and its reports have in common. Pure functions.

#include "wire/control/direct.hpp"

#include "controller/outcome.hpp"
#include "controller/plan.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::controller {

duration from_seconds(double seconds);
/// "60 s", "0.3 s"
std::string seconds_text(duration d);
/// "1 agent", "3 agents"
std::string count_text(std::uint64_t number, std::string_view noun);
/// "a, b, and 3 more": the first five.
std::string list_text(const std::vector<std::string>& parts, std::string_view between);
/// "; agents are there on topic a, b": of these kinds, by direct control, where the plan is for
/// other topics; empty: none.
std::string other_topics_text(const plan& what, const std::vector<process_record>& processes,
                              const std::set<wire::control::agent_kind>& kinds);
/// "process 71 of host n1 is gone; so are 2 more processes", of why the first is gone.
std::string gone_text(const std::string& first, std::uint64_t others);
/// "process 71 of host n1"
std::string process_text(const wire::control::process_hello& told);

}  // namespace ombt::controller
