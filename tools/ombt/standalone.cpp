// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt/standalone.hpp"

#include "wire/configuration_error.hpp"
#include "wire/oslo/transport_url.hpp"

#include "drivers/descriptor_limit.hpp"

#include "agents/fleet.hpp"
#include "agents/run_fleet.hpp"

#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

namespace ombt::tools {
namespace {

int refused(const char* why, int status) {
  std::fprintf(stderr, "ombt: %s\n", wire::oslo::mask_passwords(why).c_str());
  return status;
}

}  // namespace

int run_standalone(const agents::fleet_options& given, const controller::settings& test,
                   const std::function<void()>& in_process) {
  std::optional<controller::checked_settings> checked;
  std::optional<agents::fleet> fleet;
  try {
    checked.emplace(controller::check_settings(test));
    fleet.emplace(agents::make_fleet_plan(given));
  } catch (const configuration_error& e) {
    return refused(e.what(), controller::exit_configuration);
  }
  if (in_process) in_process();
  std::signal(SIGPIPE, SIG_IGN);
  drivers::raise_descriptor_limit();
  fleet->start();
  if (!fleet->wait_ready()) {
    fleet->wait();
    const std::string why = fleet->failure();
    return refused(why.empty() ? "interrupted" : why.c_str(), controller::exit_incomplete);
  }
  const int status = controller::run_controller(*checked);
  fleet->stop();
  if (!fleet->wait()) return refused(fleet->failure().c_str(), controller::exit_incomplete);
  if (const std::string lost = fleet->lost_output(); !lost.empty()) {
    return refused((lost + ": lines are missing").c_str(), controller::exit_incomplete);
  }
  return status;
}

}  // namespace ombt::tools
