// SPDX-License-Identifier: Apache-2.0
#include "agents/fleet_options.hpp"

#include "wire/configuration_error.hpp"
#include "wire/control/direct_address.hpp"
#include "wire/control/site_counts.hpp"
#include "wire/json/value.hpp"
#include "wire/oslo/messages.hpp"
#include "wire/oslo/options.hpp"

#include "drivers/local_host.hpp"
#include "drivers/local_ports.hpp"

#include "agents/measure/output_file.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <unistd.h>
#include <utility>

namespace ombt::agents {
namespace {

namespace control = wire::control;
namespace oslo = wire::oslo;
using control::agent_kind;

int count_of(const fleet_options& options, agent_kind kind) {
  switch (kind) {
    case agent_kind::rpc_client:
      return options.rpc_clients;
    case agent_kind::rpc_server:
      return options.rpc_servers;
    case agent_kind::listener:
      return options.listeners;
    case agent_kind::notifier:
      return options.notifiers;
  }
  return 0;
}

void check_range(const char* what, double value, double least, double most,
                 const char* unit = "a number") {
  if (!(value >= least && value <= most)) {
    const auto text = [](double n) {
      char digits[32];
      std::snprintf(digits, sizeof digits, "%.10g", n);
      return std::string(digits);
    };
    const std::string given = std::isfinite(value) ? ' ' + text(value) : "";
    throw configuration_error(std::string(what) + given + ": expected " + unit + " from " +
                              text(least) + " to " + text(most));
  }
}

/// Names travel in queue names and routing keys: any text without control characters will do.
void check_name(const char* what, const std::string& text) {
  // RabbitMQ ends the connection of who sends other bytes, again and again.
  if (!wire::json::is_utf8(text)) throw configuration_error(std::string(what) + " is no UTF-8");
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      throw configuration_error(std::string(what) + " has a control character");
    }
  }
}

void check_site(const fleet_options& options) {
  const std::string& site = options.site;
  if (site.empty()) return;
  if (options.rpc_clients + options.rpc_servers + options.standby == 0) {
    throw configuration_error("--site is for RPC clients and servers, and none was asked for");
  }
  check_name("--site", site);
  if (site.size() > control::site_limit) {
    throw configuration_error("--site: expected at most " + std::to_string(control::site_limit) +
                              " bytes");
  }
  // Reports say so of those without one.
  if (site == "-") throw configuration_error("--site -: expected a name");
}

std::shared_ptr<const drivers::transport_settings> settings_for(const oslo::options_file& file,
                                                                std::string_view url,
                                                                const drivers::topology& topology,
                                                                std::vector<std::string> from,
                                                                const fleet_options& options) {
  auto settings = std::make_shared<drivers::transport_settings>();
  settings->messaging = oslo::make_messaging_options(file, url);
  settings->topology = topology;
  settings->messaging.body_limit = options.body_limit;
  settings->program = options.program;
  settings->own_topic = options.own_topic;
  settings->bind_addresses = std::move(from);
  return settings;
}

/// "[HOST:]PORT" as an address of direct control.
control::control_address listen_address(const std::string& text) {
  const auto port = text.find_last_of(':') + 1;  // 0: no host
  const bool digits =
      port < text.size() && text.find_first_not_of("0123456789", port) == std::string::npos;
  if (!digits) throw configuration_error("--listen: expected a port, or HOST:PORT");
  return control::parse_control_address((port == 0 ? "tcp://:" : "tcp://") + text, "--listen");
}

/// Who asks is heard at one of these.
void plan_control(fleet_plan& plan, const oslo::options_file& file, const fleet_options& options) {
  const std::string& named = options.control_url;
  const control::control_address address =
      !options.listen.empty()
          ? listen_address(options.listen)
          : control::parse_control_address(named.empty() ? default_control : named);
  const auto* const tcp = std::get_if<control::tcp_place>(&address);
  const auto* const socket = std::get_if<control::socket_place>(&address);
  if (tcp == nullptr && !options.token_file.empty()) {
    throw configuration_error("--token-file is for control over TCP");
  }
  if (tcp == nullptr && socket == nullptr) {
    // Control is no part of what is measured: one connection is enough for it.
    drivers::topology lean;
    lean.mode = drivers::topology::kind::lean;
    const auto* const other = std::get_if<control::control_bus>(&address);
    plan.control_bus =
        settings_for(file, other != nullptr ? other->url : options.url, lean, {}, options);
    return;
  }
  drivers::shared_port::settings& port = plan.port.emplace();
  port.process = oslo::view(oslo::make_hex_id()).substr(0, 16);
  port.tcp = tcp != nullptr;
  if (socket != nullptr) {
    port.socket = socket->path;
    return;
  }
  port.host = tcp->host;
  port.port = tcp->port;
  port.socket = drivers::local_socket_of(tcp->port);
  port.secret = drivers::token::find(options.token_file);
}

