// SPDX-License-Identifier: Apache-2.0
// Results that come merged over the agents of a process, in each phase of a session.
#include "wire/control/result_batch.hpp"

#include "controller/json_report.hpp"
#include "tests/controller/session_script.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace ombt;
using namespace ombt::tests;
using controller::process_number;
using wire::control::result_batch;

namespace {

plan batch_plan(task what = task::rpc_call) {
  plan p = plan_for(what);
  p.boot_id = "here";
  p.over_bus = false;
  p.direct = p.hold = true;
  return p;
}

/// Process 1 has clients c1 and c2, process 2 has c3, process 3 servers s1 and s2, 4 has s3.
struct batch_script : session_script {
  std::uint64_t answers = 0;

  explicit batch_script(plan what = batch_plan()) : session_script{std::move(what)} {}

  /// Of agents with so many messages each, of 1 ms; clients' ledgers are of their place in `names`.
  result_batch batch(agent_kind kind, const std::vector<std::string>& names, std::uint64_t each,
                     const std::string& run = run_id) {
    wire::control::result_gatherer all;
    for (const std::string& name : names) {
      auto one = record(kind, name, each);
      one.details.run = kind == client ? run : "";
      one.details.latency.record(1'000'000, each);
      if (kind == client) {
        auto ledger = std::make_shared<wire::control::client_ledger>();
        ledger->client = std::hash<std::string>{}(name);
        ledger->sent = each;
        one.details.sent = ledger;
      } else {
        one.details.received = std::make_shared<wire::control::server_ledger>(ledger_of(name));
        const std::uint64_t had_all = one.details.received->arrivals();
        for (std::uint64_t i = 0; i < had_all; ++i) one.results.add_success(1.0);
        one.details.latency = {};
        one.details.latency.record(1'000'000, one.results.msgs_ok);
      }
      all.add(name, one.results, one.details);
    }
    return read(all);
  }
  result_batch read(wire::control::result_gatherer& all) {
    std::string text;
    all.append_args(text, ++answers);
    wire::json::reader reader;
    wire::json::value root;
    REQUIRE_FALSE(reader.parse(text, root));
    result_batch out;
    std::string why;
    REQUIRE(read_result_batch(root, out, why));
    return out;
  }
  /// What servers have had and not told: messages of clients.
  std::map<std::string, std::vector<std::pair<std::string, std::uint64_t>>> had;
  wire::control::server_ledger ledger_of(const std::string& name) {
    wire::control::server_ledger out;
    wire::control::ledger_room room{1 << 20};
    for (const auto& [from, sequence] : std::exchange(had[name], {})) {
      out.arrived(std::hash<std::string>{}(from), sequence, room);
    }
    return out;
  }
  void say(agent_kind kind, const result_batch& what, process_number from) {
    machine.on_results(kind, what, now(), 0, from);
  }
  void clients(const std::vector<std::string>& names, process_number from,
               std::uint64_t each = 10) {
    say(client, batch(client, names, each), from);
  }
  void servers(const std::vector<std::string>& names, process_number from) {
    say(server, batch(server, names, 0), from);
  }
  /// Polls until the session is over: servers have nothing more to tell.
  void poll_out() {
    for (int round = 0; round < 1'000 && !machine.finished(); ++round) {
      pass(100ms);
      for (const action& a : take()) complete(a);
      servers({"s1", "s2"}, 3);
      servers({"s3"}, 4);
    }
  }
  void pong_from(agent_kind kind, const std::string& name, process_number from) {
    machine.on_pong({kind, name, ""}, now(), 0, from);
  }
  void to_reset() {
    machine.on_listening(now());
    expect(method::self_ready, 1);
    complete(take().at(0));
    const auto pings = take();
    for (const char* name : {"c1", "c2"}) pong_from(client, name, 1);
    pong_from(client, "c3", 2);
    for (const char* name : {"s1", "s2"}) pong_from(server, name, 3);
    pong_from(server, "s3", 4);
    for (const action& a : pings) complete(a);
    pass(0s);
    REQUIRE(machine.current() == phase::resetting);
    take();
  }
  void begin() {
    REQUIRE(machine.current() == phase::preparing);
    for (const action& a : take()) complete(a);
    REQUIRE(machine.current() == phase::running);
    for (const action& a : take()) complete(a);
  }
  void to_run() {
    to_reset();
    servers({"s1", "s2"}, 3);
    servers({"s3"}, 4);
    begin();
  }
  /// All of the clients' messages have arrived.
  void deliver() {
    for (std::uint64_t i = 0; i < 10; ++i) {
      had["s1"].emplace_back("c1", i);
      had["s2"].emplace_back("c2", i);
      had["s3"].emplace_back("c3", i);
    }
  }
};

}  // namespace

