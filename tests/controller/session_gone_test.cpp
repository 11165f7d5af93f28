// SPDX-License-Identifier: Apache-2.0
// Sessions by direct control whose processes go, in each phase, and take their agents with them.
#include "tests/controller/direct_script.hpp"

#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::tests;

TEST_CASE("direct: a process that goes in the roll call was never there") {
  direct_script s;
  const auto pings = s.to_roll_call();
  s.pong_from(client, "c1", 1);
  s.pong_from(client, "c2", 2);
  s.pong_from(server, "s1", 3);
  s.lose(2);
  for (const action& a : pings) s.complete(a);
  s.pass(0s);
  CHECK(s.machine.current() == phase::resetting);
  CHECK(s.found().count(client) == 1);
  CHECK(s.found().topics[0].count(client) == 1);
  CHECK(s.found().agents[1].left);
  s.lose(2);
  s.lose(99);
}

TEST_CASE("direct: its successor may have agents of the same names") {
  direct_script s;
  s.to_roll_call();
  s.pong_from(client, "c1", 1);
  s.lose(1);
  s.pong_from(client, "c1", 2);
  CHECK(s.found().count(client) == 1);
  CHECK(s.found().same_names.empty());
  CHECK_FALSE(s.found().agents[0].left);
  // But not while it is there.
  s.pong_from(client, "c1", 3);
  s.pong(client, "c1");
  CHECK(s.found().count(client) == 1);
  CHECK(s.found().same_names.at("c1") == 2);
}

TEST_CASE("direct: results of another process's agent are nobody's") {
  direct_script s;
  s.to_run();
  s.result_from(client, "c1", 2, 10);
  s.result(client, "c1", 10);
  CHECK(s.found().foreign_results == 2);
  CHECK(s.machine.how_far().done == 0);
}

TEST_CASE("direct: servers that go in the reset take no part") {
  direct_script s;
  s.to_reset();
  s.lose(3);
  CHECK(s.machine.current() == phase::resetting);
  s.result_from(server, "s2", 4, 0);
  s.complete(s.expect_order(order::prepare, 1)[0]);
  s.complete(s.expect_order(order::start, 1)[0]);
  s.result_from(client, "c1", 1, 10);
  s.result_from(client, "c2", 2, 10);
  s.expect(method::get_server_results, 1);
  s.result_from(server, "s2", 4, 20);
  REQUIRE(s.machine.finished());
  CHECK(s.elapsed() == 0s);
  CHECK(s.found().problems ==
        std::vector<std::string>{"RPC server s1 did not answer: process 3 is gone"});
}

TEST_CASE("direct: all servers gone before the run, there is none") {
  direct_script s;
  SECTION("in the reset") {
    s.to_reset();
    s.lose(3);
    s.lose(4);
  }
  SECTION("while it is prepared") {
    const action prepare = s.to_prepare();
    s.lose(3);
    s.lose(4);
    s.complete(prepare);
  }
  CHECK(s.machine.finished());
  CHECK(s.found().failure ==
        "none of 2 RPC servers is there any more; process 3 is gone; so is 1 more process");
}

TEST_CASE("direct: a server that goes while a fanout is prepared is not expected to have it") {
  direct_script s{plan_of_processes(task::rpc_fanout)};
  const action prepare = s.to_prepare();
  s.lose(3);
  s.complete(prepare);
  s.complete(s.expect_order(order::start, 1)[0]);
  for (const auto& [name, from] : {std::pair{"c1", 1U}, {"c2", 2U}})
    s.result_from(client, name, from, 10);
  s.pass(1s);
  s.expect(method::get_server_results, 1);
  s.result_from(server, "s2", 4, 20);
  REQUIRE(s.machine.finished());
  CHECK(s.found().expected == 20);
  CHECK(s.found().ledger->receivers == 0);  // s2 has no ledger
  CHECK(s.found().problems ==
        std::vector<std::string>{"RPC server s1 did not answer: process 3 is gone"});
}

TEST_CASE("direct: clients that go before the run, or in it, are missing at once") {
  const bool before = GENERATE(true, false);
  direct_script s;
  if (before) {
    const action prepare = s.to_prepare();
    s.lose(1);
    s.complete(prepare);
    s.complete(s.expect_order(order::start, 1)[0]);
  } else {
    s.to_run();
    s.lose(1);
  }
  CHECK(s.machine.current() == phase::running);
  s.result_from(client, "c2", 2, 10);
  s.expect(method::get_server_results, 1);
  s.result_from(server, "s1", 3, 10);
  s.result_from(server, "s2", 4, 0);
  REQUIRE(s.machine.finished());
  CHECK(s.elapsed() == 0s);
  CHECK(s.found().problems ==
        std::vector<std::string>{"RPC client c1 sent no results: process 1 is gone"});
}