std::vector<std::string> read_bind_addresses(const std::string& text) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (!text.empty() && at <= text.size()) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string one = text.substr(at, comma - at);
    at = comma + 1;
    const std::string trouble = drivers::trouble_with_local_address(one);
    if (!trouble.empty()) throw configuration_error("--bind-address '" + one + "': " + trouble);
    if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(one);
  }
  return out;
}

/// The agents that the options ask for, each kind spread over the topics.
std::vector<agent_role> roles_of(const fleet_options& options, std::size_t topics) {
  std::vector<agent_role> out;
  for (const agent_kind kind : start_order) {
    const int count = count_of(options, kind);
    for (int i = 0; i < count; ++i) {
      out.push_back({kind, static_cast<std::uint32_t>(static_cast<std::size_t>(i) % topics)});
    }
  }
  return out;
}

void name_agents(fleet_plan& plan, const std::vector<agent_role>& roles) {
  const fleet_options& options = plan.options;
  plan.groups.assign(plan.topics.size() * control::agent_kinds.size(), {});
  plan.agents.clear();
  for (std::uint32_t number = 0; number < roles.size(); ++number) {
    plan.groups[fleet_plan::place_of({roles[number].kind, roles[number].topic})].agents.push_back(
        number);
  }
  for (const auto& [kind, topic] : roles) {
    agent_group& group = plan.groups[fleet_plan::place_of({kind, topic})];
    const std::size_t number = plan.agents.size();
    if (number == group.agents.front()) {
      const oslo::hex_id id = oslo::make_hex_id();
      group.control_name =
          options.name.empty()
              ? control::agent_name(plan.topics[topic], kind, plan.host, ::getpid(), oslo::view(id))
              : options.name;
    }
    const bool alone = group.agents.size() == 1;
    const bool numbered = options.name.empty() ? !alone : roles.size() > 1;
    const std::string& base = group.control_name;
    plan.agents.push_back({kind, numbered ? base + '-' + std::to_string(number) : base, topic});
    if (alone) group.control_name = plan.agents.back().name;
  }
  // The longest name on the bus is "<control topic>.<agent>".
  for (const agent_description& agent : plan.agents) {
    const std::string topic =
        control::agent_topic(agent.kind, plan.topics[agent.topic], options.unique);
    if (topic.size() + 1 + agent.name.size() > control::name_limit) {
      throw configuration_error("the topic and the agents' names are too long together: \"" +
                                topic + "." + agent.name + "\" is above " +
                                std::to_string(control::name_limit) + " bytes");
    }
  }
}

/// Links of an agent that has worked (docs/design.md), an RPC server with so many for its replies.
std::size_t links_of(agent_kind kind, std::size_t for_replies) {
  switch (kind) {
    case agent_kind::rpc_client:
      return 2;  // replies, sends
    case agent_kind::rpc_server:
      return 1 + for_replies;
    case agent_kind::listener:
    case agent_kind::notifier:
      return 1;
  }
  return 0;
}

/// To the bus under test, of agents that have worked.
std::size_t least_connections(const fleet_plan& plan) {
  std::size_t connections = 0;
  switch (plan.bus->topology.mode) {
    case drivers::topology::kind::oslo:
      if (plan.bus->messaging.url.driver == oslo::driver_kind::rabbit) {
        for (const auto& agent : plan.agents) connections += links_of(agent.kind, 1);
        break;
      }
      [[fallthrough]];  // AMQP 1.0: a connection an agent, its links are sessions on it
    case drivers::topology::kind::lean:
      connections = plan.agents.size();
      break;
    case drivers::topology::kind::shared:
      connections = static_cast<std::size_t>(plan.bus->topology.connections) * plan.threads();
      break;
  }
  return connections;
}

