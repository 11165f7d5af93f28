// SPDX-License-Identifier: Apache-2.0
#include "controller/bus_carrier.hpp"

#include "wire/oslo/messages.hpp"

#include "agents/fleet.hpp"
#include "agents/measure/boot_id.hpp"
#include "agents/measure/clock.hpp"
#include "controller/session_runner.hpp"
#include "tests/agents/fake_transport.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace ombt;
using namespace std::chrono_literals;
using controller::task;
using wire::control::agent_kind;

namespace {

controller::plan plan_for(task what, std::int64_t count = 20) {
  controller::plan p;
  p.what = what;
  p.topic = "t";
  p.idle = 300ms;
  p.timeout = 5s;
  p.delay = 10ms;
  p.parameters.count = count;
  p.parameters.data = "data";
  return p;
}

std::vector<std::unique_ptr<controller::session_carrier>> carriers_on(tests::fake_bus& bus,
                                                                      drivers::loop& loop) {
  std::vector<std::unique_ptr<controller::session_carrier>> out;
  out.push_back(std::make_unique<controller::bus_carrier>(loop, bus.make(loop)));
  return out;
}

/// A session on the bus in memory, run to its end on a loop of its own.
controller::outcome run(tests::fake_bus& bus, controller::plan what,
                        drivers::duration cancel = {}) {
  drivers::loop loop;
  const auto id = wire::oslo::make_hex_id();
  const wire::control::reply_address own{
      "ombt-control", wire::control::controller_topic(what.topic),
      wire::control::controller_name(what.topic, "host", 1, wire::oslo::view(id),
                                     what.what == task::rpc_fanout)};
  const std::string run_id = std::string{wire::control::run_tag_of(own.server)} + "-1";
  bool closed = false;
  int changes = 0;
  controller::session_runner session(
      loop, carriers_on(bus, loop), {std::move(what), own, run_id, controller::clock::now()},
      [&] { ++changes; },
      [&] {
        closed = true;
        loop.stop();
      });
  struct canceller : drivers::timer_target {
    controller::session_runner* session = nullptr;
    void on_timer(std::uint64_t) override { session->cancel("interrupted"); }
  } stop;
  stop.session = &session;
  if (cancel != drivers::duration{}) {
    loop.start_timer(drivers::steady_clock::now() + cancel, stop, 0);
  }
  session.start();
  REQUIRE(loop.run_for(60s));
  REQUIRE(closed);
  CHECK(changes > 0);
  return session.take_result();
}

std::unique_ptr<agents::fleet> fleet_of(tests::fake_bus& bus, agents::fleet_options options) {
  options.topic = "t";
  options.control_url = "bus";
  options.timeout = 5;
  options.url = "rabbit://unused";
  auto fleet = std::make_unique<agents::fleet>(
      agents::make_fleet_plan(options),
      [&bus](drivers::loop& on, std::shared_ptr<const drivers::transport_settings>) {
        return bus.make(on);
      });
  fleet->start(false);
  REQUIRE(fleet->wait_ready());
  return fleet;
}

}  // namespace

TEST_CASE("every test over native agents adds up to the message, twice in a row") {
  tests::fake_bus bus;
  agents::fleet_options options;
  options.rpc_clients = 3;
  options.rpc_servers = 2;
  options.notifiers = 2;
  options.listeners = 1;
  const auto fleet = fleet_of(bus, options);
  for (int round = 0; round < 2; ++round) {
    for (const auto what : {task::rpc_call, task::rpc_cast, task::rpc_fanout, task::notify}) {
      const auto found = run(bus, plan_for(what));
      INFO(name_of(what) << ' ' << found.failure);
      REQUIRE(found.ok());
      const std::uint64_t sent = what == task::notify ? 40 : 60;
      CHECK(found.clients.results.msgs_ok == sent);
      CHECK(found.clients.results.msgs_fail == 0);
      CHECK(found.received == (what == task::rpc_fanout ? 120 : sent));
      CHECK(found.received == found.expected);
      CHECK(found.foreign_results == 0);
      CHECK(found.malformed_requests == 0);
      REQUIRE(found.ledger);
      CHECK(found.ledger->complete());
      CHECK(found.ledger->all.clean());
      CHECK(found.ledger->all.delivered == sent);
      // Native agents were asked for their histograms.
      CHECK(found.clients.has_percentiles());
      CHECK(found.clients.latency.count() == sent);
      CHECK(found.servers.latency.count() + found.servers.negative_samples == found.received);
      REQUIRE(found.fanout.has_value() == (what == task::rpc_fanout));
      if (!found.fanout) continue;
      CHECK(found.fanout->servers == 2);
      CHECK(found.fanout->servers_without == 0);
      CHECK(found.fanout->messages == sent);
      for (const auto* figure :
           {&found.fanout->first, &found.fanout->median, &found.fanout->last}) {
        CHECK(figure->times.count() + figure->below_zero == sent);
        CHECK(figure->never == 0);
      }
    }
  }
  CHECK(bus.declarations_removed() >= 8);
  fleet->stop();
  CHECK(fleet->wait());
}