TEST_CASE("direct: what is missing with a process that is gone is told once a kind") {
  direct_script s;
  s.to_run_with({{client, "a", 1},
                 {client, "b", 1},
                 {client, "c", 1},
                 {client, "d", 2},
                 {server, "x", 1},
                 {server, "y", 1},
                 {server, "z", 3}});
  s.lose(1);
  s.to_end_of({client, "d", 2}, {server, "z", 3});
  REQUIRE(s.machine.finished());
  CHECK(s.found().problems ==
        std::vector<std::string>{"3 RPC clients sent no results: process 1 is gone",
                                 "2 RPC servers did not answer: process 1 is gone"});
}

TEST_CASE("direct: a run says that a process with agents for it went before") {
  const std::size_t gone = GENERATE(0, 1, 3);
  direct_script s;
  const std::string topic = s.machine.what().topic;
  // What has no agents for it is not missed.
  s.tell_of(5, 75, agent_kind::listener, topic);
  s.tell_of(6, 76, client, "another");
  for (controller::process_number i = 0; i < 3; ++i) s.tell_of(10 + i, 80 + i, server, topic);
  const auto pings = s.to_roll_call();
  s.pong_from(client, "c1", 1);
  s.pong_from(server, "s1", 3);
  s.pong_from(server, "s2", 10);
  s.lose(5);
  s.lose(6);
  for (std::size_t i = 0; i < gone; ++i) s.lose(static_cast<controller::process_number>(10 + i));
  if (gone == 0) s.machine.on_gone(99, "one that said nothing", s.now());
  std::vector<direct_script::agent_there> servers{{server, "s1", 3}};
  if (gone == 0) servers.push_back({server, "s2", 10});
  s.to_run_of(pings, servers);
  s.to_end_of({client, "c1", 1}, {server, "s1", 3});
  if (gone == 0) s.result_from(server, "s2", 10, 0);
  REQUIRE(s.machine.finished());
  const auto& told = s.found().problems;
  if (gone == 0) CHECK(told.empty());
  if (gone == 1) {
    CHECK(told == std::vector<std::string>{"process 10 is gone: the run was without its agents"});
  }
  if (gone == 3) {
    CHECK(told == std::vector<std::string>{"process 10 is gone; so are 2 more processes: the run "
                                           "was without their agents"});
  }
}

TEST_CASE("direct: who went in the roll call is not missed after the warm-up either") {
  plan p = plan_of_processes();
  p.parameters.load.emplace();
  p.warmup = 1;
  direct_script s{p};
  s.tell_of(2, 72, server, p.topic);
  const auto pings = s.to_roll_call();
  s.pong_from(client, "c1", 1);
  s.pong_from(client, "c2", 2);
  s.pong_from(server, "s1", 3);
  s.pong_from(server, "s2", 2);
  s.lose(2);
  for (const action& a : pings) s.complete(a);
  s.pass(0s);
  s.expect(method::get_server_results, 1);
  s.result_from(server, "s1", 3, 0);
  for (int run = 0; run < 2; ++run) {
    s.complete(s.expect_order(order::prepare, 1)[0]);
    s.complete(s.expect_order(order::start, 1)[0]);
    auto r = session_script::record(client, "c1", 10);
    r.has_details = true;
    r.details.run = s.machine.run_id();
    s.machine.on_result(r, s.now(), 0, 1);
    s.expect(method::get_server_results, 1);
    s.result_from(server, "s1", 3, 10);
  }
  REQUIRE(s.machine.finished());
  CHECK(s.found().warm_up_messages == 10);
  CHECK(s.found().problems ==
        std::vector<std::string>{"process 2 is gone: the run was without its agents"});
  // It may be at work still, without its controller: what it had is not known.
  CHECK_FALSE(s.found().ledger->complete());
}

TEST_CASE("direct: what silent processes owe is told once a kind") {
  direct_script s;
  s.tell_of(1, 71, client, s.machine.what().topic);
  s.to_run_with(
      {{client, "a", 1}, {client, "b", 1}, {client, "c", 2}, {client, "d", 3}, {server, "x", 4}});
  s.result_from(client, "d", 3, 10);
  s.pass(70s);
  s.take();
  s.result_from(server, "x", 4, 10);
  REQUIRE(s.machine.finished());
  REQUIRE(s.found().problems.size() >= 2);
  CHECK(has(s.found().problems[0],
            "2 RPC clients of process 71 of host n1 sent no results within 60 s"));
  CHECK(has(s.found().problems[1], "RPC client c sent no results within 60 s"));
}

