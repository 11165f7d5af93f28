// SPDX-License-Identifier: Apache-2.0
// What --expect does to the roll call, and what is said of more messages than were expected.
#include "controller/session.hpp"
#include "tests/controller/session_script.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::tests;
using controller::expectation;

namespace {

plan expecting(task what, const std::string& text) {
  auto p = plan_for(what);
  p.expect = {expectation::parse(text)};
  return p;
}

using problems = std::vector<std::string>;

}  // namespace

TEST_CASE("a kind that the test needs is waited for even if no expectation names it") {
  session_script s{expecting(task::rpc_call, "rpc-client=2")};
  s.connect();
  s.pong(client, "c1");
  s.pong(client, "c2");
  CHECK(s.machine.current() == phase::roll_call);
  s.pass(30s);
  REQUIRE(s.machine.current() == phase::roll_call);
  s.pong(server, "s1");
  CHECK(s.machine.current() == phase::resetting);
}

TEST_CASE("a kind that never comes is named after the whole timeout, expected or not") {
  session_script s{expecting(task::rpc_call, "2")};
  s.connect();
  s.pong(client, "c1");
  s.pong(client, "c2");
  for (int i = 0; i < 6; ++i) {
    s.pass(10s);
    for (const auto& a : s.take()) s.complete(a);
  }
  REQUIRE(s.machine.finished());
  CHECK(s.found().failure ==
        "No RPCServer servers visible: no RPC server answered on topic client-RPCServer-t "
        "(exchange ombt-control) within 60 s");
}

TEST_CASE("what is told is the time that was waited") {
  session_script s{plan_for(task::rpc_call)};
  s.connect();
  s.pass(700ms);
  s.pong(client, "c1");
  s.pass(2s);
  REQUIRE(s.machine.finished());
  CHECK(s.found().failure.ends_with("within 2.7 s"));

  // The quiet time may be longer than the timeout; a test with expectations does not wait for it.
  for (const auto& [what, limit] :
       {std::pair{task::rpc_call, 1'500ms}, std::pair{task::status, 2'000ms}}) {
    auto p = expecting(what, "2");
    p.timeout = 1'500ms;
    session_script e{p};
    e.connect();
    e.pass(limit - 1ms);
    CHECK_FALSE(e.machine.finished());
    e.pass(1ms);
    REQUIRE(e.machine.finished());
    CHECK(e.found().failure.starts_with(what == task::status
                                            ? "not all expected agents answered within 2 s: "
                                            : "not all expected agents answered within 1.5 s: "));
  }
}

TEST_CASE("status and shutdown go on until it is quiet when what they expect is there") {
  for (const auto what : {task::status, task::shutdown}) {
    session_script s{expecting(what, "rpc-client=1")};
    s.connect();
    s.pass(5s);  // nobody yet: asked again
    s.expect(method::client_ping, 4);
    s.pong(client, "c1");
    for (int i = 0; i < 10; ++i) {
      s.pass(1'900ms);
      s.pong(server, "s" + std::to_string(i));
      CHECK(s.machine.current() == phase::roll_call);
    }
    CHECK(s.take().empty());  // and is not asked any more
    s.pass(2s);
    CHECK(s.found().agents.size() == 11);
    if (what == task::shutdown) s.expect(method::shutdown, 4);
    CHECK(s.machine.finished());
    CHECK(s.found().ok());
  }
}

TEST_CASE(
    "a kind that the test does without may be expected, and is among those that are missing") {
  session_script s{expecting(task::rpc_call, "listener=1")};
  s.connect();
  s.pong(client, "c");
  s.pong(server, "s");
  s.pass(60s);
  REQUIRE(s.machine.finished());
  CHECK(s.found().failure.find("expected 1 Listener; answered 1 RPC client (topic "
                               "client-RPCClient-t), 1 RPC server (topic client-RPCServer-t), 0 "
                               "Listeners (topic client-Listener-t)") != std::string::npos);
}

TEST_CASE("status without what it expects fails at the timeout") {
  session_script s{expecting(task::status, "rpc-client=2")};
  s.connect();
  s.pong(client, "c1");
  s.pong(server, "s1");
  s.pass(59s);
  CHECK_FALSE(s.machine.finished());
  s.pass(1s);
  REQUIRE(s.machine.finished());
  CHECK(s.found().failure.starts_with("not all expected agents answered within 60 s: expected 2 "));
}

TEST_CASE("a ping that fails is sent again although status has what it expects") {
  session_script s{expecting(task::status, "1")};
  s.machine.on_listening(s.now());
  s.expect(method::self_ready, 1);
  const auto pings = s.take();
  REQUIRE(pings.size() == 4);
  for (std::size_t i = 0; i < 3; ++i) s.complete(pings[i]);
  s.complete(pings[3], errc::connection_lost, "gone");
  s.pong(client, "c1");
  s.pass(1s);
  s.expect(method::client_ping, 4);
  s.pass(1'900ms);
  CHECK_FALSE(s.machine.finished());
  s.pass(100ms);
  CHECK(s.machine.finished());
  CHECK(s.found().ok());
}

TEST_CASE("more messages than expected make a run fall short") {
  session_script s{plan_for(task::rpc_call)};
  s.start_run({"same"}, {"s"});
  s.result(client, "same", 10);
  s.expect(method::get_server_results, 1);
  s.result(client, "same", 10);  // of the other agent of that name
  s.result(server, "s", 20);
  REQUIRE(s.machine.finished());
  CHECK(s.found().problems ==
        problems{"10 more messages than expected arrived at the receivers: another run, or agents "
                 "of the same name"});
  CHECK_FALSE(s.found().ok());
}

TEST_CASE("calls that failed may have arrived: more messages than successes are no wonder") {
  session_script s{plan_for(task::rpc_call)};
  s.start_run({"c"}, {"s"});
  s.result(client, "c", 9, 1);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 10);
  REQUIRE(s.machine.finished());
  CHECK(s.found().problems == problems{"1 of 10 messages failed"});
}

TEST_CASE("what a client sent that is missing is not counted as too much") {
  session_script s{plan_for(task::rpc_call)};
  s.start_run({"c1", "c2"}, {"s"});
  s.result(client, "c1", 10);
  s.pass(60s);
  s.expect_last(method::get_server_results);
  s.result(server, "s", 15);
  REQUIRE(s.machine.finished());
  CHECK(s.found().problems ==
        problems{"RPC client c2 sent no results within 60 s; if it is still at work, raise "
                 "--timeout"});
}

TEST_CASE("the copies of a server that joins in a fanout are not counted as too many") {
  session_script s{plan_for(task::rpc_fanout)};
  s.start_run({"c"}, {"s"});
  s.result(client, "c", 10);
  s.pass(250ms);
  s.expect(method::get_server_results, 1);
  s.result(server, "joined", 5);
  s.result(server, "s", 10);
  REQUIRE(s.machine.finished());
  CHECK(s.found().received == 15);
  CHECK(s.found().ok());
}
