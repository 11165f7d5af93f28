// SPDX-License-Identifier: Apache-2.0
#include "controller/session.hpp"
#include "tests/controller/session_script.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::tests;

TEST_CASE("the own server is called until it answers, at most 25 times") {
  session_script s{plan_for(task::rpc_call)};
  CHECK(s.take().empty());  // not before it listens
  s.machine.on_listening(s.now());
  for (int i = 1; i <= 25; ++i) {
    const auto call = s.take();
    REQUIRE(call.size() == 1);
    CHECK(call[0].method == method::self_ready);
    s.complete(call[0], errc::messaging_timeout, "no answer");
  }
  REQUIRE(s.machine.finished());
  CHECK(has(s.found().failure, "after 25 tries"));
  CHECK(s.take().empty());
}

TEST_CASE("a bus that is not there is given up at the timeout, with the reason") {
  session_script s{plan_for(task::rpc_call)};
  s.machine.on_listener_trouble(errc::bus_unreachable, "h:5672: connection refused", false);
  s.pass(59s);
  CHECK_FALSE(s.machine.finished());
  s.pass(1s);
  REQUIRE(s.machine.finished());
  CHECK(has(s.found().failure, "within 60 s"));
  CHECK(has(s.found().failure, "h:5672: connection refused"));
}

TEST_CASE("a bus that refuses the login is given up at once") {
  for (const auto error :
       {errc::authentication_failed, errc::vhost_refused, errc::wrong_protocol}) {
    session_script s{plan_for(task::rpc_call)};
    s.machine.on_listener_trouble(error, "h:5672", false);
    CHECK(s.machine.finished());
    CHECK(has(s.found().failure, make_error_code(error).message()));
  }
  session_script s{plan_for(task::rpc_call)};
  s.machine.on_listener_trouble(errc::connection_lost, "closed", true);
  CHECK(s.machine.finished());
}

TEST_CASE("a self check that fails for another reason is tried again after a second") {
  session_script s{plan_for(task::rpc_call)};
  s.machine.on_listening(s.now());
  s.complete(s.take().at(0), errc::connection_lost, "gone");
  s.pass(999ms);
  CHECK(s.take().empty());
  s.pass(1ms);
  s.expect(method::self_ready, 1);
  CHECK(s.machine.current() == phase::roll_call);
}

TEST_CASE("actions that fail: at every step there is an end and a reason") {
  SECTION("pings are sent again, until the limit") {
    session_script s{plan_for(task::rpc_call)};
    s.machine.on_listening(s.now());
    s.expect(method::self_ready, 1);
    for (int i = 0; i < 100 && !s.machine.finished(); ++i) {
      for (const auto& a : s.take()) s.complete(a, errc::connection_lost, "gone");
      s.pass(1s);
    }
    REQUIRE(s.machine.finished());
    CHECK(has(s.found().failure, "the roll call could not be sent within 60 s"));
    CHECK(has(s.found().failure, "gone"));
    CHECK(s.elapsed() <= 61s);
  }
  SECTION("pings that are never taken") {
    session_script s{plan_for(task::rpc_call)};
    s.machine.on_listening(s.now());
    s.expect(method::self_ready, 1);
    s.pass(60s);
    CHECK(has(s.found().failure, "the roll call could not be sent"));
  }
  SECTION("a ping that is refused for good") {
    session_script s{plan_for(task::rpc_call)};
    s.machine.on_listening(s.now());
    s.expect(method::self_ready, 1);
    s.complete(s.take().at(0), errc::channel_refused, "406");
    CHECK(has(s.found().failure, "406"));
  }
  SECTION("a reset that fails is asked again") {
    session_script s{plan_for(task::rpc_call)};
    s.connect();
    s.pong(client, "c");
    s.pong(server, "s");
    s.pass(2s);
    s.complete(s.take().at(0), errc::connection_lost, "gone");
    s.pass(1s);
    s.expect(method::get_server_results, 1);
    s.result(server, "s", 1);
    CHECK(s.machine.current() == phase::running);
  }
  SECTION("run_test is not sent twice") {
    session_script s{plan_for(task::rpc_call)};
    s.connect();
    s.pong(client, "c");
    s.pong(server, "s");
    s.pass(2s);
    s.take();
    s.result(server, "s", 1);
    s.complete(s.take().at(0), errc::connection_lost, "gone");
    REQUIRE(s.machine.finished());
    CHECK(has(s.found().failure, "run_test could not be sent"));
  }
  SECTION("run_test that failed but arrived all the same") {
    session_script s{plan_for(task::rpc_call)};
    s.connect();
    s.pong(client, "c1");
    s.pong(client, "c2");
    s.pong(server, "s");
    s.pass(2s);
    s.take();
    s.result(server, "s", 1);
    const auto run = s.take().at(0);
    s.result(client, "c1", 10);
    s.complete(run, errc::messaging_timeout, "no confirm");
    CHECK(s.machine.current() == phase::running);
  }
  SECTION("a question to the servers that fails is asked again") {
    session_script s{plan_for(task::rpc_call)};
    s.start_run({"c"}, {"s"});
    s.result(client, "c", 10);
    s.complete(s.take().at(0), errc::connection_lost, "gone");
    s.pass(1s);
    s.expect(method::get_server_results, 1);
    s.result(server, "s", 10);
    CHECK(s.found().ok());
    CHECK(s.machine.finished());
  }
  SECTION("a shutdown that cannot be sent") {
    session_script s{plan_for(task::shutdown)};
    s.connect();
    s.pass(2s);
    s.complete(s.take().at(2), errc::connection_lost, "gone");
    REQUIRE(s.machine.finished());
    CHECK(has(s.found().failure, "shutdown could not be sent"));
  }
  SECTION("a shutdown that is never taken") {
    session_script s{plan_for(task::shutdown)};
    s.connect();
    s.pass(2s);
    s.pass(60s);
    CHECK(has(s.found().failure, "shutdown could not be sent within 60 s"));
  }
}