TEST_CASE("direct: who is not there on a topic may be on another") {
  direct_script s;
  s.tell_of(1, 71, client, s.machine.what().topic);
  s.tell_of(2, 72, server, "b");
  s.tell_of(3, 73, server, "a");
  s.tell_of(4, 74, agent_kind::listener, "c");
  s.tell_of(5, 75, client, "d");  // of what is not missing
  const auto pings = s.to_roll_call();
  s.pong_from(client, "c1", 1);
  for (const action& a : pings) s.complete(a);
  s.pass(60s);
  REQUIRE(s.machine.finished());
  CHECK(has(s.found().failure, "no RPC server answered on topic "));
  CHECK(s.found().failure.ends_with("; agents are there on topic a, b"));
}

TEST_CASE("direct: nobody misses who goes where agents are expected, or others waited for") {
  const bool expects = GENERATE(true, false);
  plan p = plan_of_processes();
  if (expects) {
    p.expect = {{agent_kind::rpc_client, 1}};
  } else {
    p.wait = 60s;
  }
  direct_script s{p};
  s.machine.on_listening(s.now());
  s.expect(method::self_ready, 1);
  s.tell_of(9, 79, client, p.topic);
  if (!expects) {
    // It is waited for others, and meanwhile one goes.
    s.complete(s.expect_order(order::hold, 1)[0], errc::cancelled, "another holds 1 of 4");
    s.lose(9);
    s.pass(1s);
  }
  s.complete(s.expect_order(order::hold, 1)[0]);
  const auto pings = s.take();
  if (expects) s.lose(9);
  s.pong_from(client, "c1", 1);
  s.pong_from(server, "s1", 3);
  s.to_run_of(pings, {{server, "s1", 3}});
  s.to_end_of({client, "c1", 1}, {server, "s1", 3});
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  // Where nobody waited it is to be known.
  CHECK(s.found().notes.size() == (expects ? 1 : 0));
}

TEST_CASE("direct: whose agents are another process's now is not missed") {
  direct_script s;
  for (const controller::process_number which : {2U, 9U}) {
    s.tell_of(which, 70 + which, client, s.machine.what().topic);
  }
  const auto pings = s.to_roll_call();
  s.pong_from(client, "c2", 2);
  s.pong_from(server, "s1", 3);
  s.lose(2);
  s.pong_from(client, "c2", 9);
  s.to_run_of(pings, {{server, "s1", 3}});
  s.to_end_of({client, "c2", 9}, {server, "s1", 3});
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
}

TEST_CASE("direct: why there are no servers is told of those that a topic lacks") {
  plan p = plan_of_processes();
  p.topics = {"m-0", "m-1"};
  direct_script s{p};
  s.machine.on_listening(s.now());
  while (s.machine.current() != phase::roll_call) {
    for (const action& a : s.take()) s.complete(a);
  }
  const auto pings = s.take();
  for (std::uint32_t topic : {0U, 1U}) {
    s.machine.on_pong({client, "c", ""}, s.now(), topic, 1);
    s.machine.on_pong({server, "s", ""}, s.now(), topic, 3 + topic);
  }
  s.machine.on_pong({server, "silent", ""}, s.now(), 1, 7);
  for (const action& a : pings) s.complete(a);
  s.pass(0s);
  s.take();
  s.lose(1);
  s.lose(3);
  auto r = session_script::record(server, "s", 0);
  r.has_details = true;
  s.machine.on_result(r, s.now(), 1, 4);
  s.pass(61s);
  REQUIRE(s.machine.finished());
  CHECK(s.found().failure ==
        "none of 1 RPC servers of topic m-0 is there any more; process 3 is gone");
}

TEST_CASE("direct: a call that was answered is not lost with its server") {
  const task what = GENERATE(task::rpc_call, task::rpc_cast);
  direct_script s{plan_of_processes(what)};
  s.to_run_with({{client, "c", 1}, {server, "x", 2}, {server, "y", 3}});
  s.result_from(client, "c", 1, 10);
  s.lose(3);
  for (int i = 0; i < 20 && !s.machine.finished(); ++i) {
    s.pass(500ms);
    for (const action& a : s.take()) {
      s.complete(a);
      s.result_from(server, "x", 2, i == 0 ? 6 : 0);
    }
  }
  REQUIRE(s.machine.finished());
  CHECK(s.has_problem("4 of 10 messages are not accounted for"));
  CHECK(s.found().clients.lost == (what == task::rpc_call ? 0 : 4));
}

