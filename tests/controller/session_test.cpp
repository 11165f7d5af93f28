// SPDX-License-Identifier: Apache-2.0
#include "controller/session.hpp"

#include "tests/controller/session_script.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::tests;

TEST_CASE("a call test goes through roll call, reset, run and poll, and adds up") {
  session_script s{plan_for(task::rpc_call)};
  const auto run = s.start_run({"c1", "c2"}, {"s1"});
  CHECK(run.args_json ==
        R"({"test": "test_call", "kwargs": {"verbose": false, "pause": 0.0, "data": "XXXX", )"
        R"("count": 10, "ombt": {"run": "0123456789abcdef-1", "detail": 1}}, )"
        R"("reply_addr": {"exchange": "ombt-control", "topic": "controller-t", "server": ")" +
            own_address.server + "\"}}");
  s.result(client, "c1", 10);
  CHECK(s.machine.current() == phase::running);
  s.result(client, "c2", 9, 1);
  CHECK(s.machine.current() == phase::polling);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 19);
  s.pass(1s);  // has the one that failed arrived?
  s.expect_last(method::get_server_results);
  s.result(server, "s1", 0);
  REQUIRE(s.machine.finished());
  CHECK(s.found().problems == std::vector<std::string>{"1 of 20 messages failed"});
  CHECK_FALSE(s.found().ok());
  CHECK(s.found().expected == 19);
  CHECK(s.found().received == 19);
  CHECK(s.found().clients.results.msgs_ok == 19);
  CHECK(s.found().clients.results.msgs_fail == 1);
  CHECK(s.found().clients.results.errors.at("no luck") == 1);
  CHECK(s.found().servers.results.msgs_ok == 19);
  CHECK(s.found().count(client) == 2);
  CHECK(s.found().count(server) == 1);
  CHECK_FALSE(s.machine.next_deadline());
}

TEST_CASE("what servers had counted before the run is thrown away") {
  // start_run() answers the reset with 77 + 3 messages.
  session_script s{plan_for(task::rpc_call)};
  s.start_run({"c"}, {"s1", "s2"});
  s.result(client, "c", 10);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 4);
  s.result(server, "s2", 6);
  REQUIRE(s.machine.finished());
  CHECK(s.found().received == 10);
  CHECK(s.found().servers.results.msgs_fail == 0);
}

TEST_CASE("casts are counted after the delay, asked again with growing gaps until all are there") {
  session_script s{plan_for(task::rpc_cast)};
  s.start_run({"c"}, {"s"});
  s.result(client, "c", 10);
  CHECK(s.machine.current() == phase::settling);
  CHECK(s.take().empty());
  s.pass(249ms);
  CHECK(s.take().empty());
  s.pass(1ms);
  CHECK(s.machine.current() == phase::polling);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 4);
  CHECK(s.take().empty());
  s.pass(250ms);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 0);  // an empty round: the next gap doubles
  s.pass(499ms);
  CHECK(s.take().empty());
  s.pass(1ms);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 5);
  s.pass(500ms);
  s.expect(method::get_server_results, 1);
  CHECK_FALSE(s.machine.finished());
  s.result(server, "s", 1);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  CHECK(s.found().received == 10);
}

TEST_CASE("the gap between questions is twice the pause where that is longer") {
  auto p = plan_for(task::rpc_cast);
  p.parameters.pause = 0.5;
  p.delay = {};
  session_script s{p};
  s.start_run({"c"}, {"s"});
  s.result(client, "c", 10);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 9);
  s.pass(999ms);
  CHECK(s.take().empty());
  s.pass(1ms);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 1);
  CHECK(s.machine.finished());
}

