// SPDX-License-Identifier: Apache-2.0
// One session over several topics: who is asked at which address, what each topic lacks, and which
// servers a message is expected at.
#include "controller/session.hpp"
#include "tests/controller/session_script.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <set>

using namespace ombt;
using namespace ombt::tests;
using controller::expectation;

namespace {

plan over_topics(task what, int topics, std::int64_t count = 10) {
  plan p = plan_for(what, count);
  p.topics = wire::control::topics_of("t", topics, false);
  return p;
}

struct topics_script : session_script {
  using session_script::session_script;

  std::size_t topics() const { return machine.what().topic_count(); }

  /// Through connecting: every own address is asked.
  void connect_all() {
    machine.on_listening(now());
    for (std::uint32_t i = 0; i < topics(); ++i) {
      const auto actions = expect(method::self_ready, 1);
      REQUIRE(actions[0].topic == i);
    }
    REQUIRE(machine.current() == phase::roll_call);
  }
  /// Takes and completes what goes to every topic, each with the address of that topic.
  void expect_in_all(method m, std::size_t a_topic = 1) {
    std::map<std::uint32_t, std::size_t> times;
    for (const action& a : expect(m, a_topic * topics())) {
      ++times[a.topic];
      CHECK(has(a.args_json, "\"topic\": \"controller-t-" + std::to_string(a.topic) + "\""));
      CHECK(has(a.args_json, own_address.server));
    }
    CHECK(times.size() == topics());
  }
  void pong_in(std::uint32_t topic, agent_kind kind, const std::string& name) {
    machine.on_pong({kind, name, ""}, now(), topic);
  }
  void result_in(std::uint32_t topic, agent_kind kind, const std::string& name, std::uint64_t ok,
                 std::uint64_t failed = 0) {
    machine.on_result(record(kind, name, ok, failed), now(), topic);
  }
  /// Through the roll call: a client and so many servers in each topic, asked to begin at zero.
  void to_reset(std::vector<int> servers) {
    connect_all();
    expect_in_all(method::client_ping, 4);
    for (std::uint32_t t = 0; t < topics(); ++t) {
      pong_in(t, client, "c");
      for (int i = 1; i <= servers[t]; ++i) pong_in(t, server, "s" + std::to_string(i));
    }
    pass(machine.what().idle);
    REQUIRE(machine.current() == phase::resetting);
    expect_in_all(method::get_server_results);
  }
  /// A client "c" and servers "s1", … in each topic, to the run that is out.
  void run_with(std::vector<int> servers) {
    to_reset(servers);
    for (std::uint32_t t = 0; t < topics(); ++t) {
      for (int i = 1; i <= servers[t]; ++i) result_in(t, server, "s" + std::to_string(i), 7, 1);
    }
    REQUIRE(machine.current() == phase::running);
    expect_in_all(method::run_test);
  }
  /// Client c of a topic has sent so many, the numbers from 0 on, under an id of its own.
  void client_done(std::uint32_t topic, std::uint64_t sent) {
    auto r = record(client, "c", sent);
    auto told = std::make_shared<wire::control::client_ledger>();
    told->client = 100 + topic;
    told->sent = sent;
    r.has_details = true;
    r.details.run = run_id;
    r.details.sent = told;
    r.details.latency.record(1'000'000 * (topic + 1), sent);
    machine.on_result(r, now(), topic);
  }
  /// A server of a topic had messages of that topic's client, or of another's.
  void server_has(std::uint32_t topic, const std::string& name,
                  const std::vector<std::uint64_t>& messages,
                  std::optional<std::uint32_t> of = {}) {
    auto r = record(server, name, messages.size());
    auto told = std::make_shared<wire::control::server_ledger>();
    for (const auto n : messages) told->arrived(100 + of.value_or(topic), n, room);
    r.has_details = true;
    r.details.received = told;
    machine.on_result(r, now(), topic);
  }
  /// The next question to the servers.
  void asked() {
    for (int i = 0; i < 100; ++i) {
      const auto actions = take();
      for (const auto& a : actions) complete(a);
      if (!actions.empty() && actions.back().method == method::get_server_results) return;
      pass(100ms);
    }
    FAIL("servers are not asked");
  }
  void finish_in_vain(const std::function<void()>& answer) {
    for (int i = 0; i < 200 && !machine.finished(); ++i) {
      pass(1s);
      const auto actions = take();
      for (const auto& a : actions) complete(a);
      if (!actions.empty()) answer();
    }
    REQUIRE(machine.finished());
  }

