// SPDX-License-Identifier: Apache-2.0
#pragma once
// The legs of calls as text: how long requests took to their servers, the servers for them, and the
// replies back. Pure functions.

#include "controller/outcome.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ombt::controller {

/// The legs' names in texts and in JSON, in the order of a call.
inline constexpr std::array<std::pair<std::string_view, wire::control::series>, 3> call_leg_names =
    {{{"request", wire::control::series::request_leg},
      {"server", wire::control::series::server_time},
      {"reply", wire::control::series::reply_leg}}};

/// Calls whose legs are known: those that a native server answered.
std::uint64_t calls_with_legs(const side& clients);

/// Appends a table of a line a leg, and what clocks apart made negative.
void append_legs_text(std::string& out, const side& clients);

}  // namespace ombt::controller
