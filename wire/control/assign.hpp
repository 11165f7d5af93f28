// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a process of standby agents is asked to be, by direct control (docs/direct.md): so many
// agents of each kind in each topic, and on which bus. Rendering and reading only; no state, any
// thread.

#include "wire/control/messages.hpp"
#include "wire/json/value.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::control {

/// The capability of processes that take it.
inline constexpr std::string_view assign_method = "assign";

/// So many agents of a kind, in a topic.
struct placed_agents {
  agent_kind kind = agent_kind::rpc_client;
  std::string topic;
  std::uint32_t count = 0;

  friend bool operator==(const placed_agents&, const placed_agents&) = default;
};

/// Arguments of "assign".
struct assign_request {
  std::vector<placed_agents> agents;  ///< a kind of a topic once; empty: none have roles
  std::string bus;                    ///< URL, passwords and all; empty: the process's own
  std::uint64_t total() const noexcept;

  friend bool operator==(const assign_request&, const assign_request&) = default;
};
/// Most entries: each kind in each topic that a process may have.
inline constexpr std::size_t placements_limit = 4'000;

void append_assign_request(std::string& out, const assign_request& request);
/// False: why says in one line what is wrong; the URL itself is not looked at, and never told.
/// Unknown keys are ignored. Refused: no list, entries beyond the limit, a count of 0 or more than
/// a process can have, all of them together too, a kind of a topic twice.
bool read_assign_request(json::value args, assign_request& out, std::string& why);

}  // namespace ombt::wire::control
