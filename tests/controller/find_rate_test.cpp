// SPDX-License-Identifier: Apache-2.0
#include "controller/find_rate.hpp"

#include "tests/controller/probe_runs.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <random>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::controller;
using namespace ombt::controller::test;

namespace {

/// A server that takes so many at a time, each for a fixed time, and lets the others wait in line.
outcome slots_of(std::size_t slots, double service, const plan& what) {
  const double rate = what.parameters.load->profile.front().from;
  std::vector<double> took;
  std::priority_queue<double, std::vector<double>, std::greater<>> free_at;
  for (std::size_t i = 0; i < slots; ++i) free_at.push(0);
  for (std::size_t i = 0; i < asked_for(what); ++i) {
    const double at = static_cast<double>(i) / rate;
    const double done = std::max(at, free_at.top()) + service;
    free_at.pop();
    free_at.push(done);
    took.push_back(done - at);
  }
  return run_with(what, took);
}

/// One server, random arrivals and random service: M/M/1.
outcome mm1(double capacity, std::mt19937& random, const plan& what) {
  std::exponential_distribution<double> gap(what.parameters.load->profile.front().from);
  std::exponential_distribution<double> service(capacity);
  std::vector<double> took;
  double at = 0;
  double free_at = 0;
  for (std::size_t i = 0; i < asked_for(what); ++i) {
    at += gap(random);
    free_at = std::max(at, free_at) + service(random);
    took.push_back(free_at - at);
  }
  return run_with(what, took);
}

rate_probe judged(const outcome& found, const plan& what, const char* p99 = "20ms") {
  return judge_probe(*check_settings(search_for(p99)).goal, what, found);
}

plan plan_of_a_probe(double rate, double seconds = 10) {
  return probe_plan(check_settings(search_for("20ms")).what, rate, seconds);
}

/// Whether a percentile is no better than it was.
bool no_better(const percentile_of_all& after, const percentile_of_all& before) {
  if (before.known && !after.known) return false;
  if (!before.known) return true;
  if (after.infinite) return true;
  return !before.infinite && after.ms >= before.ms;
}

}  // namespace

// ---- the knee -----------------------------------------------------------------------------------

TEST_CASE("find-rate finds the rate at which a server's latency jumps within 5 %") {
  const double knee = GENERATE(35.0, 123.0, 4120.0, 7777.0);
  const auto curve = search(search_for("20ms"), [&](const plan& p) { return jump_at(knee, p); });
  REQUIRE(curve.ok());
  CHECK(*curve.best <= knee);
  CHECK(*curve.best > knee * 0.95);
  CHECK(*curve.missed > knee);
}

TEST_CASE("find-rate finds the capacity of a server with 64 slots of a fixed time within 5 %") {
  // What it can do in a second is 64 / service time.
  const double service = GENERATE(0.1, 0.02);
  const auto curve = search(search_for(service > 0.05 ? "200ms" : "40ms"),
                            [&](const plan& p) { return slots_of(64, service, p); });
  REQUIRE(curve.ok());
  CHECK(std::abs(*curve.best / (64 / service) - 1) < 0.05);
}

TEST_CASE("find-rate finds the load of an M/M/1 queue at which its p99 is the target within 5 %") {
  std::mt19937 random(7);
  auto s = search_for("20ms");
  s.search.step = "120s";
  s.load.arrivals = "poisson";
  const auto curve = search(s, [&](const plan& p) { return mm1(1000, random, p); });
  REQUIRE(curve.ok());
  // P(longer than t) = exp(-(capacity - load) t)
  const double truth = 1000 - std::log(100) / 0.02;
  CHECK(std::abs(*curve.best / truth - 1) < 0.05);
}

