// SPDX-License-Identifier: Apache-2.0
#include "agents/control/coordinator.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <set>
#include <utility>

using namespace ombt;
using agents::answer_path;
using agents::coordinator;
using agents::report;
using wire::control::agent_kind;
using wire::control::test_kind;

namespace {

struct fake_path final : answer_path {
  explicit fake_path(std::string server) { address.server = std::move(server); }
  const wire::control::reply_address& controller() const noexcept override { return address; }
  void send_pong(agent_kind kind, const std::string& name, const std::string& run) override {
    pongs.push_back(std::string(wire_name(kind)) + " " + name + (run.empty() ? "" : " at " + run));
  }
  void send_result(agent_kind, const std::string& name, report figures, bool details) override {
    results.push_back({name, figures.results.msgs_ok, details});
  }
  void results_complete(agent_kind kind) override {
    complete.push_back(std::string(wire_name(kind)) + " " + std::to_string(results.size()));
  }
  void check_alive(std::function<void(bool)> answer) override { questions.push_back(answer); }
  void run_begun(const std::string& run) override { begun.push_back(run); }
  std::function<void(std::string_view)> progress() override {
    return [this](std::string_view text) { told.emplace_back(text); };
  }

  struct result {
    std::string name;
    std::uint64_t ok;
    bool details;
  };
  wire::control::reply_address address{"e", "t", ""};
  std::vector<std::string> pongs;
  std::vector<result> results;
  std::vector<std::string> complete;
  std::vector<std::function<void(bool)>> questions;
  std::vector<std::string> begun;
  std::vector<std::string> told;
};

struct host final : agents::agent_host {
  std::map<agent_kind, std::vector<std::string>> known{{agent_kind::rpc_client, {"c-0", "c-1"}},
                                                       {agent_kind::rpc_server, {"s-0"}}};
  std::vector<std::int64_t> started;  ///< counts of the runs started
  std::vector<std::shared_ptr<const agents::test_plan>> plans;
  int cancelled = 0;
  std::vector<std::pair<std::string, std::uint64_t>> collections;
  std::set<agents::addressee> left;

  std::vector<std::string> names(agents::addressee of) const override {
    if (left.contains(of)) return {};
    const auto found = known.find(of.kind);
    return found == known.end() ? std::vector<std::string>{} : found->second;
  }
  std::size_t count(agents::addressee of) const override { return names(of).size(); }
  void start_run(agents::addressee, std::shared_ptr<const agents::test_plan> plan) override {
    started.push_back(plan->count);
    plans.push_back(std::move(plan));
  }
  void cancel_run(agents::addressee) override { ++cancelled; }
  void collect(agents::addressee, const std::string& controller, std::uint64_t ticket) override {
    collections.emplace_back(controller, ticket);
  }
  void leave(agents::addressee who) override { left.insert(who); }
  void carrier_ready() override {}
  void carrier_failed(std::string) override {}
};

struct coordinator_fixture {
  host agents;
  agents::run_bounds bounds{60, 1000};
  coordinator commands{agents, bounds};
  std::shared_ptr<fake_path> a = std::make_shared<fake_path>("controller-a");
  std::shared_ptr<fake_path> b = std::make_shared<fake_path>("controller-b");

  void run(const std::shared_ptr<fake_path>& from, std::int64_t count, int detail = 0,
           const std::string& id = {}) {
    wire::control::run_test_request request;
    request.test = test_kind::call;
    request.parameters.count = count;
    request.parameters.detail = detail;
    request.parameters.run = id;
    commands.on_run(agent_kind::rpc_client, request, from);
  }
  void done(const std::string& name, std::uint64_t ok) {
    report figures;
    figures.results.msgs_ok = ok;
    commands.run_done(agent_kind::rpc_client, name, figures);
  }
};

}  // namespace

TEST_CASE_METHOD(coordinator_fixture,
                 "A roll call is answered by each agent of the kind, by its own name") {
  commands.on_ping(agent_kind::rpc_client, a);
  CHECK(a->pongs == std::vector<std::string>{"RPCClient c-0", "RPCClient c-1"});
  commands.on_ping(agent_kind::listener, b);
  CHECK(b->pongs.empty());
}

