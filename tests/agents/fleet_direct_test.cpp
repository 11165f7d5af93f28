// SPDX-License-Identifier: Apache-2.0
// A fleet whose controllers come over connections of their own, with agents on a bus in memory.
#include "wire/control/live.hpp"
#include "wire/control/results.hpp"

#include "agents/measure/boot_id.hpp"
#include "tests/agents/port_fixture.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace ombt;
using namespace ombt::tests;
using agents::fleet;
using wire::control::agent_kind;
using wire::control::test_kind;

namespace {

struct fleet_at_port : port_fixture {
  fleet_at_port() {
    options.control_url = "unix:/nowhere/agents.sock";
    options.rpc_clients = 6;
    options.rpc_servers = 2;
  }
  std::unique_ptr<fleet> make() {
    return std::make_unique<fleet>(
        agents::make_fleet_plan(options),
        [this](drivers::loop& on, std::shared_ptr<const drivers::transport_settings>) {
          return bus.make(on);
        },
        port.joining());
  }
  std::unique_ptr<fleet> started() {
    auto made = make();
    made->start(false);
    REQUIRE(made->wait_ready());
    return made;
  }
  void begin(direct_peer& peer, wire::control::test_parameters what,
             const std::string& topic = "t") {
    what.detail = 1;
    REQUIRE(answer(peer, peer.prepare(test_kind::call, what, topic)).error.empty());
    REQUIRE(answer(peer, peer.start({what.run, "", 0, 0})).error.empty());
  }
  static wire::control::test_parameters run(std::int64_t count, const std::string& id = "r") {
    auto p = parameters(count);
    p.run = id;
    return p;
  }
  /// Messages that the results so far have.
  static std::uint64_t messages(direct_peer& of) {
    std::uint64_t sum = 0;
    for (const direct_word& one : of->heard("client_result")) {
      wire::json::reader reader;
      wire::json::value root;
      wire::control::client_result_request read;
      std::string why;
      REQUIRE_FALSE(reader.parse(one.json, root));
      REQUIRE(read_client_result_args(root, read, why));
      sum += read.results.msgs_ok;
    }
    return sum;
  }
};

}  // namespace

TEST_CASE_METHOD(fleet_at_port,
                 "A controller finds, runs, polls and dismisses all agents over its connection") {
  options.threads = GENERATE(1, 3);
  const auto f = started();
  CHECK(port.settings().socket == "/nowhere/agents.sock");
  CHECK_FALSE(port.settings().tcp);
  CHECK(wire::control::is_process_key(port.settings().process));
  direct_peer peer(port);
  hold(peer);
  const std::string hello = peer->heard("")[0].json;
  CHECK(hello.find(R"("agents": {"RPCClient": 6, "RPCServer": 2})") != std::string::npos);
  CHECK(hello.find(R"("topology": "oslo")") != std::string::npos);
  CHECK(hello.find(port.settings().process) != std::string::npos);
  for (const agent_kind kind : wire::control::agent_kinds) {
    answer(peer, peer.say("client_ping", {}, kind));
  }
  CHECK(peer->heard("client_pong").size() == 8);
  for (const char* id : {"r-1", "r-2"}) {
    const std::size_t before = peer->heard("client_result").size();
    begin(peer, run(15, id));
    REQUIRE(drive(loop, [&] { return peer->heard("client_result").size() == before + 6; }));
    answer(peer, peer.say("get_server_results", {}, agent_kind::rpc_server));
    REQUIRE(drive(loop, [&] { return peer->heard("client_result").size() == before + 8; }));
  }
  CHECK(messages(peer) == 2 * 2 * 90);
  CHECK(peer->heard("started").size() == 2);
  for (const agent_kind kind : wire::control::agent_kinds) peer.say("shutdown", {}, kind);
  CHECK(alongside([&] { return f->wait(); }));
  CHECK(f->failure().empty());
  CHECK(f->control_trouble().empty());
  CHECK(peer->closed());
  CHECK_FALSE(port.joined());
}

TEST_CASE_METHOD(fleet_at_port, "Topics have runs of their own over one connection") {
  options.topic = "s";
  options.topics = 2;
  const auto f = started();
  direct_peer peer(port);
  hold(peer);
  CHECK(peer->heard("")[0].json.find(R"("topics": ["s-0", "s-1"])") != std::string::npos);
  auto what = run(5);
  for (const char* topic : {"s-0", "s-1"}) {
    REQUIRE(answer(peer, peer.prepare(test_kind::call, what, topic)).error.empty());
  }
  REQUIRE(answer(peer, peer.start({"r", "", 0, 0})).error.empty());
  REQUIRE(drive(loop, [&] { return peer->heard("client_result").size() == 6; }));
  std::multiset<std::string> topics;
  for (const direct_word& one : peer->heard("client_result")) topics.insert(one.topic);
  CHECK(topics.count("s-0") == 3);
  CHECK(topics.count("s-1") == 3);
  CHECK(peer->heard("started").size() == 1);
}

