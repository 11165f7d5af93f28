// SPDX-License-Identifier: Apache-2.0
// What standby agents may be assigned to be, and on which buses.
#include "agents/roles.hpp"

#include "wire/configuration_error.hpp"

#include "agents/bus_bounds.hpp"

#include <catch2/catch.hpp>

#include <functional>
#include <set>
#include <string>

using namespace ombt;
using agents::fleet_options;
using agents::fleet_plan;
using agents::make_fleet_plan;
using wire::control::agent_kind;
using wire::control::assign_request;

namespace {

fleet_options standby_options() {
  fleet_options o;
  o.standby = 10;
  o.url = "rabbit://me:secret@h1:5672,h2/v?ssl=1";
  o.control_url = "unix:/nowhere/agents.sock";
  return o;
}

std::string words_of(const std::function<void()>& what) {
  try {
    what();
  } catch (const configuration_error& e) {
    return e.what();
  }
  return {};
}

std::string option_refusal(const fleet_options& o) {
  return words_of([&] { make_fleet_plan(o); });
}

std::string roles_refusal(const fleet_options& o, const assign_request& asked) {
  const fleet_plan started = make_fleet_plan(o);
  return words_of([&] { plan_roles(started, asked); });
}

assign_request some_clients(std::uint32_t count, const std::string& bus = {}) {
  return {{{agent_kind::rpc_client, "t", count}}, bus};
}

std::string bus_words(const std::string& asked, const std::string& own,
                      const std::vector<std::string>& allowed = {}) {
  return agents::bus_refusal(wire::oslo::transport_url::parse(asked),
                             wire::oslo::transport_url::parse(own), allowed);
}

}  // namespace

TEST_CASE("A process of standby agents begins with none that has a role") {
  const auto plan = make_fleet_plan(standby_options());
  CHECK(plan.agents.empty());
  CHECK(plan.topics.empty());
  CHECK(plan.groups.empty());
  CHECK(plan.capacity() == 10);
  CHECK(plan.threads() == 1);
  CHECK(plan.ready_lines() == std::vector<std::string>{"10 standby agents are ready"});
  auto o = standby_options();
  o.threads = 16;
  CHECK(make_fleet_plan(o).threads() == 10);
  o.max_agents = 4;
  CHECK(make_fleet_plan(o).capacity() == 4);
  CHECK(make_fleet_plan(o).ready_lines() ==
        std::vector<std::string>{"10 standby agents are ready (4 at once)"});
  CHECK(make_fleet_plan(o).threads() == 4);
  o.max_agents = 400;
  CHECK(make_fleet_plan(o).capacity() == 10);
  o.standby = 1;
  CHECK(make_fleet_plan(o).ready_lines() == std::vector<std::string>{"1 standby agent is ready"});
}

TEST_CASE("What standby agents cannot be started with is refused") {
  auto o = standby_options();
  SECTION("a bus to be asked over") {
    o.control_url = "bus";
    CHECK(option_refusal(o).starts_with("--standby needs direct control (--listen PORT, "));
    o.control_url = "rabbit://other";
    CHECK(option_refusal(o).starts_with("--standby needs direct control"));
  }
  SECTION("other kinds") {
    o.notifiers = 1;
    CHECK(option_refusal(o).starts_with("--standby agents get their roles from"));
  }
  SECTION("topics") {
    o.topics = 5;
    CHECK(option_refusal(o).starts_with("--topics: ombt-controller assign says"));
  }
  SECTION("numbers") {
    o.standby = -1;
    CHECK(option_refusal(o) == "--standby -1: expected a number from 0 to 100000");
    o.standby = 100'001;
    CHECK(option_refusal(o) == "--standby 100001: expected a number from 0 to 100000");
    o.standby = 1;
    o.max_agents = 0;
    CHECK(option_refusal(o) == "--max-agents 0: expected a number from 1 to 100000");
  }
  SECTION("and what only they have, by others") {
    o.standby = 0;
    o.rpc_clients = 1;
    CHECK(option_refusal(o).empty());
    o.max_agents = 5;
    CHECK(option_refusal(o) == "--max-agents is for --standby agents");
    o.max_agents.reset();
    o.allowed_urls = {"*"};
    CHECK(option_refusal(o) == "--allow-url is for --standby agents");
  }
  SECTION("but not what is for kinds that they may be") {
    o.service_time = "5ms";
    o.pool = "p";
    o.site = "s";
    CHECK(option_refusal(o).empty());
  }
}

