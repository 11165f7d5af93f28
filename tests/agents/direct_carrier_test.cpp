// SPDX-License-Identifier: Apache-2.0
#include "agents/control/direct_carrier.hpp"

#include "wire/control/results.hpp"

#include "agents/control/direct_session.hpp"
#include "tests/agents/direct_fixture.hpp"

using namespace ombt;
using namespace ombt::tests;
using agents::report;

TEST_CASE_METHOD(direct_fixture, "A process is ready when it has joined the port") {
  port.set_ready(false);
  make();
  CHECK(port.joined());
  CHECK(port.settings().port == 5700);
  settle(loop);
  CHECK(ready == 0);
  SECTION("and fails once, with the words, if it cannot be reached") {
    port.fail("TCP port 5700 is another program's");
    port.fail("again");
    REQUIRE(drive(loop, [&] { return !failures.empty(); }));
    settle(loop);
    CHECK(failures == std::vector<std::string>{"TCP port 5700 is another program's"});
    CHECK(carrier->last_trouble() == failures[0]);
  }
  carrier.reset();
  CHECK_FALSE(port.joined());
}

TEST_CASE_METHOD(direct_fixture, "A hello is answered with what the process is") {
  start();
  direct_peer peer(port);
  number = 3;
  others.number = 4;
  const direct_word hello = answer(peer, peer.greet());
  wire::json::reader reader;
  wire::json::value root;
  REQUIRE_FALSE(reader.parse(hello.json, root));
  wire::control::process_hello read;
  std::string why;
  REQUIRE(read_process_hello(root, read, why));
  CHECK(read.program == "ombt-agent 1");
  CHECK(read.process == "0123456789abcdef");
  CHECK(read.agents == std::array<std::uint32_t, 4>{7, 0, 0, 3});
  CHECK(read.topics == std::vector<std::string>{"t", "u"});
  CHECK(read.bus == "rabbit://u:***@h");
  CHECK(error(peer, peer.greet()) == "unknown method");
}

TEST_CASE_METHOD(direct_fixture,
                 "Who does not begin with a hello of this version is told so and let go") {
  start();
  direct_peer peer(port);
  SECTION("another version") {
    const std::string said = error(peer, peer.greet(7));
    CHECK(said.find("7") != std::string::npos);
    CHECK(said.find("1") != std::string::npos);
  }
  SECTION("another method") {
    CHECK(error(peer, peer.say("hold", "{}", {}, "")) == "expected a hello first");
  }
  SECTION("a hello without a name") {
    CHECK_FALSE(error(peer, peer.say("hello", R"({"version": 1})", {}, "")).empty());
  }
  SECTION("an answer") { peer.say_frame(R"({"id": 1, "result": 1})"); }
  REQUIRE(closed(peer));
  CHECK(peer->finished());
  CHECK(commands.empty());
  CHECK(carrier->counters().refused == 1);
}

TEST_CASE_METHOD(direct_fixture, "Who does not say who it is is let go") {
  settings.hello_limit = std::chrono::milliseconds(20);
  start();
  direct_peer silent(port);
  CHECK(closed(silent));
  direct_peer peer(port);
  greet(peer);
  settle(loop, std::chrono::milliseconds(50));
  CHECK_FALSE(peer->closed());
}

