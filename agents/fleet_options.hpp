// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a process of agents is asked to be, and the checking of it. Knows no command line: the
// programs fill it in. No state, any thread.

#include "wire/control/messages.hpp"
#include "wire/control/topics.hpp"

#include "drivers/shared_port.hpp"
#include "drivers/transport.hpp"

#include "agents/service_time.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::agents {

inline constexpr std::string_view default_url = "rabbit://localhost:5672";
/// --control, where nothing says it: controllers reach all processes of the machine at one port.
inline constexpr std::string_view default_control = "tcp://:5700";
inline constexpr int most_agents = 100'000;  ///< of a kind in one process
inline constexpr int most_threads = 256;
inline constexpr double usual_timeout = 60;  ///< seconds
/// Channels on a connection of a RabbitMQ that was not told otherwise (channel_max).
inline constexpr std::size_t usual_channel_max = 2047;

/// Settings as their user gives them; texts are read by make_fleet_plan().
struct fleet_options {
  int rpc_clients = 0;
  int rpc_servers = 0;
  int listeners = 0;
  int notifiers = 0;
  int standby = 0;  ///< agents that get their roles by assign (agents/roles.hpp), and no others
  std::optional<int> max_agents;          ///< of these, that may have a role at once
  std::vector<std::string> allowed_urls;  ///< patterns of buses that they may be assigned to
  std::string topic{wire::control::usual_topic};
  /// Spreads the agents over "<topic>-0" to "<topic>-<n - 1>": agent i of a kind is in topic i
  /// modulo n. None: all are in `topic`.
  std::optional<int> topics;
  bool own_topic = false;   ///< nobody else uses it: what is left of it on the bus is deleted
  std::string url;          ///< bus under test; empty: the file's, else default_url
  std::string control_url;  ///< of controllers, as docs/direct.md says; empty: default_control
  std::string listen;       ///< "[HOST:]PORT" of direct control, in place of control_url
  std::string token_file;   ///< for control over TCP; empty: the usual one
  bool control = true;      ///< false: no control plane; the caller runs the tests
  std::optional<double> max_rate;           ///< messages/s that may be asked of the process
  std::optional<std::uint64_t> max_length;  ///< bytes of payload that may be asked for
  std::optional<double> idle_exit;          ///< seconds without a controller until it leaves
  std::string oslo_config;                  ///< an oslo.config file, or empty
  bool unique = false;                      ///< control topic "singleton"
  std::string name;                         ///< empty: generated
  /// Seconds: of every operation, and to become ready. Unset: of an operation what the file's
  /// rpc_response_timeout says, to become ready usual_timeout.
  std::optional<double> timeout;
  std::uint64_t body_limit = std::uint64_t{64} << 20;  ///< bytes of a message from the bus
  std::string topology = "oslo";
  int threads = 1;
  std::string bind_address;  ///< "A,B,…" that connections to the bus begin at, in turn, or empty
  std::string output;        ///< file of a line a message, or empty
  std::string pool;          ///< of the listeners
  std::string service_time;  ///< of the RPC servers
  std::string site;          ///< of the RPC clients and servers, or empty
  std::string metrics;       ///< address at which figures are served, or empty
  std::string pid_file;      ///< has the process id while the agents are ready, or empty
  std::string program = "ombt-agent";
};

/// One agent of a process.
struct agent_description {
  wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;
  std::string name;
  std::uint32_t topic = 0;  ///< its place among the plan's
};

/// Servers come first, so that they listen before anybody sends.
inline constexpr std::array<wire::control::agent_kind, 4> start_order = {
    wire::control::agent_kind::rpc_server, wire::control::agent_kind::listener,
    wire::control::agent_kind::rpc_client, wire::control::agent_kind::notifier};

/// What an agent is: its kind, and its topic.
struct agent_role {
  wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;
  std::uint32_t topic = 0;  ///< its place among the plan's
};

/// Whom a command is for: the agents of a kind, in one of the process's topics.
struct addressee {
  wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;
  std::uint32_t topic = 0;  ///< its place among the plan's

  friend auto operator<=>(const addressee&, const addressee&) = default;
};

/// They share an address on the control bus.
struct agent_group {
  std::string control_name;           ///< of their server there; empty where there are none
  std::vector<std::uint32_t> agents;  ///< their numbers
};

/// The options, read and checked: what a fleet needs to start.
struct fleet_plan {
  fleet_options options;
  wire::oslo::options_file file;  ///< of options.oslo_config
  std::shared_ptr<const drivers::transport_settings> bus;
  /// Of control; neither without control.
  std::shared_ptr<const drivers::transport_settings> control_bus;
  std::optional<drivers::shared_port::settings> port;
  std::string host;  ///< this machine's name
  service_time takes;
  drivers::duration timeout{};            ///< of an operation
  drivers::duration ready_within{};       ///< until all agents are ready
  std::vector<agent_description> agents;  ///< servers first; an agent's number is its place here
  std::vector<std::string> topics;        ///< one at least, but for standby agents
  std::vector<agent_group> groups;        ///< of each kind in each topic, see group()

  const agent_group& group(addressee who) const { return groups[place_of(who)]; }
  static std::size_t place_of(addressee who) noexcept {
    return who.topic * wire::control::agent_kinds.size() + static_cast<std::size_t>(who.kind);
  }

  /// Standby agents that may have a role at once; 0: there are none.
  std::size_t capacity() const noexcept;
  /// "RPC server NAME is ready", one an agent; or of standby agents one for all.
  std::vector<std::string> ready_lines() const;
  /// I/O threads that have agents, or may: no more than there are agents.
  std::size_t threads() const noexcept;
  /// The thread of an agent: in turn, so that every thread has its share of each kind.
  std::size_t thread_of(std::size_t number) const noexcept { return number % threads(); }
};

drivers::duration seconds_of(double seconds);

/// Channels that the agents of the thread with the most of them hold at once, at most, in a closed
/// loop: RPC clients and notifiers send one message after the other; an RPC server may fill its
/// pool of connections with replies, up to one for each of its slots.
std::size_t most_channels_of_a_thread(const fleet_plan& plan);

/// File descriptors that the agents need when each of them has worked: an RPC server may take more,
/// up to its pool of connections.
std::size_t least_descriptors(const fleet_plan& plan);
/// Throws configuration_error if that is above limit: later a connection would fail in a run.
void check_descriptors(const fleet_plan& plan, std::size_t limit);
/// Likewise if the machine has fewer free local ports for the connections to a host of the bus from
/// one address of this machine. Resolves the host, and only where the agents are many.
void check_ports(const fleet_plan& plan);

/// Connections to the control bus: one for so many addresses as find room on it.
std::size_t control_connections(const fleet_plan& plan);
/// Addresses on the control bus that share a connection; each is a channel, or a session.
inline constexpr std::size_t most_control_addresses = 1'000;

/// Names the agents of a plan that has its topics and bus, one a role, in this order. Throws
/// configuration_error for names that are too long, and too many agents for topology shared:N.
void give_roles(fleet_plan& plan, const std::vector<agent_role>& roles);

/// Checks everything that can be checked without a bus, and names the agents; for direct control
/// the folder of its socket is made, and the usual token where there is none. Agents are
/// "ombt-<topic>-<Kind>-<host>-<pid>-<hex32>" or the name given, with "-<number>" where there are
/// several of a kind in a topic. In topology shared:N the agents of a thread must find room on N
/// connections of usual_channel_max channels; what a broker really allows is known when it is
/// connected to. Throws configuration_error, one line, passwords masked.
fleet_plan make_fleet_plan(fleet_options options);

}  // namespace ombt::agents
