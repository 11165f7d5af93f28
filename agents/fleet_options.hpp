// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a process of agents is asked to be, and the checking of it. Knows no command line: the
// programs fill it in. No state, any thread.

#include "wire/control/messages.hpp"

#include "drivers/transport.hpp"

#include "agents/service_time.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::agents {

inline constexpr std::string_view default_url = "rabbit://localhost:5672";
inline constexpr int most_agents = 100'000;  ///< of a kind in one process
inline constexpr int most_threads = 256;

/// Settings as their user gives them; texts are read by make_fleet_plan().
struct fleet_options {
  int rpc_clients = 0;
  int rpc_servers = 0;
  int listeners = 0;
  int notifiers = 0;
  std::string topic = "test-topic";
  std::string url;          ///< bus under test; empty: the file's, else default_url
  std::string control_url;  ///< empty: as url
  bool control = true;      ///< false: no control plane; the caller runs the tests
  std::string oslo_config;  ///< an oslo.config file, or empty
  bool unique = false;      ///< control topic "singleton"
  std::string name;         ///< empty: generated
  double timeout = 60;      ///< seconds: of every operation, and to become ready
  std::string topology = "oslo";
  int threads = 1;
  std::string output;        ///< file of a line a message, or empty
  std::string pool;          ///< of the listeners
  std::string service_time;  ///< of the RPC servers
  std::string program = "ombt-agent";
};

/// One agent of a process.
struct agent_description {
  wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;
  std::string name;
};

/// The options, read and checked: what a fleet needs to start.
struct fleet_plan {
  fleet_options options;
  std::shared_ptr<const drivers::transport_settings> bus;
  std::shared_ptr<const drivers::transport_settings> control_bus;  ///< empty without control
  service_time takes;
  drivers::duration timeout{};
  std::vector<agent_description> agents;  ///< servers first; an agent's number is its place here
  /// Name of each kind on the control bus; empty for kinds that are not there.
  std::array<std::string, wire::control::agent_kinds.size()> control_names;

  /// "RPC server NAME is ready", one an agent.
  std::vector<std::string> ready_lines() const;
};

/// Checks everything that can be checked without a bus, and names the agents:
/// "ombt-<topic>-<Kind>-<host>-<pid>-<hex32>" or the name given, with "-<number>" where there are
/// several. Throws configuration_error, one line, passwords masked.
fleet_plan make_fleet_plan(fleet_options options);

}  // namespace ombt::agents