TEST_CASE("every test over several topics at once adds up to the message, topic by topic") {
  tests::fake_bus bus;
  agents::fleet_options options;
  options.rpc_clients = 6;
  options.rpc_servers = 4;
  options.notifiers = 3;
  options.listeners = 3;
  options.topics = 3;
  const auto fleet = fleet_of(bus, options);
  for (const auto what : {task::rpc_call, task::rpc_cast, task::rpc_fanout, task::notify}) {
    auto asked = plan_for(what);
    asked.topics = wire::control::topics_of("t", 3, false);
    const auto found = run(bus, asked);
    INFO(name_of(what) << ' ' << found.failure);
    REQUIRE(found.ok());
    const std::uint64_t a_topic = what == task::notify ? 20 : 40;
    REQUIRE(found.topics.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      // The fourth RPC server is the first topic's second one.
      const std::uint64_t copies = what == task::rpc_fanout && i == 0 ? 2 : 1;
      CHECK(found.topics[i].clients.results.msgs_ok == a_topic);
      CHECK(found.topics[i].expected == a_topic * copies);
      CHECK(found.topics[i].received() == a_topic * copies);
      CHECK(found.topics[i].ledger.delivered == a_topic);
      CHECK(found.topics[i].clients.has_percentiles());
    }
    CHECK(found.ledger->complete());
    CHECK(found.ledger->all.clean());
    CHECK(found.foreign_results == 0);
  }
  auto leaving = plan_for(task::shutdown);
  leaving.topics = wire::control::topics_of("t", 3, false);
  CHECK(run(bus, leaving).ok());
  CHECK(fleet->wait());
}

TEST_CASE("agents of another machine are compared with and corrected; those at home are not") {
  agents::correct_clock(0);
  tests::fake_bus bus;
  agents::fleet_options options;
  options.rpc_clients = 3;
  options.rpc_servers = 2;
  options.notifiers = 1;
  const auto fleet = fleet_of(bus, options);
  auto plan = plan_for(task::rpc_call);
  plan.boot_id = "another";  // the controller's
  auto found = run(bus, plan);
  REQUIRE(found.ok());
  REQUIRE(found.clocks.machines.size() == 1);
  const auto& far = found.clocks.machines[0];
  CHECK(far.boot == agents::boot_id());
  CHECK(far.agents == 5);
  CHECK(far.processes == 2);
  CHECK(far.good());
  // It is the same clock.
  CHECK(std::abs(far.known->offset) <= far.known->bound);
  CHECK(agents::clock_correction() == -far.known->offset);
  CHECK(bus.sent("clock").size() == 2 * controller::clock_exchanges::round_length + 2);
  CHECK(bus.sent("clock")[0].timeout == controller::clock_exchanges::answer_limit);

  plan.boot_id = agents::boot_id();
  agents::correct_clock(5'000'000);
  found = run(bus, plan);
  REQUIRE(found.ok());
  CHECK(found.clocks.alone());
  CHECK(agents::clock_correction() == 0);
  CHECK(bus.sent("clock").size() == 2 * controller::clock_exchanges::round_length + 4);
  fleet->stop();
  CHECK(fleet->wait());
}

TEST_CASE("agents of another machine are corrected in every topic") {
  agents::correct_clock(0);
  tests::fake_bus bus;
  agents::fleet_options options;
  options.rpc_clients = options.rpc_servers = 2;
  options.topics = 2;
  const auto fleet = fleet_of(bus, options);
  auto plan = plan_for(task::rpc_call);
  plan.topics = wire::control::topics_of("t", 2, false);
  plan.boot_id = "another";
  const auto found = run(bus, plan);
  REQUIRE(found.ok());
  REQUIRE(found.clocks.machines.size() == 1);
  CHECK(found.clocks.machines[0].agents == 4);
  CHECK(found.clocks.machines[0].processes == 4);
  CHECK(found.clocks.machines[0].good());
  CHECK(found.clocks.unknown_agents == 0);
  agents::correct_clock(0);
  fleet->stop();
  CHECK(fleet->wait());
}

TEST_CASE("status sees every agent, shutdown sends them away") {
  tests::fake_bus bus;
  agents::fleet_options options;
  options.rpc_clients = 5;
  options.listeners = 2;
  const auto fleet = fleet_of(bus, options);
  const auto status = run(bus, plan_for(task::status));
  REQUIRE(status.ok());
  CHECK(status.count(agent_kind::rpc_client) == 5);
  CHECK(status.count(agent_kind::listener) == 2);
  CHECK(status.agents.size() == 7);
  auto expecting = plan_for(task::shutdown);
  expecting.idle = 200ms;
  expecting.expect = {controller::expectation::parse("7")};
  const auto shutdown = run(bus, expecting);
  CHECK(shutdown.ok());
  CHECK(fleet->wait());
}

