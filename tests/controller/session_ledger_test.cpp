// SPDX-License-Identifier: Apache-2.0
// How the ledger ends a run, and what it adds to the problems.
#include "controller/session.hpp"
#include "controller/text_report.hpp"
#include "tests/controller/session_script.hpp"

#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::tests;

namespace {

constexpr std::uint64_t id_of_c = 7;

struct ledger_script : session_script {
  using session_script::session_script;

  /// Client c has sent so many, of which the first ones failed.
  void client_done(std::uint64_t sent, std::uint64_t failed = 0) {
    auto r = record(client, "c", sent - failed, failed);
    auto told = std::make_shared<wire::control::client_ledger>();
    told->client = id_of_c;
    told->sent = sent;
    for (std::uint64_t i = 0; i < failed; ++i) told->fail("no luck", i, room);
    r.has_details = true;
    r.details.run = run_id;
    r.details.sent = told;
    machine.on_result(r, now());
  }
  /// Of c, and of a client that nobody knows.
  void server_has(const std::string& name, const std::vector<std::uint64_t>& messages,
                  const std::vector<std::uint64_t>& strange = {}) {
    auto r = record(server, name, messages.size() + strange.size());
    auto told = std::make_shared<wire::control::server_ledger>();
    for (const auto n : messages) told->arrived(id_of_c, n, room);
    for (const auto n : strange) told->arrived(id_of_c + 1, n, room);
    r.has_details = true;
    r.details.received = told;
    machine.on_result(r, now());
  }
  /// The next question to the servers.
  void asked() {
    for (int i = 0; i < 100; ++i) {
      if (const auto actions = take(); !actions.empty()) {
        for (const auto& a : actions) complete(a);
        if (actions.back().method == method::get_server_results) return;
      }
      pass(100ms);
    }
    FAIL("servers are not asked");
  }

  /// Nobody answers any more, until the session is over.
  void run_out() {
    for (int i = 0; i < 200 && !machine.finished(); ++i) {
      pass(1s);
      for (const auto& a : take()) complete(a);
    }
    REQUIRE(machine.finished());
  }

  wire::control::ledger_room room{1 << 20};
};

}  // namespace

TEST_CASE("a copy too many does not stand for a message that is lost: servers are asked on") {
  ledger_script s{plan_for(task::rpc_cast, 4)};
  s.start_run({"c"}, {"s1", "s2"});
  s.client_done(4);
  s.asked();
  s.server_has("s1", {0, 1, 1});
  s.server_has("s2", {2});
  REQUIRE_FALSE(s.machine.finished());  // by numbers alone it would be
  s.asked();
  s.server_has("s1", {});
  s.server_has("s2", {3});
  REQUIRE(s.machine.finished());
  REQUIRE(s.found().ledger);
  CHECK(s.found().ledger->all.delivered == 3);
  CHECK(s.found().ledger->all.duplicated == 1);
  CHECK(s.found().ledger->complete());
  CHECK(s.found().problems ==
        std::vector<std::string>{"1 more message than expected arrived at the receivers: 1 message "
                                 "arrived more than once"});
}

TEST_CASE("a message that stays lost behind a copy ends the run at its limit, as a problem") {
  ledger_script s{plan_for(task::rpc_cast, 4)};
  s.start_run({"c"}, {"s"});
  s.client_done(4);
  s.asked();
  s.server_has("s", {0, 1, 1, 3});
  for (int i = 0; i < 100 && !s.machine.finished(); ++i) {
    s.pass(1s);
    for (const auto& a : s.take()) {
      s.complete(a);
      s.server_has("s", {});
    }
  }
  REQUIRE(s.machine.finished());
  CHECK(s.found().problems ==
        std::vector<std::string>{"1 of 4 messages reached no receiver within 60 s, though as many "
                                 "arrived as were sent"});
  CHECK(s.found().ledger->clients.at(0).lost == "2");
  CHECK(s.found().clients.lost == 1);
  CHECK_FALSE(s.found().ok());
}

TEST_CASE("a fanout goes on until every server has every message by its own ledger") {
  ledger_script s{plan_for(task::rpc_fanout, 2)};
  s.start_run({"c"}, {"s1", "s2"});
  s.client_done(2);
  s.asked();
  s.server_has("s1", {0, 1, 1});
  s.server_has("s2", {0});
  REQUIRE_FALSE(s.machine.finished());
  s.asked();
  s.server_has("s1", {});
  s.server_has("s2", {1});
  REQUIRE(s.machine.finished());
  CHECK(s.found().ledger->receivers == 2);
  CHECK(s.found().ledger->all.delivered == 1);
  CHECK(s.found().ledger->all.duplicated == 1);
}

TEST_CASE("where messages failed, servers are asked until nothing more comes, copies or not") {
  ledger_script s{plan_for(task::rpc_call, 4)};
  s.start_run({"c"}, {"s"});
  s.client_done(4, 1);
  s.asked();
  s.server_has("s", {1, 1, 2, 3});  // as many as were sent, and not the one that failed
  REQUIRE_FALSE(s.machine.finished());
  s.asked();
  s.server_has("s", {0});
  REQUIRE_FALSE(s.machine.finished());
  s.asked();
  s.server_has("s", {});
  REQUIRE(s.machine.finished());
  CHECK(s.found().ledger->all.failed_but_delivered == 1);
  CHECK(s.found().ledger->failed_by_kind.at("no luck") == 1);
}