TEST_CASE_METHOD(
    coordinator_fixture,
    "A pong tells a controller of its own run, in work or waiting, and of no other's") {
  run(a, 5, 1, "run-a");
  run(b, 5, 1, "run-b");
  const auto stranger = std::make_shared<fake_path>("controller-c");
  for (const auto& path : {a, b, stranger}) commands.on_ping(agent_kind::rpc_client, path);
  CHECK(a->pongs.front() == "RPCClient c-0 at run-a");
  CHECK(b->pongs.front() == "RPCClient c-0 at run-b");
  CHECK(stranger->pongs.front() == "RPCClient c-0");
  done("c-0", 5);
  done("c-1", 5);
  commands.on_ping(agent_kind::rpc_client, a);
  CHECK(a->pongs.back() == "RPCClient c-1");
}

TEST_CASE_METHOD(coordinator_fixture, "The way back is told when all have reported") {
  run(a, 5, 1, "run-a");
  run(b, 5, 1, "run-b");
  done("c-0", 5);
  CHECK(a->complete.empty());
  done("c-1", 5);
  CHECK(a->complete == std::vector<std::string>{"RPCClient 2"});
  CHECK(b->complete.empty());
  commands.on_collect(agent_kind::rpc_server, a);
  REQUIRE(agents.collections.size() == 1);
  commands.collected(agents.collections[0].second, "s-0", {});
  CHECK(a->complete == std::vector<std::string>{"RPCClient 2", "RPCServer 3"});
}

TEST_CASE_METHOD(coordinator_fixture,
                 "A controller ends its own run, in work or waiting, and nobody else's") {
  run(a, 5, 1, "run-a");
  run(b, 6, 1, "run-b");
  run(a, 7, 1, "run-a2");
  commands.on_cancel(agent_kind::rpc_client, "run-a", b);
  commands.on_cancel(agent_kind::rpc_client, "unknown", a);
  commands.on_cancel(agent_kind::listener, "run-a", a);
  CHECK(agents.cancelled == 0);
  commands.on_cancel(agent_kind::rpc_client, "run-b", b);  // it has not begun
  CHECK(agents.cancelled == 0);
  commands.on_cancel(agent_kind::rpc_client, "run-a", a);
  CHECK(agents.cancelled == 1);
  done("c-0", 2);
  done("c-1", 2);
  CHECK(agents.started == std::vector<std::int64_t>{5, 7});
}

TEST_CASE_METHOD(coordinator_fixture,
                 "When the way to a controller ends, the runs that came over it do at once") {
  const auto again = std::make_shared<fake_path>("controller-a");  // by the same name
  run(a, 5, 1, "run-a");
  run(b, 6, 1, "run-b");
  run(a, 7, 1, "run-a2");
  run(again, 8, 1, "run-a3");
  commands.on_gone(*b);  // it has not begun
  CHECK(agents.cancelled == 0);
  commands.on_gone(*a);
  CHECK(agents.cancelled == 1);
  done("c-0", 2);
  done("c-1", 2);
  CHECK(agents.started == std::vector<std::int64_t>{5, 8});
  CHECK(a->begun == std::vector<std::string>{"run-a"});
  CHECK(again->begun == std::vector<std::string>{"run-a3"});
  CHECK(b->begun.empty());
}

