// SPDX-License-Identifier: Apache-2.0
#include "controller/run_ledger.hpp"

#include "controller/topic_ledgers.hpp"

#include <catch2/catch.hpp>

#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::controller;
using wire::control::client_ledger;
using wire::control::ledger_room;
using wire::control::result_details;
using wire::control::results;
using wire::control::server_ledger;

namespace {

std::string called(std::size_t agent) { return "agent-" + std::to_string(agent); }

/// A run's agents as they would report: clients are agents 0, 1, …, receivers 100, 101, …
struct played {
  explicit played(bool fanout_run, std::size_t servers) : ledger{fanout_run} {
    for (std::size_t i = 0; i < servers; ++i) {
      had.emplace_back();
      arrived.push_back(0);
      ledger.expect_receiver(100 + i);
    }
  }

  void arrive(std::size_t server, std::uint64_t client, std::uint64_t sequence) {
    had[server].arrived(1000 + client, sequence, room);
    ++arrived[server];
  }
  /// Every receiver is asked.
  void ask(bool joined = false) {
    for (std::size_t i = 0; i < had.size(); ++i) {
      results r;
      r.msgs_ok = std::exchange(arrived[i], 0);
      result_details d;
      d.received = std::make_shared<server_ledger>(std::exchange(had[i], {}));
      ledger.add_receiver(100 + i, r, d, joined);
    }
  }
  void report(std::uint64_t client, std::uint64_t sent,
              const std::vector<std::pair<std::string, std::uint64_t>>& failed = {}) {
    results r;
    r.msgs_ok = sent - failed.size();
    auto told = std::make_shared<client_ledger>();
    told->client = 1000 + client;
    told->sent = sent;
    ledger_room own{client_ledger::room_bytes};
    for (const auto& [error, sequence] : failed) {
      told->fail(r.add_failure(error), sequence, own);
    }
    result_details d;
    d.sent = std::move(told);
    ledger.add_client(client, r, d);
  }
  /// One without a ledger.
  void python_server(std::size_t agent, std::uint64_t arrivals) {
    results r;
    r.msgs_ok = arrivals;
    ledger.add_receiver(agent, r, {}, false);
  }
  void python_client(std::size_t agent, std::uint64_t sent) {
    results r;
    r.msgs_ok = sent;
    ledger.add_client(agent, r, {});
  }
  ledger_summary summary() const {
    const auto out = ledger.summary(called);
    CHECK(out.all.closes());
    const ledger_counts quick = ledger.counts();
    CHECK(quick.lost == out.all.lost);
    CHECK(quick.delivered == out.all.delivered);
    return out;
  }

  run_ledger ledger;
  ledger_room room{std::size_t{64} << 20};
  std::vector<server_ledger> had;
  std::vector<std::uint64_t> arrived;
};

}  // namespace

TEST_CASE("a run in which every message arrived once is clean") {
  for (const bool fanout : {false, true}) {
    played run{fanout, 2};
    for (std::uint64_t n = 0; n < 100; ++n) {
      run.arrive(n % 2, 0, n);
      if (fanout) run.arrive(1 - n % 2, 0, n);
      if (n == 40) run.ask();
    }
    run.ask();
    run.report(0, 100);
    const auto found = run.summary();
    CHECK(found.all.clean());
    CHECK(found.all.delivered == 100);
    CHECK(found.complete());
    CHECK(found.clients.empty());
    CHECK(found.receivers_wrong.empty());
    CHECK(found.receivers == (fanout ? 2 : 0));
  }
}

