// SPDX-License-Identifier: Apache-2.0
#include "controller/placement.hpp"

#include "wire/configuration_error.hpp"

#include "controller/assign_settings.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace ombt;
using controller::place_agents;
using controller::placement;
using wire::control::agent_kind;
using wire::control::agent_kinds;
using wire::control::assign_request;

namespace {

placement want(std::uint32_t clients, std::uint32_t servers, std::size_t topics = 1,
               std::uint32_t listeners = 0, std::uint32_t notifiers = 0) {
  placement out;
  out.agents[static_cast<std::size_t>(agent_kind::rpc_client)] = clients;
  out.agents[static_cast<std::size_t>(agent_kind::rpc_server)] = servers;
  out.agents[static_cast<std::size_t>(agent_kind::listener)] = listeners;
  out.agents[static_cast<std::size_t>(agent_kind::notifier)] = notifiers;
  for (std::size_t i = 0; i < topics; ++i) out.topics.push_back("t-" + std::to_string(i));
  return out;
}

std::uint64_t count(const assign_request& of, agent_kind kind) {
  std::uint64_t sum = 0;
  for (const auto& one : of.agents) sum += one.kind == kind ? one.count : 0;
  return sum;
}

std::vector<std::uint64_t> counts(const std::vector<assign_request>& all, agent_kind kind) {
  std::vector<std::uint64_t> out;
  for (const auto& one : all) out.push_back(count(one, kind));
  return out;
}

/// What must be so whatever is wanted: every agent once, in its topic, no process above its room,
/// an entry a kind and topic, a bus for those that have agents.
void check_whole(const placement& wanted, const std::vector<std::uint32_t>& room) {
  const auto all = place_agents(wanted, room);
  REQUIRE(all.size() == room.size());
  std::map<std::pair<agent_kind, std::string>, std::uint64_t> in_topic;
  for (std::size_t i = 0; i < all.size(); ++i) {
    INFO("process " << i);
    CHECK(all[i].total() <= room[i]);
    std::set<std::pair<agent_kind, std::string>> known;
    for (const auto& one : all[i].agents) {
      CHECK(one.count > 0);
      CHECK(known.emplace(one.kind, one.topic).second);
      in_topic[{one.kind, one.topic}] += one.count;
    }
    if (wanted.buses.empty() || all[i].agents.empty()) {
      CHECK(all[i].bus.empty());
    } else {
      CHECK(std::count(wanted.buses.begin(), wanted.buses.end(), all[i].bus) == 1);
    }
  }
  for (const agent_kind kind : agent_kinds) {
    const std::uint64_t of_kind = wanted.agents[static_cast<std::size_t>(kind)];
    const std::uint64_t topics = wanted.topics.size();
    for (std::uint64_t topic = 0; topic < topics; ++topic) {
      // Agent i is in topic i modulo their number.
      const std::uint64_t share = of_kind / topics + (topic < of_kind % topics ? 1 : 0);
      CHECK(in_topic[{kind, wanted.topics[topic]}] == share);
    }
  }
}

using shares = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("agents of a kind are spread in proportion to the room of processes") {
  const auto even = place_agents(want(100, 0), {50, 50, 50, 50});
  CHECK(counts(even, agent_kind::rpc_client) == shares{25, 25, 25, 25});
  const auto uneven = place_agents(want(90, 0), {100, 50, 0, 30});
  CHECK(counts(uneven, agent_kind::rpc_client) == shares{50, 25, 0, 15});
  const auto full = place_agents(want(6, 4), {7, 3});
  CHECK(full[0].total() == 7);
  CHECK(full[1].total() == 3);
}

TEST_CASE("fewer agents than processes are at even distances among them") {
  const auto spread = place_agents(want(0, 2), {10, 10, 10, 10, 10, 10, 10, 10});
  CHECK(counts(spread, agent_kind::rpc_server) == shares{0, 0, 0, 1, 0, 0, 0, 1});
}

TEST_CASE("no agents are placed where none are wanted, and none without room") {
  for (const auto& one : place_agents(want(0, 0), {5, 5})) CHECK(one == assign_request{});
  CHECK(place_agents(want(0, 0), {}).empty());
  check_whole(want(1, 0), {1});
  check_whole(want(1, 0), {0, 0, 1, 0});
}

TEST_CASE("agent i of a kind is in topic i modulo their number, whichever process it is in") {
  const auto all = place_agents(want(10, 3, 4), {10, 10});
  using list = std::vector<wire::control::placed_agents>;
  // Clients 0 to 4 and servers 0; clients 5 to 9 and servers 1 and 2.
  CHECK(all[0].agents == list{{agent_kind::rpc_client, "t-0", 2},
                              {agent_kind::rpc_client, "t-1", 1},
                              {agent_kind::rpc_client, "t-2", 1},
                              {agent_kind::rpc_client, "t-3", 1},
                              {agent_kind::rpc_server, "t-0", 1}});
  CHECK(all[1].agents == list{{agent_kind::rpc_client, "t-1", 2},
                              {agent_kind::rpc_client, "t-2", 1},
                              {agent_kind::rpc_client, "t-3", 1},
                              {agent_kind::rpc_client, "t-0", 1},
                              {agent_kind::rpc_server, "t-1", 1},
                              {agent_kind::rpc_server, "t-2", 1}});
}

TEST_CASE("everything that is wanted is placed once, and no process gets too much") {
  const std::vector<std::vector<std::uint32_t>> rooms = {
      {100},
      {1, 99},
      {33, 33, 34},
      {0, 7, 0, 93},
      std::vector<std::uint32_t>(100, 1),
      {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 9},
  };
  const std::vector<std::array<std::uint32_t, 4>> mixes = {
      {100, 0, 0, 0}, {50, 50, 0, 0},  {97, 1, 1, 1}, {25, 25, 25, 25},
      {1, 2, 3, 4},   {33, 34, 31, 2}, {0, 0, 0, 1},  {0, 0, 99, 1},
  };
  for (const auto& room : rooms) {
    REQUIRE(std::accumulate(room.begin(), room.end(), 0U) >= 100);
    for (const auto& mix : mixes) {
      for (const std::size_t topics : {1, 2, 7, 100}) {
        for (const std::size_t buses : {0, 1, 2, 3}) {
          INFO(room.size() << " processes, " << mix[0] << '+' << mix[1] << '+' << mix[2] << '+'
                           << mix[3] << " agents, " << topics << " topics, " << buses << " buses");
          placement wanted = want(mix[0], mix[1], topics, mix[2], mix[3]);
          for (std::size_t i = 0; i < buses; ++i) {
            wanted.buses.push_back("amqp://r" + std::to_string(i));
          }
          check_whole(wanted, room);
        }
      }
    }
  }
}

TEST_CASE("processes go to the buses in turn, and each kind is spread over them") {
  placement wanted = want(70, 0);
  wanted.buses = {"a", "b", "c"};
  std::vector<std::string> buses;
  for (const auto& one : place_agents(wanted, std::vector<std::uint32_t>(7, 50))) {
    buses.push_back(one.bus);
  }
  CHECK(buses == std::vector<std::string>{"a", "b", "c", "a", "b", "c", "a"});

  // Servers are in every fifth process: in turn, all of them would be on one of the five buses.
  wanted = want(10'000, 20, 100);
  wanted.buses = {"a", "b", "c", "d", "e"};
  std::map<std::string, std::uint64_t> clients;
  std::map<std::string, std::uint64_t> servers;
  for (const auto& one : place_agents(wanted, std::vector<std::uint32_t>(100, 200))) {
    clients[one.bus] += count(one, agent_kind::rpc_client);
    servers[one.bus] += count(one, agent_kind::rpc_server);
  }
  REQUIRE(servers.size() == 5);
  for (const auto& [bus, number] : servers) CHECK(number == 4);
  for (const auto& [bus, number] : clients) {
    CHECK(number >= 1'900);
    CHECK(number <= 2'100);
  }
}

TEST_CASE("the largest placements are placed in no time") {
  placement wanted = want(200'000, 200'000, 1'000, 200'000, 200'000);
  for (int i = 0; i < 20; ++i) wanted.buses.push_back(std::to_string(i));
  const auto all = place_agents(wanted, std::vector<std::uint32_t>(20'000, 1'000'000));
  std::uint64_t sum = 0;
  for (const auto& one : all) sum += one.total();
  CHECK(sum == 800'000);
}

TEST_CASE("what assign is given is checked") {
  controller::assign_settings given;
  given.rpc_clients = 10;
  given.buses = {"amqp://a", "amqp://b", "amqp://a"};
  const placement read = read_placement(given, {"t-0", "t-1"}, 2);
  CHECK(read.total() == 10);
  CHECK(read.topics.size() == 2);
  CHECK(read.buses == std::vector<std::string>{"amqp://a", "amqp://b"});
  const auto refused = [&] {
    try {
      read_placement(given, {"t-0", "t-1"}, 2);
    } catch (const configuration_error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  given.rpc_servers = 1;
  CHECK(refused() == "--topics 2: --rpc-servers 1 would leave a topic without one");
  given.rpc_servers = -1;
  CHECK(refused() == "--rpc-servers -1: expected a number from 0 to 200000");
  given.rpc_servers = 0;
  given.notifiers = 200'001;
  CHECK(refused() == "--notifiers 200001: expected a number from 0 to 200000");
  given.notifiers = 0;
  given.buses = {"http://user:secret@h"};
  CHECK(refused().find("http://user:***@h") != std::string::npos);
  CHECK(refused().find("secret") == std::string::npos);
}
