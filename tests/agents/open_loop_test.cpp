// SPDX-License-Identifier: Apache-2.0
// Clients with a load, on a bus in memory: the open loop's states, and what it counts. Its timing
// is pacer_test's, in virtual time.
#include "agents/notifier.hpp"
#include "agents/rpc_client.hpp"
#include "tests/agents/sender_fixture.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace ombt;
using namespace ombt::tests;
using namespace std::chrono_literals;
using agents::rpc_client;
using agents::sender;
using wire::control::series;
using wire::control::test_kind;

namespace {

struct load_fixture : sender_fixture {
  rpc_client client{"client-1", 0, context, bus.make(loop)};
  load_fixture() {
    bus.script_always("self_ready", answers("true"));
    bus.script_always("echo", answers("\"XXX\""));
    bus.script_always("noop", answers("null"));
  }

  static std::shared_ptr<agents::message_text> loaded(wire::control::load load,
                                                      test_kind test = test_kind::call,
                                                      std::string data = "XXX") {
    wire::control::run_test_request request;
    request.test = test;
    request.parameters.count = 1;
    request.parameters.data = std::move(data);
    request.parameters.severity = "warn";
    request.parameters.run = "run-7";
    request.parameters.load = std::move(load);
    return std::make_shared<agents::message_text>(agents::make_test_plan(request));
  }
  static wire::control::load rate(double per_second, double seconds) {
    wire::control::load load;
    load.profile = {{per_second, per_second, seconds}};
    return load;
  }
};

}  // namespace

TEST_CASE_METHOD(load_fixture, "An open loop sends what its schedule asks for, and then ends") {
  REQUIRE(run_to_end(client, loaded(rate(1000, 0.05))));
  CHECK(bus.sent("self_ready").size() == 1);
  CHECK(bus.sent("echo").size() == 50);
  const auto report = client.take();
  CHECK(report.results.msgs_ok == 50);
  CHECK(report.results.latency.count == 50);
  CHECK(report.details.load.scheduled == 50);
  CHECK(report.details.load.dropped == 0);
  CHECK(report.details.latency.totals().count == 50);
  CHECK(report.details.series.find(series::intended)->totals().count == 50);
  CHECK(report.details.series.find(series::slip)->totals().count == 50);
  CHECK(report.details.series.find(series::failed) == nullptr);
  CHECK(report.details.series.find(series::intended)->totals().max >=
        report.details.latency.totals().max);
  // Never before its time: fifty messages at 1,000/s take 49 ms.
  CHECK(*report.results.stop_time - *report.results.start_time >= 0.0485);
  CHECK(client.current() == sender::state::idle);
}