TEST_CASE(
    "each message is one of delivered, more than once, lost, failed; copies are counted beside") {
  played run{false, 3};
  for (const std::uint64_t n : {0, 1, 2, 3, 4, 5}) run.arrive(0, 7, n);
  run.arrive(0, 7, 1);  // again at the same receiver
  run.ask();
  run.arrive(0, 7, 2);  // again there, after it was asked
  run.arrive(1, 7, 3);  // again at another
  run.arrive(2, 7, 3);
  run.arrive(2, 7, 8);  // failed, and arrived all the same
  run.arrive(2, 7, 8);
  run.ask();
  run.report(7, 10, {{"nacked", 8}, {"messaging_timeout", 9}});
  const auto found = run.summary();
  CHECK(found.all.sent == 10);
  CHECK(found.all.delivered == 3);   // 0, 4, 5
  CHECK(found.all.duplicated == 3);  // 1, 2, 3
  CHECK(found.all.lost == 2);        // 6, 7
  CHECK(found.all.failed == 2);
  CHECK(found.all.failed_but_delivered == 1);
  CHECK(found.all.extra_copies == 5);
  CHECK(found.complete());
  CHECK(found.failed_by_kind ==
        std::map<std::string, std::uint64_t>{{"messaging_timeout", 1}, {"nacked", 1}});
  REQUIRE(found.clients.size() == 1);
  CHECK(found.clients[0].name == "agent-7");
  CHECK(found.clients[0].lost == "6-7");
  CHECK(found.clients[0].counts.duplicated == 3);
}

TEST_CASE(
    "a fanout is delivered where every receiver has it, and each receiver has its own account") {
  played run{true, 3};
  for (std::uint64_t n = 0; n < 10; ++n) {
    for (std::size_t server = 0; server < 3; ++server) {
      if (server == 1 && n >= 6) continue;  // four are missing there
      if (server == 2 && n == 0) continue;
      run.arrive(server, 0, n);
    }
  }
  run.arrive(0, 0, 3);
  run.arrive(0, 0, 9);
  run.ask();
  run.report(0, 10, {{"nacked", 9}});
  const auto found = run.summary();
  CHECK(found.all.delivered == 4);   // 1, 2, 4, 5
  CHECK(found.all.duplicated == 1);  // 3
  CHECK(found.all.lost == 4);        // 0, 6, 7, 8
  CHECK(found.all.failed == 1);
  CHECK(found.all.failed_but_delivered == 1);
  CHECK(found.all.extra_copies == 2);
  CHECK(found.copies_lost == 4);
  REQUIRE(found.receivers_wrong.size() == 3);
  CHECK(found.receivers_wrong[0].name == "agent-101");  // the worst first
  CHECK(found.receivers_wrong[0].counts.lost == 3);
  CHECK(found.receivers_wrong[0].counts.delivered == 6);
  CHECK(found.receivers_wrong[1].name == "agent-102");
  CHECK(found.receivers_wrong[1].counts.lost == 1);
  CHECK(found.receivers_wrong[2].counts.duplicated == 1);
  CHECK(found.receivers_wrong[2].counts.extra_copies == 2);
  for (const auto& line : found.receivers_wrong) CHECK(line.counts.closes());
}

TEST_CASE("a receiver of a fanout that had nothing lacks everything") {
  played run{true, 2};
  for (std::uint64_t n = 0; n < 70; ++n) run.arrive(0, 0, n);
  run.ask();
  run.report(0, 70);
  const auto found = run.summary();
  CHECK(found.all.lost == 70);
  CHECK(found.copies_lost == 70);
  REQUIRE(found.receivers_wrong.size() == 1);
  CHECK(found.receivers_wrong[0].name == "agent-101");
}

