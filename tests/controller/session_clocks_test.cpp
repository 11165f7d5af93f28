// SPDX-License-Identifier: Apache-2.0
// Sessions whose agents are on other machines: when clocks are compared, and that a run goes on
// whoever answers.
#include "wire/json/value.hpp"

#include "tests/controller/session_script.hpp"

#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::tests;

namespace {

constexpr std::int64_t one_ms = 1'000'000;
constexpr std::int64_t some_epoch = 1'795'232'415'000'000'000;

plan from_here(task what = task::rpc_call) {
  plan p = plan_for(what);
  p.boot_id = "here";
  return p;
}

struct clock_session : session_script {
  explicit clock_session(plan what) : session_script{std::move(what)} {}

  void place_pong(agent_kind kind, const std::string& name, const std::string& boot,
                  std::int64_t corrected = 0) {
    machine.on_pong({kind, name, "", {name + "-process", boot, corrected}}, now());
  }
  std::int64_t real() const {
    return some_epoch + std::chrono::nanoseconds(now().time_since_epoch()).count();
  }
  /// To the reset, which the server has answered.
  void start(const std::string& client_boot = "far", std::int64_t server_corrected = 0) {
    connect();
    place_pong(client, "c1", client_boot);
    place_pong(server, "s1", "here", server_corrected);
    pass(machine.what().over_bus ? machine.what().idle : 0s);
    expect(method::get_server_results, 1);
    result(server, "s1", 5);
  }
  /// Answers all questions about clocks there are, as a clock so far ahead; how many they were.
  int compare(std::int64_t ahead, const std::string& boot = "far") {
    int asked = 0;
    for (auto actions = take(); !actions.empty(); actions = take()) {
      for (std::size_t i = 0; i < actions.size(); ++i) {
        const action& a = actions[i];
        if (a.method != method::clock) {
          REQUIRE(i + 1 == actions.size());
          other = a;
          complete(a);
          return asked;
        }
        ++asked;
        machine.on_asking(a.tag, real(), now());
        const std::string text = "{\"boot\": \"" + boot +
                                 "\", \"received\": " + std::to_string(real() + ahead) +
                                 ", \"replied\": " + std::to_string(real() + ahead) + "}";
        wire::json::reader reader;
        wire::json::value root;
        REQUIRE_FALSE(reader.parse(text, root));
        machine.on_answer(a.tag, root, real());
        complete(a);
        last = a;
      }
    }
    return asked;
  }

  action last;   ///< clock
  action other;  ///< what came behind it
};

}  // namespace

TEST_CASE("clocks of other machines are compared between reset and run, and after the poll") {
  clock_session s{from_here()};
  s.start();
  REQUIRE(s.machine.current() == phase::comparing);
  CHECK(name_of(s.machine.current()) == "comparing clocks");
  CHECK(s.compare(50 * one_ms) == 9);
  CHECK(s.last.to == client);
  CHECK(s.last.server == "c1-process");
  CHECK(s.last.args_json == R"({"correct": -50000000})");
  CHECK(s.other.method == method::run_test);
  REQUIRE(s.machine.current() == phase::running);
  s.result(client, "c1", 10);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 10);
  REQUIRE(s.machine.current() == phase::comparing_again);
  CHECK(name_of(s.machine.current()) == "comparing clocks again");
  CHECK(s.compare(50 * one_ms) == 8);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  REQUIRE(s.found().clocks.machines.size() == 1);
  CHECK(s.found().clocks.machines[0].known->offset == 50 * one_ms);
  CHECK(s.found().clocks.complete());
  CHECK(s.found().clocks.bound);
}

TEST_CASE("on one machine there is nothing to compare") {
  clock_session s{from_here()};
  s.start("here");
  CHECK(s.expect(method::run_test, 1).size() == 1);
  s.result(client, "c1", 10);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 10);
  REQUIRE(s.machine.finished());
  CHECK(s.found().clocks.alone());
}

TEST_CASE("an agent at home that another controller corrected is told 0 before the run") {
  clock_session s{from_here()};
  s.start("here", 7);
  CHECK(s.compare(0, "here") == 1);
  CHECK(s.last.to == server);
  CHECK(s.last.args_json == R"({"correct": 0})");
  CHECK(s.machine.current() == phase::running);
}

TEST_CASE("machines that don't answer hold the run up no longer than the phase's limit") {
  clock_session s{from_here()};
  s.start();
  const auto asked = s.take();
  REQUIRE(asked.size() == 1);
  s.pass(s.machine.what().timeout);
  REQUIRE(s.machine.current() == phase::running);
  s.expect(method::run_test, 1);
  s.complete(asked[0]);  // too late
  CHECK(s.machine.current() == phase::running);
  s.result(client, "c1", 10);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 10);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  REQUIRE(s.found().clocks.machines.size() == 1);
  CHECK_FALSE(s.found().clocks.machines[0].known);
  CHECK_FALSE(s.found().clocks.complete());
}

