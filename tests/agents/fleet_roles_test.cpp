// SPDX-License-Identifier: Apache-2.0
// A fleet of standby agents, on a bus in memory, that a controller gives roles.
#include "wire/control/assign.hpp"
#include "wire/control/results.hpp"

#include "tests/agents/port_fixture.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::tests;
using agents::fleet;
using wire::control::agent_kind;
using wire::control::placed_agents;
using wire::control::test_kind;

namespace {

struct standby_fleet : port_fixture {
  std::unique_ptr<fleet> agents;

  standby_fleet() {
    options.control_url = "unix:/nowhere/agents.sock";
    options.url = "rabbit://me:secret@h/";
    options.standby = 12;
    options.threads = 3;
  }
  void start() {
    agents = std::make_unique<fleet>(
        agents::make_fleet_plan(options),
        [this](drivers::loop& on, std::shared_ptr<const drivers::transport_settings>) {
          return bus.make(on);
        },
        port.joining());
    agents->start(false);
    REQUIRE(agents->wait_ready());
  }
  static std::uint64_t say_assign(direct_peer& peer, std::vector<placed_agents> what,
                                  const std::string& url = {}) {
    std::string args;
    wire::control::append_assign_request(args, {std::move(what), url});
    return peer.say("assign", args, {}, "");
  }
  /// The error of it; empty: done.
  std::string assign(direct_peer& peer, std::vector<placed_agents> what,
                     const std::string& url = {}) {
    const direct_word said = answer(peer, say_assign(peer, std::move(what), url));
    if (said.error.empty()) CHECK(said.json == "null");
    return said.error;
  }
  std::size_t pongs(direct_peer& peer, agent_kind kind, const std::string& topic = "t") {
    const std::size_t before = peer->heard("client_pong").size();
    answer(peer, peer.say("client_ping", {}, kind, topic));
    return peer->heard("client_pong").size() - before;
  }
  wire::control::process_hello told(direct_peer& peer) {
    std::vector<direct_word> all = peer->heard("roles");
    const direct_word last = all.empty() ? peer->heard("").front() : all.back();
    wire::json::reader reader;
    wire::json::value root;
    wire::control::process_hello out;
    std::string why;
    REQUIRE_FALSE(reader.parse(last.json, root));
    INFO(why);
    REQUIRE(read_process_hello(root, out, why));
    return out;
  }
  void run(direct_peer& peer, std::int64_t count, const std::string& id, std::size_t clients,
           test_kind test = test_kind::call, const std::string& topic = "t") {
    auto what = parameters(count);
    what.run = id;
    what.detail = 1;
    const std::size_t before = peer->heard("client_result").size();
    REQUIRE(answer(peer, peer.prepare(test, what, topic)).error.empty());
    REQUIRE(answer(peer, peer.start({id, "", 0, 0})).error.empty());
    REQUIRE(drive(loop, [&] { return peer->heard("client_result").size() == before + clients; }));
    CHECK(sum(peer, before) == clients * static_cast<std::uint64_t>(count));
  }
  static std::uint64_t sum(direct_peer& peer, std::size_t from) {
    std::uint64_t out = 0;
    const auto all = peer->heard("client_result");
    for (std::size_t i = from; i < all.size(); ++i) {
      wire::json::reader reader;
      wire::json::value root;
      wire::control::client_result_request read;
      std::string why;
      REQUIRE_FALSE(reader.parse(all[i].json, root));
      REQUIRE(read_client_result_args(root, read, why));
      out += read.results.msgs_ok;
    }
    return out;
  }
};

const std::vector<placed_agents> for_calls = {{agent_kind::rpc_client, "t", 5},
                                              {agent_kind::rpc_server, "t", 2}};

}  // namespace

TEST_CASE_METHOD(standby_fleet, "Standby agents are on no bus until they have a role") {
  start();
  direct_peer peer(port);
  hold(peer);
  const auto hello = told(peer);
  CHECK(hello.standby == 12);
  CHECK(hello.capacity == 12);
  CHECK(hello.agents == decltype(hello.agents){});
  CHECK(hello.topics.empty());
  CHECK(hello.bus == "rabbit://me:***@h:5672/");
  CHECK(hello.capabilities == std::vector<std::string>{"assign"});
  CHECK(bus.transports_made() == bus.transports_closed() + 1);  // but for the trial of its settings
  CHECK(bus.listening().empty());
  CHECK(pongs(peer, agent_kind::rpc_client) == 0);
}