TEST_CASE_METHOD(fleet_at_port, "With unique the agents' one topic is the same for all") {
  options.unique = true;
  const auto f = started();
  direct_peer peer(port);
  hold(peer);
  answer(peer, peer.say("client_ping"));
  CHECK(peer->heard("client_pong").empty());
  answer(peer, peer.say("client_ping", {}, agent_kind::rpc_client, "singleton"));
  CHECK(peer->heard("client_pong").size() == 6);
}

TEST_CASE_METHOD(fleet_at_port,
                 "A controller that goes leaves no load, and the next has the agents") {
  options.threads = 2;
  const auto f = started();
  direct_peer first(port);
  hold(first);
  auto endless = run(1'000'000'000, "endless");
  endless.pause = 0.001;
  begin(first, endless);
  REQUIRE(drive(loop, [&] { return bus.sent("echo").size() > 20; }));
  first.go();
  REQUIRE(drive(loop, [&] { return first->closed(); }));
  direct_peer second(port, direct_peer::native_name('b'));
  hold(second);
  begin(second, run(3, "next"));
  REQUIRE(drive(loop, [&] { return second->heard("client_result").size() == 6; }));
  CHECK(messages(second) == 18);
  const std::size_t sent = bus.sent("echo").size();
  settle(loop);
  CHECK(bus.sent("echo").size() == sent);
  CHECK(first->heard("client_result").empty());
}

TEST_CASE_METHOD(fleet_at_port, "A controller ends its run, and has what was done until then") {
  const auto f = started();
  direct_peer peer(port);
  hold(peer);
  auto endless = run(1'000'000'000, "endless");
  endless.pause = 0.001;
  begin(peer, endless);
  REQUIRE(drive(loop, [&] { return bus.sent("echo").size() > 20; }));
  std::string args;
  wire::control::append_cancel_run_args(args, "endless", peer.address());
  answer(peer, peer.say("run_test", args));
  REQUIRE(drive(loop, [&] { return peer->heard("client_result").size() == 6; }));
  CHECK(messages(peer) > 0);
  CHECK(peer->heard("client_result")[0].json.find(R"("cut_short": true)") != std::string::npos);
}

TEST_CASE_METHOD(fleet_at_port, "Every I/O thread tells its progress over the connection") {
  options.threads = 3;
  const auto f = started();
  direct_peer peer(port);
  hold(peer);
  auto what = run(3);
  what.progress.emplace().direct = true;
  begin(peer, what);
  std::set<std::uint32_t> over;
  REQUIRE(drive(loop, [&] {
    for (const direct_word& one : peer->heard("progress")) {
      wire::json::reader reader;
      wire::json::value root;
      wire::control::live_report read;
      std::string why;
      REQUIRE_FALSE(reader.parse(one.json, root));
      REQUIRE(read_live_report(root, read, why));
      CHECK(read.run == "r");
      if (read.agents == 0) over.insert(read.thread);
    }
    return over.size() == 3;
  }));
}

TEST_CASE_METHOD(fleet_at_port, "A process refuses what it was not started for") {
  options.max_rate = 100;
  options.max_length = 10;
  const auto f = started();
  direct_peer peer(port);
  hold(peer);
  auto asked = run(5);
  asked.pause = 0.05;
  CHECK(answer(peer, peer.prepare(test_kind::call, asked)).error ==
        "the run asks 120 messages/s of this process, and --max-rate allows 100");
  asked.pause = 0;
  asked.data.assign(11, 'x');
  CHECK(answer(peer, peer.prepare(test_kind::call, asked)).error ==
        "the run has a payload of 11 bytes, and --max-length allows 10");
  asked.data.pop_back();
  begin(peer, asked);
  REQUIRE(drive(loop, [&] { return peer->heard("client_result").size() == 6; }));
  f->stop();
  alongside([&] { return f->wait(); });
  CHECK(f->control_trouble().starts_with("2 commands refused (last: prepare: the run has"));
}

TEST_CASE_METHOD(fleet_at_port, "Agents leave when no controller was there for so long") {
  options.idle_exit = 0.2;
  const auto begun = drivers::steady_clock::now();
  const auto f = started();
  SECTION("none came") {
    CHECK(alongside([&] { return f->wait(); }));
  }
  SECTION("one went") {
    direct_peer peer(port);
    hold(peer);
    settle(loop, std::chrono::milliseconds(500));
    CHECK(port.joined());
    peer.go();
    CHECK(alongside([&] { return f->wait(); }));
  }
  CHECK(drivers::steady_clock::now() - begun >= std::chrono::milliseconds(200));
  CHECK(f->failure().empty());
}

TEST_CASE_METHOD(fleet_at_port, "A port that cannot be joined is the agents' failure") {
  port.set_ready(false);
  options.timeout = 0.2;
  const auto f = make();
  f->start(false);
  SECTION("with its words") {
    REQUIRE(drive(loop, [&] { return port.joined(); }));
    port.fail("TCP port 5700 is another program's");
    CHECK_FALSE(alongside([&] { return f->wait_ready(); }));
    CHECK(f->failure() == "control: TCP port 5700 is another program's");
  }
  SECTION("or because it takes too long") {
    CHECK_FALSE(alongside([&] { return f->wait_ready(); }));
    CHECK(f->failure() ==
          "control: not ready in time: the port of this machine's agents is not joined");
  }
  CHECK_FALSE(alongside([&] { return f->wait(); }));
}
