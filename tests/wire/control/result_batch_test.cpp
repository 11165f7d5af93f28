// SPDX-License-Identifier: Apache-2.0
#include "wire/control/result_batch.hpp"

#include <catch2/catch.hpp>

#include <memory>
#include <string>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

struct agent_figures {
  results figures;
  result_details details;
};

/// A client's, with so many successes of so many milliseconds and a failure.
agent_figures client(std::uint64_t id, int ok, double milliseconds) {
  agent_figures out;
  const auto ns = static_cast<std::uint64_t>(milliseconds * 1e6);
  for (int i = 0; i < ok; ++i) {
    out.figures.add_success(milliseconds);
    out.details.latency.record(ns);
  }
  out.figures.add_failure("messaging_timeout");
  out.figures.saw_time(100);
  out.details.run = "run";
  out.details.load = {static_cast<std::uint64_t>(ok) + 1, 1, 0};
  out.details.links.late_replies = 2;
  out.details.series.record(series::failed, 7'000);
  auto ledger = std::make_shared<client_ledger>();
  ledger_room room{1 << 20};
  ledger->client = id;
  ledger->sent = static_cast<std::uint64_t>(ok) + 1;
  ledger->fail("messaging_timeout", 0, room);
  out.details.sent = std::move(ledger);
  return out;
}

std::string gathered(std::uint64_t answer = 3) {
  result_gatherer all;
  agent_figures a = client(1, 2, 1.5);
  a.details.audit = std::make_shared<audit_report>();
  auto seconds = std::make_shared<interval_series>();
  interval_row row;
  row.start = 100;
  row.ok = 2;
  seconds->add(row);
  a.details.intervals = seconds;
  auto sites = std::make_shared<site_counts>("here");
  sites->answered("there", 1'500'000);
  a.details.sites = sites;
  agent_figures b = client(2, 3, 4.0);
  b.details.cut_short = true;
  b.details.intervals = seconds;
  b.details.sites = sites;
  all.add("a", a.figures, a.details);
  all.add("b", b.figures, b.details);
  std::string out;
  all.append_args(out, answer);
  return out;
}

bool reads(const std::string& text, result_batch& out, std::string& why) {
  json::reader reader;
  json::value root;
  INFO(text.substr(0, 300));
  REQUIRE_FALSE(reader.parse(text, root));
  return read_result_batch(root, out, why);
}

std::string refusal(const std::string& text) {
  result_batch out;
  std::string why;
  if (reads(text, out, why)) return {};
  CHECK_FALSE(why.empty());
  return why;
}

/// A sum of nothing, but for `more` in it.
std::string empty_sum(const std::string& more = {}) {
  return R"("results": {"ombt": {"run": "r", "latency": {"count": 0, "overflow": 0, "min": 0, )"
         R"("max": 0, "total": 0, "counts": []})" +
         more + "}}}";
}

std::string replaced(std::string in, const std::string& what, const std::string& by) {
  const auto at = in.find(what);
  REQUIRE(at != std::string::npos);
  return in.replace(at, what.size(), by);
}

}  // namespace

TEST_CASE("A batch has the sum once, and of each agent what is its own") {
  result_batch batch;
  std::string why;
  REQUIRE(reads(gathered(), batch, why));
  CHECK(batch.sum.msgs_ok == 5);
  CHECK(batch.sum.msgs_fail == 2);
  CHECK(batch.sum.start_time == 100.0);
  CHECK(batch.sum.latency.count == 5);
  CHECK(batch.sum.latency.total == 15.0);
  CHECK(batch.sum.errors.at("messaging_timeout") == 2);
  CHECK(batch.details.run == "run");
  CHECK(batch.details.answer == 3);
  CHECK(batch.details.latency.totals().samples() == 5);
  CHECK(batch.details.load == load_counts{7, 2, 0});
  CHECK(batch.details.links.late_replies == 4);
  REQUIRE(batch.details.series.find(series::failed) != nullptr);
  CHECK(batch.details.series.find(series::failed)->totals().samples() == 2);
  REQUIRE(batch.details.intervals);
  CHECK(batch.details.intervals->rows().at(0).ok == 4);
  REQUIRE(batch.details.sites);
  CHECK(batch.details.sites->own() == "here");
  CHECK(batch.details.sites->entries().at(0).messages == 2);
  CHECK_FALSE(batch.details.sent);
  CHECK_FALSE(batch.details.audit);

  REQUIRE(batch.agents.size() == 2);
  const batch_agent& a = batch.agents[0];
  CHECK(a.name == "a");
  CHECK(a.results.msgs_ok == 2);
  CHECK(a.results.msgs_fail == 1);
  CHECK(a.results.latency.count == 2);
  CHECK(a.results.latency.average() == 1.5);
  CHECK(a.results.latency.distribution.empty());
  CHECK(a.results.errors.at("messaging_timeout") == 1);
  CHECK(a.own.load.scheduled == 3);
  CHECK_FALSE(a.own.cut_short);
  CHECK(a.own.audit);
  REQUIRE(a.own.sent);
  CHECK(*a.own.sent == *client(1, 2, 1.5).details.sent);
  const batch_agent& b = batch.agents[1];
  CHECK(b.own.cut_short);
  CHECK_FALSE(b.own.audit);
  REQUIRE(b.own.sent);
  CHECK(b.own.sent->client == 2);

  std::string again;
  append_result_batch(again, batch);
  CHECK(again == gathered());
}