  wire::control::ledger_room room{1 << 20};
};

}  // namespace

TEST_CASE("every command goes to every topic with the address there, and the sums are of all") {
  topics_script s{over_topics(task::rpc_call, 3, 4)};
  s.run_with({1, 1, 1});
  for (std::uint32_t t = 0; t < 3; ++t) s.client_done(t, 4 + t);
  s.expect_in_all(method::get_server_results);
  s.server_has(0, "s1", {0, 1, 2, 3});
  s.server_has(1, "s1", {0, 1, 2, 3, 4});
  REQUIRE_FALSE(s.machine.finished());
  s.server_has(2, "s1", {0, 1, 2, 3, 4, 5});
  REQUIRE(s.machine.finished());
  const auto& found = s.found();
  CHECK(found.ok());
  CHECK(found.clients.results.msgs_ok == 15);
  CHECK(found.expected == 15);
  CHECK(found.received == 15);
  REQUIRE(found.ledger);
  CHECK(found.ledger->all.delivered == 15);
  CHECK(found.ledger->complete());
  REQUIRE(found.topics.size() == 3);
  for (std::uint32_t t = 0; t < 3; ++t) {
    CHECK(found.topics[t].count(client) == 1);
    CHECK(found.topics[t].count(server) == 1);
    CHECK(found.topics[t].clients.results.msgs_ok == 4 + t);
    CHECK(found.topics[t].clients.has_percentiles());
    CHECK(found.topics[t].clients.latency.totals().max == 1'000'000 * (t + 1));
    CHECK(found.topics[t].expected == 4 + t);
    CHECK(found.topics[t].received() == 4 + t);
    CHECK(found.topics[t].ledger.delivered == 4 + t);
  }
  // The same name in two topics is two agents.
  CHECK(found.agents.size() == 6);
  CHECK(found.same_names.empty());
}

TEST_CASE("a topic whose server is missing is named") {
  topics_script s{over_topics(task::rpc_call, 3)};
  s.connect_all();
  s.expect_in_all(method::client_ping, 4);
  for (std::uint32_t t = 0; t < 3; ++t) s.pong_in(t, client, "c");
  s.pong_in(0, server, "s");
  s.pong_in(2, server, "s");
  s.pass(2s);
  REQUIRE(s.machine.finished());
  CHECK(s.found().failure ==
        "No RPCServer servers visible: no RPC server answered on topic client-RPCServer-t-1 "
        "(exchange ombt-control) within 2 s");
}

TEST_CASE("of many topics that lack agents the first are named") {
  topics_script s{over_topics(task::notify, 8)};
  s.connect_all();
  s.expect_in_all(method::client_ping, 4);
  s.pass(2s);
  REQUIRE(s.machine.finished());
  CHECK(has(s.found().failure, "client-Notifier-t-0 "));
  CHECK(has(s.found().failure, "client-Listener-t-1 "));
  CHECK(has(s.found().failure, "client-Notifier-t-2 "));
  CHECK_FALSE(has(s.found().failure, "client-Listener-t-2 "));
  CHECK(s.found().failure.ends_with("; and 11 more"));
}

TEST_CASE("expectations count over all topics, and each topic needs its kinds all the same") {
  auto p = over_topics(task::rpc_call, 2);
  p.expect = {expectation::parse("rpc-client=3"), expectation::parse("rpc-server=2")};
  topics_script s{p};
  s.connect_all();
  s.expect_in_all(method::client_ping, 4);
  s.pong_in(0, client, "c1");
  s.pong_in(0, client, "c2");
  s.pong_in(0, client, "c3");
  s.pong_in(0, server, "s1");
  s.pong_in(0, server, "s2");
  CHECK(s.machine.current() == phase::roll_call);
  s.pong_in(1, server, "s1");
  CHECK(s.machine.current() == phase::roll_call);
  s.pong_in(1, client, "c1");
  CHECK(s.machine.current() == phase::resetting);
}

