// SPDX-License-Identifier: Apache-2.0
// Results of several agents that go to a controller as one, and when.
#include "agents/control/result_batches.hpp"

#include "wire/control/result_batch.hpp"

#include "agents/control/direct_session.hpp"
#include "tests/agents/direct_fixture.hpp"

#include <chrono>
#include <cstdint>
#include <string>

using namespace ombt;
using namespace ombt::tests;
using agents::report;
using agents::result_batches;

namespace {

struct batch_fixture : direct_fixture {
  /// A controller that takes merged results, with a path from the agents of topic t.
  std::unique_ptr<direct_peer> controller(bool merged = true) {
    auto peer = std::make_unique<direct_peer>(port);
    std::string args;
    wire::control::append_controller_hello(
        args, {wire::control::direct_version, peer->name, "their-host", 4711, merged});
    REQUIRE(answer(*peer, peer->say("hello", args, {}, "")).error.empty());
    answer(*peer, peer->say("client_ping"));
    return peer;
  }
  static report figures(const std::string& run = "r") {
    report out;
    out.results.add_success(1.5);
    out.details.run = run;
    out.details.latency.record(1'500'000);
    return out;
  }
  void send(const std::string& name, const std::string& run = "r", bool details = true) {
    paths.at(0)->send_result(agent_kind::rpc_client, name, figures(run), details);
  }
  wire::control::result_batch batch(const direct_word& from) {
    wire::json::value root;
    REQUIRE_FALSE(reader.parse(from.json, root));
    wire::control::result_batch out;
    std::string why;
    const bool read = read_result_batch(root, out, why);
    INFO(why);
    REQUIRE(read);
    return out;
  }
  std::size_t batches(const direct_peer& peer) const {
    return peer.operator->()->heard("results").size();
  }

  wire::json::reader reader;
};

}  // namespace

TEST_CASE_METHOD(batch_fixture, "Results go as one when the last agent has reported") {
  start();
  const auto peer = controller();
  for (const char* name : {"a", "b", "c"}) send(name);
  settle(loop);
  CHECK(batches(*peer) == 0);
  paths[0]->results_complete(agent_kind::rpc_client);
  REQUIRE(drive(loop, [&] { return batches(*peer) == 1; }));
  const direct_word word = (*peer)->heard("results")[0];
  CHECK(word.kind == agent_kind::rpc_client);
  CHECK(word.topic == "t");
  const auto all = batch(word);
  CHECK(all.agents.size() == 3);
  CHECK(all.sum.msgs_ok == 3);
  CHECK(all.details.run == "r");
  CHECK(all.details.answer == 1);
  CHECK((*peer)->heard("client_result").empty());
  CHECK(carrier->counters().answers >= 3);
  // Nothing waits any more.
  paths[0]->results_complete(agent_kind::rpc_client);
  loop.run_for(result_batches::patience + std::chrono::milliseconds(50));
  CHECK(batches(*peer) == 1);
}

TEST_CASE_METHOD(batch_fixture, "Results wait for others so long, and no longer") {
  start();
  const auto peer = controller();
  const auto before = drivers::steady_clock::now();
  send("a");
  send("b");
  REQUIRE(drive(loop, [&] { return batches(*peer) == 1; }));
  CHECK(drivers::steady_clock::now() - before >= result_batches::patience);
  CHECK(batch((*peer)->heard("results")[0]).agents.size() == 2);
  send("c");
  REQUIRE(drive(loop, [&] { return batches(*peer) == 2; }));
  const auto second = batch((*peer)->heard("results")[1]);
  CHECK(second.agents.at(0).name == "c");
  CHECK(second.details.answer == 2);
}

TEST_CASE_METHOD(batch_fixture, "A batch has about as many bytes as it may, and no more") {
  start();
  const auto peer = controller();
  report large = figures();
  const std::string text(390, 'x');
  for (int i = 0; i < 100; ++i) large.results.count_error(text + std::to_string(i));
  for (int i = 0; i < 60; ++i) {
    paths[0]->send_result(agent_kind::rpc_client, std::to_string(i), large, true);
  }
  REQUIRE(drive(loop, [&] { return batches(*peer) == 2; }));
  for (const direct_word& one : (*peer)->heard("results")) {
    CHECK(one.json.size() > result_batches::most_bytes / 2);
    CHECK(one.json.size() < result_batches::most_bytes + (std::size_t{100} << 10));
  }
  paths[0]->results_complete(agent_kind::rpc_client);
  REQUIRE(drive(loop, [&] { return batches(*peer) == 3; }));
  std::size_t agents = 0;
  for (const direct_word& one : (*peer)->heard("results")) agents += batch(one).agents.size();
  CHECK(agents == 60);
}

TEST_CASE_METHOD(batch_fixture, "Kinds, topics, runs and answers are batches of their own") {
  start();
  const auto peer = controller();
  answer(*peer, peer->say("client_ping", {}, agent_kind::rpc_client, "u"));
  send("a");
  others.paths.at(0)->send_result(agent_kind::rpc_client, "a", figures(), true);
  paths[0]->send_result(agent_kind::notifier, "a", figures(), true);
  send("a");           // it was asked twice
  send("b", "other");  // and belongs to the next run
  REQUIRE(drive(loop, [&] { return batches(*peer) == 5; }));
  for (const direct_word& one : (*peer)->heard("results")) CHECK(batch(one).agents.size() == 1);
}

TEST_CASE_METHOD(batch_fixture, "Who does not ask for merged results gets each agent's") {
  start();
  const auto peer = controller(false);
  send("a");
  send("b");
  REQUIRE(drive(loop, [&] { return (*peer)->heard("client_result").size() == 2; }));
  CHECK(batches(*peer) == 0);
}

TEST_CASE_METHOD(batch_fixture, "Results without details are never merged") {
  start();
  const auto peer = controller();
  send("a", "r", false);
  REQUIRE(drive(loop, [&] { return (*peer)->heard("client_result").size() == 1; }));
}

TEST_CASE_METHOD(batch_fixture, "Results that wait are lost with their controller, and counted") {
  start();
  const auto peer = controller();
  send("a");
  send("b");
  peer->go();
  REQUIRE(closed(*peer));
  CHECK(carrier->counters().answers_lost == 2);
  send("c");
  CHECK(carrier->counters().answers_lost == 3);
  loop.run_for(result_batches::patience + std::chrono::milliseconds(50));
  CHECK(batches(*peer) == 0);
}

TEST_CASE_METHOD(batch_fixture, "A process that stops sends what waits") {
  start();
  const auto peer = controller();
  send("a");
  others.paths.clear();
  bool done = false;
  carrier->stop(std::chrono::milliseconds(500), [&] { done = true; });
  REQUIRE(drive(loop, [&] { return done; }));
  CHECK(batches(*peer) == 1);
}

TEST_CASE_METHOD(batch_fixture, "Batches that are not read count as the answers that they are") {
  start();
  const auto peer = controller();
  const auto before = carrier->counters().answers;
  peer->connection().set_unsent(agents::direct_session::unsent_limit);
  for (const char* name : {"a", "b", "c"}) send(name);
  paths[0]->results_complete(agent_kind::rpc_client);
  settle(loop);
  CHECK(batches(*peer) == 0);
  SECTION("read later") {
    peer->read();
    REQUIRE(drive(loop, [&] { return batches(*peer) == 1; }));
    CHECK(carrier->counters().answers == before + 3);
  }
  SECTION("not at all") {
    peer->go();
    REQUIRE(closed(*peer));
    CHECK(carrier->counters().answers_lost == 3);
  }
}