TEST_CASE("interrupted at any step, a session is over and sends nothing more") {
  for (int step = 0; step < 6; ++step) {
    session_script s{plan_for(task::rpc_cast)};
    if (step == 1) s.machine.on_listening(s.now());
    if (step == 2) s.connect();
    if (step >= 3) s.start_run({"c"}, {"s"});
    if (step >= 4) s.result(client, "c", 10);
    if (step >= 5) s.pass(250ms);
    s.machine.cancel("interrupted", s.now());
    if (step == 3) {
      // Clients in a run are told first.
      REQUIRE(s.machine.current() == phase::stopping);
      const auto told = s.expect(method::run_test, 1);
      CHECK(told[0].to == client);
      CHECK(told[0].args_json.starts_with(R"({"test": "cancel_run", "kwargs": {"ombt": {"run": ")" +
                                          run_id + R"("}}, "reply_addr")"));
    }
    REQUIRE(s.machine.finished());
    CHECK(s.found().failure == "interrupted");
    CHECK(s.take().empty());
    CHECK_FALSE(s.machine.next_deadline());
    s.result(server, "s", 10);
    s.pong(client, "x");
    s.pass(100s);
    s.machine.on_listening(s.now());
    CHECK(s.take().empty());
    CHECK(s.found().failure == "interrupted");
  }
}

TEST_CASE("an interrupted run ends though the bus does not take the word, or at the second time") {
  for (const bool again : {false, true}) {
    session_script s{plan_for(task::rpc_call)};
    s.start_run({"c"}, {"s"});
    s.machine.cancel("interrupted", s.now());
    s.take();
    CHECK_FALSE(s.machine.finished());
    if (again) {
      s.machine.cancel("interrupted again", s.now());
      CHECK(s.found().failure == "interrupted again");
    } else {
      s.pass(2s);
      CHECK(s.found().failure == "interrupted");
    }
    CHECK(s.machine.finished());
  }
}

TEST_CASE("twenty names are enough in the problems; where all are missing none is named") {
  session_script s{plan_for(task::rpc_call)};
  std::vector<std::string> clients;
  for (int i = 0; i < 50; ++i) clients.push_back("c" + std::to_string(i));
  const bool all = GENERATE(false, true);
  s.start_run(clients, {"s"});
  if (!all) s.result(client, "c49", 0);
  s.pass(60s);
  s.take();
  s.result(server, "s", 0);
  REQUIRE(s.machine.finished());
  if (all) {
    REQUIRE(s.found().problems.size() == 1);
    CHECK(s.found().problems[0] == "none of 50 RPC clients sent results within 60 s");
  } else {
    CHECK(s.found().problems.size() == 21);
    CHECK(s.found().problems.back() == "and 29 more agents are missing");
  }
}