TEST_CASE_METHOD(standby_fleet, "Agents get roles, run, and get others, run after run") {
  options.threads = GENERATE(1, 3);
  start();
  direct_peer peer(port);
  hold(peer);
  REQUIRE(assign(peer, for_calls) == "");
  auto hello = told(peer);
  CHECK(hello.agents == decltype(hello.agents){5, 2, 0, 0});
  CHECK(hello.standby == 5);
  CHECK(hello.capacity == 12);
  CHECK(hello.topics == std::vector<std::string>{"t"});
  CHECK(pongs(peer, agent_kind::rpc_client) == 5);
  CHECK(pongs(peer, agent_kind::rpc_server) == 2);
  CHECK(pongs(peer, agent_kind::listener) == 0);
  run(peer, 10, "r-1", 5);
  run(peer, 10, "r-2", 5);

  SECTION("of other kinds") {
    REQUIRE(assign(peer, {{agent_kind::listener, "t", 2}, {agent_kind::notifier, "t", 10}}) == "");
    CHECK(pongs(peer, agent_kind::rpc_client) == 0);
    CHECK(pongs(peer, agent_kind::notifier) == 10);
    run(peer, 3, "r-3", 10, test_kind::notify);
    CHECK(told(peer).standby == 0);
  }
  SECTION("in other topics") {
    REQUIRE(assign(peer, {{agent_kind::rpc_client, "u", 1},
                          {agent_kind::rpc_server, "u", 1},
                          {agent_kind::rpc_client, "v", 2},
                          {agent_kind::rpc_server, "v", 2}}) == "");
    CHECK(pongs(peer, agent_kind::rpc_client) == 0);
    CHECK(pongs(peer, agent_kind::rpc_client, "v") == 2);
    run(peer, 4, "r-3", 2, test_kind::call, "v");
    CHECK(told(peer).topics == std::vector<std::string>{"u", "v"});
  }
  SECTION("and none") {
    REQUIRE(assign(peer, {}) == "");
    CHECK(told(peer).standby == 12);
    CHECK(told(peer).topics.empty());
    CHECK(pongs(peer, agent_kind::rpc_client) == 0);
    CHECK(bus.listening().empty());
    REQUIRE(assign(peer, for_calls) == "");
    run(peer, 2, "r-3", 5);
  }
  agents->stop();
  CHECK(alongside([&] { return agents->wait(); }));
  CHECK(agents->failure().empty());
}

TEST_CASE_METHOD(standby_fleet, "What is refused leaves the roles as they are") {
  options.max_agents = 8;
  options.allowed_urls = {"amqp://lab-*"};
  start();
  direct_peer peer(port);
  REQUIRE(answer(peer, peer.greet()).error.empty());
  CHECK(assign(peer, for_calls) == "the process is not held by this controller");
  REQUIRE(answer(peer, peer.say("hold", "{}", {}, "")).json == R"({"held": true})");
  REQUIRE(assign(peer, for_calls, "rabbit://h") == "");
  const int made = bus.transports_made();
  CHECK(assign(peer, {{agent_kind::rpc_client, "t", 9}}) ==
        "9 agents are asked for, and --max-agents allows 8");
  CHECK(assign(peer, for_calls, "amqp://me:hidden@other") ==
        "bus amqp://me:***@other:5672/ is not the process's own (rabbit://me:***@h:5672/), and no "
        "--allow-url allows it");
  CHECK(answer(peer, peer.say("assign", "{}", {}, "")).error == "agents is missing");
  CHECK(bus.transports_made() == made);
  CHECK(pongs(peer, agent_kind::rpc_client) == 5);
  run(peer, 3, "r", 5);
  CHECK(assign(peer, for_calls, "amqp://you:hidden@lab-9") == "");
  CHECK(told(peer).bus == "amqp://you:***@lab-9:5672/");
  agents->stop();
  alongside([&] { return agents->wait(); });
  CHECK(agents->control_trouble().starts_with("4 commands refused (last: assign: agents is"));
}

TEST_CASE_METHOD(standby_fleet, "Agents that were started with roles keep them") {
  options.standby = 0;
  options.rpc_clients = 2;
  options.rpc_servers = 1;
  start();
  direct_peer peer(port);
  hold(peer);
  CHECK(told(peer).capacity == 0);
  CHECK(told(peer).capabilities.empty());
  CHECK(assign(peer, for_calls) == "the process was started with roles, not with --standby");
  CHECK(pongs(peer, agent_kind::rpc_client) == 2);
}