TEST_CASE("An agent that has nothing of its own is five elements") {
  result_gatherer all;
  results figures;
  figures.add_success(2.5);
  all.add("a", figures, {});
  std::string out;
  all.append_args(out, 1);
  CHECK(out.starts_with(R"({"agents": [["a", 1, 0, 1, 2.5]], "results": {)"));
}

TEST_CASE("What receivers had stays theirs") {
  result_gatherer all;
  for (const std::string name : {"s1", "s2"}) {
    agent_figures s;
    s.figures.msgs_ok = 2;
    auto ledger = std::make_shared<server_ledger>();
    ledger_room room{1 << 20};
    ledger->arrived(9, name == "s1" ? 0 : 1, room);
    ledger->arrived(9, 2, room);
    s.details.received = ledger;
    auto arrivals = std::make_shared<arrival_report>();
    if (name == "s1") arrivals->not_kept = 4;
    s.details.arrivals = arrivals;
    all.add(name, s.figures, s.details);
  }
  std::string text;
  all.append_args(text, 1);
  result_batch batch;
  std::string why;
  REQUIRE(reads(text, batch, why));
  for (std::size_t i : {0, 1}) {
    REQUIRE(batch.agents[i].own.received);
    CHECK(batch.agents[i].own.received->clients.at(9).arrivals() == 2);
    REQUIRE(batch.agents[i].own.arrivals);
  }
  CHECK(batch.agents[0].own.arrivals->not_kept == 4);
  CHECK(batch.agents[1].own.arrivals->not_kept == 0);
  CHECK_FALSE(batch.details.received);
  CHECK_FALSE(batch.details.arrivals);
}

TEST_CASE("Results of another run or site, or of an agent that is in it, are another batch's") {
  result_gatherer all;
  agent_figures a = client(1, 1, 1);
  CHECK(all.takes("a", a.details));
  a.details.sites = std::make_shared<site_counts>("here");
  all.add("a", a.figures, a.details);
  CHECK(all.agents() == 1);
  CHECK(all.takes("b", client(2, 1, 1).details));
  CHECK_FALSE(all.takes("a", a.details));
  agent_figures b = client(2, 1, 1);
  b.details.sites = std::make_shared<site_counts>("there");
  CHECK_FALSE(all.takes("b", b.details));
  b = client(2, 1, 1);
  b.details.run = "other";
  CHECK_FALSE(all.takes("b", b.details));
}