TEST_CASE_METHOD(direct_fixture,
                 "What is no frame of the protocol ends the connection, and nothing else") {
  start();
  const std::vector<std::string> hostile = {
      "",
      "x",
      "{",
      "[]",
      "7",
      "null",
      "{}",
      "\xff\xfe",
      std::string(100'000, '['),
      R"({"id": )" + std::string(1000, '9') + R"(, "method": "hold"})",
      R"({"id": -1, "method": "hold"})",
      R"({"id": 1.5, "method": "hold"})",
      R"({"id": "1", "method": "hold"})",
      R"({"id": 1, "method": 7})",
      R"({"id": 1, "method": "hold", "kind": "Spy"})",
      R"({"id": 1, "method": "hold", "kind": 1})",
      R"({"id": 1, "method": "hold", "topic": {}})",
      R"({"id": 1, "method": "hold", "args": []})",
      R"({"id": 1, "method": ")" + std::string(100'000, 'm') + "\"}",
      R"({"id": 1, "method": "hold", "topic": ")" + std::string(100'000, 't') + "\"}",
  };
  for (const std::string& frame : hostile) {
    INFO(frame.substr(0, 80));
    const auto before = carrier->counters().refused;
    direct_peer peer(port);
    greet(peer);
    peer.say_frame(frame);
    REQUIRE(closed(peer));
    CHECK(carrier->counters().refused == before + 1);
    CHECK(carrier->last_refusal().size() < 200);
  }
  CHECK(commands.empty());
  direct_peer peer(port);
  greet(peer);
}

TEST_CASE_METHOD(direct_fixture, "Hostile and unknown commands are refused with a reason") {
  start();
  direct_peer peer(port);
  hold(peer);
  const std::string to = R"("reply_addr": {"exchange": "e", "topic": "t", "server": "s"})";
  const auto client = std::optional(agent_kind::rpc_client);
  const std::optional<agent_kind> nobody;
  struct ask {
    std::string method;
    std::string args;
    std::optional<agent_kind> kind;
    std::string topic;
    std::string why;
  };
  const std::vector<ask> hostile = {
      {"self_ready", "{}", client, "t", "unknown method"},
      {"client_pong", "{}", client, "t", "unknown method"},
      {"no such thing", "{}", client, "t", "unknown method"},
      {"client_ping", "{}", nobody, "t", "kind is missing"},
      {"client_ping", "{}", client, "", "topic is missing"},
      {"get_server_results", "{}", nobody, "", "kind is missing"},
      {"shutdown", "{}", nobody, "t", "kind is missing"},
      {"client_ping", "{}", client, "t", "reply_addr is missing"},
      {"get_server_results", R"({"reply_addr": 7})", client, "t", "reply_addr is no object"},
      {"run_test", "{}", client, "t", "test is missing"},
      {"run_test", R"({"test": "cancel_run"})", client, "t", "kwargs.ombt.run is missing"},
      {"run_test", R"({"test": "test_call", "kwargs": {"count": 1}, )" + to + "}", client, "t",
       "a test goes by prepare and start"},
      {"prepare", R"({"test": "test_call", "kwargs": {"count": 1}, )" + to + "}", nobody, "t",
       "kind is missing"},
      {"prepare", R"({"test": "test_call", "kwargs": {"count": 1}, )" + to + "}", client, "t",
       "a run that is prepared needs an id"},
      {"prepare", R"({"test": "test_call", "kwargs": {"count": 1e300}, )" + to + "}", client, "t",
       "kwargs.count is no whole number from 1 to 1000000000"},
      {"prepare",
       R"({"test": "test_notify", "kwargs": {"count": 1, "ombt": {"run": "r"}}, )" + to + "}",
       client, "t", "no test of a RPCClient"},
      {"prepare", R"({"test": "unheard_of", "kwargs": {}, )" + to + "}", client, "t",
       "no test of a RPCClient"},
      {"prepare", R"({"test": "cancel_run", "kwargs": {"ombt": {"run": "r"}}, )" + to + "}", client,
       "t", "no test of a RPCClient"},
      {"prepare",
       R"({"test": "test_call", "kwargs": {"count": 1, "ombt": {"run": "r"}}, )" + to + "}", client,
       "nowhere", "no RPCClient of that topic is here"},
      {"start", "{}", nobody, "", "run is missing"},
      {"start", R"({"run": 7})", nobody, "", "run is no string"},
      {"start", R"({"run": "r", "monotonic_ns": 1e30, "realtime_ns": 1})", nobody, "", ""},
      {"clock", R"({"correct": "now"})", nobody, "", ""},
  };
  std::uint64_t refused = 0;
  for (const ask& one : hostile) {
    INFO(one.method << " " << one.args);
    const std::string said = error(peer, peer.say(one.method, one.args, one.kind, one.topic));
    CHECK_FALSE(said.empty());
    if (!one.why.empty()) CHECK(said == one.why);
    CHECK(carrier->counters().refused == ++refused);
  }
  CHECK(commands.empty());
  // No JSON reader of ours takes an integer beyond 64 bits.
  peer.say("start", R"({"run": "r", "monotonic_ns": 99999999999999999999})", {}, "");
  CHECK(closed(peer));
}