TEST_CASE("Roles make a plan as options would") {
  auto o = standby_options();
  o.threads = 3;
  const fleet_plan started = make_fleet_plan(o);
  const fleet_plan plan = plan_roles(started, {{{agent_kind::rpc_client, "a", 3},
                                                {agent_kind::notifier, "c", 1},
                                                {agent_kind::rpc_client, "b", 1},
                                                {agent_kind::rpc_server, "b", 2}},
                                               ""});
  CHECK(plan.topics == std::vector<std::string>{"a", "c", "b"});
  REQUIRE(plan.agents.size() == 7);
  CHECK(plan.agents[0].kind == agent_kind::rpc_server);
  CHECK(plan.agents[0].topic == 2);
  CHECK(plan.agents[6].kind == agent_kind::notifier);
  std::set<std::string> names;
  for (const auto& agent : plan.agents) {
    CHECK(names.insert(agent.name).second);
    const auto parsed = wire::control::parse_agent_name(agent.name);
    REQUIRE(parsed);
    CHECK(parsed->topic == plan.topics[agent.topic]);
  }
  CHECK(plan.group({agent_kind::rpc_client, 0}).agents.size() == 3);
  CHECK(plan.group({agent_kind::rpc_client, 1}).agents.empty());
  CHECK(plan.group({agent_kind::rpc_client, 2}).agents.size() == 1);
  CHECK(plan.threads() == started.threads());
  CHECK(plan.bus == started.bus);
  CHECK(roles_in_words(plan) == "4 RPC clients, 2 RPC servers, 1 Notifier");
  CHECK(plan_roles(started, {}).agents.empty());
  CHECK(roles_in_words(plan_roles(started, {})) == "none");
}