TEST_CASE_METHOD(standby_fleet,
                 "A bus that takes no agents is told, and they are on standby again") {
  options.timeout = 0.3;
  start();
  direct_peer peer(port);
  hold(peer);
  SECTION("one that refuses them") {
    bus.refuse_listeners(errc::authentication_failed, "no such user");
    CHECK(assign(peer, for_calls).find("no such user") != std::string::npos);
  }
  SECTION("one that does not answer") {
    bus.stall_listeners();
    CHECK(assign(peer, for_calls)
              .find("not ready in time: rabbit://me:***@h:5672/ has not answered") !=
          std::string::npos);
  }
  CHECK(told(peer).standby == 12);
  CHECK(pongs(peer, agent_kind::rpc_client) == 0);
  // Clients don't listen: these come to be.
  REQUIRE(assign(peer, {{agent_kind::notifier, "t", 3}}) == "");
  CHECK(pongs(peer, agent_kind::notifier) == 3);
  run(peer, 2, "r", 3, test_kind::notify);
}

TEST_CASE_METHOD(standby_fleet, "A run that is on ends with the roles of its agents") {
  start();
  direct_peer peer(port);
  hold(peer);
  REQUIRE(assign(peer, for_calls) == "");
  auto endless = parameters(1'000'000'000);
  endless.pause = 0.001;
  endless.run = "endless";
  endless.detail = 1;
  REQUIRE(answer(peer, peer.prepare(test_kind::call, endless)).error.empty());
  REQUIRE(answer(peer, peer.start({"endless", "", 0, 0})).error.empty());
  REQUIRE(drive(loop, [&] { return bus.sent("echo").size() > 20; }));
  SECTION("and so does one that has been prepared") {
    auto next = parameters(3);
    next.run = "next";
    next.detail = 1;
    REQUIRE(answer(peer, peer.prepare(test_kind::call, next)).error.empty());
    REQUIRE(assign(peer, for_calls) == "");
    CHECK(answer(peer, peer.start({"next", "", 0, 0})).error.size() > 0);
  }
  SECTION("at once") { REQUIRE(assign(peer, for_calls) == ""); }
  const std::size_t sent = bus.sent("echo").size();
  settle(loop);
  CHECK(bus.sent("echo").size() == sent);
  CHECK(peer->heard("client_result").empty());
  run(peer, 5, "r", 5);
}

TEST_CASE_METHOD(standby_fleet, "A controller that goes in the middle leaves agents for the next") {
  start();
  direct_peer first(port);
  hold(first);
  bus.script_always("self_ready", {});
  say_assign(first, for_calls);
  first.go();
  direct_peer second(port, direct_peer::native_name('b'));
  REQUIRE(drive(loop, [&] { return first->closed(); }));
  hold(second);
  const std::vector<placed_agents> others = {{agent_kind::listener, "t", 1},
                                             {agent_kind::notifier, "t", 4}};
  REQUIRE(assign(second, others) == "");
  CHECK(pongs(second, agent_kind::rpc_client) == 0);
  CHECK(pongs(second, agent_kind::notifier) == 4);
  run(second, 3, "r", 4, test_kind::notify);
}

TEST_CASE_METHOD(standby_fleet, "One assignment waits for another, and a third is refused") {
  start();
  direct_peer peer(port);
  hold(peer);
  std::vector<std::uint64_t> ids;
  for (std::uint32_t n = 1; n <= 3; ++n) {
    ids.push_back(say_assign(peer, {{agent_kind::notifier, "t", n}}));
  }
  const std::string third = answer(peer, ids[2]).error;
  CHECK(answer(peer, ids[0]).error.empty());
  CHECK(answer(peer, ids[1]).error.empty());
  CHECK(third == "another assign waits already");
  CHECK(pongs(peer, agent_kind::notifier) == 2);
}

TEST_CASE_METHOD(standby_fleet, "Others are told what the agents are now, once they are it") {
  start();
  direct_peer onlooker(port, direct_peer::native_name('b'));
  REQUIRE(answer(onlooker, onlooker.greet()).error.empty());
  direct_peer peer(port);
  hold(peer);
  REQUIRE(assign(peer, for_calls) == "");
  REQUIRE(drive(loop, [&] { return onlooker->heard("roles").size() == 1; }));
  CHECK(told(onlooker).standby == 5);
  CHECK(pongs(onlooker, agent_kind::rpc_server) == 2);
  direct_peer later(port, direct_peer::native_name('c'));
  REQUIRE(answer(later, later.greet()).error.empty());
  CHECK(told(later).agents == told(onlooker).agents);
}

TEST_CASE_METHOD(standby_fleet, "Standby agents leave when they are told to") {
  start();
  direct_peer peer(port);
  hold(peer);
  SECTION("without a role, in any topic") {
    peer.say("shutdown", {}, agent_kind::rpc_client, "whatever");
  }
  SECTION("with roles, all of them, and those without one with them") {
    REQUIRE(assign(peer, for_calls) == "");
    answer(peer, peer.say("shutdown", {}, agent_kind::rpc_client, "other"));
    answer(peer, peer.say("shutdown", {}, agent_kind::rpc_client));
    CHECK(pongs(peer, agent_kind::rpc_server) == 2);
    peer.say("shutdown", {}, agent_kind::rpc_server);
  }
  SECTION("by a signal, in the middle of an assignment") {
    bus.stall_listeners();
    const std::uint64_t id = say_assign(peer, for_calls);
    REQUIRE(drive(loop, [&] { return bus.transports_made() > 5; }));
    agents->stop();
    CHECK(answer(peer, id).error == "the process is leaving");
  }
  SECTION("while agents close for an assignment") {
    REQUIRE(assign(peer, for_calls) == "");
    const std::uint64_t id = say_assign(peer, for_calls);
    agents->stop();
    REQUIRE(drive(loop, [&] { return peer->answer(id).has_value() || peer->closed(); }));
  }
  CHECK(alongside([&] { return agents->wait(); }));
  CHECK(agents->failure().empty());
  CHECK_FALSE(port.joined());
}

TEST_CASE_METHOD(standby_fleet,
                 "Agents without a role leave when no controller was there so long") {
  options.idle_exit = 0.2;
  start();
  direct_peer peer(port);
  hold(peer);
  REQUIRE(assign(peer, for_calls) == "");
  settle(loop, std::chrono::milliseconds(400));
  CHECK(port.joined());
  peer.go();
  CHECK(alongside([&] { return agents->wait(); }));
  CHECK(agents->failure().empty());
}

TEST_CASE_METHOD(standby_fleet, "What agents counted stays when they are others") {
  options.metrics = "127.0.0.1:0";
  start();
  direct_peer peer(port);
  hold(peer);
  REQUIRE(assign(peer, for_calls) == "");
  run(peer, 10, "r-1", 5);
  REQUIRE(assign(peer, {{agent_kind::rpc_client, "u", 1}, {agent_kind::rpc_server, "u", 1}}) == "");
  run(peer, 10, "r-2", 1, test_kind::call, "u");
  REQUIRE(assign(peer, {}) == "");
  std::atomic<bool> done = false;
  wire::control::process_figures figures;
  agents->figures([&](const wire::control::process_figures& all) {
    figures = all;
    done = true;
  });
  REQUIRE(drive(loop, [&] { return done.load(); }));
  const auto& clients = figures[static_cast<std::size_t>(agent_kind::rpc_client)];
  CHECK(clients.present);
  CHECK(clients.agents == 0);
  CHECK(clients.counts.ok == 60);
}

TEST_CASE_METHOD(standby_fleet, "Runs are bounded whatever the agents' roles") {
  options.max_rate = 100;
  start();
  direct_peer peer(port);
  hold(peer);
  REQUIRE(assign(peer, for_calls) == "");
  auto asked = parameters(5);
  asked.run = "r";
  asked.detail = 1;
  asked.pause = 0.05;
  REQUIRE(answer(peer, peer.prepare(test_kind::call, asked)).error.empty());
  // What was prepared is forgotten with the roles, and takes no room.
  REQUIRE(assign(peer, for_calls) == "");
  REQUIRE(answer(peer, peer.prepare(test_kind::call, asked)).error.empty());
  asked.pause = 0.04;
  CHECK(answer(peer, peer.prepare(test_kind::call, asked)).error ==
        "the run asks 125 messages/s of this process, and --max-rate allows 100");
}
