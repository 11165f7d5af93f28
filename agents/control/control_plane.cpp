// SPDX-License-Identifier: Apache-2.0
#include "agents/control/control_plane.hpp"

#include "agents/measure/boot_id.hpp"

#include <algorithm>
#include <unistd.h>
#include <utility>

namespace ombt::agents {

namespace control = wire::control;

control_plane::control_plane(agent_host& host, const fleet_plan& plan)
    : host_(host),
      plan_(plan),
      bounds_(plan.options.max_rate, plan.options.max_length),
      door_(host, bounds_) {
  make_coordinators();
}

void control_plane::make_coordinators() {
  for (std::size_t i = 0; i < roles_->topics.size(); ++i) {
    topics_.push_back(std::make_unique<coordinator>(host_, bounds_, static_cast<std::uint32_t>(i)));
  }
}

void control_plane::on_assign(role_giver assign, std::function<void()> dismissed) {
  assign_ = std::move(assign);
  dismissed_ = std::move(dismissed);
}

void control_plane::retire() {
  roles_ = &plan_;
  direct_->serve({}, hello(), false);
  for (const auto& commands : topics_) refused_before_ += commands->refused();
  topics_.clear();
  bounds_ = run_bounds(plan_.options.max_rate, plan_.options.max_length);
}

void control_plane::serve(const fleet_plan& roles) {
  roles_ = &roles;
  make_coordinators();
  direct_->serve(endpoints(), hello(), true);
}

void control_plane::connect(
    drivers::loop& on, const std::function<std::unique_ptr<drivers::transport>()>& make_transport,
    const port_factory& join) {
  if (plan_.port) {
    auto made = std::make_unique<direct_carrier>(on, settings_at_port(), door_, join);
    direct_ = made.get();
    carriers_.push_back(std::move(made));
  } else if (plan_.control_bus) {
    connect_buses(on, make_transport);
  }
}

std::vector<control_endpoint> control_plane::endpoints() const {
  std::vector<control_endpoint> all;
  for (std::uint32_t topic = 0; topic < roles_->topics.size(); ++topic) {
    for (const control::agent_kind kind : control::agent_kinds) {
      const agent_group& group = roles_->group({kind, topic});
      if (group.agents.empty()) continue;
      // By direct control there are no names, and with unique there is one topic for all.
      const bool one_for_all = plan_.port && plan_.options.unique;
      all.push_back({kind, group.control_name,
                     one_for_all ? std::string(control::unique_topic) : roles_->topics[topic],
                     topics_[topic].get()});
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
        std::make_unique<bus_carrier>(on, std::move(settings), door_, make_transport()));
  }
}

direct_carrier_settings control_plane::settings_at_port() const {
  direct_carrier_settings out;
  out.endpoints = endpoints();
  out.hello = hello();
  out.port = *plan_.port;
  out.assign = assign_;
  out.dismissed = dismissed_;
  return out;
}

control::process_hello control_plane::hello() const {
  control::process_hello out;
  if (plan_.options.unique && !roles_->topics.empty()) {
    out.topics = {std::string(control::unique_topic)};
  } else {
    out.topics = roles_->topics;
  }
  out.program = plan_.options.program + " " OMBT_VERSION;
  out.process = plan_.port->process;
  out.host = plan_.host;
  out.boot = boot_id();
  out.pid = ::getpid();
  out.capacity = static_cast<std::uint32_t>(plan_.capacity());
  out.site = plan_.options.site;
  out.topology = plan_.bus->topology.to_string();
  out.bus = roles_->bus->messaging.url.masked();
  if (assign_) out.capabilities.emplace_back(control::assign_method);
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
  std::uint64_t too_many = refused_before_;
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