TEST_CASE("direct: where agents of a kind are missed, so is the process that is gone") {
  direct_script s;
  const auto pings = s.to_roll_call();
  s.lose(1);
  s.lose(2);
  s.lose(5);
  s.pong_from(server, "s", 3);
  for (const action& a : pings) s.complete(a);
  s.pass(60s);
  REQUIRE(s.machine.finished());
  CHECK(has(s.found().failure, "no RPC client answered on topic "));
  CHECK(s.found().failure.ends_with("; process 1 is gone; so are 2 more processes"));
}

TEST_CASE("direct: all clients gone, the servers are still asked") {
  const bool before = GENERATE(true, false);
  direct_script s;
  if (before) {
    const action prepare = s.to_prepare();
    s.lose(1);
    s.lose(2);
    s.complete(prepare);
    s.expect_last(method::get_server_results);
  } else {
    s.to_run();
    s.lose(1);
    s.lose(2);
    s.expect(method::get_server_results, 1);
  }
  s.result_from(server, "s1", 3, 4);
  s.result_from(server, "s2", 4, 0);
  s.pass(1s);
  REQUIRE(s.machine.finished());
  CHECK(s.has_problem("RPC client c1 sent no results: process 1 is gone"));
  CHECK(s.has_problem("RPC client c2 sent no results: process 2 is gone"));
  CHECK_FALSE(s.has_problem("none of"));
}

TEST_CASE("direct: all clients gone with one process are told as all") {
  direct_script s;
  s.to_run_with({{client, "a", 1}, {client, "b", 1}, {server, "s", 3}});
  s.lose(1);
  s.expect(method::get_server_results, 1);
  s.result_from(server, "s", 3, 0);
  s.pass(1s);
  REQUIRE(s.machine.finished());
  CHECK(s.has_problem("none of 2 RPC clients sent results: process 1 is gone"));
}

TEST_CASE("direct: where expected agents are missed, so is the process that is gone") {
  plan p = plan_of_processes();
  p.expect = {{agent_kind::rpc_client, 2}};
  direct_script s{p};
  const auto pings = s.to_roll_call();
  s.pong_from(client, "c1", 1);
  s.pong_from(client, "c2", 2);
  s.lose(2);
  s.pong_from(server, "s", 3);
  for (const action& a : pings) s.complete(a);
  s.pass(120s);
  REQUIRE(s.machine.finished());
  CHECK(has(s.found().failure, "expected 2 RPC clients; answered 1 RPC client"));
  CHECK(s.found().failure.ends_with("; process 2 is gone"));
}

TEST_CASE("direct: a client that goes once it has reported is not missed") {
  direct_script s;
  s.to_poll();
  s.lose(1);
  s.result_from(server, "s1", 3, 20);
  s.result_from(server, "s2", 4, 0);
  REQUIRE(s.machine.finished());
  CHECK(s.found().problems.empty());
}

TEST_CASE("direct: a server that goes in the run is missing, and its messages are not waited for") {
  const int when = GENERATE(0, 1, 2);
  direct_script s;
  if (when == 0) {
    s.to_run();
    s.lose(3);
    s.result_from(client, "c1", 1, 10);
    s.result_from(client, "c2", 2, 10);
    s.expect(method::get_server_results, 1);
  } else {
    s.to_poll();
    if (when == 2) s.result_from(server, "s1", 3, 1);
    s.lose(3);
  }
  s.result_from(server, "s2", 4, 9);
  // Asked again until nothing more comes.
  for (int i = 0; i < 20 && !s.machine.finished(); ++i) {
    s.pass(500ms);
    for (const action& a : s.take()) {
      s.complete(a);
      s.result_from(server, "s2", 4, 0);
    }
  }
  REQUIRE(s.machine.finished());
  CHECK(s.elapsed() < 5s);
  CHECK(s.has_problem("RPC server s1 did not answer: process 3 is gone"));
  CHECK(s.has_problem(std::string(when == 2 ? "10" : "11") +
                      " of 20 messages are not accounted for by the receivers that answered"));
}

TEST_CASE("direct: the last server gone, nobody is asked any more") {
  direct_script s;
  s.to_poll();
  s.lose(3);
  s.lose(4);
  s.pass(5s);
  REQUIRE(s.machine.finished());
  CHECK(s.has_problem("20 of 20 messages are not accounted for"));
}

TEST_CASE("direct: agents of other kinds may go") {
  direct_script s;
  s.to_run_with({{client, "c1", 1}, {server, "s1", 2}, {agent_kind::listener, "l1", 3}});
  s.lose(3);
  s.to_end_of({client, "c1", 1}, {server, "s1", 2});
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
}
