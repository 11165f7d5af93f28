// SPDX-License-Identifier: Apache-2.0
// What a fleet tells while and after it works: seconds, figures, how a run goes on.
#include "wire/control/live.hpp"

#include "drivers/datagrams.hpp"

#include "agents/measure/boot_id.hpp"
#include "tests/agents/fake_controller.hpp"
#include "tests/agents/fleet_fixture.hpp"
#include "tests/drivers/datagram_name.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::tests;
using wire::control::agent_kind;
using wire::control::test_kind;
using wire::control::test_parameters;

TEST_CASE_METHOD(fleet_fixture,
                 "The seconds of a run sum up to its results, for a native controller that asks") {
  options.rpc_clients = 6;
  options.rpc_servers = 4;
  options.threads = GENERATE(1, 2);
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  const std::string native = "ombt-t-None-h-1-0123456789abcdef0123456789abcdef-native";
  fake_controller controller(bus, loop, native);
  fake_controller python(bus, loop, "python");
  struct sums {
    std::uint64_t messages = 0;
    std::uint64_t samples = 0;
    wire::control::interval_series seconds;
    std::uint64_t in_seconds() const {
      std::uint64_t sum = 0;
      for (const auto& row : seconds.rows()) sum += row.ok + row.failed;
      return sum;
    }
    std::uint64_t samples_in_seconds() const {
      std::uint64_t sum = 0;
      for (const auto& row : seconds.rows()) sum += row.latency.totals().count;
      return sum;
    }
  };
  const auto sum_of = [](const fake_controller& of) {
    sums sum;
    for (const auto& r : of.results) {
      sum.messages += r.results.msgs_ok + r.results.msgs_fail;
      sum.samples += r.details.latency.totals().count;
      if (r.details.intervals) sum.seconds.merge(*r.details.intervals);
    }
    return sum;
  };
  const auto collect = [&](fake_controller& by) {
    by.results.clear();
    by.ask(agent_kind::rpc_server, "get_server_results");
    REQUIRE(drive(loop, [&] { return by.results.size() == 4; }));
    return sum_of(by);
  };
  const auto run = [&](fake_controller& by, const test_parameters& what) {
    by.results.clear();
    by.run(agent_kind::rpc_client, test_kind::call, what);
    REQUIRE(drive(loop, [&] { return by.results.size() == 6; }));
    return sum_of(by);
  };
  CHECK(collect(controller).seconds.empty());
  test_parameters asked = parameters(15);
  asked.run = "0123456789abcdef-1";
  asked.detail = 1;
  for (int round = 0; round < 2; ++round) {
    scripted_outcome failed;
    failed.error = errc::messaging_timeout;
    bus.script("echo", failed);
    for (const sums& side : {run(controller, asked), collect(controller)}) {
      CHECK(side.messages >= 89);
      CHECK(side.in_seconds() == side.messages);
      CHECK(side.samples_in_seconds() == side.samples);
    }
  }
  asked.detail = 0;
  CHECK(run(controller, asked).seconds.empty());  // not asked for
  CHECK(run(python, parameters(3)).seconds.empty());
  CHECK(collect(python).seconds.empty());
  f->stop();
  CHECK(alongside([&] { return f->wait(); }));
}

