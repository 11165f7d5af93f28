// SPDX-License-Identifier: Apache-2.0
#include "controller/fanout_times.hpp"

#include "controller/fanout_text.hpp"
#include "controller/json_report.hpp"
#include "controller/topic_ledgers.hpp"
#include "tests/controller/report_example.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace ombt;
using namespace ombt::controller;
using wire::control::arrival_report;
using wire::control::arrival_time;

namespace {

/// What a thread told: of each client and message the times at its servers.
using noted = std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<arrival_time>>;

arrival_report told_as(const noted& all, bool ends = false) {
  arrival_report out;
  out.ends = ends;
  std::unique_ptr<wire::control::arrival_writer> writer;
  for (const auto& [id, unordered] : all) {
    if (out.clients.empty() || out.clients.back().client != id.first) {
      out.clients.reserve(100);  // the writer holds on to the bytes
      out.clients.emplace_back().client = id.first;
      writer = std::make_unique<wire::control::arrival_writer>(out.clients.back().bytes, ends);
    }
    auto times = unordered;
    std::sort(times.begin(), times.end());
    writer->add(id.second, times.size(), times);
    ++out.clients.back().messages;
    out.clients.back().times += ends ? std::min<std::size_t>(times.size(), 2) : times.size();
  }
  return out;
}

/// Times of 4 clients' 50 messages at 3 threads of 5 servers, all of them there.
std::vector<noted> whole_run(std::uint32_t seed) {
  std::mt19937 random{seed};
  std::vector<noted> threads(3);
  for (noted& thread : threads) {
    for (std::uint64_t client = 1; client <= 4; ++client) {
      for (std::uint64_t message = 0; message < 50; ++message) {
        for (int server = 0; server < 5; ++server) {
          thread[{client, message}].push_back(static_cast<arrival_time>(random() % 1'000'000));
        }
      }
    }
  }
  return threads;
}

const std::vector<fanout_times::sender> four_clients = {{1, 50}, {2, 50}, {3, 50}, {4, 50}};

bool same(const fanout_figure& a, const fanout_figure& b) {
  const auto left = a.times.to_sparse();
  const auto right = b.times.to_sparse();
  return a.never == b.never && a.below_zero == b.below_zero && a.lowest_ms == b.lowest_ms &&
         left.totals().count == right.totals().count &&
         left.totals().overflow == right.totals().overflow &&
         std::equal(left.buckets().begin(), left.buckets().end(), right.buckets().begin(),
                    right.buckets().end(), [](const auto& x, const auto& y) {
                      return x.index == y.index && x.count == y.count;
                    });
}

}  // namespace

