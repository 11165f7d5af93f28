// SPDX-License-Identifier: Apache-2.0
#include "agents/run_fleet.hpp"

#include "wire/configuration_error.hpp"
#include "wire/control/direct_address.hpp"
#include "wire/oslo/transport_url.hpp"

#include "drivers/descriptor_limit.hpp"

#include "agents/daemon.hpp"
#include "agents/figures_service.hpp"
#include "agents/fleet.hpp"
#include "agents/pid_file.hpp"
#include "agents/status_line.hpp"

#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace ombt::agents {
namespace {

/// The parent waits this much longer than the agents do, which close before they say what failed.
constexpr std::chrono::milliseconds parent_patience{15'000};

void describe(std::string_view program, const fleet_plan& plan) {
  const auto line = [&](const std::string& text) {
    std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(program.size()), program.data(),
                 text.c_str());
  };
  line("bus " + plan.bus->messaging.url.masked() + ", topology " + plan.bus->topology.to_string() +
       ", " + std::to_string(plan.agents.size() + plan.capacity()) +
       (plan.capacity() > 0 ? " standby agents" : " agents"));
  if (plan.control_bus) line("control " + plan.control_bus->messaging.url.masked());
  if (plan.port && plan.port->tcp) {
    line("control tcp://" + wire::control::in_words({plan.port->host, plan.port->port}));
  }
  if (plan.port) line("control unix:" + plan.port->socket + ", process " + plan.port->process);
}

}  // namespace

int run_fleet(std::string_view program, const fleet_options& options, bool background, bool debug,
              const std::function<void()>& in_process) {
  startup_link link;
  if (background) {
    // A timeout that is none is refused by the child, at once.
    const double given = options.timeout.value_or(usual_timeout);
    const double seconds = given > 0 && given < 1e7 ? given : 0;
    const auto limit = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1e3));
    const int status = link.go_to_background(program, limit + parent_patience);
    if (status >= 0) return status;
  }
  if (in_process) in_process();
  std::signal(SIGPIPE, SIG_IGN);
  const std::size_t descriptors = drivers::raise_descriptor_limit();
  status_line status;
  std::unique_ptr<figures_service> service;
  std::unique_ptr<fleet> agents;
  std::optional<pid_file> pid;
  try {
    fleet_plan plan = make_fleet_plan(options);
    check_descriptors(plan, descriptors);
    check_ports(plan);
    agents = std::make_unique<fleet>(std::move(plan));
    if (!options.pid_file.empty()) pid.emplace(options.pid_file);
    if (!options.metrics.empty()) service = std::make_unique<figures_service>(options.metrics);
  } catch (const configuration_error& e) {
    link.failed(program, exit_configuration, wire::oslo::mask_passwords(e.what()));
    return exit_configuration;
  } catch (const std::exception& e) {
    link.failed(program, exit_bus, wire::oslo::mask_passwords(e.what()));
    return exit_bus;
  }
  if (debug) describe(program, agents->plan());
  if (!background) {
    agents->on_note([&status, name = std::string(program)](const std::string& text) {
      status.say(name + ": " + text);
    });
  }
  agents->start();
  if (service) {
    service->begin(*agents);
    link.say("figures are at " + service->url());
  }
  const std::size_t total = agents->plan().agents.size();
  const bool ready = agents->wait_ready([&](std::size_t count) {
    if (total > 0) status.show(ready_text(count, total));
  });
  status.clear();
  std::string unwritten;
  if (ready) {
    if (pid) unwritten = pid->write();
    if (unwritten.empty()) {
      for (const std::string& line : agents->plan().ready_lines()) link.say(line);
      link.ready();
    } else {
      agents->stop();
    }
  }
  agents->wait();
  std::string failure = agents->failure();
  if (failure.empty() && !unwritten.empty()) {
    failure = "--pid-file " + options.pid_file + ": " + unwritten;
  }
  const std::string trouble = agents->control_trouble();
  const std::string counted = agents->counted();
  const std::string lost = agents->lost_output();
  if (service) service->end();
  agents.reset();
  pid.reset();
  if (!trouble.empty()) {
    std::fprintf(stderr, "%.*s: control: %s\n", static_cast<int>(program.size()), program.data(),
                 trouble.c_str());
  }
  if (failure.empty() && !counted.empty()) {
    std::fprintf(stderr, "%.*s: counted on the bus: %s\n", static_cast<int>(program.size()),
                 program.data(), counted.c_str());
  }
  if (failure.empty() && !lost.empty()) failure = lost + ": lines are missing";
  if (failure.empty()) return exit_ok;
  link.failed(program, exit_bus, failure);
  return exit_bus;
}

}  // namespace ombt::agents
