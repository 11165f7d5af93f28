// SPDX-License-Identifier: Apache-2.0
#include "controller/agent_places.hpp"

#include "wire/control/messages.hpp"

namespace ombt::controller {

agent_places::agent_places(const std::vector<process_record>& processes) {
  for (const process_record& one : processes) told_.emplace(one.number, &one.told);
}

std::optional<agent_places::place> agent_places::of(const agent_record& agent) const {
  if (const auto known = told_.find(agent.process); known != told_.end()) {
    return place{known->second->host, known->second->pid};
  }
  const auto parsed = wire::control::parse_agent_name(agent.name);
  if (!parsed) return {};
  return place{std::string{parsed->host}, parsed->pid};
}

}  // namespace ombt::controller
