// SPDX-License-Identifier: Apache-2.0
#include "tests/controller/direct_fixture.hpp"

#include <algorithm>

using namespace ombt;
using namespace std::chrono_literals;
using namespace ombt::tests;
using controller::phase;
using controller::plan;
using controller::task;
using wire::control::agent_kind;

namespace {

bool has_one(const std::vector<std::string>& texts, const std::string& part) {
  return std::any_of(texts.begin(), texts.end(), [&](const auto& one) { return has(one, part); });
}

std::string progress_frame(const std::string& run) {
  wire::control::live_report report;
  report.run = run;
  report.agents = 2;
  report.ok = 4;
  std::string args;
  std::string out;
  append_live_report(args, report);
  wire::control::append_direct_command(out, 0, "progress", {}, {}, args);
  return out;
}

}  // namespace

TEST_CASE("direct control finds agents by process, at once") {
  direct_fixture f;
  f.agents.add("h1", 3, 0);
  f.agents.add("h1", 2, 1);
  f.agents.add("h2", 0, 2);
  f.agents.add("h2", 5, 5, "other");
  const auto before = controller::clock::now();
  const auto found = f.run(direct_plan(task::status));
  CHECK(controller::clock::now() - before < 1500ms);  // no quiet time of 2 s
  REQUIRE(found.ok());
  CHECK(found.count(agent_kind::rpc_client) == 5);
  CHECK(found.count(agent_kind::rpc_server) == 3);
  REQUIRE(found.processes.size() == 4);
  CHECK(found.processes[0].told.bus == "amqp://u:***@bus");
  CHECK(found.processes[2].told.host == "h2");
  // It is asked only for what it has.
  CHECK(f.agents.host("h2").processes[1]->times("client_ping") == 0);
  CHECK(f.agents.host("h1").processes[0]->times("client_ping") == 1);
  CHECK(f.agents.host("h1").processes[1]->times("client_ping") == 2);
  CHECK(f.agents.host("h1").processes[1]->times("hold") == 0);
}