TEST_CASE_METHOD(fleet_fixture, "Figures are of all threads, and of the whole life of the agents") {
  options.rpc_clients = 3;
  options.rpc_servers = 2;
  options.threads = 2;
  options.metrics = GENERATE("", "0");
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  const auto figures = [&](agent_kind kind) {
    std::promise<wire::control::process_figures> told;
    f->figures([&](const wire::control::process_figures& all) { told.set_value(all); });
    return told.get_future().get()[static_cast<std::size_t>(kind)];
  };
  CHECK(figures(agent_kind::rpc_client).agents == 3);
  CHECK(figures(agent_kind::rpc_client).counts.ok == 0);
  CHECK_FALSE(figures(agent_kind::listener).present);
  scripted_outcome failed;
  failed.error = errc::messaging_timeout;
  bus.script("echo", failed);
  for (std::uint64_t run = 1; run <= 2; ++run) {
    CHECK(f->run_test(test_kind::call, parameters(10)).size() == 3);
    CHECK(f->collect(agent_kind::rpc_server).size() == 2);
    const auto clients = figures(agent_kind::rpc_client);
    const auto servers = figures(agent_kind::rpc_server);
    const std::uint64_t sent = options.metrics.empty() ? 0 : 30 * run - 1;  // one has failed
    CHECK(clients.counts.ok == sent);
    CHECK(clients.counts.failed == (options.metrics.empty() ? 0 : 1));
    CHECK(std::accumulate(clients.counts.latency.begin(), clients.counts.latency.end(),
                          std::uint64_t{0}) == sent);
    CHECK(servers.counts.ok == sent);
    CHECK(servers.agents == 2);
    CHECK_FALSE(clients.running);
    CHECK(clients.in_flight == 0);
  }
  f->stop();
  CHECK(f->wait());
}

TEST_CASE_METHOD(fleet_fixture, "A run that somebody looks at from this machine is told of") {
  options.rpc_clients = 3;
  options.rpc_servers = 1;
  options.threads = 2;
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  const std::string native = "ombt-t-None-h-1-0123456789abcdef0123456789abcdef-native";
  fake_controller controller(bus, loop, native);
  std::map<std::uint32_t, wire::control::live_report> threads;
  drivers::datagram_receiver ear(loop, unique_datagram_name(),
                                 [&](std::string_view text, std::int64_t) {
                                   wire::json::reader reader;
                                   wire::json::value root;
                                   std::string why;
                                   wire::control::live_report report;
                                   REQUIRE_FALSE(reader.parse(text, root));
                                   REQUIRE(read_live_report(root, report, why));
                                   threads[report.thread] = report;
                                 });
  REQUIRE(ear.is_listening());
  test_parameters asked = parameters(20);
  asked.run = "0123456789abcdef-1";
  asked.detail = 1;
  asked.progress = wire::control::progress_address{agents::boot_id(), ear.name()};
  controller.run(agent_kind::rpc_client, test_kind::call, asked);
  REQUIRE(drive(loop, [&] { return controller.results.size() == 3 && threads.size() == 2; }));
  REQUIRE(drive(loop, [&] { return threads[0].agents == 0 && threads[1].agents == 0; }));
  CHECK(threads[0].run == asked.run);
  CHECK(threads[0].ok + threads[1].ok == 60);
  f->stop();
  CHECK(alongside([&] { return f->wait(); }));
}

TEST_CASE_METHOD(fleet_fixture, "The seconds of a run over several topics come once, in all") {
  options.topics = 2;
  options.rpc_clients = options.rpc_servers = 4;
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  std::vector<std::unique_ptr<fake_controller>> topics;
  for (const char* topic : {"t-0", "t-1"}) {
    topics.push_back(std::make_unique<fake_controller>(
        bus, loop, "ombt-t-None-h-1-0123456789abcdef0123456789abcdef-native", topic));
  }
  const auto sums = [&] {
    REQUIRE(drive(
        loop, [&] { return topics[0]->results.size() == 2 && topics[1]->results.size() == 2; }));
    wire::control::interval_series seconds;
    for (const auto& t : topics) {
      for (const auto& r : t->results) {
        if (r.details.intervals) seconds.merge(*r.details.intervals);
      }
      t->results.clear();
    }
    std::uint64_t sum = 0;
    for (const auto& row : seconds.rows()) sum += row.ok;
    return sum;
  };
  const auto collect = [&] {
    for (const auto& t : topics) t->ask(agent_kind::rpc_server, "get_server_results");
    return sums();
  };
  CHECK(collect() == 0);
  test_parameters asked = parameters(10);
  asked.run = "0123456789abcdef-1";
  asked.detail = 1;
  for (int round = 0; round < 2; ++round) {
    for (const auto& t : topics) t->run(agent_kind::rpc_client, test_kind::call, asked);
    CHECK(sums() == 40);
    CHECK(collect() == 40);
  }
  f->stop();
  CHECK(alongside([&] { return f->wait(); }));
}