TEST_CASE("random runs add up to what was done to each message") {
  std::mt19937 random{5};
  for (int round = 0; round < 60; ++round) {
    const bool fanout = round % 2 == 1;
    const std::size_t servers = 1 + random() % 4;
    const std::uint64_t clients = 1 + random() % 5;
    played run{fanout, servers};
    ledger_counts truth;
    std::vector<std::vector<std::pair<std::string, std::uint64_t>>> failed(clients);
    const std::uint64_t count = 1 + random() % 700;
    const unsigned trouble = 1 + random() % 50;
    const auto rarely = [&] { return random() % trouble == 0; };
    for (std::uint64_t n = 0; n < count; ++n) {
      for (std::uint64_t client = 0; client < clients; ++client) {
        const bool fails = rarely();
        if (fails) failed[client].emplace_back(rarely() ? "a" : "b", n);
        bool everywhere = true;
        bool anywhere = false;
        bool again = false;
        const std::size_t one = random() % servers;
        for (std::size_t server = 0; server < servers; ++server) {
          if (!fanout && server != one) continue;
          const bool arrives = !rarely();
          everywhere = everywhere && arrives;
          anywhere = anywhere || arrives;
          if (!arrives) continue;
          run.arrive(server, client, n);
          while (rarely() && trouble > 1) {
            again = true;
            ++truth.extra_copies;
            run.arrive(fanout ? server : random() % servers, client, n);
          }
        }
        ++truth.sent;
        if (fails) {
          ++truth.failed;
          truth.failed_but_delivered += anywhere ? 1 : 0;
        } else if (!everywhere) {
          ++truth.lost;
        } else if (again) {
          ++truth.duplicated;
        } else {
          ++truth.delivered;
        }
      }
      if (random() % 100 == 0) run.ask();
    }
    run.ask();
    for (std::uint64_t client = 0; client < clients; ++client) {
      run.report(client, count, failed[client]);
    }
    const auto found = run.summary();
    INFO("round " << round);
    CHECK(found.complete());
    CHECK(found.all.sent == truth.sent);
    CHECK(found.all.delivered == truth.delivered);
    CHECK(found.all.duplicated == truth.duplicated);
    CHECK(found.all.lost == truth.lost);
    CHECK(found.all.failed == truth.failed);
    CHECK(found.all.extra_copies == truth.extra_copies);
    CHECK(found.all.failed_but_delivered == truth.failed_but_delivered);
  }
}

TEST_CASE("what Python peers cannot give is said, and nothing of it taken for lost") {
  played run{false, 1};
  for (std::uint64_t n = 0; n < 6; ++n) run.arrive(0, 0, n);
  run.ask();
  run.python_server(200, 4);
  run.python_client(1, 30);
  run.report(0, 9);
  const auto found = run.summary();
  CHECK(found.all.sent == 9);
  CHECK(found.all.delivered == 6);
  CHECK(found.all.unknown == 3);
  CHECK(found.all.lost == 0);
  CHECK_FALSE(found.complete());
  CHECK(found.gaps ==
        std::vector<std::string>{"1 client without a ledger, as Python ones are",
                                 "30 messages sent by these, which the ledger does not know",
                                 "1 receiver without a ledger, as Python ones are",
                                 "4 messages arrived there: whose is not known"});
  REQUIRE(found.clients.size() == 1);
  CHECK(found.clients[0].counts.unknown == 3);
  CHECK(found.clients[0].counts.lost == 0);
  // More is missing than arrived where nobody can say what.
  played less{false, 1};
  less.ask();
  less.python_server(200, 4);
  less.report(0, 9);
  CHECK(less.summary().all.unknown == 4);
  CHECK(less.summary().all.lost == 5);
}

TEST_CASE("a fanout's ledger is that of the receivers which have one") {
  played run{true, 1};
  run.ledger.expect_receiver(200);
  for (std::uint64_t n = 0; n < 5; ++n) run.arrive(0, 0, n);
  run.ask();
  run.python_server(200, 5);
  run.report(0, 5);
  const auto found = run.summary();
  CHECK(found.all.delivered == 5);
  CHECK(found.receivers == 1);
  CHECK_FALSE(found.complete());
  played python_only{true, 0};
  python_only.ledger.expect_receiver(200);
  python_only.python_server(200, 5);
  python_only.report(0, 5);
  CHECK(python_only.summary().all.unknown == 5);
  CHECK(python_only.summary().all.lost == 0);
}

TEST_CASE("what may be at a receiver that did not answer, or came late, is unknown") {
  for (const bool fanout : {false, true}) {
    played run{fanout, 1};
    run.ask();
    run.ledger.expect_receiver(300);
    run.report(0, 5);
    CHECK(run.summary().all.lost == 5);
    run.ledger.miss_receiver(300);
    const auto found = run.summary();
    CHECK(found.all.unknown == 5);
    CHECK(found.all.lost == 0);
    CHECK(found.gaps == std::vector<std::string>{
                            "1 receiver that did not answer: what arrived there is not known"});
  }
  played late{false, 1};
  late.arrived[0] = 3;  // it did not know whose they are
  late.ask(true);
  late.report(0, 5);
  CHECK(late.summary().all.unknown == 3);
  CHECK(late.summary().all.lost == 2);
  CHECK(late.summary().gaps.front() == "3 messages arrived at receivers that came during the run");
}