TEST_CASE_METHOD(coordinator_fixture,
                 "A run is refused beyond the bounds, and while too many wait") {
  wire::control::run_test_request request;
  request.test = test_kind::call;
  request.parameters.count = 1;
  request.parameters.pause = 0.1;  // of two clients: 20 messages/s
  CHECK(commands.agents(agent_kind::rpc_client) == 2);
  CHECK(commands.on_prepare(agent_kind::rpc_client, request).empty());
  coordinator elsewhere{agents, bounds, 1};
  request.parameters.pause = 0.04;
  CHECK(
      elsewhere.on_prepare(agent_kind::rpc_client, request) ==
      "the run asks 50 messages/s of this process, beside 20 of other topics and kinds of agents, "
      "and --max-rate allows 60");
  commands.on_forget(agent_kind::rpc_client);
  CHECK(elsewhere.on_prepare(agent_kind::rpc_client, request).empty());
  elsewhere.on_run(agent_kind::rpc_client, request, a);
  request.parameters.pause = 0.1;
  CHECK_FALSE(commands.on_prepare(agent_kind::rpc_client, request).empty());
  for (const char* client : {"c-0", "c-1"}) elsewhere.run_done(agent_kind::rpc_client, client, {});
  CHECK(commands.on_prepare(agent_kind::rpc_client, request).empty());
  request.parameters.data.assign(1001, 'x');
  CHECK(commands.on_prepare(agent_kind::rpc_client, request) ==
        "the run has a payload of 1001 bytes, and --max-length allows 1000");
  request.parameters.data.clear();
  for (std::size_t i = 0; i < coordinator::run_limit; ++i) run(a, 1);
  CHECK(commands.on_prepare(agent_kind::rpc_client, request) == "16 runs wait already");
}

TEST_CASE_METHOD(coordinator_fixture,
                 "Progress goes the controller's way where its run asks for that") {
  wire::control::run_test_request request;
  request.test = test_kind::call;
  request.parameters.count = 1;
  commands.on_run(agent_kind::rpc_client, request, a);
  request.parameters.progress.emplace().direct = true;
  commands.on_run(agent_kind::rpc_client, request, a);
  done("c-0", 1);
  done("c-1", 1);
  REQUIRE(agents.plans.size() == 2);
  CHECK_FALSE(agents.plans[0]->progress_to);
  REQUIRE(agents.plans[1]->progress_to);
  agents.plans[1]->progress_to("so far");
  CHECK(a->told == std::vector<std::string>{"so far"});
}

TEST_CASE_METHOD(coordinator_fixture,
                 "The run of a native controller that answers nothing three times is cancelled") {
  const auto native =
      std::make_shared<fake_path>("ombt-t-None-h-1-0123456789abcdef0123456789abcdef-native");
  const auto check = [&](const std::shared_ptr<fake_path>& path, bool alive) {
    commands.check_controllers();
    REQUIRE(path->questions.size() == 1);
    std::exchange(path->questions, {})[0](alive);
  };
  run(native, 5);
  for (const bool alive : {false, false, true, false, false}) check(native, alive);
  CHECK(agents.cancelled == 0);
  check(native, false);
  CHECK(agents.cancelled == 1);
  commands.check_controllers();  // answered when the run is over: nothing to cancel
  done("c-0", 5);
  done("c-1", 5);
  run(a, 6);
  for (const auto& answer : native->questions) answer(false);
  CHECK(agents.cancelled == 1);
  // Python's are not asked: ombt's agents would go on as well.
  commands.check_controllers();
  CHECK(a->questions.empty());
}

TEST_CASE_METHOD(coordinator_fixture,
                 "A run starts once and every agent's results go to the controller") {
  run(a, 5, 1);
  CHECK(agents.started == std::vector<std::int64_t>{5});
  CHECK(commands.running(agent_kind::rpc_client));
  done("c-1", 5);
  done("c-0", 4);
  CHECK_FALSE(commands.running(agent_kind::rpc_client));
  REQUIRE(a->results.size() == 2);
  CHECK(a->results[0].name == "c-1");
  CHECK(a->results[0].ok == 5);
  CHECK(a->results[0].details);
  CHECK(a->results[1].ok == 4);
  done("c-0", 9);  // nobody asked
  CHECK(a->results.size() == 2);
}

TEST_CASE_METHOD(coordinator_fixture,
                 "A second run waits for the first and goes to its own controller") {
  run(a, 5);
  run(b, 7);
  run(a, 9);
  CHECK(agents.started == std::vector<std::int64_t>{5});
  done("c-0", 5);
  done("c-1", 5);
  CHECK(agents.started == std::vector<std::int64_t>{5, 7});
  done("c-0", 7);
  done("c-1", 7);
  CHECK(agents.started == std::vector<std::int64_t>{5, 7, 9});
  done("c-0", 9);
  done("c-1", 9);
  CHECK(a->results.size() == 4);
  REQUIRE(b->results.size() == 2);
  CHECK(b->results[0].ok == 7);
}

