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
    s.machine.cancel("interrupted");
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

TEST_CASE("twenty names are enough in the problems") {
  session_script s{plan_for(task::rpc_call)};
  std::vector<std::string> clients;
  for (int i = 0; i < 50; ++i) clients.push_back("c" + std::to_string(i));
  s.start_run(clients, {"s"});
  s.pass(60s);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 0);
  REQUIRE(s.machine.finished());
  CHECK(s.found().problems.size() == 21);
  CHECK(s.found().problems.back() == "and 30 more agents did not answer");
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
  session_script s{plan_for(task::rpc_call)};
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