TEST_CASE("questions that fail end the comparing, not the run") {
  clock_session s{from_here()};
  s.start();
  for (int i = 0; i < 2; ++i) {
    const auto asked = s.take();
    REQUIRE(asked.size() == 1);
    REQUIRE(asked[0].method == method::clock);
    s.complete(asked[0], errc::messaging_timeout);
  }
  CHECK(s.machine.current() == phase::running);
}

TEST_CASE("answers that cannot be read are failures") {
  clock_session s{from_here()};
  s.start();
  wire::json::reader reader;
  wire::json::value root;
  for (const char* text : {"true", R"({"boot": "far", "received": 1e300, "replied": 2})"}) {
    const auto asked = s.take();
    REQUIRE(asked.size() == 1);
    s.machine.on_asking(asked[0].tag, s.real(), s.now());
    REQUIRE_FALSE(reader.parse(text, root));
    s.machine.on_answer(asked[0].tag, root, s.real());
    s.complete(asked[0]);
  }
  CHECK(s.machine.current() == phase::running);
}

TEST_CASE("the limit after the poll ends the session with what it has") {
  clock_session s{from_here()};
  s.start();
  s.compare(-one_ms);
  s.result(client, "c1", 10);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 10);
  REQUIRE(s.machine.current() == phase::comparing_again);
  s.pass(s.machine.what().timeout);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  REQUIRE(s.found().clocks.machines[0].good());
  CHECK(s.found().clocks.machines[0].known->drift_error == 0);
}

TEST_CASE("a warm-up is run before clocks are compared") {
  auto p = from_here();
  p.warmup = 1;
  p.parameters.load.emplace().duration = 1;
  clock_session s{p};
  s.start();
  REQUIRE(s.machine.current() == phase::running);
  s.expect(method::run_test, 1);
  s.native_result("c1", 10, run_id + "-warm-up");
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 10);
  REQUIRE(s.machine.current() == phase::comparing);
  CHECK(s.compare(50 * one_ms) == 9);
  CHECK(s.machine.current() == phase::running);
}

TEST_CASE("interrupted while clocks are compared, the session ends") {
  clock_session s{from_here()};
  s.start();
  s.machine.cancel("interrupted", s.now());
  CHECK(s.machine.finished());
  CHECK(s.found().failure == "interrupted");
}

TEST_CASE("the controller's own clock is held against its monotonic one over the run") {
  for (const std::int64_t step : {std::int64_t{0}, one_ms / 2, one_ms, -3'600'000 * one_ms}) {
    clock_session s{from_here()};
    s.machine.on_own_clock(some_epoch - one_ms);  // set before the run: no matter
    s.start("here");
    REQUIRE(s.machine.current() == phase::running);
    s.machine.on_own_clock(some_epoch);
    s.expect(method::run_test, 1);
    s.machine.on_own_clock(some_epoch + step / 2);
    s.result(client, "c1", 10);
    s.expect(method::get_server_results, 1);
    s.result(server, "s1", 10);
    REQUIRE(s.machine.finished());
    s.machine.on_own_clock(some_epoch + step);
    CHECK(s.found().clocks.own_step == (std::abs(step) >= one_ms ? step : 0));
    CHECK(s.found().clocks.alone() == (std::abs(step) < one_ms));
    CHECK(s.found().clocks.complete() == (std::abs(step) < one_ms));
    s.machine.on_own_clock(0);
    CHECK(s.found().clocks.own_step == (std::abs(step) >= one_ms ? step : 0));
  }
}

TEST_CASE("agents that no pong was heard of have unknown clocks") {
  clock_session s{from_here()};
  s.connect();
  s.place_pong(client, "c1", "here");
  s.place_pong(server, "s1", "here");
  s.pong(server, "python");
  s.place_pong(agent_kind::listener, "no part of this test", "far");
  s.pass(s.machine.what().idle);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 5);
  s.result(server, "python", 5);
  s.expect(method::run_test, 1);
  s.result(client, "c1", 10);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 4);
  s.result(server, "came-later", 6);
  s.result(server, "python", 0);
  REQUIRE(s.machine.finished());
  CHECK(s.found().clocks.unknown_agents == 2);
  CHECK(s.found().clocks.machines.empty());
}

TEST_CASE("without a bus clocks are compared in the run too, every 10 s") {
  auto p = from_here();
  p.over_bus = false;
  clock_session s{p};
  s.start();
  CHECK(s.compare(50 * one_ms) == 9);
  REQUIRE(s.machine.current() == phase::running);
  s.pass(9s);
  CHECK(s.take().empty());
  s.pass(1s);
  CHECK(s.compare(250 * one_ms) == 8);
  s.pass(10s);
  CHECK(s.compare(50 * one_ms) == 8);
  REQUIRE(s.machine.current() == phase::running);
  s.result(client, "c1", 10);
  s.expect_last(method::get_server_results);
  s.result(server, "s1", 10);
  CHECK(s.compare(50 * one_ms) == 8);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  CHECK(s.found().clocks.machines.at(0).known->stepped);
}

TEST_CASE("over a bus clocks are left alone during the run") {
  clock_session s{from_here()};
  s.start();
  s.compare(50 * one_ms);
  s.pass(20s);
  for (const action& one : s.take()) CHECK(one.method != method::clock);
}