TEST_CASE("a search that ends at a bound says so") {
  auto s = search_for("20ms");
  s.search.most = "300";
  auto curve = search(s, [&](const plan& p) { return jump_at(1e6, p); });
  CHECK(curve.ok());
  CHECK(answer_text(*check_settings(s).goal, curve) ==
        "Highest rate that holds p99 <= 20 ms: 300 messages/s, the highest allowed");
  curve = search(s, [&](const plan& p) { return jump_at(1, p); });
  CHECK_FALSE(curve.ok());
  CHECK(curve.found);
  CHECK(answer_text(*check_settings(s).goal, curve) ==
        "No rate holds p99 <= 20 ms: missed at 10 messages/s, the lowest allowed");
}

TEST_CASE("a search that runs out of probes has no answer, and says how far it came") {
  auto s = search_for("20ms");
  s.search.probes = 3;
  const auto curve = search(s, [&](const plan& p) { return jump_at(1e6, p); });
  CHECK_FALSE(curve.ok());
  const auto text = find_rate_text(asked_of(s), curve);
  CHECK(has(text,
            "Not found: p99 <= 20 ms holds at 400 messages/s\n"
            "Cut short: 3 probes made, --max-probes\n"));
}

// ---- probes -------------------------------------------------------------------------------------

TEST_CASE("a probe takes its step, or as long as its percentile needs") {
  auto s = search_for("20ms");
  s.search.step = "2s";
  std::vector<wire::control::rate_segment> probes;
  const auto curve = search(s, [&](const plan& p) {
    probes.push_back(p.parameters.load->profile.front());
    return jump_at(700, p);
  });
  REQUIRE(curve.ok());
  CHECK(probes[0].from == 100);
  CHECK(probes[0].seconds == Approx(10.2));  // p99 needs 1,000
  CHECK(probes[2].from == 400);
  CHECK(probes[2].seconds == Approx(2.6));
  CHECK(probes[3].from == 800);
  CHECK(probes[3].seconds == 2);
  const auto text = find_rate_text(asked_of(s), curve);
  CHECK(has(text,
            "Probes of 2 s are too short for p99 at low rates, which needs 1,000 messages:\n"
            "  those are longer\n"));
}

TEST_CASE("a probe that had too few messages all the same is made again, longer") {
  auto s = search_for("20ms");
  s.search.from = s.search.most = "100";
  std::vector<double> seconds;
  const auto curve = search(s, [&](const plan& p) {
    seconds.push_back(p.parameters.load->profile.front().seconds);
    // A tenth of them is not sent by anybody: clients that round down.
    return run_with(p, std::vector<double>(asked_for(p) * 9 / 10, 0.005));
  });
  CHECK(curve.ok());
  REQUIRE(seconds.size() == 2);
  CHECK(seconds[1] > 11);
  REQUIRE(curve.probes.size() == 1);
  CHECK(curve.probes[0].seconds == seconds[1]);
}

TEST_CASE("from the second probe on those agents are expected that were there") {
  std::vector<std::vector<expectation>> expected;
  search(search_for("20ms"), [&](const plan& p) {
    expected.push_back(p.expect);
    return jump_at(150, p);
  });
  CHECK(expected[0].empty());
  REQUIRE(expected[1].size() == 2);
  CHECK(expected[1][0].kind == agent_kind::rpc_client);
  CHECK(expected[1][0].count == 2);
  CHECK(expected[1][1].kind == agent_kind::rpc_server);
  CHECK(expected[1][1].count == 1);
}