TEST_CASE("the first, the median and the last arrival of a message are its own") {
  fanout_times times;
  times.add(told_as({{{7, 0}, {40, 10}}, {{7, 1}, {5}}}));
  times.add(told_as({{{7, 0}, {30, 20}}, {{7, 2}, {1, 2, 3, 4}}}));
  const auto found = times.summary(4, {{7, 4}});
  CHECK(found.messages == 4);
  CHECK(found.servers == 4);
  CHECK_FALSE(found.ends_only);
  CHECK(found.first.times.count() == 3);
  CHECK(found.first.never == 1);  // message 3 came to nobody
  CHECK(found.first.times.min() == 1'000);
  CHECK(found.first.times.max() == 10'000);
  // Message 1 was at one server of four, so at no median one.
  CHECK(found.median.times.count() == 2);
  CHECK(found.median.never == 2);
  CHECK(found.median.times.min() == 2'000);
  CHECK(found.median.times.max() == 20'000);
  CHECK(found.last.times.count() == 2);
  CHECK(found.last.never == 2);
  CHECK(found.last.times.min() == 4'000);
  CHECK(found.last.times.max() == 40'000);
}

TEST_CASE("above the limit of times only the ends of each message are kept, and they stay right") {
  const auto threads = whole_run(3);
  fanout_times all;
  for (const noted& thread : threads) all.add(told_as(thread));
  const auto whole = all.summary(15, four_clients);
  CHECK_FALSE(whole.ends_only);
  CHECK(whole.median.times.count() == 200);
  CHECK(whole.last.never == 0);
  for (const std::uint64_t limit : {2'999, 1'000, 0}) {
    fanout_times some{limit};
    for (const noted& thread : threads) some.add(told_as(thread));
    const auto found = some.summary(15, four_clients);
    CHECK(found.ends_only);
    CHECK(same(found.first, whole.first));
    CHECK(same(found.last, whole.last));
    CHECK(found.median.times.count() == 0);
    CHECK(found.not_kept == 0);
  }
  fanout_times enough{3'000};
  for (const noted& thread : threads) enough.add(told_as(thread));
  CHECK(same(enough.summary(15, four_clients).median, whole.median));
}

TEST_CASE("one thread that tells the ends only is enough to lose the median, not more") {
  const auto threads = whole_run(4);
  fanout_times all;
  for (const noted& thread : threads) all.add(told_as(thread));
  const auto whole = all.summary(15, four_clients);
  fanout_times mixed;
  mixed.add(told_as(threads[0]));
  mixed.add(told_as(threads[1], true));
  mixed.add(told_as(threads[2]));
  const auto found = mixed.summary(15, four_clients);
  CHECK(found.ends_only);
  CHECK(same(found.first, whole.first));
  CHECK(same(found.last, whole.last));
}

TEST_CASE("where there is no room the parts of a message become one; what has none is counted") {
  const auto threads = whole_run(5);
  fanout_times all;
  for (const noted& thread : threads) all.add(told_as(thread));
  const auto whole = all.summary(15, four_clients);
  // The ends of 200 messages, with what the clients take: room for two and a half threads.
  fanout_times tight{fanout_times::times_limit, 5'000};
  for (int i = 0; i < 20; ++i) {
    for (const noted& thread : threads) {
      noted part;
      for (const auto& [id, times] : thread) {
        if (id.second % 20 == static_cast<std::uint64_t>(i)) part.emplace(id, times);
      }
      tight.add(told_as(part));
    }
  }
  auto found = tight.summary(15, four_clients);
  CHECK(found.ends_only);
  CHECK(found.not_kept == 0);
  CHECK(same(found.last, whole.last));
  fanout_times none{fanout_times::times_limit, 1'000};
  for (const noted& thread : threads) none.add(told_as(thread));
  found = none.summary(15, four_clients);
  CHECK(found.not_kept > 0);
  CHECK_FALSE(percentile_of_fanout(found, found.last, 50).known);
}

TEST_CASE("times below zero are told apart, too long ones are overflow") {
  fanout_times times;
  times.add(told_as({{{1, 0}, {-700, 3}}, {{1, 1}, {-9, -2}}, {{1, 2}, {1, INT32_MAX}}}));
  const auto found = times.summary(2, {{1, 3}});
  CHECK(found.first.below_zero == 2);
  CHECK(found.first.lowest_ms == -0.7);
  CHECK(found.first.times.count() == 1);
  CHECK(found.last.below_zero == 1);
  CHECK(found.last.times.count() == 1);
  CHECK(found.last.times.totals().overflow == 1);
}

TEST_CASE("a message with more arrivals than servers, and one of nobody's, are in no figure") {
  fanout_times times;
  times.add(told_as({{{1, 0}, {1, 2, 3}}, {{1, 1}, {1, 2}}, {{1, 9}, {5, 6}}, {{2, 0}, {7, 8}}}));
  const auto found = times.summary(2, {{1, 2}});
  CHECK(found.contradicting == 1);
  CHECK(found.messages == 2);
  CHECK(found.last.times.count() == 1);
  CHECK(found.last.never == 0);
}

namespace {

/// A ledger of one client, whose messages went to servers 100, 101, …
struct reported {
  topic_ledgers ledgers{true, 1};

  void client(std::uint64_t sent) {
    wire::control::results r;
    r.msgs_ok = sent;
    wire::control::result_details d;
    auto told = std::make_shared<wire::control::client_ledger>();
    told->client = 1;
    told->sent = sent;
    d.sent = told;
    ledgers.of(0).add_client(0, r, d);
  }
  void server(std::size_t agent, const noted* times, bool joined = false) {
    wire::control::result_details d;
    d.received = std::make_shared<wire::control::server_ledger>();
    if (times != nullptr) d.arrivals = std::make_shared<arrival_report>(told_as(*times));
    ledgers.add_receiver(0, agent, {}, d, joined);
  }
};

}  // namespace

TEST_CASE("the last server is the last of those that note arrivals; the others are counted") {
  reported run;
  for (std::size_t agent = 100; agent < 103; ++agent) run.ledgers.of(0).expect_receiver(agent);
  run.client(2);
  CHECK_FALSE(run.ledgers.fanout_figures(0));
  const noted times = {{{1, 0}, {5, 9}}, {{1, 1}, {4, 6}}};
  const noted nothing;
  run.server(100, &times);
  run.server(101, &nothing);  // noted with the first one's
  run.server(102, nullptr);
  auto found = run.ledgers.fanout_figures(3);
  REQUIRE(found);
  CHECK(found->servers == 2);
  CHECK(found->servers_without == 1);
  CHECK(found->last.times.count() == 2);
  CHECK(found->messages == 5);
  CHECK(found->last.never == 3);  // dropped ones never come
  // What came up in the middle of the run is not waited for, and in no figure.
  const noted more = {{{1, 0}, {50}}};
  run.server(103, &more, true);
  found = run.ledgers.fanout_figures(0);
  CHECK(found->servers == 2);
  CHECK(found->last.times.count() == 2);
  CHECK(found->contradicting == 0);
}

TEST_CASE("a server that did not answer had no message in time") {
  reported run;
  for (std::size_t agent = 100; agent < 102; ++agent) run.ledgers.of(0).expect_receiver(agent);
  run.client(1);
  const noted times = {{{1, 0}, {5}}};
  run.server(100, &times);
  const auto found = run.ledgers.fanout_figures(0);
  REQUIRE(found);
  CHECK(found->servers == 2);
  CHECK(found->first.never == 0);
  CHECK(found->last.never == 1);
}

TEST_CASE(
    "with several topics a message is expected at the servers of its own, whoever tells of it") {
  topic_ledgers ledgers{true, 2};
  wire::control::result_details d;
  for (std::size_t topic = 0; topic < 2; ++topic) {
    for (std::size_t i = 0; i <= topic; ++i)
      ledgers.of(topic).expect_receiver(100 + 10 * topic + i);
    wire::control::results r;
    r.msgs_ok = 2;
    auto told = std::make_shared<wire::control::client_ledger>();
    told->client = 1 + topic;
    told->sent = 2;
    d = {};
    d.sent = told;
    ledgers.of(topic).add_client(topic, r, d);
  }
  // All in one thread, whose first topic is asked first.
  d = {};
  d.received = std::make_shared<wire::control::server_ledger>();
  d.arrivals = std::make_shared<arrival_report>(
      told_as({{{1, 0}, {5}}, {{1, 1}, {6}}, {{2, 0}, {7, 8}}, {{2, 1}, {9}}}));
  ledgers.add_receiver(0, 100, {}, d, false);
  d.arrivals = std::make_shared<arrival_report>();
  ledgers.add_receiver(1, 110, {}, d, false);
  d.arrivals = std::make_shared<arrival_report>(told_as({{{2, 1}, {12}}}));
  ledgers.add_receiver(1, 111, {}, d, false);
  const auto found = ledgers.fanout_figures(1);
  REQUIRE(found);
  CHECK(found->topics == 2);
  CHECK(found->messages == 5);
  CHECK(found->servers == 3);
  CHECK(found->contradicting == 0);
  CHECK(found->last.times.count() == 4);
  CHECK(found->last.never == 1);
  CHECK(found->last.times.min() == 5'000);
  CHECK(found->last.times.max() == 12'000);
}

TEST_CASE("the report says when the first, the median and the last server had a message") {
  namespace test = controller::test;
  outcome found = test::example();
  fanout_summary& s = found.fanout.emplace();
  s.messages = 1'000;
  s.servers = 12;
  for (int i = 1; i <= 1'000; ++i) {
    s.first.add(i);
    s.median.add(i * 10);
    if (i <= 980) s.last.add(i * 100);
  }
  s.last.never = 20;
  std::string text = test_report(test::plan_of(task::rpc_fanout), found);
  CHECK(test::has(
      text,
      "  Duration (secs): 2.500000\n"
      "  Until the first server (msecs): 50% 0.500 90% 0.900 99% 0.990 99.9% n/a Max 1.000\n"
      "  Until the median server (msecs): 50% 5.001 90% 9.003 99% 9.904 99.9% n/a Max 10.000\n"
      "  Until the last server (msecs): 50% 50.004 90% 90.046 99% >timeout 99.9% n/a Max >timeout\n"
      "  (1,000 messages of native clients, at 12 native servers)\n"));
  report_header header;
  auto report = nlohmann::json::parse(json_report(header, test::plan_of(task::rpc_fanout), found));
  CHECK(report["fanout"]["last"]["p99_ms"] == ">timeout");
  CHECK(report["fanout"]["last"]["max_ms"] == ">timeout");
  CHECK(report["fanout"]["last"]["never"] == 20);
  CHECK(report["fanout"]["first"]["p50_ms"] == Approx(0.5).epsilon(0.001));
  CHECK(report["fanout"]["first"]["max_ms"] == Approx(1.0));
  CHECK(report["fanout"]["median"]["samples"] == 1'000);
  CHECK(report["fanout"]["servers"] == 12);

  s.ends_only = true;
  s.servers_without = 3;
  s.first.add(-1'500);
  s.contradicting = 4;
  text = test_report(test::plan_of(task::rpc_fanout), found);
  CHECK(test::has(text,
                  "  Until the median server: n/a (too many arrivals to keep: only the first and "
                  "the last of each message)\n"));
  CHECK(test::has(text,
                  "servers; 3 more that can't say when a message arrived, as Python ones: the "
                  "last is of the others)\n"));
  CHECK(test::has(text,
                  "  Clocks apart: 1 of the times until the first server below zero, the "
                  "lowest -1.500000 msecs\n"));
  CHECK(test::has(text,
                  "  Incomplete: 4 messages with more arrivals than servers, in none of these\n"));
  report = nlohmann::json::parse(json_report(header, test::plan_of(task::rpc_fanout), found));
  CHECK(report["fanout"]["median"].is_null());
  CHECK(report["fanout"]["first_and_last_only"] == true);
  CHECK(report["fanout"]["first"]["negative_min_ms"] == -1.5);

  s.topics = 2;
  s.not_kept = 5;
  text = test_report(test::plan_of(task::rpc_fanout), found);
  CHECK(test::has(text,
                  "  Until the first server (msecs): 50% n/a 90% n/a 99% n/a 99.9% n/a Max n/a\n"));
  CHECK(test::has(text, "  Incomplete: 5 arrivals found no room\n"));
  CHECK(test::has(text, "at 12 native servers, each at those of its topic; 3 more"));
}