TEST_CASE("clients that say they are at work are waited for, however long it takes") {
  session_script s{plan_for(task::rpc_call)};
  s.connect();
  for (const auto* name : {"c1", "c2"}) s.native_pong(client, name);
  s.native_pong(server, "s");
  s.pass(s.machine.what().idle);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 0);
  s.expect(method::run_test, 1);
  for (int minute = 0; minute < 10; ++minute) {
    s.pass(29s);
    CHECK(s.take().empty());
    s.pass(1s);
    s.expect(method::client_ping, 1);
    s.native_pong(client, "c1", run_id);
    REQUIRE(s.machine.current() == phase::running);
  }
  SECTION("until they report") {
    s.native_result("c1", 10, run_id);
    s.native_result("c2", 10, run_id);
    CHECK(s.machine.current() == phase::polling);
  }
  SECTION("until they are silent, or say that they are not: then they are told to end it") {
    const bool idle = GENERATE(false, true);
    s.pass(30s);
    s.expect(method::client_ping, 1);
    if (idle) s.native_pong(client, "c1", "");
    s.pass(15s);
    s.expect(method::client_ping, 1);  // the first question may be lost
    s.native_pong(client, "stranger", run_id);
    s.native_pong(client, "c1", "another-run");
    s.machine.on_bus_words("h:5672: the broker has blocked the connection");
    s.pass(15s);
    REQUIRE(s.machine.current() == phase::polling);
    const auto said = s.take();
    REQUIRE(said.size() == 2);
    CHECK(said[0].method == method::run_test);
    CHECK(said[0].args_json.find("cancel_run") != std::string::npos);
    // What comes of it late still counts.
    s.native_result("c2", 4, run_id);
    s.result(server, "s", 4);
    REQUIRE(s.machine.finished());
    CHECK(s.found().problems ==
          std::vector<std::string>{"RPC client c1 sent no results within 60 s (h:5672: the broker "
                                   "has blocked the connection)"});
  }
}

TEST_CASE("a Python client that is silent for the timeout is missing, and --timeout is named") {
  session_script s{plan_for(task::rpc_call)};
  s.start_run({"c"}, {"s"});
  s.pass(59s);
  s.pong(client, "c");  // alive, but at work?
  s.pass(1s);
  s.take();
  s.result(server, "s", 0);
  REQUIRE(s.machine.finished());
  REQUIRE(s.found().problems.size() == 1);
  CHECK(s.found().problems[0] ==
        "RPC client c sent no results within 60 s; if it is still at work, raise --timeout");
}

TEST_CASE("more answers to one question than a name can give are told") {
  const auto what = GENERATE(task::status, task::shutdown, task::rpc_call);
  session_script s{plan_for(what, 0)};
  s.connect();
  s.pong(client, "same");
  s.pong(client, "same");
  s.pong(client, "same");
  s.pong(server, "s");
  s.pass(2s);
  if (what == task::shutdown) s.expect(method::shutdown, 4);
  if (what == task::rpc_call) {
    s.take();
    s.result(server, "s", 0);
    s.take();
    s.result(client, "same", 0);
    s.take();
    s.result(server, "s", 0);
  }
  REQUIRE(s.machine.finished());
  CHECK(s.found().problems ==
        std::vector<std::string>{"2 more agents answered by the name same: told apart by nothing, "
                                 "counted as one"});
}

TEST_CASE("after failures servers are asked until nothing more comes") {
  session_script s{plan_for(task::rpc_call)};
  s.start_run({"c"}, {"s"});
  s.result(client, "c", 4, 6);  // whether the six arrived nobody knows
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 7);
  s.pass(1s);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 2);
  s.pass(1s);
  s.expect(method::get_server_results, 1);
  REQUIRE_FALSE(s.machine.finished());
  s.result(server, "s", 0);
  REQUIRE(s.machine.finished());
  CHECK(s.found().received == 9);
  CHECK(s.found().expected == 4);
}

TEST_CASE("more agents than the limit are counted, not kept") {
  session_script s{plan_for(task::status)};
  s.connect();
  for (std::size_t i = 0; i < controller::session::agent_limit + 5; ++i) {
    s.pong(client, std::to_string(i));
  }
  CHECK(s.found().agents.size() == controller::session::agent_limit);
  CHECK(s.found().agents_refused == 5);
}

TEST_CASE("results that come again count once, at every step") {
  session_script s{plan_for(task::rpc_cast)};
  const auto numbered = [&](agent_kind kind, std::uint64_t ok, std::uint64_t answer) {
    auto r = session_script::record(kind, kind == client ? "c1" : "s1", ok);
    r.has_details = true;
    r.details.run = kind == client ? run_id : "";
    r.details.latency.record(1'000'000, ok);
    r.details.answer = answer;
    s.machine.on_result(r, s.now());
  };
  s.connect();
  s.native_pong(client, "c1");
  s.native_pong(server, "s1");
  s.pass(s.machine.what().idle);
  s.expect(method::get_server_results, 1);
  numbered(server, 77, 1);
  REQUIRE(s.machine.current() == phase::running);
  s.expect(method::run_test, 1);
  numbered(server, 77, 1);  // the one before the run
  numbered(client, 10, 5);
  numbered(client, 10, 5);
  s.pass(s.machine.what().delay);
  s.expect(method::get_server_results, 1);
  numbered(server, 4, 2);
  numbered(server, 4, 2);
  CHECK(s.found().received == 0);
  REQUIRE_FALSE(s.machine.finished());
  s.pass(500ms);
  s.expect(method::get_server_results, 1);
  numbered(server, 6, 3);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  CHECK(s.found().received == 10);
  CHECK(s.found().clients.results.msgs_ok == 10);
  CHECK(s.found().servers.latency.count() == 10);
  CHECK(s.found().repeated_results == 3);
  CHECK(s.found().foreign_results == 0);
}