TEST_CASE("agents that are missing are told with the topics where they were looked for") {
  auto p = over_topics(task::rpc_call, 2);
  p.expect = {expectation::parse("rpc-client=2")};
  topics_script s{p};
  s.connect_all();
  s.expect_in_all(method::client_ping, 4);
  s.pong_in(1, client, "c");
  s.pong_in(1, server, "s");
  s.finish_in_vain([] {});
  CHECK(s.found().failure ==
        "not all expected agents answered within 60 s: expected 2 RPC clients; answered 1 RPC "
        "client (topic client-RPCClient-t-0 to t-1), 1 RPC server (topic client-RPCServer-t-0 to "
        "t-1)");
}

TEST_CASE("a fanout is expected at the servers of its topic only") {
  topics_script s{over_topics(task::rpc_fanout, 2, 2)};
  s.run_with({3, 1});
  s.client_done(0, 2);
  s.client_done(1, 2);
  s.asked();
  for (const char* name : {"s1", "s2", "s3"}) s.server_has(0, name, {0, 1});
  s.server_has(1, "s1", {0});
  REQUIRE_FALSE(s.machine.finished());
  s.asked();
  for (const char* name : {"s1", "s2", "s3"}) s.server_has(0, name, {});
  s.server_has(1, "s1", {1});
  REQUIRE(s.machine.finished());
  const auto& found = s.found();
  CHECK(found.ok());
  CHECK(found.expected == 8);
  CHECK(found.topics[0].expected == 6);
  CHECK(found.topics[1].expected == 2);
  CHECK(found.ledger->receivers == 4);
  CHECK(found.ledger->all.delivered == 4);
  CHECK(found.ledger->all.clean());
}

TEST_CASE("what another topic's servers have too many stands for nothing") {
  topics_script s{over_topics(task::rpc_cast, 2, 2)};
  s.run_with({1, 1});
  s.client_done(0, 2);
  s.client_done(1, 2);
  s.asked();
  s.server_has(0, "s1", {0, 1, 1});
  s.server_has(1, "s1", {0});
  REQUIRE_FALSE(s.machine.finished());  // in number all four are there
  s.finish_in_vain([&] {
    s.server_has(0, "s1", {});
    s.server_has(1, "s1", {});
  });
  const auto& found = s.found();
  REQUIRE(found.problems.size() == 2);
  CHECK(found.problems[0] ==
        "1 of 4 messages are not accounted for by the receivers within 60 s: 1 in topic t-1");
  CHECK(has(found.problems[1], "1 more message than expected arrived at the receivers"));
  CHECK(found.topics[0].ledger.duplicated == 1);
  CHECK(found.topics[1].ledger.lost == 1);
  CHECK(found.ledger->all.lost == 1);
  REQUIRE(found.ledger->clients.size() == 2);
  CHECK(found.ledger->clients[0].lost == "1");  // the worst first
}

TEST_CASE("a message that arrives in a topic where it was not sent is lost") {
  topics_script s{over_topics(task::rpc_cast, 2, 1)};
  s.run_with({1, 1});
  s.client_done(0, 1);
  s.client_done(1, 1);
  s.asked();
  s.server_has(0, "s1", {0}, 1);
  s.server_has(1, "s1", {0}, 0);
  s.finish_in_vain([&] {
    s.server_has(0, "s1", {});
    s.server_has(1, "s1", {});
  });
  CHECK(s.found().ledger->all.lost == 2);
  CHECK_FALSE(s.found().ok());
}

TEST_CASE("with Python agents numbers decide topic by topic") {
  topics_script s{over_topics(task::rpc_cast, 2, 4)};
  s.run_with({1, 1});
  s.result_in(0, client, "c", 4);
  s.result_in(1, client, "c", 3, 1);
  s.asked();
  s.result_in(0, server, "s1", 4);
  s.result_in(1, server, "s1", 3);
  REQUIRE_FALSE(s.machine.finished());  // the one that failed may come
  s.asked();
  s.result_in(0, server, "s1", 0);
  s.result_in(1, server, "s1", 1);
  REQUIRE(s.machine.finished());
  CHECK(s.found().received == 8);
  CHECK(s.found().problems == std::vector<std::string>{"1 of 8 messages failed"});
  CHECK(s.found().ledger->gaps ==
        std::vector<std::string>{"2 clients without a ledger, as Python ones are",
                                 "8 messages sent by these, which the ledger does not know",
                                 "2 receivers without a ledger, as Python ones are",
                                 "8 messages arrived there: whose is not known"});
}