TEST_CASE("A batch knows about how long it is") {
  result_gatherer all;
  for (std::uint64_t i = 0; i < 50; ++i) {
    agent_figures a = client(i, 1, 1);
    for (std::uint64_t n = 0; n < 100; ++n) a.details.latency.record((1 + i * 100 + n) * 10'000);
    a.figures.latency.count = 101;
    all.add("agent-" + std::to_string(i), a.figures, a.details);
  }
  std::string text;
  const std::size_t told = all.bytes();
  all.append_args(text, 1);
  CHECK(told > text.size() * 2 / 3);
  CHECK(told < text.size() * 2);
}

TEST_CASE("A batch whose counts do not add up is refused") {
  const std::string text = gathered();
  REQUIRE(refusal(text).empty());
  const std::string sums = "results: the agents' counts are not those of the sum";
  CHECK(refusal(replaced(text, "[\"a\", 2, 1, 2,", "[\"a\", 3, 1, 2,")) == sums);
  CHECK(refusal(replaced(text, "[\"a\", 2, 1, 2,", "[\"a\", 2, 0, 2,")) == sums);
  CHECK(refusal(replaced(text, "[\"a\", 2, 1, 2,", "[\"a\", 2, 1, 1,")) == sums);
  CHECK(refusal(replaced(text, R"("scheduled": 3)", R"("scheduled": 4)")) == sums);
  CHECK(refusal(replaced(text, R"("errors": {"messaging_timeout": 1})", R"("errors": {})")) ==
        sums);
  CHECK(refusal(replaced(text, "[\"b\"", "[\"a\"")) == "results: an agent is there twice");

  std::string agents;  // 2^11 times 2^53 is 0, modulo 2^64
  for (int i = 0; i < 1 << 11; ++i) {
    agents += (i > 0 ? ", [\"" : "[\"") + std::to_string(i) + "\", 9007199254740992, 0, 0, 0]";
  }
  CHECK(refusal("{\"agents\": [" + agents + "], " + empty_sum()) == sums);
}

TEST_CASE("What is no batch is refused, with why") {
  CHECK(refusal("{}") == "results is missing");
  const std::string record = empty_sum();
  CHECK(refusal(R"({"agents": [], )" + record) == "results: agents are no list, or none");
  CHECK(refusal(R"({"agents": {}, )" + record) == "results: agents are no list, or none");
  CHECK(refusal(R"({"agents": [["a", 0, 0, 0, 0]], "results": {}})") == "results.ombt is missing");
  const auto of_agent = [&](const std::string& agent) {
    return refusal("{\"agents\": [" + agent + "], " + record);
  };
  CHECK(of_agent(R"(["a", 0, 0, 0, 0])").empty());
  CHECK(of_agent(R"(["a", 0, 0, 0, 0, {}])").empty());
  CHECK_FALSE(of_agent("1").empty());
  CHECK_FALSE(of_agent(R"(["a", 0, 0, 0])").empty());
  CHECK_FALSE(of_agent(R"(["a", 0, 0, 0, 0, {}, 1])").empty());
  CHECK_FALSE(of_agent(R"([1, 0, 0, 0, 0])").empty());
  CHECK_FALSE(of_agent(R"(["", 0, 0, 0, 0])").empty());
  CHECK_FALSE(of_agent(R"(["a\u0007", 0, 0, 0, 0])").empty());
  CHECK_FALSE(of_agent("[\"" + std::string(256, 'a') + "\", 0, 0, 0, 0]").empty());
  CHECK_FALSE(of_agent(R"(["a", -1, 0, 0, 0])").empty());
  CHECK_FALSE(of_agent(R"(["a", 0.5, 0, 0, 0])").empty());
  CHECK_FALSE(of_agent(R"(["a", 9007199254740993, 0, 0, 0])").empty());
  CHECK_FALSE(of_agent(R"(["a", 0, 0, 0, -1])").empty());
  CHECK_FALSE(of_agent(R"(["a", 0, 0, 0, 1e81])").empty());
  CHECK_FALSE(of_agent(R"(["a", 0, 0, 0, 0, []])").empty());
  CHECK_FALSE(of_agent(R"(["a", 0, 0, 0, 0, {"cut_short": 1}])").empty());
  CHECK_FALSE(of_agent(R"(["a", 0, 0, 0, 0, {"ledger": {"client": 1}}])").empty());
  CHECK_FALSE(of_agent(R"(["a", 0, 0, 0, 0, {"audit": 1}])").empty());
  CHECK_FALSE(of_agent(R"(["a", 0, 0, 0, 0, {"arrivals": 1}])").empty());
}

TEST_CASE("A batch has no more agents than it may") {
  std::string agents;
  for (std::size_t i = 0; i <= batch_agents_limit; ++i) {
    agents += std::string(i > 0 ? "," : "") + "[\"" + std::to_string(i) + "\",0,0,0,0]";
  }
  CHECK(refusal("{\"agents\": [" + agents + "], " + empty_sum()) ==
        "results: more agents than a batch has");
}

TEST_CASE("Agents' own parts in a sum count for nothing") {
  result_batch batch;
  std::string why;
  const std::string own = R"(, "cut_short": true, "arrivals": {}, )"
                          R"("ledger": {"client": "0000000000000001", "sent": 0})";
  REQUIRE(reads(R"({"agents": [["a", 0, 0, 0, 0]], )" + empty_sum(own), batch, why));
  CHECK_FALSE(batch.details.cut_short);
  CHECK_FALSE(batch.details.sent);
  CHECK_FALSE(batch.details.arrivals);
}