TEST_CASE("a fanout is complete when every server has had every message") {
  session_script s{plan_for(task::rpc_fanout)};
  s.start_run({"c1", "c2"}, {"s1", "s2", "s3"});
  s.result(client, "c1", 10);
  s.result(client, "c2", 10);
  s.pass(250ms);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 20);
  s.result(server, "s2", 20);
  s.result(server, "s3", 19);
  CHECK_FALSE(s.machine.finished());
  s.pass(250ms);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 0);
  s.result(server, "s3", 1);
  CHECK_FALSE(s.machine.finished());  // s2 has not answered this round
  s.result(server, "s2", 0);
  REQUIRE(s.machine.finished());
  CHECK(s.found().expected == 60);
  CHECK(s.found().ok());
}

TEST_CASE("notifications run over notifiers and are counted at listeners") {
  auto p = plan_for(task::notify);
  p.parameters.severity = "error";
  session_script s{p};
  const auto run = s.start_run({"n"}, {"l"}, agent_kind::notifier, agent_kind::listener);
  CHECK(has(run.args_json, R"("test": "test_notify")"));
  CHECK(has(run.args_json, R"("severity": "error")"));
  s.result(agent_kind::notifier, "n", 10);
  s.pass(250ms);
  const auto ask = s.expect(method::get_server_results, 1);
  CHECK(ask[0].to == agent_kind::listener);
  s.result(agent_kind::listener, "l", 10);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
}

TEST_CASE("a client that vanishes is named, the rest is reported") {
  session_script s{plan_for(task::rpc_call)};
  s.start_run({"c1", "gone"}, {"s"});
  s.pass(30s);
  s.result(client, "c1", 10);
  s.pass(59s);  // the result gave the others the timeout anew
  CHECK(s.machine.current() == phase::running);
  s.pass(1s);
  CHECK(s.machine.current() == phase::polling);
  s.expect_last(method::get_server_results);
  s.result(server, "s", 14);
  REQUIRE(s.machine.finished());
  CHECK_FALSE(s.found().ok());
  CHECK(s.found().failure.empty());
  REQUIRE(s.found().problems.size() == 1);
  CHECK(s.found().problems[0] ==
        "RPC client gone sent no results within 60 s; if it is still at "
        "work, raise --timeout");
  CHECK(s.found().expected == 10);
  CHECK(s.found().received == 14);
}

TEST_CASE("a client that was given up but reports while servers are asked counts after all") {
  session_script s{plan_for(task::rpc_cast)};
  s.start_run({"c1", "slow"}, {"s"});
  s.result(client, "c1", 10);
  s.pass(60s + 250ms);
  CHECK(s.machine.current() == phase::polling);
  s.expect_last(method::get_server_results);
  s.result(client, "slow", 10);
  s.result(server, "s", 20);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  CHECK(s.found().expected == 20);
}