TEST_CASE_METHOD(coordinator_fixture,
                 "A run in another's way is cancelled only if its controller is gone") {
  run(a, 5);
  SECTION("the same controller is not asked") {
    run(a, 6);
    CHECK(a->questions.empty());
  }
  SECTION("alive: it goes on") {
    run(b, 7);
    REQUIRE(a->questions.size() == 1);
    a->questions[0](true);
    CHECK(agents.cancelled == 0);
  }
  SECTION("gone: it is cancelled, and the next starts when the agents have ended it") {
    run(b, 7);
    REQUIRE(a->questions.size() == 1);
    a->questions[0](false);
    CHECK(agents.cancelled == 1);
    CHECK(agents.started.size() == 1);
    done("c-0", 1);
    done("c-1", 1);
    CHECK(agents.started == std::vector<std::int64_t>{5, 7});
  }
  SECTION("an answer about a run that is over concerns nobody") {
    run(b, 7);
    done("c-0", 5);
    done("c-1", 5);
    REQUIRE(a->questions.size() == 1);
    a->questions[0](false);
    CHECK(agents.cancelled == 0);
  }
}

TEST_CASE_METHOD(coordinator_fixture, "A run that comes up from the queue is checked too") {
  run(a, 5);
  run(b, 7);
  const auto c = std::make_shared<fake_path>("controller-c");
  run(c, 8);
  done("c-0", 5);
  done("c-1", 5);
  REQUIRE(b->questions.size() == 1);
  b->questions[0](false);
  CHECK(agents.cancelled == 1);
}

TEST_CASE_METHOD(coordinator_fixture, "Only so many runs wait") {
  for (int i = 0; i < 100; ++i) run(a, i + 1);
  CHECK(commands.refused() == 100 - coordinator::run_limit);
  for (std::size_t i = 0; i < coordinator::run_limit; ++i) {
    done("c-0", 1);
    done("c-1", 1);
  }
  CHECK(agents.started.size() == coordinator::run_limit);
  CHECK_FALSE(commands.running(agent_kind::rpc_client));
}

TEST_CASE_METHOD(coordinator_fixture,
                 "Collected results go to who asked, with details to native controllers") {
  const auto native =
      std::make_shared<fake_path>("ombt-t-None-h-1-aaaaaaaaaaaaaaaa0000000000000000-native");
  commands.on_collect(agent_kind::rpc_server, a);
  commands.on_collect(agent_kind::rpc_server, native);
  REQUIRE(agents.collections.size() == 2);
  CHECK(agents.collections[0].first == "controller-a");
  report figures;
  figures.results.msgs_ok = 3;
  commands.collected(agents.collections[1].second, "s-0", figures);
  commands.collected(agents.collections[0].second, "s-0", figures);
  commands.collected(agents.collections[0].second, "s-0", figures);  // once is enough
  commands.collected(999, "s-0", figures);
  REQUIRE(a->results.size() == 1);
  CHECK_FALSE(a->results[0].details);
  REQUIRE(native->results.size() == 1);
  CHECK(native->results[0].details);
  CHECK(native->results[0].ok == 3);
}

TEST_CASE_METHOD(coordinator_fixture, "Only so many collections are on their way") {
  for (int i = 0; i < 1000; ++i) commands.on_collect(agent_kind::rpc_server, a);
  CHECK(agents.collections.size() == coordinator::ticket_limit);
  CHECK(commands.refused() == 1000 - coordinator::ticket_limit);
}

TEST_CASE_METHOD(coordinator_fixture, "Agents that left are asked nothing more") {
  commands.on_shutdown(agent_kind::rpc_client);
  commands.on_ping(agent_kind::rpc_client, a);
  run(a, 5);
  CHECK(a->pongs.empty());
  CHECK(agents.started.empty());
  CHECK_FALSE(commands.running(agent_kind::rpc_client));
}
