// SPDX-License-Identifier: Apache-2.0
// Several topics in the reports.
#include "controller/json_report.hpp"
#include "controller/text_report.hpp"
#include "controller/topics_text.hpp"
#include "tests/controller/report_example.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <string>

using namespace ombt;
using namespace ombt::controller;
using namespace ombt::controller::test;
using wire::control::agent_kind;

namespace {

plan over_topics(task what, int topics) {
  plan p = plan_of(what);
  p.topics = wire::control::topics_of("t", topics, false);
  return p;
}

/// Each topic with a client and a server, n + 20 calls of 1 ms to n + 20 ms in topic n.
outcome example_of(const plan& what) {
  outcome found = example();
  found.topics.resize(what.topics.size());
  std::uint64_t messages = 20;
  for (topic_figures& topic : found.topics) {
    topic.agents = {1, 1, 0, 0};
    for (std::uint64_t i = 1; i <= messages; ++i) {
      topic.clients.results.add_success(static_cast<double>(i));
      topic.clients.latency.record(i * 1'000'000);
      topic.servers.results.add_success(1);
    }
    topic.clients.results.start_time = 100;
    topic.clients.results.stop_time = 102;
    topic.expected = messages;
    topic.ledger.sent = topic.ledger.delivered = messages++;
  }
  found.agents.back().topic = 1;
  return found;
}

}  // namespace

TEST_CASE("a run over several topics has a line a topic, below the sums") {
  const auto what = over_topics(task::rpc_call, 2);
  auto found = example_of(what);
  found.topics[1].clients.results.add_failure("no luck");
  found.topics[1].ledger.lost = 2;
  const auto text = test_report(what, found);
  CHECK(
      text.starts_with("RPC call test results\n"
                       "2 RPC clients, 1 RPC Servers (3 total)\n"
                       "2 topics, t-0 to t-1\n\n\n"));
  CHECK(has(text,
            "\n\nTopics, latency at the clients:\n"
            "-------------------------------\n"
            "  topic  messages    failed      lost  msgs/sec  50% msecs  99% msecs\n"
            "  t-0          20         0         0      10.0    10.002       n/a\n"
            "  t-1          22         1         2      10.5    11.002       n/a\n"));
}

TEST_CASE("of many topics those with most lost or failed are listed, and how many are not") {
  const auto what = over_topics(task::rpc_cast, 30);
  auto found = example_of(what);
  found.topics[29].expected += 3;
  found.topics[25].clients.results.add_failure("no luck");
  std::string text;
  append_topics_text(text, what, found);
  CHECK(std::count(text.begin(), text.end(), '\n') == 22);
  CHECK(text.find("  t-29 ") < text.find("  t-25 "));
  CHECK(text.find("  t-25 ") < text.find("  t-0 "));
  CHECK(text.find("  t-17 ") != std::string::npos);
  CHECK(text.find("  t-18 ") == std::string::npos);
  CHECK(text.ends_with("  and 10 more topics, with no more lost or failed; --json has all\n"));
}

TEST_CASE("what a topic's ledger does not account for is lost to it, whatever the numbers say") {
  topic_figures topic;
  topic.expected = 4;
  topic.servers.results.msgs_ok = 6;
  topic.unaccounted = 3;
  CHECK(lost_of(task::rpc_cast, topic) == 3);
}

TEST_CASE("what is not accounted for by number is lost to a topic, whatever its ledger knows") {
  topic_figures topic;
  topic.expected = 5;
  CHECK(lost_of(task::notify, topic) == 5);
  // A call that was answered has arrived.
  CHECK(lost_of(task::rpc_call, topic) == 0);
  topic.servers.results.msgs_ok = 7;
  CHECK(lost_of(task::notify, topic) == 0);
  topic.ledger.lost = 1;
  CHECK(lost_of(task::notify, topic) == 1);
  CHECK(lost_of(task::rpc_call, topic) == 1);
}

TEST_CASE("a topic whose agents send no histogram has no percentiles") {
  const auto what = over_topics(task::rpc_call, 1);
  auto found = example_of(what);
  CHECK(percentile_ms(found.topics[0].clients, 50));
  CHECK_FALSE(percentile_ms(found.topics[0].clients, 90));  // 20 samples are too few
  found.topics[0].clients.results.add_success(1);
  CHECK_FALSE(percentile_ms(found.topics[0].clients, 50));
}

TEST_CASE("status says which topics have which agents") {
  const auto what = over_topics(task::status, 22);
  auto found = example_of(what);
  found.topics[1].agents = {0, 0, 0, 0};
  found.topics[2].agents = {2, 0, 1, 0};
  const auto text = status_report(what, found, false);
  CHECK(text.starts_with("3 agents on 22 topics, t-0 to t-21\n"));
  CHECK(has(text,
            "\nTopics:\n  t-0: 1 RPC client, 1 RPC server\n  t-1: nobody\n"
            "  t-2: 2 RPC clients, 1 Listener\n"));
  CHECK(text.ends_with("  and 2 more topics; --verbose lists all\n"));
  CHECK(status_report(what, found, true).ends_with("  t-21: 1 RPC client, 1 RPC server\n"));
}

TEST_CASE("the JSON report has every topic, and each agent's") {
  const auto what = over_topics(task::rpc_call, 2);
  const auto report = nlohmann::json::parse(json_report({}, what, example_of(what)));
  CHECK(report["options"]["topics"] == 2);
  CHECK(report["options"]["topic"] == "t");
  REQUIRE(report["topics"].size() == 2);
  const auto& topic = report["topics"][1];
  CHECK(topic["topic"] == "t-1");
  CHECK(topic["agent_counts"]["RPCClient"] == 1);
  CHECK(topic["agent_counts"]["Notifier"] == 0);
  CHECK(topic["clients"]["messages_ok"] == 21);
  CHECK(topic["clients"]["throughput_per_second"] == 10.5);
  CHECK(topic["clients"]["p50_ms"].get<double>() == Approx(11).epsilon(0.001));
  CHECK(topic["clients"]["p99_ms"].is_null());
  CHECK(topic["servers"]["messages_ok"] == 21);
  CHECK(topic["messages_expected"] == 21);
  CHECK(topic["messages_received"] == 21);
  CHECK(topic["ledger"].is_null());  // the run did not come to the end
  CHECK(report["agents"][0]["topic"] == "t-0");
  CHECK(report["agents"][2]["topic"] == "t-1");
  auto ended = example_of(what);
  ended.ledger.emplace();
  const auto whole = nlohmann::json::parse(json_report({}, what, ended));
  CHECK(whole["topics"][0]["ledger"]["delivered"] == 20);

  const auto status = nlohmann::json::parse(
      json_report({}, over_topics(task::status, 2), example_of(over_topics(task::status, 2))));
  CHECK(status["topics"][0]["agent_counts"]["RPCServer"] == 1);
  CHECK_FALSE(status["topics"][0].contains("clients"));
}

TEST_CASE("without several topics the JSON report has none, but each agent's") {
  const auto report = nlohmann::json::parse(json_report({}, plan_of(task::rpc_call), example()));
  CHECK(report["options"]["topics"].is_null());
  CHECK(report["topics"].empty());
  CHECK(report["agents"][0]["topic"] == "t");
}
