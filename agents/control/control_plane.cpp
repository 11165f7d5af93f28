// SPDX-License-Identifier: Apache-2.0
#include "agents/control/control_plane.hpp"

#include <algorithm>
#include <utility>

namespace ombt::agents {

namespace control = wire::control;

control_plane::control_plane(agent_host& host, std::size_t topics) {
  for (std::size_t i = 0; i < topics; ++i) {
    topics_.push_back(std::make_unique<coordinator>(host, static_cast<std::uint32_t>(i)));
  }
}

void control_plane::connect(
    drivers::loop& on, const fleet_plan& plan,
    const std::function<std::unique_ptr<drivers::transport>()>& make_transport) {
  std::vector<control_endpoint> addresses;
  for (std::uint32_t topic = 0; topic < plan.topics.size(); ++topic) {
    for (const control::agent_kind kind : control::agent_kinds) {
      const agent_group& group = plan.group({kind, topic});
      if (group.agents.empty()) continue;
      addresses.push_back({kind, group.control_name, plan.topics[topic], topics_[topic].get()});
    }
  }
  for (std::size_t from = 0; from < addresses.size(); from += most_control_addresses) {
    const std::size_t to = std::min(from + most_control_addresses, addresses.size());
    bus_carrier_settings settings;
    settings.unique = plan.options.unique;
    settings.timeout = plan.timeout;
    // A controller of several topics has an address in each.
    settings.controller_limit *= plan.topics.size();
    settings.endpoints.assign(addresses.begin() + static_cast<std::ptrdiff_t>(from),
                              addresses.begin() + static_cast<std::ptrdiff_t>(to));
    carriers_.push_back(
        std::make_unique<bus_carrier>(on, std::move(settings), *topics_.front(), make_transport()));
  }
}

void control_plane::start() {
  for (const auto& carrier : carriers_) carrier->start();
}

void control_plane::stop(drivers::duration limit, std::function<void()> done) {
  if (carriers_.empty()) return done();
  const auto left = std::make_shared<std::size_t>(carriers_.size());
  for (const auto& carrier : carriers_) {
    carrier->stop(limit, [left, done] {
      if (--*left == 0) done();
    });
  }
}

bool control_plane::running() const noexcept {
  return std::any_of(topics_.begin(), topics_.end(),
                     [](const auto& commands) { return commands->running(); });
}

void control_plane::check_controllers() {
  for (const auto& commands : topics_) commands->check_controllers();
}

std::string control_plane::last_trouble() const {
  for (const auto& carrier : carriers_) {
    if (std::string why = carrier->last_trouble(); !why.empty()) return why;
  }
  return {};
}

std::string control_plane::deaf_because() const {
  for (const auto& carrier : carriers_) {
    if (!carrier->deaf_because().empty()) return carrier->deaf_because();
  }
  return {};
}

std::string control_plane::counted() const {
  std::uint64_t refused = 0;
  std::uint64_t too_many = 0;
  std::uint64_t answers_lost = 0;
  std::string last;
  for (const auto& carrier : carriers_) {
    refused += carrier->counters().refused;
    answers_lost += carrier->counters().answers_lost;
    if (!carrier->last_refusal().empty()) last = carrier->last_refusal();
  }
  for (const auto& commands : topics_) too_many += commands->refused();
  if (refused == 0 && answers_lost == 0 && too_many == 0) return {};
  return std::to_string(refused) + " commands refused" +
         (last.empty() ? "" : " (last: " + last + ")") + ", " + std::to_string(too_many) +
         " too many, " + std::to_string(answers_lost) + " answers lost";
}

}  // namespace ombt::agents