TEST_CASE("a probe holds where all came in time, and misses by whatever was lost of it") {
  const plan what = plan_of_a_probe(200);
  const auto good = run_with(what, std::vector<double>(2000, 0.005));
  CHECK(judged(good, what).held());

  auto bad = good;
  bad.clients.lost = 1;
  auto probe = judged(bad, what);
  CHECK(probe.why == miss::lost);
  CHECK(probe.reasons == std::vector<std::string>{"1 of 2,000 messages are lost"});

  bad = good;
  bad.clients.results.add_failure("timed out");
  bad.problems = {"1 of 2001 messages failed"};
  probe = judged(bad, what);
  CHECK(probe.why == miss::failed);
  CHECK(probe.reasons == std::vector<std::string>{"1 of 2,001 messages failed"});

  bad = good;
  bad.clients.load.dropped = 2;
  bad.clients.load.scheduled += 2;
  CHECK(judged(bad, what).why == miss::dropped);

  bad = good;
  bad.problems = {"3 more messages than expected arrived"};
  probe = judged(bad, what);
  CHECK(probe.why == miss::trouble);
  CHECK(probe.reasons == bad.problems);

  std::vector<double> slow(2000, 0.005);
  std::fill_n(slow.begin(), 21, 0.03);
  probe = judged(run_with(what, slow), what);
  CHECK(probe.why == miss::percentile);
  CHECK(has(probe.reasons.at(0), "p99 is 30.0"));
  slow[0] = 0.005;
  CHECK(judged(run_with(what, slow), what).held());
}

TEST_CASE("a probe whose load took longer than its schedule misses by its pace") {
  const plan what = plan_of_a_probe(200);
  auto found = run_with(what, std::vector<double>(2000, 0.005));
  found.clients.results.stop_time = 1010.3;
  CHECK(judged(found, what).held());
  found.clients.results.stop_time = 1010.6;
  auto probe = judged(found, what);
  CHECK(probe.why == miss::pace);
  CHECK(probe.reasons ==
        std::vector<std::string>{"the clients took 10.6 s for what was to take 10 s"});
  // A few that take long are no slower pace.
  std::vector<double> some(2000, 0.005);
  some[0] = 3;
  CHECK(judged(run_with(what, some), what).held());

  found = run_with(what, std::vector<double>(2000, 0.005));
  found.servers.results.stop_time = 1015;
  probe = judged(found, what);
  CHECK(probe.why == miss::pace);
  CHECK(probe.reasons ==
        std::vector<std::string>{"the servers took 15.0 s for what was to take 10 s"});
}

TEST_CASE("a probe whose harness was the limit is measured, and said to be so") {
  auto limited_from = [](double rate) {
    return [rate](const plan& p) {
      outcome found = jump_at(500, p);
      if (p.parameters.load->profile.front().from < rate) return found;
      wire::control::audit_report audit;
      audit.scheduled = 100;
      audit.late = 50;
      found.add_audit(found.agents[0], audit);
      return found;
    };
  };
  const auto curve = search(search_for("20ms"), limited_from(500));
  REQUIRE(curve.ok());
  CHECK_FALSE(curve.harness_limited(curve.best));
  CHECK(curve.harness_limited(curve.missed));
  const auto text = find_rate_text(asked_of(search_for("20ms")), curve);
  const auto at = rate_text(*curve.missed) + "/s";
  CHECK(has(text,
            "\nharness-limited at " + at + ": the agents, not the bus, may be the limit there\n"));
  CHECK(has(text, "! p99*\n"));
  CHECK(has(text, "  at " + at + ": I/O thread of agent c1 was itself too late for 50 % of its\n"));
}

// ---- what ends a search -------------------------------------------------------------------------

TEST_CASE("a bus that fails in the search ends it, and the curve so far is kept") {
  const auto curve = search(search_for("20ms"), [&](const plan& p) {
    if (p.parameters.load->profile.front().from < 400) return jump_at(1e6, p);
    outcome found;
    found.failure = "no contact with the control bus";
    return found;
  });
  CHECK_FALSE(curve.ok());
  CHECK(curve.failure == "no contact with the control bus");
  CHECK(curve.best == 200);
  CHECK(curve.probes.size() == 2);
  CHECK(answer_text(*check_settings(search_for("20ms")).goal, curve) ==
        "Not found: p99 <= 20 ms holds at 200 messages/s");
}

