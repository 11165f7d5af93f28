// SPDX-License-Identifier: Apache-2.0
#include "agents/control/control_plane.hpp"

#include "agents/measure/boot_id.hpp"

#include <algorithm>
#include <unistd.h>
#include <utility>

namespace ombt::agents {

namespace control = wire::control;

control_plane::control_plane(agent_host& host, const fleet_plan& plan)
    : plan_(plan), bounds_(plan.options.max_rate, plan.options.max_length) {
  for (std::size_t i = 0; i < plan.topics.size(); ++i) {
    topics_.push_back(std::make_unique<coordinator>(host, bounds_, static_cast<std::uint32_t>(i)));
  }
}

void control_plane::connect(
    drivers::loop& on, const std::function<std::unique_ptr<drivers::transport>()>& make_transport,
    const port_factory& join) {
  if (plan_.port) {
    carriers_.push_back(
        std::make_unique<direct_carrier>(on, settings_at_port(), *topics_.front(), join));
  } else if (plan_.control_bus) {
    connect_buses(on, make_transport);
  }
}

std::vector<control_endpoint> control_plane::endpoints() const {
  std::vector<control_endpoint> all;
  for (std::uint32_t topic = 0; topic < plan_.topics.size(); ++topic) {
    for (const control::agent_kind kind : control::agent_kinds) {
      const agent_group& group = plan_.group({kind, topic});
      if (group.agents.empty()) continue;
      all.push_back({kind, group.control_name, plan_.topics[topic], topics_[topic].get()});
    }
  }
  return all;
}

void control_plane::connect_buses(
    drivers::loop& on, const std::function<std::unique_ptr<drivers::transport>()>& make_transport) {
  const std::vector<control_endpoint> addresses = endpoints();
  for (std::size_t from = 0; from < addresses.size(); from += most_control_addresses) {
    const std::size_t to = std::min(from + most_control_addresses, addresses.size());
    bus_carrier_settings settings;
    settings.unique = plan_.options.unique;
    settings.timeout = plan_.timeout;
    // A controller of several topics has an address in each.
    settings.controller_limit *= plan_.topics.size();
    settings.endpoints.assign(addresses.begin() + static_cast<std::ptrdiff_t>(from),
                              addresses.begin() + static_cast<std::ptrdiff_t>(to));
    carriers_.push_back(
        std::make_unique<bus_carrier>(on, std::move(settings), *topics_.front(), make_transport()));
  }
}

direct_carrier_settings control_plane::settings_at_port() const {
  direct_carrier_settings out;
  out.endpoints = endpoints();
  control::process_hello& hello = out.hello;
  if (plan_.options.unique) {
    for (control_endpoint& one : out.endpoints) one.topic = control::unique_topic;
    hello.topics = {std::string(control::unique_topic)};
  } else {
    hello.topics = plan_.topics;
  }
  hello.program = plan_.options.program + " " OMBT_VERSION;
  hello.process = plan_.port->process;
  hello.host = plan_.host;
  hello.boot = boot_id();
  hello.pid = ::getpid();
  hello.site = plan_.options.site;
  hello.topology = plan_.bus->topology.to_string();
  hello.bus = plan_.bus->messaging.url.masked();
  out.port = *plan_.port;
  return out;
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

drivers::time_point control_plane::last_heard() const {
  if (running()) return drivers::steady_clock::now();
  drivers::time_point last{};
  for (const auto& carrier : carriers_) last = std::max(last, carrier->last_heard());
  return last;
}

std::string control_plane::last_trouble() const {
  for (const auto& carrier : carriers_) {
    if (std::string why = carrier->last_trouble(); !why.empty()) return why;
  }
  return {};
}

std::string control_plane::deaf_because() const {
  for (const auto& carrier : carriers_) {
    if (std::string why = carrier->deaf_because(); !why.empty()) return why;
  }
  return {};
}

std::string control_plane::counted() const {
  std::uint64_t refused = 0;
  std::uint64_t too_many = 0;
  std::uint64_t answers_lost = 0;
  std::string last;
  std::string lost_because;
  for (const auto& carrier : carriers_) {
    refused += carrier->counters().refused;
    answers_lost += carrier->counters().answers_lost;
    if (!carrier->last_refusal().empty()) last = carrier->last_refusal();
    if (std::string why = carrier->lost_because(); !why.empty()) lost_because = std::move(why);
  }
  for (const auto& commands : topics_) too_many += commands->refused();
  if (refused == 0 && answers_lost == 0 && too_many == 0) return {};
  return std::to_string(refused) + " commands refused" +
         (last.empty() ? "" : " (last: " + last + ")") + ", " + std::to_string(too_many) +
         " too many, " + std::to_string(answers_lost) + " answers lost" +
         (lost_because.empty() ? "" : " (last: " + lost_because + ")");
}

}  // namespace ombt::agents