TEST_CASE("merged results: sums once, each agent its counts, ledgers exact") {
  batch_script s;
  s.to_run();
  CHECK(s.machine.how_far().done == 0);
  s.clients({"c1", "c2"}, 1);
  CHECK(s.machine.how_far().done == 2);
  s.clients({"c3"}, 2);
  REQUIRE(s.machine.current() == phase::polling);
  s.expect(method::get_server_results, 1);
  s.deliver();
  s.servers({"s1", "s2"}, 3);
  s.servers({"s3"}, 4);
  REQUIRE(s.machine.finished());
  CHECK(s.found().ok());
  CHECK(s.found().clients.results.msgs_ok == 30);
  CHECK(s.found().clients.latency.count() == 30);
  CHECK(s.found().clients.has_percentiles());
  CHECK(s.found().topics[0].clients.results.msgs_ok == 30);
  CHECK(s.found().received == 30);
  for (const auto& agent : s.found().agents) {
    CHECK(agent.reports == 1);
    CHECK(agent.reports_with_details == 1);
    CHECK(agent.results.msgs_ok == 10);
    CHECK(agent.results.latency.average() == 1.0);
    CHECK(agent.results.latency.distribution.empty());
    CHECK_FALSE(agent.missing);
    CHECK_FALSE(agent.latency);
  }
  REQUIRE(s.found().ledger);
  CHECK(s.found().ledger->complete());
  CHECK(s.found().ledger->all.sent == 30);
  CHECK(s.found().ledger->all.delivered == 30);
}

TEST_CASE("merged results: what is lost and what failed is the client's that the ledger names") {
  batch_script s;
  s.to_run();
  wire::control::result_gatherer all;
  for (const std::string name : {"c1", "c2"}) {
    auto one = session_script::record(client, name, 9, 1);
    one.details.run = run_id;
    one.details.latency.record(1'000'000, 9);
    auto ledger = std::make_shared<wire::control::client_ledger>();
    wire::control::ledger_room room{1 << 20};
    ledger->client = std::hash<std::string>{}(name);
    ledger->sent = 10;
    ledger->fail("no luck", name == "c1" ? 0 : 9, room);
    one.details.sent = ledger;
    all.add(name, one.results, one.details);
  }
  s.say(client, s.read(all), 1);
  s.clients({"c3"}, 2);
  s.expect(method::get_server_results, 1);
  s.deliver();
  s.had["s1"].pop_back();  // number 9 of c1 is lost, number 9 of c2 came though it failed
  s.servers({"s1", "s2"}, 3);
  s.servers({"s3"}, 4);
  s.poll_out();
  REQUIRE(s.found().ledger);
  CHECK(s.found().ledger->all.lost == 1);
  CHECK(s.found().ledger->all.failed == 2);
  CHECK(s.found().ledger->all.failed_but_delivered == 2);
  REQUIRE_FALSE(s.found().ledger->clients.empty());
  CHECK(s.found().ledger->clients[0].name == "c1");
  CHECK(s.found().ledger->clients[0].lost == "9");
  CHECK(s.found().agents[0].results.errors.at("no luck") == 1);
  CHECK(s.found().clients.results.errors.at("no luck") == 2);
}

TEST_CASE("merged results: those of another run, kind or phase are foreign, each agent's") {
  batch_script s;
  s.to_reset();
  s.clients({"c1", "c2"}, 1);
  CHECK(s.found().foreign_results == 2);
  s.servers({"s1", "s2"}, 3);
  s.servers({"s3"}, 4);
  s.begin();
  s.say(client, s.batch(client, {"c1", "c2"}, 10, "other"), 1);
  CHECK(s.found().foreign_results == 4);
  s.say(agent_kind::notifier, s.batch(client, {"c1"}, 10), 1);
  CHECK(s.found().foreign_results == 5);
  CHECK(s.found().clients.results.empty());
  CHECK(s.machine.how_far().done == 0);
}