TEST_CASE("More is not assigned than the process was started for") {
  auto o = standby_options();
  CHECK(roles_refusal(o, some_clients(10)).empty());
  CHECK(roles_refusal(o, some_clients(11)) ==
        "11 agents are asked for, and --standby gave the process 10");
  o.max_agents = 4;
  CHECK(roles_refusal(o, some_clients(4)).empty());
  CHECK(roles_refusal(o, some_clients(5)) == "5 agents are asked for, and --max-agents allows 4");
  o.max_agents.reset();
  o.unique = true;
  CHECK(roles_refusal(o, some_clients(5)).empty());
  CHECK(roles_refusal(o,
                      {{{agent_kind::rpc_client, "t", 1}, {agent_kind::rpc_server, "u", 1}}, ""}) ==
        "several topics contradict --unique: agents of all topics would be heard as one");
  o.unique = false;
  CHECK_FALSE(roles_refusal(o, {{{agent_kind::rpc_client, std::string(250, 't'), 1}}, ""}).empty());
  o.topology = "shared:1";
  o.standby = 5'000;
  CHECK(roles_refusal(o, some_clients(5'000))
            .starts_with("topology shared:1: the agents of a thread need"));
}

TEST_CASE("At most a thousand topics are in a process") {
  auto o = standby_options();
  o.standby = 2'000;
  assign_request asked;
  for (int i = 0; i < 1'001; ++i) {
    asked.agents.push_back({agent_kind::rpc_client, "t" + std::to_string(i), 1});
  }
  CHECK(roles_refusal(o, asked) == "1001 topics: a process has at most 1000");
  asked.agents.pop_back();
  CHECK(roles_refusal(o, asked).empty());
}

TEST_CASE("A pattern stands for a whole text") {
  using agents::matches;
  CHECK(matches("", ""));
  CHECK_FALSE(matches("", "a"));
  CHECK(matches("abc", "abc"));
  CHECK_FALSE(matches("abc", "abcd"));
  CHECK_FALSE(matches("abcd", "abc"));
  CHECK(matches("a?c", "abc"));
  CHECK_FALSE(matches("a?c", "ac"));
  CHECK(matches("*", ""));
  CHECK(matches("*", "anything"));
  CHECK(matches("a*", "a"));
  CHECK(matches("a*c*", "abbcbb"));
  CHECK(matches("*b*d", "abcbcd"));
  CHECK_FALSE(matches("a*c", "abcb"));
  CHECK(matches("[::1]", "[::1]"));
  CHECK_FALSE(matches("[ab]", "a"));
  CHECK_FALSE(matches(std::string(300, '*') + "x", std::string(4'000, 'a')));
}

TEST_CASE("A bus is the own one by scheme, hosts, ports and virtual host") {
  const std::string own = "rabbit://me:secret@h1:5672,h2/v?ssl=1";
  CHECK(bus_words("rabbit://h1,h2/v", own).empty());
  CHECK(bus_words("rabbit://h2,H1:5672/v", own).empty());
  CHECK(bus_words("rabbit://you:other@h1,you:other@h2/v", own).empty());
  CHECK(bus_words("rabbit://h1,h2/v?ssl=1", own).empty());
  for (const char* other :
       {"amqp://h1,h2/v", "rabbit://h1/v", "rabbit://h1,h2,h3/v", "rabbit://h1,h2:5673/v",
        "rabbit://h1,h2/w", "rabbit://h1,h2", "rabbit://h1,h2/v?ssl=0"}) {
    INFO(other);
    CHECK_FALSE(bus_words(other, own).empty());
  }
  CHECK(bus_words("rabbit://you:hidden@h3/v", own) ==
        "bus rabbit://you:***@h3:5672/v is not the process's own "
        "(rabbit://me:***@h1:5672,h2:5672/v?ssl=1), and no --allow-url allows it");
}

TEST_CASE("Another bus is one that --allow-url says, each host of it, but for its login") {
  const std::string own = "amqp://h";
  CHECK(bus_words("amqp://lab-1", own, {"amqp://lab-*"}).empty());
  CHECK(bus_words("amqp://u:p@lab-1:5671/v", own, {"amqp://lab-?:567?/*"}).empty());
  CHECK(bus_words("amqp://lab-1,u:p@lab-2", own, {"amqp://lab-*"}).empty());
  CHECK(bus_words("amqp://lab-1,other", own, {"amqp://lab-*"}).size() > 0);
  CHECK(bus_words("amqp://lab-1,other", own, {"amqp://lab-*", "*other*"}).empty());
  CHECK(bus_words("rabbit://lab-1", own, {"amqp://lab-*"}).size() > 0);
  CHECK(bus_words("amqp://lab-@other", own, {"amqp://lab-*"}).size() > 0);
  CHECK(bus_words("amqp://x:lab-1@other", own, {"amqp://*lab-*"}).size() > 0);
  CHECK(bus_words("amqp://lab-1?ssl=1", own, {"amqp://lab-1:5672/"}).size() > 0);
  CHECK(bus_words("amqp://lab-1", own, {"amqp://lab-1:5672/"}).empty());
}

TEST_CASE("Agents on the own bus use its login and options, on another what they are told") {
  auto o = standby_options();
  o.allowed_urls = {"amqp://lab-*"};
  o.body_limit = 100'000;
  const fleet_plan started = make_fleet_plan(o);
  CHECK(plan_roles(started, some_clients(1, "rabbit://h1,h2/v")).bus == started.bus);
  const auto as_you =
      plan_roles(started, some_clients(1, "rabbit://you:other@h1,you:other@h2/v")).bus;
  CHECK(as_you->messaging.url.hosts[0].user == "you");
  CHECK(as_you->messaging.url.hosts[0].password == "other");
  CHECK(as_you->messaging.rabbit.ssl);
  CHECK(as_you->messaging.body_limit == 100'000);
  const auto elsewhere = plan_roles(started, some_clients(1, "amqp://lab-7")).bus;
  CHECK(elsewhere->messaging.url.hosts[0].host == "lab-7");
  CHECK(elsewhere->messaging.url.hosts[0].user.empty());
  CHECK(elsewhere->messaging.url.driver == wire::oslo::driver_kind::amqp10);
  CHECK(elsewhere->messaging.body_limit == 100'000);
  CHECK(elsewhere->topology.mode == started.bus->topology.mode);
  CHECK(roles_refusal(o, some_clients(1, "amqp://other")).ends_with("no --allow-url allows it"));
  const std::string nonsense =
      roles_refusal(o, some_clients(1, "amqp://u:secret@lab-1?nonsense=1"));
  CHECK(nonsense.find("nonsense") != std::string::npos);
  CHECK(nonsense.find("secret") == std::string::npos);
  CHECK(roles_refusal(o, some_clients(1, "gopher://h")).find("gopher") != std::string::npos);
}