/// Later a message would fail for want of a channel, in the middle of a run.
void check_channels(const fleet_plan& plan) {
  const drivers::topology& topology = plan.bus->topology;
  if (topology.mode != drivers::topology::kind::shared ||
      plan.bus->messaging.url.driver != oslo::driver_kind::rabbit) {
    return;
  }
  const std::size_t needed = most_channels_of_a_thread(plan);
  const auto connections = static_cast<std::size_t>(topology.connections);
  if (needed <= connections * usual_channel_max) return;
  const std::size_t enough = (needed + usual_channel_max - 1) / usual_channel_max;
  throw configuration_error("topology " + topology.to_string() +
                            ": the agents of a thread need up to " + std::to_string(needed) +
                            " channels, and RabbitMQ allows " + std::to_string(usual_channel_max) +
                            " on a connection: shared:" + std::to_string(enough) +
                            " would do, or more threads");
}

/// What only standby agents have, and what only others.
void check_standby(const fleet_options& options) {
  check_range("--standby", options.standby, 0, most_agents);
  if (options.standby == 0) {
    if (options.max_agents) throw configuration_error("--max-agents is for --standby agents");
    if (!options.allowed_urls.empty()) {
      throw configuration_error("--allow-url is for --standby agents");
    }
    return;
  }
  if (options.rpc_clients + options.rpc_servers + options.listeners + options.notifiers > 0) {
    throw configuration_error(
        "--standby agents get their roles from ombt-controller assign: start others in a process "
        "of their own");
  }
  if (options.topics) {
    throw configuration_error(
        "--topics: ombt-controller assign says which topics --standby agents are in");
  }
  if (options.max_agents) check_range("--max-agents", *options.max_agents, 1, most_agents);
}

}  // namespace

drivers::duration seconds_of(double seconds) {
  return std::chrono::duration_cast<drivers::duration>(std::chrono::duration<double>(seconds));
}

std::size_t fleet_plan::capacity() const noexcept {
  return static_cast<std::size_t>(
      std::min(options.standby, options.max_agents.value_or(options.standby)));
}

std::size_t fleet_plan::threads() const noexcept {
  return std::min(static_cast<std::size_t>(options.threads), std::max(agents.size(), capacity()));
}

void give_roles(fleet_plan& plan, const std::vector<agent_role>& roles) {
  name_agents(plan, roles);
  check_channels(plan);
}

std::size_t most_channels_of_a_thread(const fleet_plan& plan) {
  const auto& with = plan.bus->messaging;
  const auto for_replies = static_cast<std::size_t>(
      std::min(with.rabbit.rpc_conn_pool_size, with.defaults.executor_thread_pool_size));
  std::vector<std::size_t> channels(plan.threads());
  for (std::size_t i = 0; i < plan.agents.size(); ++i) {
    channels[plan.thread_of(i)] += links_of(plan.agents[i].kind, for_replies);
  }
  return channels.empty() ? 0 : *std::max_element(channels.begin(), channels.end());
}

std::size_t control_connections(const fleet_plan& plan) {
  if (!plan.control_bus) return 0;
  const auto addresses = static_cast<std::size_t>(
      std::count_if(plan.groups.begin(), plan.groups.end(),
                    [](const agent_group& group) { return !group.agents.empty(); }));
  return (addresses + most_control_addresses - 1) / most_control_addresses;
}

std::size_t least_descriptors(const fleet_plan& plan) {
  constexpr std::size_t of_a_process = 16;
  const std::size_t of_control = plan.port ? 16 : control_connections(plan);
  constexpr std::size_t of_a_thread = 4;
  return of_a_process + of_a_thread * plan.threads() + least_connections(plan) + of_control;
}

void check_descriptors(const fleet_plan& plan, std::size_t limit) {
  const std::size_t needed = least_descriptors(plan);
  if (needed <= limit) return;
  throw configuration_error("the agents need " + std::to_string(needed) +
                            " file descriptors at least, and the limit of this process is " +
                            std::to_string(limit) +
                            ": raise it (ulimit -n), or choose another --topology");
}

void check_ports(const fleet_plan& plan) {
  /// Of so few nobody runs out.
  constexpr std::size_t worth_a_look = 1'000;
  const auto& hosts = plan.bus->messaging.url.hosts;
  std::vector<std::string> from = plan.bus->bind_addresses;
  if (from.empty()) from.emplace_back();
  const std::size_t ways = hosts.size() * from.size();
  const std::size_t needed = (least_connections(plan) + ways - 1) / ways;
  if (needed < worth_a_look) return;
  const drivers::port_range range = drivers::local_port_range();
  for (const oslo::host_address& host : hosts) {
    for (const std::string& address : from) {
      const std::size_t used =
          drivers::ports_in_use_now(range, host.host, host.port, drivers::read_address(address));
      if (needed + used <= range.size()) continue;
      throw configuration_error(
          "the agents need " + std::to_string(needed) + " connections to " + host.host + " port " +
          std::to_string(host.port) + (address.empty() ? "" : " from " + address) +
          " at least, and " + std::to_string(range.size() - used) +
          " local ports are free for them (net.ipv4.ip_local_port_range " + range.text() +
          "): name several local addresses (--bind-address A,B), widen the range, or choose "
          "another --topology");
    }
  }
}