TEST_CASE("without agents the session fails in the quiet time, and closes its transport") {
  tests::fake_bus bus;
  const auto found = run(bus, plan_for(task::rpc_call));
  CHECK(found.failure.find("No RPCClient clients visible") != std::string::npos);
  CHECK(bus.transports_closed() == 1);
  CHECK(bus.listening().empty());
  CHECK(bus.unended() == 0);
}

TEST_CASE("a listener that is refused ends the session with the bus's words") {
  tests::fake_bus bus;
  bus.refuse_listeners(errc::authentication_failed, "host:5672: ACCESS_REFUSED");
  const auto found = run(bus, plan_for(task::rpc_call));
  CHECK(found.failure.find("the bus refused the login") != std::string::npos);
  CHECK(found.failure.find("host:5672: ACCESS_REFUSED") != std::string::npos);
}

TEST_CASE("a bus that never answers is given up at the timeout") {
  tests::fake_bus bus;
  bus.stall_listeners();
  auto what = plan_for(task::rpc_call);
  what.timeout = 300ms;
  const auto found = run(bus, what);
  CHECK(found.failure.find("no contact with the control bus within 0.3 s") != std::string::npos);
}

TEST_CASE("interrupted, the session closes cleanly") {
  tests::fake_bus bus;
  auto what = plan_for(task::rpc_call);
  what.idle = 1h;
  what.timeout = 2h;
  const auto found = run(bus, what, 100ms);
  CHECK(found.failure == "interrupted");
  CHECK(bus.transports_closed() == 1);
  CHECK(bus.unended() == 0);
}

TEST_CASE("a hostile caller gets an error and is counted, the session goes on") {
  tests::fake_bus bus;
  drivers::loop loop;
  const wire::control::reply_address own{
      "ombt-control", "controller-t",
      wire::control::controller_name("t", "h", 1, "0123456789abcdef0123456789abcdef")};
  auto what = plan_for(task::status);
  what.idle = 500ms;
  controller::session_runner session(loop, carriers_on(bus, loop),
                                     {what, own, "run", controller::clock::now()}, nullptr,
                                     [&] { loop.stop(); });
  struct caller : drivers::completion {
    std::vector<std::pair<std::uint64_t, std::string>> answers;
    void on_complete(std::uint64_t tag, const drivers::outcome& result) override {
      std::string text;
      if (result.error) {
        text = result.exception ? result.exception->class_name : "error";
      } else {
        result.result.append_to(text);
      }
      answers.emplace_back(tag, text);
    }
  } calls;
  const auto other = bus.make(loop);
  drivers::target to;
  to.exchange = own.exchange;
  to.topic = own.topic;
  to.server = own.server;
  const std::vector<std::pair<std::string, std::string>> requests = {
      {"self_ready", "{}"},
      {"client_pong", R"({"kind": "RPCClient", "name": "n"})"},
      {"client_pong", R"({"kind": "Robot", "name": "n"})"},
      {"client_pong", "{}"},
      {"client_result", R"({"name": "n", "kind": "RPCClient", "results": {"msgs_ok": -1}})"},
      {"client_result", R"({"name": "n", "kind": "RPCClient", "results": {}})"},
      {"shutdown", "{}"},
      {"run_test", "{}"},
  };
  session.start();
  loop.run_for(200ms);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    drivers::request_message message;
    message.method = requests[i].first;
    message.args_json = requests[i].second;
    other->call(to, message, {}, calls, i);
  }
  REQUIRE(loop.run_for(30s));
  REQUIRE(calls.answers.size() == requests.size());
  const std::vector<std::string> expected = {"true",       "true", "ValueError",   "ValueError",
                                             "ValueError", "null", "NoSuchMethod", "NoSuchMethod"};
  for (const auto& [tag, answer] : calls.answers) {
    INFO(requests[tag].first << ' ' << requests[tag].second);
    CHECK(answer == expected[tag]);
  }
  const auto found = session.take_result();
  CHECK(found.malformed_requests == 5);
  CHECK(found.foreign_results == 1);
  CHECK(found.agents.size() == 1);
  CHECK(found.ok());
}

namespace {

/// What a script does with one message.
tests::scripted_outcome does(int copies, errc error = {}, bool held = false) {
  tests::scripted_outcome out;
  out.deliver = copies > 0;
  out.copies = copies;
  out.held = held;
  if (error != errc{}) out.error = error;
  return out;
}

}  // namespace

