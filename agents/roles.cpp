// SPDX-License-Identifier: Apache-2.0
#include "agents/roles.hpp"

#include "wire/configuration_error.hpp"
#include "wire/control/topics.hpp"

#include "agents/bus_bounds.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace ombt::agents {

namespace control = wire::control;

namespace {

void check_number(const fleet_plan& started, std::uint64_t asked) {
  if (asked <= started.capacity()) return;
  const auto standby = static_cast<std::uint64_t>(started.options.standby);
  throw configuration_error(std::to_string(asked) + " agents are asked for, and " +
                            (asked > standby
                                 ? "--standby gave the process " + std::to_string(standby)
                                 : "--max-agents allows " + std::to_string(started.capacity())));
}

}  // namespace

fleet_plan plan_roles(const fleet_plan& started, const control::assign_request& asked) {
  check_number(started, asked.total());
  fleet_plan out = started;
  out.bus = settings_on(asked.bus, started.bus, started.file, started.options.allowed_urls);
  std::map<std::string, std::uint32_t> places;
  for (const control::placed_agents& one : asked.agents) {
    const auto [known, is_new] =
        places.try_emplace(one.topic, static_cast<std::uint32_t>(out.topics.size()));
    if (!is_new) continue;
    control::check_topic(one.topic);
    out.topics.push_back(one.topic);
  }
  if (out.topics.size() > static_cast<std::size_t>(control::most_topics)) {
    throw configuration_error(std::to_string(out.topics.size()) +
                              " topics: a process has at most " +
                              std::to_string(control::most_topics));
  }
  if (out.options.unique && out.topics.size() > 1) {
    throw configuration_error(
        "several topics contradict --unique: agents of all topics would be heard as one");
  }
  std::vector<agent_role> roles;
  for (const control::agent_kind kind : start_order) {
    for (const control::placed_agents& one : asked.agents) {
      if (one.kind == kind) roles.insert(roles.end(), one.count, {kind, places.at(one.topic)});
    }
  }
  give_roles(out, roles);
  return out;
}

std::string roles_in_words(const fleet_plan& plan) {
  control::agents_by_kind counts{};
  for (const agent_description& one : plan.agents) ++counts[static_cast<std::size_t>(one.kind)];
  return control::kinds_in_words(counts);
}

}  // namespace ombt::agents
