// SPDX-License-Identifier: Apache-2.0
// What agents measure, told agent by agent and added up along the tree (thread, process, run),
// against one that sees everything: the sums must be the same, to the sample.
#include "agents/measure/arrivals.hpp"
#include "agents/measure/recorder.hpp"
#include "controller/fanout_times.hpp"
#include "controller/text_report.hpp"
#include "controller/topic_ledgers.hpp"
#include "tests/controller/session_script.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace ombt;
using namespace ombt::tests;
using agents::recorder;
using agents::report;
using wire::control::arrival_time;
using wire::control::client_result_request;
using wire::control::series;

namespace {

/// As the controller gets it.
client_result_request sent_over_the_bus(const std::string& name, agent_kind kind,
                                        const report& figures) {
  std::string args;
  append_client_result_args(args, name, kind, figures.results, &figures.details);
  wire::json::reader reader;
  wire::json::value root;
  REQUIRE_FALSE(reader.parse(args, root));
  client_result_request out;
  std::string why;
  INFO(args);
  REQUIRE(read_client_result_args(root, out, why));
  return out;
}

template <class One, class Other>
bool same_counts(const One& a, const Other& b) {
  const auto& x = a.totals();
  const auto& y = b.totals();
  if (x.count != y.count || x.overflow != y.overflow || x.min != y.min || x.max != y.max ||
      x.total != Approx(y.total)) {
    return false;
  }
  const auto left = a.buckets();
  const auto right = b.buckets();
  return std::equal(
      left.begin(), left.end(), right.begin(), right.end(),
      [](const auto& l, const auto& r) { return l.index == r.index && l.count == r.count; });
}

/// The three histograms, and what the record has.
void check_same(const wire::control::results& a, const wire::hdr::sparse_histogram& latency,
                const std::map<series, wire::hdr::sparse_histogram>& more,
                const wire::control::load_counts& load, const report& central) {
  const auto& b = central.results;
  CHECK(a.msgs_ok == b.msgs_ok);
  CHECK(a.msgs_fail == b.msgs_fail);
  CHECK(a.start_time == b.start_time);
  CHECK(a.stop_time == b.stop_time);
  CHECK(a.errors == b.errors);
  CHECK(a.latency.count == b.latency.count);
  CHECK(a.latency.min == b.latency.min);
  CHECK(a.latency.max == b.latency.max);
  CHECK(a.latency.total == Approx(b.latency.total));
  CHECK(a.latency.sum_of_squares == Approx(b.latency.sum_of_squares));
  REQUIRE(a.latency.distribution.size() == b.latency.distribution.size());
  for (std::size_t i = 0; i < a.latency.distribution.size(); ++i) {
    CHECK(a.latency.distribution[i].decade == b.latency.distribution[i].decade);
    CHECK(a.latency.distribution[i].counts == b.latency.distribution[i].counts);
  }
  CHECK(same_counts(latency, central.details.latency));
  for (const double p : {0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    CHECK(latency.value_at_percentile(p) == central.details.latency.value_at_percentile(p));
  }
  CHECK(more.size() == central.details.series.entries().size());
  for (const auto& [which, values] : more) {
    const auto* const all = central.details.series.find(which);
    REQUIRE(all != nullptr);
    CHECK(same_counts(values, *all));
  }
  CHECK(load == central.details.load);
}

std::map<series, wire::hdr::sparse_histogram> series_in(const wire::control::series_set& from) {
  std::map<series, wire::hdr::sparse_histogram> out;
  for (const auto& entry : from.entries()) out[entry.which] = entry.values;
  return out;
}

}  // namespace

TEST_CASE("results merged along thread, process and run are those of a recorder that saw all") {
  constexpr int processes = 3;
  constexpr int threads = 2;
  constexpr int clients = 25;
  std::mt19937_64 random{20'261'129};
  std::lognormal_distribution<double> usual{13.5, 1.2};  // about 0.7 ms
  recorder central;
  report run;
  std::vector<client_result_request> results;
  std::vector<std::string> names;
  for (int process = 0; process < processes; ++process) {
    report of_process;
    for (int thread = 0; thread < threads; ++thread) {
      report of_thread;
      for (int i = 0; i < clients; ++i) {
        recorder own;
        const std::uint64_t sent = 200 + random() % 200;
        const auto both = [&](auto record) {
          record(own);
          record(central);
        };
        for (std::uint64_t n = 0; n < sent; ++n) {
          const double end = 1'000 + static_cast<double>(random() % 1'000'000) / 1e4;
          std::chrono::nanoseconds took{static_cast<std::int64_t>(usual(random))};
          if (random() % 1'000 == 0) took += std::chrono::hours{random() % 3};  // some overflow
          const std::chrono::nanoseconds slip{random() % 3'000'000};
          both([&](recorder& r) { r.scheduled(slip); });
          if (random() % 50 == 0) {
            const char* const why = random() % 2 == 0 ? "messaging_timeout" : "nacked";
            both([&](recorder& r) { r.failure(end, why, n, took); });
          } else {
            both([&](recorder& r) {
              r.success(end, took);
              r.success_from_intended(took + slip);
            });
          }
        }
        if (i % 7 == 0) both([](recorder& r) { r.dropped(3); });
        names.push_back("ombt-t-RPCClient-h-" + std::to_string(process) + '-' +
                        std::string(32, 'a') + '-' + std::to_string(thread * clients + i));
        report taken = own.take(names.size(), sent);
        taken.details.run = run_id;
        results.push_back(sent_over_the_bus(names.back(), agent_kind::rpc_client, taken));
        of_thread.merge(taken);
      }
      const auto told = sent_over_the_bus("thread", agent_kind::rpc_client, of_thread);
      of_process.merge({told.results, told.details});
    }
    const auto told = sent_over_the_bus("process", agent_kind::rpc_client, of_process);
    run.merge({told.results, told.details});
  }
  const report all = central.take();
  check_same(run.results, run.details.latency, series_in(run.details.series), run.details.load,
             all);

  // And as a session adds them up.
  plan what = plan_for(task::rpc_call);
  what.parameters.load.emplace();
  session_script s{what};
  s.start_run(names, {"s"});
  for (const auto& result : results) s.machine.on_result(result, s.now());
  const auto& found = s.found().clients;
  std::map<series, wire::hdr::sparse_histogram> dense;
  for (const auto& [which, values] : found.series) dense[which] = values.to_sparse();
  check_same(found.results, found.latency.to_sparse(), dense, found.load, all);
  CHECK(all.details.latency.totals().overflow > 0);
}

namespace {

/// A server of a thread, which does with a message what agents::receiver does.
struct timed_server {
  wire::control::server_ledger ledger;
  agents::earlier_arrivals earlier;
  std::uint64_t arrived = 0;
};

}  // namespace

TEST_CASE(
    "first, median and last arrivals told by threads are those that one computes who saw all") {
  constexpr std::size_t processes = 3;
  constexpr std::size_t threads = 2;
  constexpr std::size_t servers = 5;
  constexpr std::size_t all_servers = processes * threads * servers;
  constexpr std::size_t clients = 4;
  constexpr std::size_t messages = 150;
  constexpr std::size_t questions = 3;
  std::mt19937 random{42};

  struct copy {
    std::size_t server;
    std::size_t question;  // before which it arrives
    arrival_time time;
    std::size_t client;
    std::size_t message;
  };
  std::vector<copy> arriving;
  // By client and message: when each server had it first, if at all.
  std::vector<std::array<std::vector<arrival_time>, messages>> first(clients);
  for (std::size_t one = 0; one < clients; ++one) {
    for (std::size_t message = 0; message < messages; ++message) {
      // Some are lost at a server, some at all of them, some only come to a few.
      const std::uint32_t lost_percent = message % 50 == 49   ? 100
                                         : message % 30 == 29 ? 70
                                         : message % 3 == 2   ? 0
                                                              : 2;
      for (std::size_t at = 0; at < all_servers; ++at) {
        if (random() % 100 < lost_percent) continue;
        const auto time = static_cast<arrival_time>(random() % 3'000'000) - 2'000;
        const std::size_t question = random() % questions;
        arriving.push_back({at, question, time, one, message});
        first[one][message].push_back(time);
        // Copies come later, at once or behind a question.
        for (auto extra = random() % 20; extra > 17; --extra) {
          const auto later = static_cast<arrival_time>(1 + random() % 1'000'000);
          arriving.push_back(
              {at, question + random() % (questions - question), time + later, one, message});
        }
      }
    }
  }
  std::stable_sort(arriving.begin(), arriving.end(), [](const copy& a, const copy& b) {
    return std::pair{a.question, a.time} < std::pair{b.question, b.time};
  });

  wire::control::ledger_room room{std::size_t{64} << 20};
  std::vector<timed_server> all(all_servers);
  std::vector<std::unique_ptr<agents::arrival_notes>> notes;
  for (std::size_t i = 0; i < processes * threads; ++i) {
    notes.push_back(std::make_unique<agents::arrival_notes>(room));
  }
  controller::topic_ledgers ledgers{true, 1};
  for (std::size_t i = 0; i < all_servers; ++i) ledgers.of(0).expect_receiver(100 + i);
  auto next = arriving.begin();
  for (std::size_t question = 0; question < questions; ++question) {
    for (; next != arriving.end() && next->question == question; ++next) {
      timed_server& at = all[next->server];
      ++at.arrived;
      const bool fresh = at.ledger.arrived(next->client, next->message, room) ==
                         wire::control::sequence_set::inserted::fresh;
      if (fresh && !at.earlier.contains(next->client, next->message)) {
        notes[next->server / servers]->note(next->client, next->message, next->time);
      }
    }
    for (std::size_t i = 0; i < all_servers; ++i) {
      report told;
      told.results.msgs_ok = std::exchange(all[i].arrived, 0);
      told.details.received =
          std::make_shared<wire::control::server_ledger>(std::exchange(all[i].ledger, {}));
      all[i].earlier.add(*told.details.received, room);
      told.details.arrivals = std::make_shared<wire::control::arrival_report>(
          i % servers == servers - 1 ? notes[i / servers]->take()
                                     : wire::control::arrival_report{});
      const auto result = sent_over_the_bus("s", agent_kind::rpc_server, told);
      ledgers.add_receiver(0, 100 + i, result.results, result.details, false);
    }
  }
  for (std::size_t one = 0; one < clients; ++one) {
    recorder own;
    for (std::size_t message = 0; message < messages; ++message) own.success(1, 1ms);
    const auto result = sent_over_the_bus("c", agent_kind::rpc_client, own.take(one, messages));
    ledgers.of(0).add_client(one, result.results, result.details);
  }

  controller::fanout_summary expected;
  for (const auto& of_client : first) {
    for (auto times : of_client) {
      std::sort(times.begin(), times.end());
      const auto at = [&](std::size_t rank, controller::fanout_figure& figure) {
        if (times.size() < rank) {
          ++figure.never;
        } else {
          figure.add(times[rank - 1]);
        }
      };
      at(1, expected.first);
      at((all_servers + 1) / 2, expected.median);
      at(all_servers, expected.last);
    }
  }
  const auto found = ledgers.fanout_figures(0);
  REQUIRE(found);
  CHECK(found->messages == clients * messages);
  CHECK(found->servers == all_servers);
  CHECK(found->contradicting == 0);
  CHECK(found->not_kept == 0);
  CHECK_FALSE(found->ends_only);
  CHECK(expected.last.never > 0);
  CHECK(expected.first.below_zero > 0);
  for (const auto& [a, b] :
       {std::pair{&found->first, &expected.first}, std::pair{&found->median, &expected.median},
        std::pair{&found->last, &expected.last}}) {
    CHECK(same_counts(a->times.to_sparse(), b->times.to_sparse()));
    CHECK(a->never == b->never);
    CHECK(a->below_zero == b->below_zero);
    CHECK(a->lowest_ms == b->lowest_ms);
  }
}
