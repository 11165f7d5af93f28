// SPDX-License-Identifier: Apache-2.0
#include "controller/assign_settings.hpp"

#include "wire/configuration_error.hpp"
#include "wire/control/topics.hpp"
#include "wire/oslo/transport_url.hpp"

#include <algorithm>
#include <utility>

namespace ombt::controller {

using wire::control::agent_kind;

placement read_placement(const assign_settings& given, std::vector<std::string> topics,
                         const std::optional<int>& spread) {
  placement out;
  const auto take = [&](agent_kind kind, const char* option, int count) {
    if (count < 0 || count > most_assigned) {
      throw configuration_error(std::string(option) + ' ' + std::to_string(count) +
                                ": expected a number from 0 to " + std::to_string(most_assigned));
    }
    wire::control::check_spread(spread, option, count);
    out.agents[static_cast<std::size_t>(kind)] = static_cast<std::uint32_t>(count);
  };
  take(agent_kind::rpc_client, "--rpc-clients", given.rpc_clients);
  take(agent_kind::rpc_server, "--rpc-servers", given.rpc_servers);
  take(agent_kind::listener, "--listeners", given.listeners);
  take(agent_kind::notifier, "--notifiers", given.notifiers);
  for (const std::string& url : given.buses) {
    wire::oslo::transport_url::parse(url);
    if (std::find(out.buses.begin(), out.buses.end(), url) == out.buses.end()) {
      out.buses.push_back(url);
    }
  }
  out.topics = std::move(topics);
  return out;
}

}  // namespace ombt::controller