TEST_CASE_METHOD(direct_fixture, "A roll call's answer comes behind its pongs") {
  start();
  direct_peer peer(port);
  greet(peer);
  pongs = 50;
  answer(peer, peer.say("client_ping"));
  const auto all = peer->heard();
  REQUIRE(all.size() == 52);
  for (std::size_t i = 0; i < 50; ++i) {
    CHECK(all[i + 1].method == "client_pong");
    CHECK(all[i + 1].kind == agent_kind::rpc_client);
    CHECK(all[i + 1].topic == "t");
    CHECK(all[i + 1].text("name") == "agent-" + std::to_string(i));
    CHECK(all[i + 1].json.find("0123456789abcdef") != std::string::npos);  // the process
  }
  CHECK(all.back().json == "null");
  CHECK(carrier->counters().answers == 50);
  // Of a topic that is not here there is nobody.
  answer(peer, peer.say("client_ping", {}, agent_kind::rpc_client, "elsewhere"));
  CHECK(commands == std::vector<std::string>{"ping RPCClient"});
}

TEST_CASE_METHOD(direct_fixture,
                 "Commands come to the agents of their topic, results go back with it") {
  start();
  direct_peer peer(port);
  greet(peer);
  answer(peer, peer.say("get_server_results"));
  answer(peer, peer.say("get_server_results", {}, agent_kind::rpc_client, "u"));
  answer(peer, peer.say("shutdown", {}, agent_kind::notifier, "t"));
  std::string cancel;
  wire::control::append_cancel_run_args(cancel, "r-1", peer.address());
  answer(peer, peer.say("run_test", cancel));
  CHECK(commands ==
        std::vector<std::string>{"collect RPCClient", "shutdown Notifier", "cancel r-1 RPCClient"});
  CHECK(others.commands == std::vector<std::string>{"collect RPCClient"});
  REQUIRE(others.paths.size() == 1);
  CHECK(others.paths[0]->controller().server == peer.name);
  CHECK(paths[0] == paths[1]);
  report figures;
  figures.results.add_success(1.5);
  figures.details.run = "r";
  figures.details.latency.record(1'500'000);
  others.paths[0]->send_result(agent_kind::rpc_client, "c-0", figures, true);
  paths[0]->send_result(agent_kind::rpc_client, "c-1", figures, false);
  REQUIRE(drive(loop, [&] { return peer->heard("client_result").size() == 2; }));
  const auto results = peer->heard("client_result");
  CHECK(results[0].topic == "u");
  CHECK(results[1].topic == "t");
  for (const direct_word& one : results) {
    wire::json::reader reader;
    wire::json::value root;
    REQUIRE_FALSE(reader.parse(one.json, root));
    wire::control::client_result_request read;
    std::string why;
    REQUIRE(read_client_result_args(root, read, why));
    CHECK(read.results.msgs_ok == 1);
    CHECK(read.has_details == (one.topic == "u"));
  }
  bool alive = false;
  paths[0]->check_alive([&](bool is) { alive = is; });
  CHECK(alive);  // at once
}