TEST_CASE("results of older agents, which have no number, are all taken") {
  session_script s{plan_for(task::rpc_cast)};
  s.start_run({"c1"}, {"s1"});
  s.result(client, "c1", 10);
  s.pass(s.machine.what().delay);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 5);
  s.pass(500ms);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 5);
  REQUIRE(s.machine.finished());
  CHECK(s.found().received == 10);
  CHECK(s.found().repeated_results == 0);
}

TEST_CASE("a flood of error texts is bounded, agent by agent and in the sum") {
  session_script s{plan_for(task::rpc_call)};
  s.start_run({"c"}, {"s"});
  const std::size_t agents = 3 * controller::session::error_text_limit / 200;
  for (std::size_t i = 0; i < agents; ++i) {
    auto r = session_script::record(client, "flood" + std::to_string(i), 1);
    for (int e = 0; e < 200; ++e) {
      r.results.count_error("error " + std::to_string(i) + "/" + std::to_string(e));
    }
    s.machine.on_result(r, s.now());
  }
  std::size_t texts = 0;
  for (const auto& agent : s.found().agents) texts += agent.results.errors.size();
  CHECK(texts <= controller::session::error_text_limit + agents);
  CHECK(s.found().agents.back().results.errors.at("other errors") == 200);
  CHECK(s.found().clients.results.errors.size() <= wire::control::error_text_limit + 1);
  std::uint64_t counted = 0;
  for (const auto& [text, times] : s.found().clients.results.errors) counted += times;
  CHECK(counted == agents * 200);
}

TEST_CASE("what links counted is added up from the reset on, and is no problem") {
  session_script s{plan_for(task::rpc_call, 3)};
  const auto reports = [&](agent_kind kind, std::uint64_t ok, wire::control::link_counts links) {
    auto r = s.record(kind, kind == server ? "s" : "c", ok);
    r.has_details = true;
    r.details.run = kind == client ? run_id : "";
    r.details.links = links;
    s.machine.on_result(r, s.now());
  };
  s.connect();
  s.pong(client, "c");
  s.pong(server, "s");
  s.pass(s.machine.what().idle);
  REQUIRE(s.machine.current() == phase::resetting);
  reports(server, 5, {.unreadable = 100, .duplicates = 100});  // before the run
  REQUIRE(s.machine.current() == phase::running);
  reports(client, 3, {.late_replies = 2, .connection_errors = 1});
  reports(server, 2, {.unreadable = 4});
  s.pass(1s);
  reports(server, 1, {.unreadable = 3, .duplicates = 1});
  REQUIRE(s.machine.finished());
  CHECK(s.found().clients.links ==
        wire::control::link_counts{.late_replies = 2, .connection_errors = 1});
  CHECK(s.found().servers.links == wire::control::link_counts{.unreadable = 7, .duplicates = 1});
  CHECK(s.found().ok());
}

TEST_CASE("clients that ended their run early are told of, by their word or by their number") {
  SECTION("a native client says so") {
    session_script s{plan_for(task::rpc_call)};
    s.start_run({"a", "b"}, {"s"});
    for (const char* name : {"a", "b"}) {
      auto early = session_script::record(client, name, 4);
      early.has_details = true;
      early.details.run = run_id;
      early.details.latency.record(1'000'000, 4);
      early.details.cut_short = true;
      s.machine.on_result(early, s.now());
    }
    s.expect(method::get_server_results, 1);
    s.result(server, "s", 8);
    CHECK_FALSE(s.found().ok());
    REQUIRE(s.found().problems.size() == 1);
    CHECK(has(s.found().problems[0],
              "a and 1 more client ended the run early, the first of them "
              "after 4 of 10 messages"));
  }
  SECTION("a Python client has sent too few") {
    session_script s{plan_for(task::rpc_call)};
    s.start_run({"a", "b"}, {"s"});
    s.result(client, "a", 9, 1);
    s.result(client, "b", 8, 1);
    s.pass(1h);
    bool told = false;
    for (const std::string& problem : s.found().problems) {
      told = told || has(problem, "b ended the run early, after 9 of 10 messages");
    }
    CHECK(told);
  }
}
