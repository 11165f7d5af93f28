// SPDX-License-Identifier: Apache-2.0
// Roles for standby agents, whose processes are in memory.
#include "controller/assignment.hpp"

#include "tests/controller/fake_agents.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::tests;
using controller::assignment;
using controller::assignment_result;
using controller::placement;
using wire::control::agent_kind;

namespace {

struct assignment_fixture {
  drivers::loop loop;
  fake_agents agents{loop};
  placement wanted;
  std::optional<controller::duration> wait;
  controller::duration timeout = std::chrono::seconds{10};
  std::vector<std::string> progress;
  std::vector<std::string> waited;
  std::function<void(assignment&)> started;

  assignment_fixture() {
    wanted.topics = {"t"};
    want(6, 2);
  }
  void want(std::uint32_t clients, std::uint32_t servers) {
    wanted.agents = {clients, servers, 0, 0};
  }
  fake_process& standby(const std::string& host, std::uint32_t capacity) {
    fake_process& made = agents.add(host, 0, 0);
    made.capacity = capacity;
    return made;
  }
  assignment_result run() {
    controller::direct_links links{loop, agents.places(), agents.connector(),
                                   wire::control::controller_hello{1, "me", "here", 7}};
    bool over = false;
    assignment work{loop, links, wanted, timeout, wait, [&] {
                      over = true;
                      loop.stop();
                    }};
    work.on_progress([this](const std::string& text) { progress.push_back(text); });
    work.on_waiting([this](const std::string& why) { waited.push_back(why); });
    work.start();
    if (started) started(work);
    if (!over) loop.run_for(std::chrono::seconds{40});
    REQUIRE(over);
    loop.run_for(std::chrono::milliseconds{20});  // what was said last arrives
    return work.take();
  }
  /// What a process was asked to be, the last time.
  static std::string asked(const fake_process& of) {
    std::string out;
    for (const std::string& frame : of.frames) {
      if (frame.find("\"assign\"") != std::string::npos) out = frame;
    }
    return out;
  }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
};

using methods = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(assignment_fixture, "all processes are held, told what they are to be, released") {
  wanted.topics = {"t-0", "t-1"};
  wanted.buses = {"amqp://u:secret@r1", "amqp://u:secret@r2"};
  fake_process& a = standby("h1", 4);
  fake_process& b = standby("h2", 4);
  fake_process& others = agents.add("h2", 3, 0);  // they have roles of their own
  const auto found = run();
  CHECK(found.failure.empty());
  CHECK(found.ok());
  CHECK(a.heard == methods{"hello", "hold", "assign", "release"});
  CHECK(b.heard == a.heard);
  CHECK(others.heard == methods{"hello"});
  CHECK(has(asked(a), R"({"kind": "RPCClient", "topic": "t-0", "count": 2})"));
  CHECK(has(asked(a), R"("bus": "amqp://u:secret@r1")"));
  CHECK(has(asked(b), R"("bus": "amqp://u:secret@r2")"));
  REQUIRE(found.processes.size() == 2);
  CHECK(found.processes[0].is_to_be.bus == "amqp://u:***@r1");
  CHECK(found.processes[0].is);
  CHECK(found.processes[0].is_to_be.total() == 4);
  CHECK(assignment_text(wanted, found) ==
        "8 agents on 2 processes of 2 hosts: 6 RPC clients, 2 RPC servers, 2 topics, 2 buses");
  CHECK(progress.front() == "assigning: 0 of 2 processes have answered");
  CHECK(progress.back() == "assigning: 2 of 2 processes have answered");
}

TEST_CASE_METHOD(assignment_fixture, "a process that gets nothing is told to be nothing") {
  want(1, 0);
  fake_process& a = standby("h", 4);
  fake_process& b = standby("h", 4);
  b.clients = 3;  // that it was given before
  const auto found = run();
  CHECK(found.ok());
  CHECK(has(asked(a), R"("args": {"agents": []}})"));
  CHECK(has(asked(b), "RPCClient"));
  CHECK(assignment_text(wanted, found) == "1 agent on 1 process of 1 host: 1 RPC client, 1 topic");
}

TEST_CASE_METHOD(assignment_fixture, "with nothing wanted all are on standby again") {
  want(0, 0);
  wanted.buses = {"amqp://r1"};
  fake_process& a = standby("h1", 4);
  fake_process& b = standby("h2", 8);
  b.clients = 8;
  const auto found = run();
  CHECK(found.ok());
  CHECK(has(asked(a), R"("args": {"agents": []}})"));
  CHECK(has(asked(b), R"("args": {"agents": []}})"));
  CHECK(assignment_text(wanted, found) ==
        "no roles: 12 agents of 2 processes of 2 hosts are on standby");
}

TEST_CASE_METHOD(assignment_fixture, "too few agents, and nobody is asked for anything") {
  fake_process& a = standby("h", 4);
  fake_process& b = standby("h", 3);
  CHECK(run().failure == "8 agents are wanted, and 2 processes can have 7");
  CHECK(a.heard == methods{"hello"});
  CHECK(b.heard == methods{"hello"});
}

TEST_CASE_METHOD(assignment_fixture, "no standby agents at all are told as that") {
  agents.add("h", 3, 3);
  CHECK(run().failure == "no standby agents are there (ombt-agent --standby N starts some)");
}

TEST_CASE_METHOD(assignment_fixture, "a host that is down ends it before anything is asked") {
  fake_process& a = standby("h1", 20);
  agents.host("h2").down = "connection refused";
  CHECK(run().failure == "no contact with agents: h2:5700: connection refused");
  CHECK(a.times("hold") == 0);
}

TEST_CASE_METHOD(assignment_fixture,
                 "a process that cannot be talked to is told, and the rest done") {
  standby("h", 20);
  standby("h", 20).version = 7;
  const auto found = run();
  CHECK(found.failure.empty());
  REQUIRE(found.problems.size() == 1);
  CHECK(has(found.problems[0], "cannot be talked to"));
  CHECK(found.processes.size() == 1);
  CHECK(found.processes[0].is);
}

TEST_CASE_METHOD(assignment_fixture, "another controller's process: the others are let go") {
  fake_process& a = standby("h", 10);
  fake_process& b = standby("h", 10);
  fake_connection other;
  b.held = &other;
  SECTION("at once") {
    const std::string why = run().failure;
    CHECK(has(why, "another controller holds 1 of 2 processes of agents: controller other"));
    CHECK(a.heard == methods{"hello", "hold", "release"});
    CHECK(b.heard == methods{"hello", "hold"});
  }
  SECTION("after a while, with --wait") {
    wait = std::chrono::milliseconds{300};
    const std::string why = run().failure;
    CHECK(has(why, "still after 0.3 s"));
    CHECK(waited.size() == 1);
    CHECK(a.times("hold") == 2);
    CHECK(a.times("release") == 2);
  }
  SECTION("and all are asked again, with --wait, until it goes") {
    wait = std::chrono::seconds{30};
    agents.after(std::chrono::milliseconds{200}, [&] { b.held = nullptr; });
    CHECK(run().ok());
    CHECK(a.times("assign") == 1);
    CHECK(b.times("assign") == 1);
  }
}

TEST_CASE_METHOD(assignment_fixture, "a process that can't is named, and the others go on") {
  fake_process& a = standby("h", 10);
  fake_process& b = standby("h", 10);
  std::string expected;
  SECTION("it says why not") {
    b.errors["assign"] = "no contact with rabbit://u:***@bus";
    expected = "process 102 of host h: no contact with rabbit://u:***@bus";
  }
  SECTION("it is gone") {
    b.dies_of = {"assign"};
    expected = "process 102 of host h is gone (connection reset)";
  }
  const auto found = run();
  CHECK(found.failure.empty());
  CHECK(found.problems == std::vector{expected});
  CHECK(found.processes[0].is);
  CHECK_FALSE(found.processes[1].is);
  CHECK(a.times("release") == 1);
}

TEST_CASE_METHOD(assignment_fixture, "silent processes are waited for as long as --timeout") {
  timeout = std::chrono::milliseconds{200};
  fake_process& a = standby("h", 10);
  standby("h", 10);
  SECTION("to be held") {
    a.silent = {"hold"};
    CHECK(run().failure == "process 101 of host h has not answered within 0.2 s");
  }
  SECTION("to be let go, which changes nothing") {
    a.silent = {"release"};
    CHECK(run().ok());
  }
  SECTION("to be there") {
    agents.host("h").listens = false;
    CHECK(run().failure == "the agents' processes have not all answered within 0.2 s");
  }
}

TEST_CASE_METHOD(assignment_fixture, "one that is gone while it is held ends it") {
  standby("h", 10);
  standby("h", 10).dies_of = {"hold"};
  CHECK(run().failure == "process 102 of host h is gone (connection reset)");
}

TEST_CASE_METHOD(assignment_fixture, "interrupted while it is done it says what that means") {
  standby("h", 10).silent = {"assign"};
  started = [this](assignment& work) {
    agents.after(std::chrono::milliseconds{200}, [&work] { work.cancel("interrupted"); });
  };
  CHECK(run().failure == "interrupted: agents may have their new roles, or not");
}

TEST_CASE_METHOD(assignment_fixture, "interrupted before anything was asked it says just that") {
  standby("h", 10);
  started = [](assignment& work) { work.cancel("interrupted"); };
  CHECK(run().failure == "interrupted");
}