TEST_CASE("a bus that takes nothing any more ends the search, whatever the rate") {
  const auto curve = search(search_for("20ms"), [&](const plan& p) {
    if (p.parameters.load->profile.front().from < 400) return jump_at(1e6, p);
    outcome found = run_with(p, {});
    found.clients.load.scheduled = asked_for(p);
    for (std::size_t i = 0; i < asked_for(p); ++i) found.clients.results.add_failure("no luck");
    return found;
  });
  CHECK(curve.failure == "no message succeeded at 400 messages/s, twice: no luck");
  CHECK(curve.probes.size() == 4);
}

TEST_CASE("agents that vanish, come or share a name end the search") {
  const auto after_two = [](const std::function<void(outcome&)>& change) {
    return search(search_for("20ms"), [&](const plan& p) {
      outcome found = jump_at(1e6, p);
      if (p.parameters.load->profile.front().from >= 400) change(found);
      return found;
    });
  };
  auto curve = after_two([](outcome& o) {
    o.agents[0].missing = true;
    o.problems = {"RPC client c1 sent no results within 60 s"};
  });
  CHECK(curve.failure == "RPC client c1 sent no results within 60 s");
  CHECK(curve.probes.size() == 2);
  curve = after_two([](outcome& o) { o.agents.push_back(agent(agent_kind::rpc_client, "c3")); });
  CHECK(curve.failure == "the agents changed: 2 RPC clients at first, now 3");
  curve = after_two([](outcome& o) {
    o.same_names["c1"] = 1;
    o.problems = {"1 more agent answered by the name c1"};
  });
  CHECK(curve.failure == "1 more agent answered by the name c1");
}

// ---- percentiles over all scheduled -------------------------------------------------------------

TEST_CASE("failures, drops and losses never improve a percentile over all scheduled") {
  std::mt19937 random(11);
  std::exponential_distribution<double> milliseconds(0.2);
  const plan what = plan_of_a_probe(200);
  for (int turn = 0; turn < 60; ++turn) {
    std::vector<double> took(20'000);
    for (double& one : took) one = milliseconds(random) / 1e3;
    // A bus that is slow in waves, so that what fails may be the fast ones or the slow ones.
    for (std::size_t i = 0; i < 200; ++i) took[random() % took.size()] *= 20;
    auto before = run_with(what, took).clients;
    // Some of the messages fail, are dropped or get lost; these on top or in place of successes.
    const std::size_t part = std::size_t{1} << random() % 14;
    const auto way = random() % 6;
    if (way == 4) std::sort(took.begin(), took.end(), std::greater<>());
    std::vector<double> left = took;
    if (way == 1 || way == 2 || way >= 4) left.resize(took.size() - part);
    auto after = run_with(what, left).clients;
    after.load.scheduled = way == 0 ? took.size() + part : took.size();
    if (way == 0 || way == 1 || way == 4) {
      for (std::size_t i = 0; i < part; ++i) after.results.add_failure("gone");
    } else if (way == 2) {
      after.load.dropped = part;
    } else if (way == 5) {
      after.load.scheduled = left.size();
      after.unreported = part;
    } else {
      after.lost = part;
    }
    CAPTURE(turn, part, way);
    for (const double p : reported_percentiles) {
      CAPTURE(p);
      CHECK(no_better(percentile_of_all_ms(after, p), percentile_of_all_ms(before, p)));
    }
  }
}

TEST_CASE("messages that are lost are infinite, and the others no better than they were") {
  const plan what = plan_of_a_probe(200);
  std::vector<double> took;
  for (int i = 1; i <= 1000; ++i) took.push_back(i / 1e3);
  auto clients = run_with(what, took).clients;
  CHECK(percentile_of_all_ms(clients, 50).ms == Approx(500).epsilon(0.001));
  clients.lost = 10;
  CHECK(percentile_of_all_ms(clients, 50).ms == Approx(510).epsilon(0.001));
  CHECK(percentile_of_all_ms(clients, 99).ms == Approx(1000).epsilon(0.001));
  clients.lost = 11;
  CHECK(percentile_of_all_ms(clients, 99).infinite);
}