TEST_CASE("merged results: a number counts once, whatever comes again") {
  batch_script s;
  s.to_run();
  const result_batch once = s.batch(client, {"c1", "c2"}, 10);
  s.say(client, once, 1);
  s.say(client, once, 1);
  CHECK(s.found().repeated_results == 2);
  CHECK(s.found().clients.results.msgs_ok == 20);
  // Of another process the same number is another batch.
  result_batch other = s.batch(client, {"c3"}, 10);
  other.details.answer = once.details.answer;
  s.say(client, other, 2);
  CHECK(s.machine.current() == phase::polling);
}

TEST_CASE("merged results: taken or refused as a whole") {
  batch_script s;
  s.to_run();
  SECTION("an agent is another process's") {
    s.clients({"c1", "c3"}, 1);
    CHECK(s.found().foreign_results == 2);
  }
  SECTION("a client reports once a run") {
    s.clients({"c1"}, 1);
    s.clients({"c1", "c2"}, 1);
    CHECK(s.found().foreign_results == 2);
    CHECK(s.found().clients.results.msgs_ok == 10);
    s.clients({"c2"}, 1);
    CHECK(s.found().clients.results.msgs_ok == 20);
    return;
  }
  CHECK(s.found().clients.results.empty());
  for (const auto& agent : s.found().agents) CHECK(agent.results.empty());
  s.clients({"c1", "c2"}, 1);
  CHECK(s.found().clients.results.msgs_ok == 20);
}

TEST_CASE("merged results: who sends what is refused is not waited for, and it is said why") {
  batch_script s;
  s.to_run();
  std::string why;
  SECTION("an agent is another process's") {
    wire::control::process_hello told;
    told.pid = 71;
    told.host = "n1";
    s.machine.on_process(1, told);
    s.clients({"c1", "c3"}, 1);
    why = "process 71 of host n1 sent results that are not all of its agents (--name?)";
  }
  SECTION("they cannot be read") {
    why = "process 1 of host h sent what cannot be read: results: none";
    s.machine.on_unreadable(client, why, s.now(), 0, 1);
    CHECK(s.found().malformed_requests == 1);
  }
  s.clients({"c3"}, 2);
  REQUIRE(s.machine.current() == phase::polling);
  s.expect(method::get_server_results, 1);
  s.deliver();
  s.servers({"s1", "s2"}, 3);
  s.servers({"s3"}, 4);
  s.poll_out();
  REQUIRE(s.machine.finished());
  CHECK_FALSE(s.found().ok());
  CHECK(s.found().clients.results.msgs_ok == 10);
  REQUIRE(s.found().problems.size() == 1);
  CHECK(s.found().problems[0] == "2 RPC clients sent no results: " + why);
}

TEST_CASE("merged results: servers whose results are refused in the reset take no part") {
  batch_script s;
  s.to_reset();
  s.machine.on_unreadable(server, "why", s.now(), 0, 3);
  s.servers({"s3"}, 4);
  REQUIRE(s.machine.current() == phase::preparing);
  CHECK(s.found().agents[3].missing);
}

TEST_CASE("merged results: one slow client of a process costs the others nothing") {
  batch_script s;
  s.to_run();
  s.clients({"c1"}, 1);
  s.clients({"c3"}, 2);
  CHECK(s.machine.how_far().done == 2);
  s.pass(50s);
  s.clients({"c2"}, 1);
  CHECK(s.machine.current() == phase::polling);
}

TEST_CASE("merged results: agents that were not in the roll call are taken up") {
  batch_script s;
  s.to_run();
  s.clients({"c1", "c2", "c9"}, 1);
  CHECK(s.found().agents.size() == 7);
  CHECK(s.found().agents.back().name == "c9");
  CHECK_FALSE(s.found().agents.back().answered_roll_call);
  CHECK(s.found().clients.results.msgs_ok == 30);
}