TEST_CASE("a run over direct control: held, prepared, begun together") {
  direct_fixture f;
  f.merged = GENERATE(false, true);
  auto& one = f.agents.add("h1", 3, 0);
  auto& two = f.agents.add("h1", 2, 0);
  auto& server = f.agents.add("h2", 0, 2);
  two.late = 700'000;
  two.says["start"] = progress_frame("0123456789abcdef-1");
  const auto found = f.run(direct_plan(task::rpc_call));
  INFO(found.failure);
  REQUIRE(found.failure.empty());
  CHECK(found.problems.empty());
  CHECK(found.clients.results.msgs_ok == 50);
  CHECK(found.received == 50);
  CHECK(found.start.processes == 2);
  CHECK(found.start.skew() == 700'000);
  CHECK(found.start.last - found.start.agreed == 700'000);
  CHECK(one.heard == std::vector<std::string>{"hello", "hold", "client_ping", "prepare", "start"});
  CHECK(server.heard == std::vector<std::string>{"hello", "hold", "client_ping",
                                                 "get_server_results", "get_server_results"});
  CHECK(has(one.frames[3], R"("kind": "RPCClient", "topic": "t")"));
  CHECK(has(one.frames[3], R"("test": "test_call")"));
  CHECK_FALSE(has(one.frames[4], "kind"));
  CHECK(has(one.frames[4], R"("boot": "boot")"));
  REQUIRE(f.live.size() == 1);
  CHECK(f.live[0].ok == 4);
  CHECK(one.held != nullptr);
  f.runner.reset();
  f.links.reset();
  CHECK(one.held == nullptr);
}

TEST_CASE("sessions one after the other keep their connections and what they hold") {
  direct_fixture f;
  f.merged = GENERATE(false, true);
  auto& one = f.agents.add("h1", 1, 1);
  REQUIRE(f.run(direct_plan(task::rpc_call)).ok());
  auto& late = f.agents.add("h1", 1, 0);
  f.loop.run_for(50ms);
  CHECK(one.held != nullptr);
  const auto again = f.run(direct_plan(task::rpc_call), nullptr, "0123456789abcdef-2");
  REQUIRE(again.ok());
  CHECK(again.count(agent_kind::rpc_client) == 2);
  CHECK(again.processes.size() == 2);
  CHECK(one.times("hello") == 1);
  CHECK(late.times("hello") == 1);
}

TEST_CASE("several topics begin with one start a process") {
  direct_fixture f;
  f.merged = GENERATE(false, true);
  auto& one = f.agents.add("h1", 2, 1, "t-0");
  f.agents.add("h1", 1, 2, "t-1");
  plan p = direct_plan(task::rpc_call);
  p.topics = {"t-0", "t-1"};
  const auto found = f.run(p);
  INFO(found.failure);
  REQUIRE(found.ok());
  CHECK(found.topics[0].clients.results.msgs_ok == 20);
  CHECK(found.topics[1].clients.results.msgs_ok == 10);
  CHECK(found.start.processes == 2);
  CHECK(one.times("prepare") == 1);
  CHECK(one.times("start") == 1);
}

TEST_CASE("a host that is down ends the session, which names it") {
  direct_fixture f;
  f.agents.add("h1", 1, 1);
  f.agents.host("h2").down = "Connection refused";
  const auto found = f.run(direct_plan(task::status));
  CHECK(has(found.failure, "no contact with the agents"));
  CHECK(has(found.failure, "h2:5700: Connection refused"));
  CHECK_FALSE(has(found.failure, "h1"));
}

TEST_CASE("with expectations a host that is down is tried until they are met") {
  direct_fixture f;
  f.agents.add("h1", 1, 1);
  f.agents.host("h2").down = "Connection refused";
  plan p = direct_plan(task::rpc_call);
  p.expect = {controller::expectation::parse("rpc-client=3")};
  SECTION("it comes up") {
    f.agents.after(700ms, [&] {
      f.agents.host("h2").down.clear();
      f.agents.add("h2", 2, 0);
    });
    const auto found = f.run(p);
    INFO(found.failure);
    REQUIRE(found.ok());
    CHECK(found.count(agent_kind::rpc_client) == 3);
    // The newcomer is held too.
    CHECK(f.agents.host("h2").processes[0]->times("hold") == 1);
  }
  SECTION("it stays down") {
    p.timeout = 1s;
    const auto found = f.run(p);
    CHECK(has(found.failure, "not all expected agents answered within 1 s"));
    CHECK(has(found.failure, "h2:5700: Connection refused"));
  }
  SECTION("others meet them") {
    f.agents.add("h1", 2, 0);
    const auto found = f.run(p);
    REQUIRE(found.ok());
    REQUIRE(found.notes.size() == 1);
    CHECK(found.notes[0] == "no contact with the agents at h2:5700: Connection refused");
  }
}

TEST_CASE("a process that comes while others are being held is held with them") {
  direct_fixture f;
  auto& one = f.agents.add("h1", 1, 1);
  one.takes["hold"] = 300ms;
  fake_process* newcomer = nullptr;
  f.agents.after(100ms, [&] { newcomer = &f.agents.add("h1", 2, 0); });
  plan p = direct_plan(task::rpc_call);
  SECTION("and takes part") {
    const auto found = f.run(p);
    INFO(found.failure);
    REQUIRE(found.ok());
    CHECK(found.count(agent_kind::rpc_client) == 3);
    CHECK(newcomer->times("hold") == 1);
  }
  SECTION("or not held at all, where another has one of them") {
    tests::fake_connection other;
    f.agents.after(200ms, [&] { one.held = &other; });
    const auto found = f.run(p);
    CHECK(has(found.failure, "holds"));
    f.loop.run_for(50ms);
    CHECK(newcomer->times("release") == 1);
  }
}

TEST_CASE("agents that another controller holds: it is named, and nothing stays held") {
  direct_fixture f;
  auto& one = f.agents.add("h1", 1, 1);
  auto& two = f.agents.add("h1", 1, 0);
  tests::fake_connection other;
  two.held = &other;
  plan p = direct_plan(task::rpc_call);
  SECTION("without --wait the session ends") {
    const auto found = f.run(p);
    CHECK(has(found.failure,
              "another controller holds 1 of 2 processes of agents: controller "
              "other (host elsewhere, process 77, since 2001-09-"));
    CHECK(one.times("client_ping") == 0);
    f.loop.run_for(50ms);
    CHECK(one.held == nullptr);
    CHECK(one.times("release") == 1);
    CHECK(two.held == &other);
    CHECK(two.times("release") == 0);
  }
  SECTION("status needs no hold, nor does a shutdown by force") {
    p = direct_plan(task::status);
    REQUIRE(f.run(p).ok());
    p = direct_plan(task::shutdown);
    p.hold = false;
    REQUIRE(f.run(p).ok());
    CHECK(two.times("shutdown") == 1);
  }
  SECTION("a shutdown does") {
    CHECK(has(f.run(direct_plan(task::shutdown)).failure, "another controller holds"));
    CHECK(one.times("shutdown") == 0);
  }
  SECTION("with --wait it is waited for") {
    p.wait = 30s;
    std::string waited;
    f.changed = [&] {
      if (f.runner->machine().held_by().empty() || !waited.empty()) return;
      waited = f.runner->machine().held_by();
      f.agents.after(300ms, [&] { two.held = nullptr; });
    };
    const auto found = f.run(p);
    REQUIRE(found.ok());
    CHECK(has(waited, "another controller holds 1 of 2"));
    CHECK(one.times("release") == 1);
    CHECK(one.times("hold") == 2);
  }
  SECTION("the wait has an end") {
    p.wait = 900ms;
    CHECK(has(f.run(p).failure, ", still after 0.9 s"));
  }
}

TEST_CASE("a process that comes in the roll call and is another controller's takes no part") {
  direct_fixture f;
  f.agents.add("h1", 1, 1);
  tests::fake_connection other;
  plan p = direct_plan(task::rpc_call);
  p.expect = {controller::expectation::parse("rpc-client=2")};
  f.agents.after(300ms, [&] { f.agents.add("h1", 5, 0).held = &other; });
  f.agents.after(600ms, [&] { f.agents.add("h1", 1, 0); });
  const auto found = f.run(p);
  INFO(found.failure);
  REQUIRE(found.failure.empty());
  CHECK(found.count(agent_kind::rpc_client) == 2);
  REQUIRE(found.problems.size() == 1);
  CHECK(has(found.problems[0], "takes no part: controller other (host elsewhere"));
  CHECK(f.agents.host("h1").processes[1]->times("client_ping") == 0);
  CHECK(f.agents.host("h1").processes[1]->times("prepare") == 0);
}

TEST_CASE("a process that dies at any command costs its agents and no time") {
  const std::string at = GENERATE("hello", "hold", "client_ping", "prepare", "start");
  INFO(at);
  direct_fixture f;
  f.agents.add("h1", 1, 2);
  auto& one = f.agents.add("h1", 2, 0);
  one.dies_of.insert(at);
  const auto before = controller::clock::now();
  const auto found = f.run(direct_plan(task::rpc_call));
  INFO(found.failure);
  CHECK(controller::clock::now() - before < 8s);
  REQUIRE(found.failure.empty());
  CHECK(found.clients.results.msgs_ok == 10);
  // Before it has said hello nobody knows what it has.
  REQUIRE(found.problems.size() == (at == "hello" ? 0 : 1));
  if (at == "hello") return;
  const std::string gone =
      "process " + std::to_string(one.pid) + " of host h1 is gone (connection reset)";
  const bool in_run = at == "prepare" || at == "start";
  CHECK(found.problems[0] == (in_run ? "2 RPC clients sent no results: " + gone
                                     : gone + ": the run was without its agents"));
}

TEST_CASE("a server's process that dies when it is asked costs no more than a few rounds") {
  direct_fixture f;
  f.agents.add("h1", 1, 0);
  auto& one = f.agents.add("h1", 0, 1);
  auto& two = f.agents.add("h1", 0, 1);
  f.changed = [&] {
    if (f.runner->machine().current() == phase::running) one.dies_of.insert("get_server_results");
  };
  const auto before = controller::clock::now();
  const auto found = f.run(direct_plan(task::rpc_call));
  CHECK(controller::clock::now() - before < 8s);
  REQUIRE(found.failure.empty());
  CHECK(two.times("get_server_results") > 1);
  CHECK(has_one(found.problems, "RPC server " + one.name_of(false, 0) + " did not answer"));
  CHECK(has_one(found.problems, "10 of 10 messages are not accounted for"));
}

TEST_CASE("a process that does not answer is named") {
  direct_fixture f;
  f.agents.add("h1", 1, 1);
  auto& one = f.agents.add("h1", 1, 0);
  const std::string at = GENERATE("hold", "client_ping", "prepare");
  one.silent.insert(at);
  plan p = direct_plan(task::rpc_call);
  p.timeout = 3s;
  const auto found = f.run(p);
  CHECK(has(found.failure, "within 3 s"));
  CHECK(has(found.failure, "process " + std::to_string(one.pid) + " of host h1 does not answer"));
}

TEST_CASE("a process that refuses a run is named, and no other begins it") {
  direct_fixture f;
  auto& other = f.agents.add("h1", 1, 1);
  auto& one = f.agents.add("h1", 1, 0);
  one.errors["prepare"] = "above --max-rate 5";
  const auto found = f.run(direct_plan(task::rpc_call));
  CHECK(
      has(found.failure, "process " + std::to_string(one.pid) + " of host h1: above --max-rate 5"));
  CHECK(other.times("start") == 0);
}

TEST_CASE("a process that cannot be talked to is told of, and the rest is done") {
  direct_fixture f;
  f.agents.add("h1", 1, 1);
  f.agents.add("h1", 9, 9).version = 3;
  const auto found = f.run(direct_plan(task::rpc_call));
  REQUIRE(found.failure.empty());
  CHECK(found.clients.results.msgs_ok == 10);
  REQUIRE(found.problems.size() == 1);
  CHECK(has(found.problems[0], "version of direct control is 3, here it is 1"));
}

TEST_CASE("what makes no sense from a process is counted, and no harm") {
  const auto bad = GENERATE(values<std::string>(
      {R"({"method": "client_pong"})",
       R"({"method": "client_pong", "kind": "RPCClient", "topic": "t", "args": {"kind": 7}})",
       R"({"method": "client_result", "topic": "t", "args": {"name": "n", "kind": "RPCClient",)"
       R"( "results": {"msgs_ok": -1}}})",
       R"({"method": "results", "kind": "RPCClient", "topic": "t", "args": {}})",
       R"({"method": "results", "topic": "t", "args": {"agents": [["n", 0, 0, 0, 0]], "results": )"
       R"({"ombt": {"run": "", "latency": {"count": 0, "overflow": 0, "min": 0, "max": 0, )"
       R"("total": 0, "counts": []}}}}})",
       R"({"method": "started", "args": {"run": 5}})", R"({"method": "progress", "args": {}})",
       R"({"method": "no such", "id": 5})", R"({"id": 7777, "result": null})",
       R"({"id": 1, "error": "no such id"})"}));
  INFO(bad);
  direct_fixture f;
  auto& one = f.agents.add("h1", 1, 1);
  one.says["client_ping"] = bad;
  const auto found = f.run(direct_plan(task::rpc_call));
  INFO(found.failure);
  REQUIRE(found.ok());
  CHECK(found.malformed_requests >= 1);
  CHECK(found.clients.results.msgs_ok == 10);
}

TEST_CASE("pongs and results of topics that nobody asked for are passed over") {
  direct_fixture f;
  auto& one = f.agents.add("h1", 1, 1);
  one.says["client_ping"] =
      R"({"method": "client_pong", "topic": "x", "args": {"kind": "RPCClient", "name": "n"}})";
  one.says["start"] = R"({"method": "client_result", "topic": "x", "args": {"name": "n",)"
                      R"( "kind": "RPCClient", "results": {}}})";
  const auto found = f.run(direct_plan(task::rpc_call));
  REQUIRE(found.ok());
  CHECK(found.agents.size() == 2);
}

TEST_CASE("an answer to hold that is none ends the session, and releases the others") {
  const auto bad = GENERATE(values<std::string>(
      {R"({"id": ID, "result": null})", R"({"id": ID, "result": {"held": 1}})",
       R"({"id": ID, "error": "not now"})", R"({"id": ID, "result": {"held": false, "by": 5}})"}));
  INFO(bad);
  direct_fixture f;
  auto& good = f.agents.add("h1", 1, 1);
  auto& one = f.agents.add("h1", 1, 1);
  one.answers["hold"] = bad;
  const auto found = f.run(direct_plan(task::rpc_call));
  CHECK(has(found.failure, "process " + std::to_string(one.pid) + " of host h1: "));
  f.loop.run_for(50ms);
  CHECK(good.held == nullptr);
}

TEST_CASE("clocks of other machines are compared over direct control") {
  direct_fixture f;
  f.agents.add("h1", 1, 1);
  auto& far = f.agents.add("h2", 2, 0);
  far.boot = "far";
  const auto found = f.run(direct_plan(task::rpc_call));
  INFO(found.failure);
  REQUIRE(found.ok());
  REQUIRE(found.clocks.machines.size() == 1);
  CHECK(found.clocks.machines[0].boot == "far");
  CHECK(found.clocks.machines[0].good());
  CHECK(found.clocks.machines[0].agents == 2);
  // Eight before, its correction, eight after.
  CHECK(far.times("clock") == 17);
  CHECK_FALSE(has(far.frames[3], R"("kind")"));
}

TEST_CASE("interrupted in a run, the processes are told to end it") {
  direct_fixture f;
  auto& one = f.agents.add("h1", 1, 1);
  one.messages = 0;  // its clients never end
  f.changed = [&, done = false]() mutable {
    if (done || f.runner->machine().current() != phase::running) return;
    done = true;
    f.agents.after(100ms, [&] { f.runner->cancel("interrupted"); });
  };
  const auto found = f.run(direct_plan(task::rpc_call));
  CHECK(found.failure == "interrupted");
  CHECK(one.heard.back() == "run_test");
  CHECK(has(one.frames.back(), "cancel_run"));
}

TEST_CASE("ten thousand agents in a hundred processes") {
  direct_fixture f;
  f.merged = GENERATE(false, true);
  for (int i = 0; i < 100; ++i)
    f.agents.add(i % 2 == 0 ? "h1" : "h2", i < 90 ? 100 : 0, i < 90 ? 0 : 100);
  const auto found = f.run(direct_plan(task::rpc_call));
  INFO(found.failure);
  REQUIRE(found.ok());
  CHECK(found.count(agent_kind::rpc_client) == 9'000);
  CHECK(found.count(agent_kind::rpc_server) == 1'000);
  CHECK(found.clients.results.msgs_ok == 90'000);
}