TEST_CASE("a bus that drops, repeats, delays and refuses by script: the ledger equals the script") {
  for (const auto what : {task::rpc_cast, task::rpc_fanout, task::notify}) {
    INFO(name_of(what));
    tests::fake_bus bus;
    agents::fleet_options options;
    options.rpc_clients = options.notifiers = 1;
    options.rpc_servers = options.listeners = 2;
    const auto fleet = fleet_of(bus, options);
    const std::string method = what == task::notify ? "debug" : "noop";
    // Message 0 to 11: the script's own, one client sends one after the other.
    for (const auto& one : {does(1), does(0), does(2), does(5), does(1, errc::nacked),
                            does(0, errc::nacked), does(2, errc::messaging_timeout),
                            does(1, {}, true), does(0), does(1), does(1), does(1)}) {
      bus.script(method, one);
    }
    auto plan = plan_for(what, 12);
    plan.timeout = 3s;
    std::thread late([&] {
      std::this_thread::sleep_for(1s);
      bus.release_held();
    });
    const auto found = run(bus, plan);
    late.join();
    REQUIRE(found.failure.empty());
    CHECK_FALSE(found.ok());  // two are lost
    REQUIRE(found.ledger);
    const auto& ledger = *found.ledger;
    CHECK(ledger.complete());
    CHECK(ledger.all.sent == 12);
    CHECK(ledger.all.delivered == 5);  // 0, 7 (late), 9, 10, 11
    CHECK(ledger.all.duplicated == 2);
    CHECK(ledger.all.lost == 2);
    CHECK(ledger.all.failed == 3);
    CHECK(ledger.all.failed_but_delivered == 2);
    const std::uint64_t receivers = what == task::rpc_fanout ? 2 : 1;
    CHECK(ledger.all.extra_copies == receivers * (1 + 4 + 1));
    CHECK(ledger.failed_by_kind ==
          std::map<std::string, std::uint64_t>{{"messaging_timeout", 1}, {"nacked", 2}});
    REQUIRE(ledger.clients.size() == 1);
    CHECK(ledger.clients[0].lost == "1, 8");
    CHECK(ledger.receivers_wrong.size() == (what == task::rpc_fanout ? 2 : 0));
    CHECK(ledger.copies_lost == (what == task::rpc_fanout ? 4 : 0));
    fleet->stop();
    CHECK(fleet->wait());
  }
}

TEST_CASE(
    "calls that a script answers without a server are lost by the ledger, though they succeed") {
  tests::fake_bus bus;
  agents::fleet_options options;
  options.rpc_clients = 1;
  options.rpc_servers = 1;
  const auto fleet = fleet_of(bus, options);
  bus.script("echo", does(1));
  bus.script("echo", does(0));
  bus.script("echo", does(3, errc::messaging_timeout));
  auto plan = plan_for(task::rpc_call, 5);
  plan.timeout = 2s;
  const auto found = run(bus, plan);
  REQUIRE(found.ledger);
  CHECK(found.ledger->complete());
  CHECK(found.ledger->all.delivered == 3);
  CHECK(found.ledger->all.lost == 1);
  CHECK(found.ledger->all.failed == 1);
  CHECK(found.ledger->all.failed_but_delivered == 1);
  CHECK(found.ledger->all.extra_copies == 2);
  // Six arrived where four succeeded: numbers alone would have been content.
  CHECK(found.received == 6);
  CHECK(found.expected == 4);
  REQUIRE_FALSE(found.ok());
  CHECK(found.problems.back() ==
        "1 of 5 messages reached no receiver within 2 s, though as many arrived as were sent");
  fleet->stop();
  CHECK(fleet->wait());
}

TEST_CASE("what was wrong with the bus is told while it is wrong, and not for ever after") {
  tests::fake_bus bus;
  agents::fleet_options options;
  options.rpc_clients = options.rpc_servers = 1;
  const auto fleet = fleet_of(bus, options);
  tests::scripted_outcome silent;
  silent.hang = true;
  bus.script("client_result", does(1));        // the server's, before the run
  bus.script_always("client_result", silent);  // of the run nothing comes in
  auto plan = plan_for(task::rpc_call, 1);
  plan.timeout = 1s;
  const bool comes_back = GENERATE(true, false);
  std::thread meanwhile([&] {
    for (int i = 0; i < 1000 && bus.sent("client_result").size() < 2; ++i) {
      std::this_thread::sleep_for(10ms);
    }
    bus.lose_contact("127.0.0.1:5672: Connection refused");
    if (comes_back) bus.regain_contact();
  });
  const auto found = run(bus, plan);
  meanwhile.join();
  std::string all = found.failure;
  for (const auto& problem : found.problems) all += problem + '\n';
  INFO(all);
  CHECK((all.find("Connection refused") == std::string::npos) == comes_back);
}