fleet_plan make_fleet_plan(fleet_options options) {
  check_range("--rpc-client", options.rpc_clients, 0, most_agents);
  check_range("--rpc-server", options.rpc_servers, 0, most_agents);
  check_range("--listener", options.listeners, 0, most_agents);
  check_range("--notifier", options.notifiers, 0, most_agents);
  check_range("--threads", options.threads, 1, most_threads);
  if (options.timeout) check_range("--timeout", *options.timeout, 0.001, 1e6, "seconds");
  check_range("--body-limit", static_cast<double>(options.body_limit), 65'536, 1 << 30, "bytes");
  check_standby(options);
  const bool standby = options.standby > 0;
  if (!standby &&
      options.rpc_clients + options.rpc_servers + options.listeners + options.notifiers == 0) {
    throw configuration_error("no agents asked for");
  }
  if (!standby && options.rpc_servers == 0 && !options.service_time.empty()) {
    throw configuration_error("--service-time is for RPC servers, and none was asked for");
  }
  if (!standby && options.listeners == 0 && !options.pool.empty()) {
    throw configuration_error("--pool is for listeners, and none was asked for");
  }
  if (options.max_rate) check_range("--max-rate", *options.max_rate, 0.001, 1e9, "messages/s");
  if (options.idle_exit) check_range("--idle-exit", *options.idle_exit, 0.1, 1e7, "seconds");
  check_site(options);
  auto topics = control::topics_of(options.topic, options.topics, options.unique);
  control::check_spread(options.topics, "--rpc-client", options.rpc_clients);
  control::check_spread(options.topics, "--rpc-server", options.rpc_servers);
  control::check_spread(options.topics, "--listener", options.listeners);
  control::check_spread(options.topics, "--notifier", options.notifiers);
  check_name("--name", options.name);
  check_name("--pool", options.pool);

  fleet_plan plan;
  plan.host = drivers::host_name();
  plan.takes = service_time::parse(options.service_time);
  const auto topology = drivers::topology::parse(options.topology);
  // As ombt's agents have it: over AMQP 1.0 it is the exchange of notifications.
  oslo::options_file file;
  file.defaults.control_exchange = control::notify_test_exchange;
  if (!options.oslo_config.empty()) {
    file = oslo::options_file::load(options.oslo_config, file.defaults);
  }
  plan.timeout = seconds_of(options.timeout.value_or(file.defaults.rpc_response_timeout));
  plan.ready_within = seconds_of(options.timeout.value_or(usual_timeout));
  if (options.url.empty() && file.defaults.transport_url.empty()) options.url = default_url;
  plan.bus =
      settings_for(file, options.url, topology, read_bind_addresses(options.bind_address), options);
  if (options.control) plan_control(plan, file, options);
  if (standby && !plan.port) {
    throw configuration_error(
        "--standby needs direct control (--listen PORT, or --control tcp://HOST or unix:/PATH): "
        "over a bus nobody could ask for agents without a role");
  }
  bool own = false;
  output_path(options.output, 0, own);
  plan.file = std::move(file);
  plan.options = std::move(options);
  if (standby) return plan;
  plan.topics = std::move(topics);
  give_roles(plan, roles_of(plan.options, plan.topics.size()));
  return plan;
}

std::vector<std::string> fleet_plan::ready_lines() const {
  std::vector<std::string> lines;
  if (options.standby > 0) {
    std::string line = options.standby == 1
                           ? "1 standby agent is ready"
                           : std::to_string(options.standby) + " standby agents are ready";
    const auto capable = static_cast<int>(capacity());
    if (capable < options.standby) line += " (" + std::to_string(capable) + " at once)";
    lines.push_back(std::move(line));
  }
  for (const agent_description& agent : agents) {
    lines.push_back(std::string(words(agent.kind)) + ' ' + agent.name + " is ready");
  }
  return lines;
}

}  // namespace ombt::agents