TEST_CASE("a rate is of all topics' clients together, and all begin at one instant") {
  auto p = over_topics(task::rpc_call, 2);
  p.parameters.load.emplace().profile = {{100, 100, 1}};
  p.boot_id = "b";
  topics_script s{p};
  s.run_with({1, 1});
  std::set<std::string> starts;
  for (const action& a : s.sent) {
    if (a.method != method::run_test) continue;
    CHECK(has(a.args_json, "\"clients\": 2"));
    const auto at = a.args_json.find("\"monotonic_ns\"");
    REQUIRE(at != std::string::npos);
    starts.insert(a.args_json.substr(at, 40));
  }
  CHECK(starts.size() == 1);
}

TEST_CASE("a topic none of whose servers answers the reset ends the run before it begins") {
  topics_script s{over_topics(task::rpc_call, 2)};
  s.to_reset({1, 1});
  s.result_in(0, server, "s1", 0);
  s.finish_in_vain([] {});
  CHECK(s.found().failure ==
        "none of 1 RPC servers of topic t-1 answered get_server_results within 60 s");
}

TEST_CASE("interrupted, the session ends the runs of all topics before it ends") {
  topics_script s{over_topics(task::rpc_call, 3)};
  s.run_with({1, 1, 1});
  s.machine.cancel("interrupted", s.now());
  const auto cancels = s.take();
  REQUIRE(cancels.size() == 3);
  for (const auto& a : cancels) CHECK(has(a.args_json, "cancel_run"));
  s.complete(cancels[0]);
  s.complete(cancels[2]);
  CHECK_FALSE(s.machine.finished());
  s.complete(cancels[1]);
  CHECK(s.machine.finished());
  CHECK(s.found().failure == "interrupted");
}

TEST_CASE("a run that one topic's clients cannot be told of is ended in the others") {
  topics_script s{over_topics(task::rpc_call, 2)};
  s.to_reset({1, 1});
  for (std::uint32_t t = 0; t < 2; ++t) s.result_in(t, server, "s1", 0);
  const auto runs = s.take();
  REQUIRE(runs.size() == 2);
  s.complete(runs[0]);
  s.complete(runs[1], errc::connection_lost);
  for (const auto& a : s.expect(method::run_test, 2)) CHECK(has(a.args_json, "cancel_run"));
  REQUIRE(s.machine.finished());
  CHECK(s.found().failure.starts_with("run_test could not be sent: "));
}

TEST_CASE("shutdown tells all kinds of all topics") {
  topics_script s{over_topics(task::shutdown, 2)};
  s.connect_all();
  s.expect_in_all(method::client_ping, 4);
  s.pong_in(1, client, "c");
  s.pass(2s);
  std::set<std::pair<agent_kind, std::uint32_t>> told;
  for (const auto& a : s.expect(method::shutdown, 8)) told.emplace(a.to, a.topic);
  CHECK(told.size() == 8);
  CHECK(s.machine.finished());
  CHECK(s.found().ok());
}

TEST_CASE("a warm-up leaves nothing in the figures of the topics") {
  auto p = over_topics(task::rpc_call, 2, 4);
  p.warmup = 1;
  p.parameters.load.emplace().count = 4;
  topics_script s{p};
  s.run_with({1, 1});
  const auto warm = [&](std::uint32_t t) {
    auto r = s.record(client, "c", 9);
    r.has_details = true;
    r.details.run = run_id + "-warm-up";
    s.machine.on_result(r, s.now(), t);
  };
  warm(0);
  warm(1);
  s.asked();
  s.result_in(0, server, "s1", 9);
  s.result_in(1, server, "s1", 9);
  s.expect_in_all(method::run_test);
  s.client_done(0, 4);
  s.client_done(1, 4);
  s.asked();
  s.server_has(0, "s1", {0, 1, 2, 3});
  s.server_has(1, "s1", {0, 1, 2, 3});
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  for (const auto& topic : s.found().topics) {
    CHECK(topic.clients.results.msgs_ok == 4);
    CHECK(topic.received() == 4);
    CHECK(topic.ledger.delivered == 4);
  }
}
