// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs of find-rate's probes without a bus: what agents would report of servers whose knee is
// known.

#include "controller/find_rate.hpp"
#include "controller/find_rate_report.hpp"
#include "controller/settings.hpp"
#include "tests/controller/report_example.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace ombt::controller::test {

using wire::control::series;

inline settings search_for(const std::string& p99) {
  settings s;
  s.control = {"bus"};
  s.task = "find-rate";
  s.search.p99 = p99;
  return s;
}

/// Two clients and a server, of whose messages each took so many seconds from its intended instant;
/// all arrived.
inline outcome run_with(const plan& what, const std::vector<double>& took) {
  outcome found;
  found.connected = found.polled = true;
  found.agents = {agent(agent_kind::rpc_client, "c1"), agent(agent_kind::rpc_client, "c2"),
                  agent(agent_kind::rpc_server, "s1")};
  const double seconds = what.parameters.load->profile.front().seconds;
  side& clients = found.clients;
  double longest = 0;
  for (const double one : took) {
    const auto ns = static_cast<std::uint64_t>(one * 1e9);
    clients.results.add_success(one * 1e3);
    clients.latency.record(ns);
    clients.series[series::intended].record(ns);
    longest = std::max(longest, one);
  }
  clients.load.scheduled = took.size();
  clients.results.saw_time(1000);
  clients.results.saw_time(1000 + seconds + longest);
  found.servers.results = clients.results;
  found.expected = found.received = took.size();
  found.ledger.emplace();
  found.ledger->all.sent = found.ledger->all.delivered = took.size();
  return found;
}

inline std::size_t asked_for(const plan& what) {
  return static_cast<std::size_t>(
      std::llround(wire::control::messages_of(what.parameters.load->profile)));
}

/// All take the same time, which jumps at the knee.
inline outcome jump_at(double knee, const plan& what) {
  const double rate = what.parameters.load->profile.front().from;
  return run_with(what, std::vector<double>(asked_for(what), rate <= knee ? 0.005 : 0.05));
}

inline rate_curve search(const settings& s, const std::function<outcome(const plan&)>& run) {
  const auto checked = check_settings(s);
  return find_rate(*checked.goal, checked.what, run, [](const auto&, const auto&, const auto&) {});
}

inline search_asked asked_of(const settings& s) {
  const auto checked = check_settings(s);
  search_asked out{{}, checked.what, *checked.goal};
  out.header.program = "ombt-controller";
  out.header.url = out.header.control_url = "amqp://127.0.0.1";
  return out;
}

}  // namespace ombt::controller::test