TEST_CASE_METHOD(load_fixture, "Messages go while others are on their way, up to the bound") {
  bus.script_always("echo", hangs());
  auto load = rate(10'000, 0.5);
  load.outstanding = 30;
  REQUIRE(client.run(loaded(load)));
  REQUIRE(drive(loop, [&] { return bus.sent("echo").size() >= 30; }));
  settle(loop);
  CHECK(bus.sent("echo").size() == 30);
  CHECK(client.current() == sender::state::pacing);
  std::set<std::string> ids;
  for (const auto& m : bus.sent("echo")) ids.insert(m.args.substr(m.args.find("msgid")));
  CHECK(ids.size() == 30);
  client.cancel_run();
  CHECK(client.current() == sender::state::draining);
  CHECK(runs_done == 0);
}

TEST_CASE_METHOD(load_fixture, "A bound that was reached is worked off by completions") {
  auto load = rate(50'000, 0.01);
  load.outstanding = 1;
  REQUIRE(run_to_end(client, loaded(load)));
  const auto report = client.take();
  CHECK(report.results.msgs_ok == 500);
  CHECK(report.details.load.scheduled == 500);
}

TEST_CASE_METHOD(load_fixture, "Failures of an open loop have their durations apart") {
  bus.script("echo", fails(errc::nacked));
  bus.script("echo", fails(errc::messaging_timeout));
  REQUIRE(run_to_end(client, loaded(rate(1000, 0.02))));
  const auto report = client.take();
  CHECK(report.results.msgs_fail == 2);
  CHECK(report.results.msgs_ok == 18);
  CHECK(report.details.series.find(series::failed)->totals().count == 2);
  CHECK(report.details.series.find(series::intended)->totals().count == 18);
  CHECK(report.details.load.scheduled == 20);
}

TEST_CASE_METHOD(load_fixture, "What is too late is dropped and counted") {
  auto load = rate(1000, 0.05);
  load.max_late = 0.005;
  load.outstanding = 1;
  bus.script("echo", hangs());
  REQUIRE(client.run(loaded(load)));
  settle(loop, 100ms);
  // The one on its way blocks all others, which the transport's end completes.
  CHECK(bus.sent("echo").size() == 1);
  client.transport().close(1s, [] {});
  REQUIRE(drive(loop, [&] { return runs_done == 1; }));
  const auto report = client.take();
  CHECK(report.results.msgs_fail == 1);
  CHECK(report.details.load.scheduled == 50);
  CHECK(report.details.load.dropped == 49);
}

TEST_CASE_METHOD(load_fixture, "A count ends an open loop before its profile does") {
  auto load = rate(1000, 3600);
  load.count = 7;
  REQUIRE(run_to_end(client, loaded(load, test_kind::cast)));
  CHECK(bus.sent("noop").size() == 7);
  CHECK(client.take().details.load.scheduled == 7);
}

TEST_CASE_METHOD(load_fixture, "A schedule that asks this client for nothing ends at once") {
  client.spread(0.9);
  REQUIRE(run_to_end(client, loaded(rate(0.5, 1))));
  CHECK(bus.sent("echo").empty());
  CHECK(client.take().details.load.scheduled == 0);
}

TEST_CASE_METHOD(load_fixture, "A schedule begins when it is told to") {
  auto load = rate(1000, 0.01);
  load.start.in = 0.05;
  const auto before = drivers::steady_clock::now();
  REQUIRE(run_to_end(client, loaded(load)));
  CHECK(drivers::steady_clock::now() - before >= 59ms);
  CHECK(client.take().results.msgs_ok == 10);
}

TEST_CASE_METHOD(load_fixture, "An open loop that is cancelled waits for what is on its way") {
  SECTION("before its schedule begins") {
    auto load = rate(1000, 1);
    load.start.in = 3600;
    REQUIRE(client.run(loaded(load)));
    REQUIRE(drive(loop, [&] { return client.current() == sender::state::pacing; }));
    client.cancel_run();
    CHECK(runs_done == 1);
    const auto report = client.take();
    CHECK(report.results.msgs_ok == 0);
    CHECK(report.details.cut_short);
  }
  SECTION("at work") {
    REQUIRE(client.run(loaded(rate(20'000, 3600))));
    REQUIRE(drive(loop, [&] { return bus.sent("echo").size() >= 100; }));
    client.cancel_run();
    client.cancel_run();  // once is enough
    REQUIRE(drive(loop, [&] { return runs_done == 1; }));
    const auto report = client.take();
    CHECK(report.results.msgs_ok == bus.sent("echo").size());
    CHECK(report.details.load.scheduled == report.results.msgs_ok);
    CHECK(report.details.cut_short);
  }
  SECTION("while warming up") {
    REQUIRE(client.run(loaded(rate(1000, 1))));
    client.cancel_run();
    REQUIRE(drive(loop, [&] { return runs_done == 1; }));
    CHECK(bus.sent("echo").empty());
  }
  CHECK(client.current() == sender::state::idle);
  REQUIRE(run_to_end(client, text(test_kind::call, 3)));  // the closed loop again
  const auto report = client.take();
  CHECK(report.results.msgs_ok == 3);
  CHECK_FALSE(report.details.load.any());
  CHECK_FALSE(report.details.cut_short);
  CHECK(report.details.series.empty());
}

TEST_CASE_METHOD(load_fixture, "Stopping an open loop closes the transport and reports no more") {
  bool closed = false;
  SECTION("with messages on their way") {
    bus.script_always("echo", hangs());
    REQUIRE(client.run(loaded(rate(10'000, 1))));
    REQUIRE(drive(loop, [&] { return bus.sent("echo").size() >= 5; }));
  }
  SECTION("draining") {
    bus.script_always("echo", hangs());
    REQUIRE(client.run(loaded(rate(1000, 0.003))));
    REQUIRE(drive(loop, [&] { return client.current() == sender::state::draining; }));
  }
  SECTION("waiting for its start") {
    auto load = rate(1000, 1);
    load.start.in = 3600;
    REQUIRE(client.run(loaded(load)));
    REQUIRE(drive(loop, [&] { return client.current() == sender::state::pacing; }));
  }
  client.stop(1s, [&] { closed = true; });
  REQUIRE(drive(loop, [&] { return closed; }));
  settle(loop);
  CHECK(client.current() == sender::state::closed);
  CHECK(runs_done == 0);
}

TEST_CASE_METHOD(load_fixture, "A closed loop with a duration sends nothing after it") {
  wire::control::load load;
  load.duration = 0.05;
  const auto before = drivers::steady_clock::now();
  REQUIRE(run_to_end(client, loaded(load)));
  const auto took = drivers::steady_clock::now() - before;
  CHECK(took >= 50ms);
  const auto report = client.take();
  CHECK(report.results.msgs_ok == bus.sent("echo").size());
  CHECK(report.results.msgs_ok > 1);
  CHECK_FALSE(report.details.load.any());
  CHECK(report.details.series.empty());
  load.count = 3;
  load.duration = 3600;
  REQUIRE(run_to_end(client, loaded(load)));
  CHECK(client.take().results.msgs_ok == 3);
}

TEST_CASE_METHOD(load_fixture, "Messages have the sizes that their seed chooses, in either loop") {
  const auto sizes_of = [&](std::size_t from) {
    std::vector<std::size_t> out;
    const auto sent = bus.sent("noop");
    for (std::size_t i = from; i < sent.size(); ++i) {
      const auto& args = sent[i].args;
      const auto begin = args.find(": \"") + 3;
      out.push_back(args.find('"', begin) - begin);
    }
    return out;
  };
  auto load = rate(2000, 0.05);
  load.sizes = {{5, 50, 1}};
  load.seed = 11;
  REQUIRE(run_to_end(client, loaded(load, test_kind::cast, std::string(50, 'X'))));
  const auto open = sizes_of(0);
  REQUIRE(open.size() == 100);
  CHECK(*std::min_element(open.begin(), open.end()) >= 5);
  CHECK(*std::max_element(open.begin(), open.end()) <= 50);
  CHECK(std::set<std::size_t>(open.begin(), open.end()).size() > 20);
  wire::control::load closed;
  closed.count = 100;
  closed.sizes = load.sizes;
  closed.seed = 11;
  REQUIRE(run_to_end(client, loaded(closed, test_kind::cast, std::string(50, 'X'))));
  CHECK(sizes_of(100) == open);
}

TEST_CASE_METHOD(sender_fixture, "A notifier has the open loop too") {
  agents::notifier notifier{"notifier-1", 0, context, bus.make(loop)};
  REQUIRE(run_to_end(notifier,
                     load_fixture::loaded(load_fixture::rate(1000, 0.02), test_kind::notify)));
  CHECK(bus.sent("warn").size() == 20);
  CHECK(notifier.take().details.load.scheduled == 20);
}