TEST_CASE("the pauses of a long run are not held against its clients") {
  auto p = plan_for(task::rpc_call, 1'000);
  p.parameters.pause = 1;
  session_script s{p};
  s.start_run({"c"}, {"s"});
  s.pass(1'059s);
  CHECK(s.machine.current() == phase::running);
  s.pass(1s);
  CHECK(s.machine.current() != phase::running);
}

TEST_CASE("a server that vanishes in a run is named, and what is not accounted for is counted") {
  session_script s{plan_for(task::rpc_cast)};
  s.start_run({"c"}, {"s1", "gone"});
  s.result(client, "c", 10);
  s.pass(250ms);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 4);
  // Silent agents are asked again: the question may be lost. The others answer every time.
  std::size_t questions = 0;
  for (int second = 0; second < 70 && !s.machine.finished(); ++second) {
    s.pass(1s);
    for (const auto& a : s.take()) {
      CHECK(a.method == method::get_server_results);
      ++questions;
      s.complete(a);
      s.result(server, "s1", 0);
    }
  }
  CHECK(questions >= 3);
  REQUIRE(s.machine.finished());
  CHECK(s.elapsed() <= 66s);
  REQUIRE(s.found().problems.size() == 2);
  CHECK(s.found().problems[0] == "RPC server gone did not answer within 60 s");
  CHECK(s.found().problems[1] ==
        "6 of 10 messages are not accounted for by the receivers within 60 s");
}

TEST_CASE("messages that are lost end the polling at the timeout, without a server to blame") {
  session_script s{plan_for(task::rpc_cast)};
  s.start_run({"c"}, {"s"});
  s.result(client, "c", 10);
  s.pass(250ms);
  for (int i = 0; i < 700 && !s.machine.finished(); ++i) {
    for (const auto& a : s.take()) {
      s.complete(a);
      s.result(server, "s", 0);
    }
    s.pass(100ms);
  }
  REQUIRE(s.machine.finished());
  REQUIRE(s.found().problems.size() == 1);
  CHECK(has(s.found().problems[0], "10 of 10 messages"));
  CHECK(s.found().clients.lost == 10);
  // 0.25, 0.5, 1, … s: few questions, however long it takes.
  CHECK(s.sent.size() < 20);
}

TEST_CASE("a server that does not answer the reset is left out and named") {
  session_script s{plan_for(task::rpc_fanout)};
  s.connect();
  s.pong(client, "c");
  s.pong(server, "s");
  s.pong(server, "dead");
  s.pass(2s);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 5);
  s.pass(60s);
  CHECK(s.machine.current() == phase::running);
  s.take();
  s.result(server, "dead", 500);  // counted who knows what
  s.result(client, "c", 10);
  s.pass(250ms);
  s.take();
  s.result(server, "s", 10);
  REQUIRE(s.machine.finished());
  CHECK(s.found().expected == 10);
  CHECK(s.found().received == 10);
  CHECK(s.found().foreign_results == 1);
  REQUIRE(s.found().problems.size() == 1);
  CHECK(has(s.found().problems[0], "dead"));
}

TEST_CASE("if no server answers the reset there is nothing to measure") {
  session_script s{plan_for(task::rpc_call)};
  s.connect();
  s.pong(client, "c");
  s.pong(server, "s1");
  s.pong(server, "s2");
  s.pass(2s + 60s);
  REQUIRE(s.machine.finished());
  CHECK(s.found().failure == "none of 2 RPC servers answered get_server_results within 60 s");
  for (const auto& a : s.take()) CHECK(a.method != method::run_test);
}

TEST_CASE("without agents it is said which kind is missing and on which topic") {
  for (const auto what : {task::rpc_call, task::notify}) {
    session_script s{plan_for(what)};
    s.connect();
    if (what == task::notify) s.pong(agent_kind::listener, "l");
    s.pass(2s);
    REQUIRE(s.machine.finished());
    if (what == task::notify) {
      CHECK(s.found().failure ==
            "No Notifier clients visible: no Notifier answered on topic client-Notifier-t "
            "(exchange ombt-control) within 2 s");
    } else {
      CHECK(has(s.found().failure, "No RPCClient clients visible"));
      CHECK(has(s.found().failure, "No RPCServer servers visible"));
      CHECK(has(s.found().failure, "client-RPCServer-t"));
    }
  }
  auto p = plan_for(task::rpc_call);
  p.unique = true;
  session_script s{p};
  s.connect();
  s.pong(client, "c");
  s.pass(2s);
  CHECK(has(s.found().failure, "client-RPCServer-singleton"));
}

