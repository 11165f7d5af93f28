// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which agents standby processes are to be: so many of each kind, in so many topics, on so many
// buses, spread as evenly as whole agents can be. Pure functions.

#include "wire/control/assign.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ombt::controller {

/// What all processes together are to be. Agents of a kind have numbers from 0 on; number i is in
/// topic i modulo their number.
struct placement {
  wire::control::agents_by_kind agents{};
  std::vector<std::string> topics;  ///< one at least
  /// Ways into the bus, URLs; none: each process's own.
  std::vector<std::string> buses;

  std::uint64_t total() const noexcept;
};

/// What each process is to be, of which `room` says how many agents it can have; all of them
/// together can have as many as are wanted. A kind is in the processes in proportion to the room
/// that the kinds before it have left them, in blocks of following numbers; where there is less
/// than one each, at even distances. Each process gets one bus, the one that has least of what the
/// process has, so that each kind is spread over the buses too.
std::vector<wire::control::assign_request> place_agents(const placement& wanted,
                                                        const std::vector<std::uint32_t>& room);

}  // namespace ombt::controller