TEST_CASE("ids that nobody has, what found no room, and clients that sent no results are gaps") {
  played run{false, 1};
  run.had[0].unidentified = 2;
  run.had[0].not_kept = 1;
  run.arrived[0] = 3;
  run.arrive(0, 9, 4);  // of a client that never reports
  run.ask();
  run.report(0, 4);
  const auto found = run.summary();
  CHECK(found.all.unknown == 3);
  CHECK(found.all.lost == 1);
  CHECK(found.gaps ==
        std::vector<std::string>{"2 messages arrived with an id that no test message has",
                                 "1 message found no room in the ledger",
                                 "1 message arrived of clients that sent no results"});
}

TEST_CASE("reports that contradict themselves are not believed") {
  played run{false, 1};
  run.ask();
  run.report(0, 4);
  run.report(0, 4);  // another agent with the same client
  results r;
  r.msgs_ok = 4;
  auto told = std::make_shared<client_ledger>();
  told->client = 5;
  told->sent = 1'000'000'000;
  result_details d;
  d.sent = told;
  run.ledger.add_client(1, r, d);
  r.msgs_fail = 1;
  told = std::make_shared<client_ledger>();
  told->client = 6;
  told->sent = 5;
  d.sent = told;
  run.ledger.add_client(2, r, d);
  result_details more;
  auto had = std::make_shared<server_ledger>();
  had->arrived(1000, 0, run.room);
  more.received = had;
  run.ledger.add_receiver(100, results{}, more, false);
  const auto found = run.summary();
  CHECK(found.all.sent == 4);
  CHECK(found.gaps.at(0) == "3 clients with a ledger that contradicts its results");
  CHECK(found.gaps.at(1) == "13 messages sent by these, which the ledger does not know");
  CHECK(found.gaps.at(2) == "1 report of receivers with more in the ledger than arrived");
}

TEST_CASE("messages above the highest sequence are not kept, and the ledger says so") {
  played run{false, 1};
  run.ask();
  results r;
  r.msgs_ok = wire::control::sequence_limit + 7;
  result_details d;
  auto told = std::make_shared<client_ledger>();
  told->client = 1;
  told->sent = r.msgs_ok;
  d.sent = told;
  run.ledger.add_client(0, r, d);
  auto had = std::make_shared<server_ledger>();
  std::uint64_t none = 0;
  REQUIRE(
      wire::control::sequence_set::read_text("0-16777215", run.room, had->clients[1].seen, none));
  had->not_kept = 7;
  d = {};
  d.received = had;
  run.ledger.add_receiver(100, r, d, false);
  const auto found = run.summary();
  CHECK(found.all.not_kept == 7);
  CHECK(found.all.delivered == wire::control::sequence_limit);
  CHECK(found.all.lost == 0);
  CHECK_FALSE(found.complete());
}

TEST_CASE("the worst are listed, and how many there are") {
  played run{true, 150};
  for (std::uint64_t client = 0; client < 200; ++client) run.report(client, 2);
  for (std::size_t server = 0; server < 150; ++server) {
    for (std::uint64_t client = 0; client < 200; ++client) {
      if (client != 77) run.arrive(server, client, 0);
      if (client != 77 && server != 99) run.arrive(server, client, 1);
    }
  }
  run.ask();
  const auto found = run.summary();
  CHECK(found.clients_listed_of == 200);
  CHECK(found.clients.size() == ledger_summary::lines_limit);
  CHECK(found.clients[0].name == "agent-77");
  CHECK(found.clients[0].counts.lost == 2);
  CHECK(found.receivers_listed_of == 150);
  CHECK(found.receivers_wrong.size() == ledger_summary::lines_limit);
  CHECK(found.receivers_wrong[0].name == "agent-199");
}

TEST_CASE("clients that sent no results are counted over all topics") {
  topic_ledgers ledgers{false, 2};
  ledgers.of(0).miss_client();
  ledgers.of(1).miss_client();
  CHECK(ledgers.summary(called).gaps ==
        std::vector<std::string>{"2 clients that sent no results: what they sent is not known"});
}
