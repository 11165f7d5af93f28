// SPDX-License-Identifier: Apache-2.0
// Sessions by direct control, as a state machine: processes that are held, prepared, told to begin,
// and that go in each phase.
#include "tests/controller/session_script.hpp"

#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::tests;
using controller::order;

namespace {

plan direct_plan(task what = task::rpc_call) {
  plan p = plan_for(what);
  p.boot_id = "here";
  p.over_bus = false;
  p.direct = true;
  p.hold = what != task::status;
  return p;
}

/// Processes 1 and 2 have a client each, 3 and 4 a server.
struct direct_script : session_script {
  explicit direct_script(plan what = direct_plan()) : session_script{std::move(what)} {}

  std::vector<action> expect_order(order what, std::size_t count) {
    auto actions = take();
    REQUIRE(actions.size() == count);
    for (const action& a : actions) REQUIRE(a.what == what);
    return actions;
  }
  void pong_from(agent_kind kind, const std::string& name, controller::process_number from) {
    machine.on_pong({kind, name, ""}, now(), 0, from);
  }
  void result_from(agent_kind kind, const std::string& name, controller::process_number from,
                   std::uint64_t ok) {
    auto r = record(kind, name, ok);
    r.has_details = true;
    r.details.run = kind == client ? run_id : "";
    machine.on_result(r, now(), 0, from);
  }
  void lose(controller::process_number which) {
    machine.on_gone(which, "process " + std::to_string(which) + " is gone", now());
  }
  /// To the roll call, whose questions are out and not answered.
  std::vector<action> to_roll_call() {
    machine.on_listening(now());
    expect(method::self_ready, 1);
    if (machine.what().hold) {
      REQUIRE(machine.current() == phase::holding);
      complete(expect_order(order::hold, 1)[0]);
    }
    REQUIRE(machine.current() == phase::roll_call);
    return take();
  }
  /// To the reset; the roll call is over as soon as its questions are answered.
  void to_reset() {
    const auto pings = to_roll_call();
    REQUIRE(pings.size() == 4);
    pong_from(client, "c1", 1);
    pong_from(client, "c2", 2);
    pong_from(server, "s1", 3);
    pong_from(server, "s2", 4);
    for (const action& a : pings) complete(a);
    pass(0s);
    REQUIRE(machine.current() == phase::resetting);
    expect(method::get_server_results, 1);
  }
  action to_prepare() {
    to_reset();
    result_from(server, "s1", 3, 5);
    result_from(server, "s2", 4, 5);
    REQUIRE(machine.current() == phase::preparing);
    return expect_order(order::prepare, 1)[0];
  }
  action to_run() {
    const action a = to_prepare();
    complete(a);
    REQUIRE(machine.current() == phase::running);
    const action run = expect_order(order::start, 1)[0];
    complete(run);
    return run;
  }
  void to_poll() {
    to_run();
    result_from(client, "c1", 1, 10);
    result_from(client, "c2", 2, 10);
    REQUIRE(machine.current() == phase::polling);
    expect(method::get_server_results, 1);
  }
  bool has_problem(const std::string& part) const {
    for (const std::string& one : found().problems) {
      if (has(one, part)) return true;
    }
    return false;
  }
};

}  // namespace

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
  plan p = direct_plan();
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
  plan p = direct_plan();
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
  plan p = direct_plan();
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

TEST_CASE("direct: all servers gone in the reset, there is no run") {
  direct_script s;
  s.to_reset();
  s.lose(3);
  s.lose(4);
  CHECK(s.machine.finished());
  CHECK(has(s.found().failure, "none of 2 RPC servers"));
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
  CHECK(s.has_problem("none of 2 RPC clients sent results: process 2 is gone"));
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
  CHECK(s.has_problem(when == 2 ? "10 of 20 messages are not accounted for"
                                : "11 of 20 messages are not accounted for"));
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
  const auto pings = s.to_roll_call();
  s.pong_from(client, "c1", 1);
  s.pong_from(server, "s1", 2);
  s.pong_from(agent_kind::listener, "l1", 3);
  for (const action& a : pings) s.complete(a);
  s.pass(0s);
  s.lose(3);
  s.expect(method::get_server_results, 1);
  s.result_from(server, "s1", 2, 0);
  s.complete(s.expect_order(order::prepare, 1)[0]);
  s.complete(s.expect_order(order::start, 1)[0]);
  s.result_from(client, "c1", 1, 10);
  s.expect(method::get_server_results, 1);
  s.result_from(server, "s1", 2, 10);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
}

TEST_CASE("direct: expected agents end the roll call when all that are there have answered") {
  plan p = direct_plan();
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
  direct_script s{direct_plan(task::shutdown)};
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
  plan p = direct_plan();
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
  s.result_from(client, "c2", 2, 10);
  s.expect(method::get_server_results, 1);
  s.result_from(server, "s2", 4, 10);
  REQUIRE(s.machine.finished());
  CHECK(s.found().problems ==
        std::vector<std::string>{"RPC client c1 sent no results: process 1 is gone",
                                 "RPC server s1 did not answer: process 3 is gone"});
}