TEST_CASE("with Python agents numbers decide, and the ledger says what it cannot know") {
  session_script s{plan_for(task::rpc_cast, 4)};
  s.start_run({"c"}, {"s"});
  s.result(client, "c", 4);
  s.pass(250ms);
  s.expect(method::get_server_results, 1);
  s.result(server, "s", 4);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  REQUIRE(s.found().ledger);
  CHECK(s.found().ledger->all.sent == 0);
  CHECK_FALSE(s.found().ledger->complete());
  CHECK(s.found().ledger->gaps.size() == 4);
}

TEST_CASE(
    "a native client over a Python server: its messages are unknown, and the run is complete") {
  ledger_script s{plan_for(task::rpc_cast, 4)};
  s.start_run({"c"}, {"s", "python"});
  s.client_done(4);
  s.asked();
  s.server_has("s", {0, 2});
  s.result(server, "python", 2);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  CHECK(s.found().ledger->all.delivered == 2);
  CHECK(s.found().ledger->all.unknown == 2);
  CHECK(s.found().ledger->all.lost == 0);
}

TEST_CASE("what a server that vanished had is unknown, not lost") {
  ledger_script s{plan_for(task::rpc_cast, 4)};
  s.start_run({"c"}, {"s", "gone"});
  s.client_done(4);
  s.asked();
  s.server_has("s", {0, 1});
  s.run_out();
  CHECK_FALSE(s.found().ok());
  CHECK(s.found().ledger->all.unknown == 2);
  CHECK(s.found().ledger->all.lost == 0);
  CHECK(s.found().ledger->gaps.size() == 1);
}

TEST_CASE("of clients that sent no results a ledger says so, whatever arrived") {
  ledger_script s{plan_for(task::rpc_call, 4)};
  s.start_run({"c", "gone"}, {"s"});
  s.client_done(4);
  s.pass(61s);
  s.asked();
  s.server_has("s", {0, 1, 2, 3});
  REQUIRE(s.machine.finished());
  REQUIRE(s.found().ledger);
  CHECK(s.found().ledger->all.delivered == 4);
  CHECK_FALSE(s.found().ledger->complete());
  CHECK(s.found().ledger->gaps ==
        std::vector<std::string>{"1 client that sent no results: what they sent is not known"});
}

TEST_CASE("what arrived of clients that sent no results does not stand for what is missing") {
  ledger_script s{plan_for(task::rpc_cast, 4)};
  s.start_run({"c", "gone"}, {"s", "silent"});
  s.client_done(4);
  s.pass(61s);
  s.asked();
  s.server_has("s", {0, 1}, {0, 1, 2});
  s.run_out();
  CHECK(s.found().problems ==
        std::vector<std::string>{
            "RPC client gone sent no results within 60 s; if it is still at work, raise --timeout",
            "RPC server silent did not answer within 60 s",
            "2 of 4 messages are not accounted for by the receivers within 60 s"});
}

TEST_CASE("in a fanout what strangers' copies would hide is told by the ledger too") {
  ledger_script s{plan_for(task::rpc_fanout, 4)};
  s.start_run({"c", "gone"}, {"s", "silent"});
  s.client_done(4);
  s.pass(61s);
  s.asked();
  s.server_has("s", {0, 1, 2}, {0, 1, 2, 3});
  s.run_out();
  // One copy at s, four at silent.
  CHECK(s.found().problems.back() ==
        "5 of 8 messages are not accounted for by the receivers within 60 s");
  CHECK(s.found().topics.at(0).unaccounted == 5);
}

TEST_CASE("what servers of one name had is not known: only one's results are") {
  ledger_script s{plan_for(task::rpc_cast, 4)};
  s.connect();
  s.native_pong(client, "c");
  s.native_pong(server, "s");
  s.native_pong(server, "s");
  s.pass(s.machine.what().idle);
  s.expect(method::get_server_results, 1);
  s.server_has("s", {});
  s.expect(method::run_test, 1);
  s.client_done(4);
  s.asked();
  s.server_has("s", {0, 1});
  s.run_out();
  CHECK(s.found().same_names.count("s") == 1);
  CHECK(s.found().ledger->all.lost == 0);
  CHECK(s.found().ledger->all.unknown == 2);
}

TEST_CASE("where no client sent results the ledger knows nothing, and is not complete") {
  ledger_script s{plan_for(task::rpc_call, 4)};
  s.start_run({"c1", "c2"}, {"s"});
  s.pass(61s);
  s.asked();
  s.server_has("s", {});
  REQUIRE(s.machine.finished());
  REQUIRE(s.found().ledger);
  CHECK_FALSE(s.found().ledger->complete());
  CHECK(has(controller::test_report(s.machine.what(), s.found()),
            "\n\nLedger: n/a\n"
            "  Incomplete: 2 clients that sent no results: what they sent is not known\n"));
}
