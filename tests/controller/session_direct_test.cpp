// SPDX-License-Identifier: Apache-2.0
// Sessions by direct control, as a state machine: processes that are held, prepared, told to begin.
#include "tests/controller/direct_script.hpp"

#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::tests;

TEST_CASE("direct: hold, roll call without a quiet time, prepare, start, poll") {
  direct_script s;
  s.machine.on_own_clock(1'000'000'000);
  const action prepare = s.to_prepare();
  CHECK(prepare.method == method::run_test);
  CHECK(prepare.to == client);
  CHECK(has(prepare.args_json, "test_call"));
  CHECK(s.elapsed() == 0s);
  s.pass(100ms);
  s.complete(prepare);
  const action start = s.expect_order(order::start, 1)[0];
  CHECK(start.start.run == run_id);
  CHECK(start.start.boot == "here");
  // Half of it again than what preparing took.
  const auto now_ns = std::chrono::nanoseconds(s.now().time_since_epoch()).count();
  CHECK(start.start.monotonic_ns == now_ns + 150'000'000);
  CHECK(start.start.realtime_ns == start.start.monotonic_ns + 1'000'000'000);
  CHECK(start.args_json.empty());
  s.complete(start);
  s.machine.on_started({run_id, start.start.realtime_ns + 100'000});
  s.machine.on_started({run_id, start.start.realtime_ns + 500'000});
  s.machine.on_started({"another", 5});
  s.result_from(client, "c1", 1, 10);
  s.result_from(client, "c2", 2, 10);
  s.expect(method::get_server_results, 1);
  s.result_from(server, "s1", 3, 20);
  s.result_from(server, "s2", 4, 0);
  REQUIRE(s.machine.finished());
  CHECK(s.found().failure.empty());
  CHECK(s.found().start.processes == 2);
  CHECK(s.found().start.skew() == 400'000);
  CHECK(s.found().start.last - s.found().start.agreed == 500'000);
  CHECK(s.found().received == 20);
}

TEST_CASE("direct: the agreed instant is at least 50 ms and at most 5 s ahead") {
  const auto [took, lead] = GENERATE(table<controller::duration, std::int64_t>(
      {{0ms, 50'000'000}, {20ms, 50'000'000}, {1s, 1'500'000'000}, {20s, 5'000'000'000}}));
  direct_script s;
  const action prepare = s.to_prepare();
  s.pass(took);
  s.complete(prepare);
  const action start = s.expect_order(order::start, 1)[0];
  CHECK(start.start.monotonic_ns - std::chrono::nanoseconds(s.now().time_since_epoch()).count() ==
        lead);
}

TEST_CASE("direct: an open loop begins at the agreed instant, over a bus too") {
  plan p = plan_of_processes();
  p.over_bus = GENERATE(false, true);
  p.parameters.load.emplace();
  p.parameters.load->profile = {{100, 100, 10}};
  p.native_clients_for = "--rate";
  direct_script s{p};
  s.machine.on_listening(s.now());
  s.expect(method::self_ready, 1);
  s.complete(s.expect_order(order::hold, 1)[0]);
  s.expect(method::client_ping, 4);
  s.pong_from(client, "c1", 1);
  s.pong_from(server, "s1", 2);
  s.pass(p.over_bus ? p.idle : 0s);
  s.expect(method::get_server_results, 1);
  s.result_from(server, "s1", 2, 0);
  s.complete(s.expect_order(order::prepare, 1)[0]);
  const action start = s.expect_order(order::start, 1)[0];
  const auto ahead =
      start.start.monotonic_ns - std::chrono::nanoseconds(s.now().time_since_epoch()).count();
  // Clients on the bus need the time that they do without direct control.
  CHECK(ahead == (p.over_bus ? 502'000'000 : 50'000'000));
  CHECK(has(start.args_json, std::to_string(start.start.monotonic_ns)) == p.over_bus);
}

TEST_CASE("direct: who looks on is told over connections, and on a bus by datagrams") {
  plan p = plan_of_processes();
  p.over_bus = true;
  p.parameters.progress = wire::control::progress_address{"here", "name", false};
  direct_script s{p};
  s.machine.on_listening(s.now());
  s.expect(method::self_ready, 1);
  s.complete(s.expect_order(order::hold, 1)[0]);
  s.expect(method::client_ping, 4);
  s.pong_from(client, "c1", 1);
  s.pong(server, "s1");
  s.pass(p.idle);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 0);
  const action prepare = s.expect_order(order::prepare, 1)[0];
  CHECK(has(prepare.args_json, R"("progress": {"direct": true})"));
  s.complete(prepare);
  CHECK(has(s.expect_order(order::start, 1)[0].args_json, R"("progress": {"boot": "here")"));
}

TEST_CASE("direct: that another controller holds the agents ends the session") {
  direct_script s;
  s.machine.on_listening(s.now());
  s.expect(method::self_ready, 1);
  s.complete(s.expect_order(order::hold, 1)[0], errc::cancelled, "controller x holds them");
  CHECK(s.machine.finished());
  CHECK(s.found().failure == "controller x holds them");
  CHECK(s.found().connected);
}

TEST_CASE("direct: with --wait they are asked again until they are held, or the time is over") {
  plan p = plan_of_processes();
  p.wait = 10s;
  direct_script s{p};
  s.machine.on_listening(s.now());
  s.expect(method::self_ready, 1);
  s.complete(s.expect_order(order::hold, 1)[0], errc::cancelled, "controller x holds them");
  CHECK(s.machine.held_by() == "controller x holds them");
  s.pass(499ms);
  CHECK(s.take().empty());
  s.pass(501ms);
  const auto again = s.expect_order(order::hold, 1);
  SECTION("held") {
    s.complete(again[0]);
    CHECK(s.machine.current() == phase::roll_call);
    CHECK(s.machine.held_by().empty());
  }
  SECTION("over, between two questions") {
    s.complete(again[0], errc::cancelled, "controller x holds them");
    for (int i = 0; i < 30 && !s.machine.finished(); ++i) {
      s.pass(1s);
      for (const action& a : s.take()) s.complete(a, errc::cancelled, "controller x holds them");
    }
    CHECK(s.elapsed() < 12s);
    CHECK(s.found().failure == "controller x holds them, still after 10 s");
  }
  SECTION("interrupted") {
    s.machine.cancel("interrupted", s.now());
    CHECK(s.found().failure == "interrupted");
  }
}

TEST_CASE("direct: processes that do not answer hold, or a run's preparation, end the session") {
  direct_script s;
  s.machine.on_listening(s.now());
  s.expect(method::self_ready, 1);
  s.expect_order(order::hold, 1);
  s.machine.on_bus_words("process 7 of host h does not answer");
  s.pass(60s);
  CHECK(s.found().failure ==
        "not all agents' processes answered within 60 s: process 7 of host h does not answer");
  direct_script late;
  late.to_prepare();
  late.machine.on_bus_words("process 7 of host h does not answer");
  late.pass(60s);
  CHECK(late.found().failure ==
        "not all clients' processes were ready for the run within 60 s: process 7 of host h does "
        "not answer");
}

TEST_CASE("direct: a run that a process refuses does not begin") {
  direct_script s;
  s.complete(s.to_prepare(), errc::remote_exception, "process 7 of host h: above --max-rate");
  CHECK(s.machine.finished());
  CHECK(has(s.found().failure, "the run could not be prepared"));
  CHECK(has(s.found().failure, "process 7 of host h: above --max-rate"));
}

TEST_CASE("direct: a start that fails somewhere ends the run everywhere") {
  direct_script s;
  s.complete(s.to_prepare());
  s.complete(s.expect_order(order::start, 1)[0], errc::remote_exception, "no such run");
  CHECK(s.machine.current() == phase::stopping);
  const auto cancel = s.take();
  REQUIRE(cancel.size() == 1);
  CHECK(cancel[0].what == order::message);
  CHECK(has(cancel[0].args_json, "cancel_run"));
  s.complete(cancel[0]);
  CHECK(has(s.found().failure, "no such run"));
}

TEST_CASE("direct: expected agents end the roll call when all that are there have answered") {
  plan p = plan_of_processes();
  p.expect = {controller::expectation::parse("2")};
  direct_script s{p};
  const auto pings = s.to_roll_call();
  s.pong_from(client, "c1", 1);
  s.pong_from(server, "s1", 2);
  CHECK(s.machine.current() == phase::roll_call);
  s.pong_from(client, "c2", 1);
  for (const action& a : pings) s.complete(a);
  CHECK(s.machine.current() == phase::resetting);
  CHECK(s.found().count(client) == 2);
}

TEST_CASE("direct: shutdown is over with the answers, whatever goes") {
  direct_script s{plan_of_processes(task::shutdown)};
  const auto pings = s.to_roll_call();
  s.pong_from(client, "c1", 1);
  for (const action& a : pings) s.complete(a);
  s.pass(0s);
  CHECK(s.machine.current() == phase::leaving);
  s.lose(1);
  for (const action& a : s.take()) s.complete(a);
  CHECK(s.machine.finished());
  CHECK(s.found().ok());
}

TEST_CASE("direct: a warm-up's losses stay losses, and its start is forgotten") {
  plan p = plan_of_processes();
  p.warmup = 1;
  direct_script s{p};
  s.to_reset();
  s.result_from(server, "s1", 3, 0);
  s.result_from(server, "s2", 4, 0);
  s.complete(s.expect_order(order::prepare, 1)[0]);
  const action start = s.expect_order(order::start, 1)[0];
  s.complete(start);
  const std::string warm_up = start.start.run;
  CHECK(warm_up != run_id);
  s.machine.on_started({warm_up, 5});
  s.lose(1);
  s.lose(3);
  auto r = s.record(client, "c2", 10);
  r.has_details = true;
  r.details.run = warm_up;
  s.machine.on_result(r, s.now(), 0, 2);
  s.expect(method::get_server_results, 1);
  s.result_from(server, "s2", 4, 10);
  REQUIRE(s.machine.current() == phase::preparing);
  CHECK(s.found().start.processes == 0);
  s.complete(s.expect_order(order::prepare, 1)[0]);
  s.complete(s.expect_order(order::start, 1)[0]);
  s.to_end_of({client, "c2", 2}, {server, "s2", 4});
  REQUIRE(s.machine.finished());
  CHECK(s.found().problems ==
        std::vector<std::string>{"RPC client c1 sent no results: process 1 is gone",
                                 "RPC server s1 did not answer: process 3 is gone"});
}