TEST_CASE("the roll call goes on while agents answer, and the quiet time begins with the pings") {
  session_script s{plan_for(task::rpc_call)};
  s.machine.on_listening(s.now());
  s.expect(method::self_ready, 1);
  const auto pings = s.take();
  REQUIRE(pings.size() == 4);
  s.pass(10s);  // the bus has not taken them yet
  CHECK(s.machine.current() == phase::roll_call);
  for (const auto& a : pings) s.complete(a);
  for (int i = 0; i < 10; ++i) {
    s.pass(1'900ms);
    s.pong(client, "c" + std::to_string(i));
  }
  s.pong(server, "s");
  CHECK(s.machine.current() == phase::roll_call);
  s.pass(2s);
  CHECK(s.machine.current() == phase::resetting);
  CHECK(s.found().count(client) == 10);
}

TEST_CASE("an agent that answers twice counts once, the same name in two kinds counts twice") {
  session_script s{plan_for(task::rpc_call)};
  s.connect();
  s.pong(client, "same");
  s.pong(client, "same");
  s.pong(server, "same");
  s.pass(2s);
  CHECK(s.found().count(client) == 1);
  CHECK(s.found().count(server) == 1);
  CHECK(s.found().duplicate_pongs == 1);
}

TEST_CASE("with --expect the roll call ends at once when all are there") {
  auto p = plan_for(task::rpc_call);
  p.expect = {controller::expectation::parse("3")};
  session_script s{p};
  s.connect();
  s.pong(client, "c1");
  s.pong(agent_kind::listener, "l");  // not of the kinds that a call needs
  s.pong(server, "s1");
  CHECK(s.machine.current() == phase::roll_call);
  s.pong(client, "c2");
  CHECK(s.machine.current() == phase::resetting);
}

TEST_CASE("others than those that are expected are waited for where they are to take part") {
  plan p = plan_for(task::rpc_call);
  p.expect = {controller::expectation::parse("rpc-client=1"),
              controller::expectation::parse("rpc-server=1")};
  p.others_too = true;
  session_script s{p};
  s.connect();
  s.pong(client, "c1");
  s.pong(server, "s1");
  s.pass(p.idle / 2);
  CHECK(s.machine.current() == phase::roll_call);
  s.pong(server, "s2");
  s.pass(p.idle / 2);
  CHECK(s.machine.current() == phase::roll_call);
  s.pass(p.idle / 2);
  CHECK(s.machine.current() == phase::resetting);
  CHECK(s.found().count(server) == 2);
}

TEST_CASE("with --expect KIND=N each kind is waited for, and late starters are pinged again") {
  auto p = plan_for(task::rpc_call);
  p.expect = {controller::expectation::parse("rpc-client=1"),
              controller::expectation::parse("RPCServer=2")};
  session_script s{p};
  s.connect();
  s.pong(client, "c1");
  s.pong(client, "c2");
  s.pong(server, "s1");
  s.pass(2s);
  s.expect(method::client_ping, 4);
  s.pass(4s);
  s.expect(method::client_ping, 4);
  s.pass(7s);
  CHECK(s.take().empty());
  s.pong(server, "s2");
  CHECK(s.machine.current() == phase::resetting);
}

TEST_CASE("what is expected and does not come by the timeout is told in numbers") {
  auto p = plan_for(task::rpc_call);
  p.expect = {controller::expectation::parse("5"), controller::expectation::parse("rpc-server=1")};
  p.timeout = 10s;
  session_script s{p};
  s.connect();
  s.pong(client, "c1");
  s.pass(9s);
  CHECK_FALSE(s.machine.finished());
  s.pass(1s);
  REQUIRE(s.machine.finished());
  CHECK(s.found().failure ==
        "not all expected agents answered within 10 s: expected 5 agents, 1 RPC server; answered "
        "1 RPC client (topic client-RPCClient-t), 0 RPC servers (topic client-RPCServer-t)");
}

TEST_CASE("status ends with the roll call, and counts every kind as expected") {
  session_script s{plan_for(task::status)};
  s.connect();
  s.pong(client, "c");
  s.pong(agent_kind::listener, "l");
  s.pass(2s);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  CHECK(s.found().agents.size() == 2);
  CHECK(s.take().empty());

  auto p = plan_for(task::status);
  p.expect = {controller::expectation::parse("2")};
  session_script e{p};
  e.connect();
  e.pong(agent_kind::listener, "l");
  e.pong(agent_kind::notifier, "n");
  e.pass(2s);
  CHECK(e.machine.finished());
  CHECK(e.found().ok());

  session_script none{plan_for(task::status)};
  none.connect();
  none.pass(2s);
  CHECK(none.machine.finished());
  CHECK(none.found().ok());
}

TEST_CASE("shutdown tells all four kinds and ends when the bus has taken it") {
  session_script s{plan_for(task::shutdown)};
  s.connect();
  s.pong(client, "c");
  s.pass(2s);
  CHECK(s.machine.current() == phase::leaving);
  const auto casts = s.take();
  REQUIRE(casts.size() == 4);
  for (const auto& a : casts) {
    CHECK(a.method == method::shutdown);
    CHECK(a.args_json == "{}");
    CHECK_FALSE(s.machine.finished());
    s.complete(a);
  }
  CHECK(s.machine.finished());
  CHECK(s.found().ok());
}

TEST_CASE("a client's second result, another run's and a stranger's kind are not taken") {
  session_script s{plan_for(task::rpc_call)};
  s.start_run({"c1", "c2"}, {"s"});
  s.native_result("c1", 50, "0123456789abcdef-0");  // of a former run
  CHECK(s.found().clients.results.msgs_ok == 0);
  s.native_result("c1", 10, run_id);
  s.native_result("c1", 10, run_id);
  s.result(client, "c1", 10);
  s.result(agent_kind::notifier, "n", 10);
  CHECK(s.machine.current() == phase::running);
  CHECK(s.found().clients.results.msgs_ok == 10);
  CHECK(s.found().foreign_results == 4);
  s.result(client, "c2", 10);
  CHECK(s.machine.current() == phase::polling);
  // Percentiles only if every sample is in the histogram.
  CHECK_FALSE(s.found().clients.has_percentiles());
  CHECK(s.found().clients.latency.count() == 10);
}

TEST_CASE("results before a run are not taken") {
  session_script s{plan_for(task::rpc_call)};
  s.result(client, "early", 10);
  s.connect();
  s.result(client, "early", 10);
  s.result(server, "s", 10);
  s.pong(client, "c");
  s.pong(server, "s");
  s.pass(2s);
  s.result(client, "c", 10);  // of a run that this session has not started
  CHECK(s.found().foreign_results == 4);
  CHECK(s.found().clients.results.empty());
  s.result(server, "s", 10);
  CHECK(s.found().servers.results.empty());
  CHECK(s.machine.current() == phase::running);
}

TEST_CASE("an agent that joins during the run counts by its results, and is not waited for") {
  session_script s{plan_for(task::rpc_cast)};
  s.start_run({"c"}, {"s"});
  s.pong(client, "late");
  s.pong(server, "late-server");
  CHECK(s.found().count(client) == 1);
  s.result(client, "late", 10);
  CHECK(s.machine.current() == phase::running);
  s.result(client, "c", 10);
  s.pass(250ms);
  s.expect(method::get_server_results, 1);
  s.result(server, "late-server", 3);
  s.result(server, "s", 17);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  CHECK(s.found().received == 20);
}

TEST_CASE("an agent that answers the roll call late is part of the run if that has not begun") {
  session_script s{plan_for(task::rpc_call)};
  s.connect();
  s.pong(client, "c");
  s.pong(server, "s1");
  s.pass(2s);
  s.expect(method::get_server_results, 1);
  s.pong(server, "s2");
  s.pong(client, "c2");
  s.result(server, "s1", 1);
  CHECK(s.machine.current() == phase::resetting);
  s.pass(0s);
  s.expect(method::get_server_results, 1);  // it may not have heard the first
  s.result(server, "s2", 2);
  CHECK(s.machine.current() == phase::running);
  s.take();
  s.result(client, "c", 10);
  CHECK(s.machine.current() == phase::running);
  s.result(client, "c2", 10);
  CHECK(s.machine.current() == phase::polling);
}

TEST_CASE("a server's report that comes during the run counts for the run") {
  session_script s{plan_for(task::rpc_call)};
  s.start_run({"c"}, {"s"});
  s.result(server, "s", 4);
  s.result(client, "c", 10);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 6);
  REQUIRE(s.machine.finished());
  CHECK(s.found().received == 10);
}