TEST_CASE("merged results: where a server did not answer the reset its process takes no part") {
  batch_script s;
  s.to_reset();
  s.servers({"s1"}, 3);
  s.servers({"s3"}, 4);
  s.pass(60s);
  s.begin();
  s.clients({"c1", "c2"}, 1);
  s.clients({"c3"}, 2);
  for (const action& a : s.take()) s.complete(a);
  s.deliver();
  s.servers({"s1", "s2"}, 3);
  CHECK(s.found().foreign_results == 2);
  CHECK(s.found().servers.results.empty());
  s.servers({"s3"}, 4);
  s.poll_out();
  REQUIRE(s.machine.finished());
  CHECK(s.found().received == 10);
  std::size_t missing = 0;
  for (const auto& agent : s.found().agents) missing += agent.missing ? 1 : 0;
  CHECK(missing == 2);
  // Their messages are not lost: nobody knows.
  CHECK(s.found().ledger->all.lost == 0);
  CHECK(s.found().ledger->all.unknown == 20);
}

TEST_CASE("merged results: a process that goes takes along what it has not sent") {
  batch_script s;
  s.to_run();
  s.clients({"c1"}, 1);
  s.machine.on_gone(1, "process 1 is gone", s.now());
  s.clients({"c3"}, 2);
  REQUIRE(s.machine.current() == phase::polling);
  CHECK_FALSE(s.found().agents[0].missing);
  CHECK(s.found().agents[1].missing);
}

TEST_CASE("merged results: of a warm-up they are forgotten") {
  plan p = batch_plan();
  p.warmup = 1;
  p.parameters.load.emplace();
  p.parameters.load->count = 10;
  batch_script s{p};
  s.to_run();
  const std::string id = s.machine.run_id();
  s.say(client, s.batch(client, {"c1", "c2"}, 5, id), 1);
  s.say(client, s.batch(client, {"c3"}, 5, id), 2);
  for (const action& a : s.take()) s.complete(a);
  for (std::uint64_t i = 0; i < 5; ++i) {
    for (const char* name : {"c1", "c2", "c3"}) s.had["s1"].emplace_back(name, i);
  }
  s.servers({"s1", "s2"}, 3);
  s.servers({"s3"}, 4);
  CHECK(s.found().warm_up_messages == 15);
  CHECK(s.found().agents[0].results.empty());
  s.begin();
  s.clients({"c1", "c2"}, 1);
  s.clients({"c3"}, 2);
  for (const action& a : s.take()) s.complete(a);
  s.deliver();
  s.servers({"s1", "s2"}, 3);
  s.servers({"s3"}, 4);
  REQUIRE(s.machine.finished());
  CHECK(s.found().clients.results.msgs_ok == 30);
  CHECK(s.found().ledger->all.delivered == 30);
}

TEST_CASE("each agent's own latency is kept, and reported, where it is asked for") {
  plan p = batch_plan();
  p.per_agent = GENERATE(false, true);
  batch_script s{p};
  s.to_run();
  for (const char* name : {"c1", "c2", "c3"}) {
    auto one = session_script::record(client, name, 10);
    one.has_details = true;
    one.details.run = run_id;
    one.details.latency.record(1'000'000, 10);
    s.machine.on_result(one, s.now(), 0, name == std::string{"c3"} ? 2U : 1U);
  }
  CHECK(bool{s.found().agents[0].latency} == p.per_agent);
  const auto report = nlohmann::json::parse(controller::json_report({}, p, s.found()));
  REQUIRE(report["agents"].size() == 6);
  const auto& agent = report["agents"][0];
  CHECK(agent["name"] == "c1");
  CHECK(agent["average_ms"] == 1.0);
  REQUIRE(agent.contains("latency") == p.per_agent);
  if (!p.per_agent) return;
  CHECK(agent["latency"]["samples"] == 10);
  CHECK(agent["latency"]["max_ms"] == 1.0);
  CHECK(agent["latency"]["p99_ms"].is_null());  // of ten
  CHECK(controller::agent_lines(p, s.found()).find("std_dev_ms") != std::string::npos);
}

TEST_CASE("a report without agents has an empty list of them") {
  const plan p = batch_plan(task::status);
  controller::outcome none;
  none.topics.resize(1);
  const std::string text = controller::json_report({}, p, none);
  CHECK(text.ends_with("  \"agents\": []\n}\n"));
  CHECK(nlohmann::json::parse(text)["agents"].empty());
}