TEST_CASE_METHOD(direct_fixture,
                 "Progress goes to the run's controller, and is dropped where it would pile up") {
  start();
  direct_peer peer(port);
  greet(peer);
  answer(peer, peer.say("client_ping"));
  const auto progress = paths[0]->progress();
  REQUIRE(progress);
  progress(R"({"run": "r"})");
  REQUIRE(drive(loop, [&] { return peer->heard("progress").size() == 1; }));
  CHECK(peer->heard("progress")[0].text("run") == "r");
  peer.connection().set_unsent(agents::direct_session::progress_limit + 1);
  progress("{}");
  settle(loop);
  CHECK(peer->heard("progress").size() == 1);
}

TEST_CASE_METHOD(direct_fixture, "Answers go out as fast as they are read, and not without end") {
  settings.answer_limit = 100;
  start();
  direct_peer peer(port);
  greet(peer);
  answer(peer, peer.say("client_ping"));
  peer.connection().set_unsent(agents::direct_session::unsent_limit);
  pongs = 60;
  const std::uint64_t asked = peer.say("client_ping");
  REQUIRE(drive(loop, [&] { return count("ping RPCClient") == 2; }));
  settle(loop);
  CHECK(peer->heard("client_pong").empty());
  CHECK_FALSE(peer->answer(asked));
  SECTION("read at last") {
    peer.read();
    answer(peer, asked);
    CHECK(peer->heard("client_pong").size() == 60);
  }
  SECTION("never read") {
    peer.say("client_ping");
    CHECK(closed(peer));
    REQUIRE(drive(loop, [&] { return !gone.empty(); }));
    CHECK(carrier->last_trouble().find("reads none of its answers") != std::string::npos);
    CHECK(carrier->counters().answers_lost > 60);
  }
}

TEST_CASE_METHOD(direct_fixture, "So many connections at once, and no more") {
  settings.controller_limit = 3;
  start();
  std::vector<std::unique_ptr<direct_peer>> peers;
  for (int i = 0; i < 3; ++i) greet(*peers.emplace_back(std::make_unique<direct_peer>(port)));
  direct_peer one_more(port);
  CHECK(closed(one_more));
  peers[0]->go();
  REQUIRE(closed(*peers[0]));
  settle(loop);
  direct_peer next(port);
  greet(next);
}

TEST_CASE_METHOD(direct_fixture,
                 "A process that stops says what it has to say, and leaves the port") {
  start();
  direct_peer peer(port);
  direct_peer stuck(port);
  greet(peer);
  greet(stuck);
  answer(peer, peer.say("client_ping"));
  answer(stuck, stuck.say("client_ping"));
  paths[0]->send_result(agent_kind::rpc_client, "c-0", {}, false);
  const bool all_read = GENERATE(true, false);
  if (!all_read) stuck.connection().set_unsent(1);
  int done = 0;
  carrier->stop(std::chrono::milliseconds(50), [&] { ++done; });
  CHECK_FALSE(port.joined());
  REQUIRE(drive(loop, [&] { return done == 1; }));
  CHECK(peer->closed());
  CHECK(peer->finished());
  CHECK(peer->heard("client_result").size() == 1);
  settle(loop);
  carrier.reset();
  CHECK(stuck->closed());
  CHECK(done == 1);
}

TEST_CASE_METHOD(direct_fixture,
                 "A controller is there from its hello to the end of its connection") {
  start();
  const auto begun = carrier->last_heard();
  direct_peer peer(port);
  settle(loop, std::chrono::milliseconds(5));
  CHECK(carrier->last_heard() == begun);
  greet(peer);
  const auto greeted = drivers::steady_clock::now();
  CHECK(carrier->last_heard() >= greeted);
  peer.go();
  REQUIRE(closed(peer));
  settle(loop);
  const auto left = carrier->last_heard();
  CHECK(left >= greeted);
  settle(loop, std::chrono::milliseconds(5));
  CHECK(carrier->last_heard() == left);
}
