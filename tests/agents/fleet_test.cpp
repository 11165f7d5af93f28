// SPDX-License-Identifier: Apache-2.0
#include "agents/fleet.hpp"

#include "wire/configuration_error.hpp"

#include "tests/agents/fake_controller.hpp"
#include "tests/agents/fleet_fixture.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <set>

using namespace ombt;
using namespace ombt::tests;
using agents::fleet;
using agents::make_fleet_plan;
using wire::control::agent_kind;
using wire::control::test_kind;
using wire::control::test_parameters;

namespace {

std::uint64_t sum_ok(const std::vector<agents::agent_report>& reports) {
  std::uint64_t sum = 0;
  for (const auto& r : reports) sum += r.figures.results.msgs_ok;
  return sum;
}

}  // namespace

TEST_CASE_METHOD(fleet_fixture,
                 "A fleet without control runs tests for its caller, on any number of threads") {
  options.control = false;
  options.rpc_clients = 7;
  options.rpc_servers = 3;
  options.notifiers = 2;
  options.listeners = 1;
  options.threads = GENERATE(1, 4, 64);
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  const auto calls = f->run_test(test_kind::call, parameters(20));
  REQUIRE(calls.size() == 7);
  CHECK(sum_ok(calls) == 140);
  CHECK(sum_ok(f->collect(agent_kind::rpc_server)) == 140);
  CHECK(sum_ok(f->collect(agent_kind::rpc_server)) == 0);
  CHECK(sum_ok(f->run_test(test_kind::fanout, parameters(5))) == 35);
  std::uint64_t received = 0;
  for (int i = 0; i < 100 && received < 105; ++i) {
    received += sum_ok(f->collect(agent_kind::rpc_server));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(received == 105);
  CHECK(sum_ok(f->run_test(test_kind::notify, parameters(10))) == 20);
  f->stop();
  CHECK(f->wait());
  CHECK(f->failure().empty());
  CHECK(bus.transports_closed() == 13);
}

TEST_CASE_METHOD(fleet_fixture,
                 "A controller finds, runs, polls and dismisses all agents of a fleet") {
  options.rpc_clients = 20;
  options.rpc_servers = 4;
  options.threads = GENERATE(1, 3);
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  fake_controller controller(bus, loop, "ctl");
  for (const agent_kind kind : wire::control::agent_kinds) controller.ask(kind, "client_ping");
  REQUIRE(drive(loop, [&] { return controller.pongs.size() == 24; }));
  std::map<agent_kind, int> kinds;
  for (const auto& pong : controller.pongs) ++kinds[pong.kind];
  CHECK(kinds[agent_kind::rpc_client] == 20);
  CHECK(kinds[agent_kind::rpc_server] == 4);

  for (int round = 0; round < 2; ++round) {  // the second run starts from zero
    controller.results.clear();
    controller.run(agent_kind::rpc_client, test_kind::call, parameters(15));
    REQUIRE(drive(loop, [&] { return controller.results.size() == 20; }));
    CHECK(controller.messages_ok() == 300);
    controller.results.clear();
    controller.ask(agent_kind::rpc_server, "get_server_results");
    REQUIRE(drive(loop, [&] { return controller.results.size() == 4; }));
    CHECK(controller.messages_ok() == 300);
  }
  for (const agent_kind kind : wire::control::agent_kinds) controller.ask(kind, "shutdown", "{}");
  CHECK(alongside([&] { return f->wait(); }));
  CHECK(f->failure().empty());
  CHECK(f->control_trouble().empty());
}

TEST_CASE_METHOD(fleet_fixture, "Answers that were lost are told at the end, with the reason") {
  options.rpc_clients = 2;
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  scripted_outcome refused;
  refused.error = errc::limit_exceeded;
  refused.detail = "a body of 100 MiB";
  bus.script("client_pong", refused);
  fake_controller controller(bus, loop, "ctl");
  controller.ask(agent_kind::rpc_client, "client_ping");
  REQUIRE(drive(loop, [&] { return controller.pongs.size() == 1; }));
  controller.ask(agent_kind::rpc_client, "shutdown", "{}");
  CHECK(alongside([&] { return f->wait(); }));
  CHECK(f->control_trouble() ==
        "0 commands refused, 0 too many, 1 answers lost (last: no answer from controller ctl: "
        "limit_exceeded: a body of 100 MiB)");
}

TEST_CASE_METHOD(fleet_fixture,
                 "Each I/O thread's self-audit comes once a run, to native controllers that ask") {
  options.rpc_clients = 6;
  options.rpc_servers = 4;
  options.threads = GENERATE(1, 2);
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  const std::string native = "ombt-t-None-h-1-0123456789abcdef0123456789abcdef-native";
  fake_controller controller(bus, loop, native);
  fake_controller python(bus, loop, "python");
  const auto audits = [](const fake_controller& of) {
    std::multiset<std::uint32_t> threads;
    for (const auto& r : of.results) {
      if (!r.details.audit) continue;
      CHECK(r.details.audit->total().seconds > 0);
      threads.insert(r.details.audit->thread);
    }
    return threads;
  };
  std::multiset<std::uint32_t> all;
  for (int i = 0; i < options.threads; ++i) all.insert(static_cast<std::uint32_t>(i));
  const auto collect = [&](fake_controller& by) {
    by.results.clear();
    by.ask(agent_kind::rpc_server, "get_server_results");
    REQUIRE(drive(loop, [&] { return by.results.size() == 4; }));
  };
  const auto run = [&](fake_controller& by, const test_parameters& what) {
    by.results.clear();
    by.run(agent_kind::rpc_client, test_kind::call, what);
    REQUIRE(drive(loop, [&] { return by.results.size() == 6; }));
  };
  collect(controller);
  CHECK(audits(controller).empty());  // asked for the first time
  test_parameters asked = parameters(15);
  asked.run = "0123456789abcdef-1";
  asked.detail = 1;
  for (int round = 0; round < 2; ++round) {
    run(controller, asked);
    CHECK(audits(controller) == all);
    collect(controller);
    CHECK(audits(controller) == all);
  }
  run(python, parameters(3));
  CHECK(audits(python).empty());
  collect(python);
  CHECK(audits(python).empty());
  f->stop();
  CHECK(alongside([&] { return f->wait(); }));
}

TEST_CASE_METHOD(fleet_fixture, "Two controllers at once each get their own run") {
  options.rpc_clients = 3;
  options.rpc_servers = 1;
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  fake_controller a(bus, loop, "a");
  fake_controller b(bus, loop, "b");
  a.run(agent_kind::rpc_client, test_kind::call, parameters(50));
  b.run(agent_kind::rpc_client, test_kind::call, parameters(7));
  REQUIRE(drive(loop, [&] { return a.results.size() == 3 && b.results.size() == 3; }));
  CHECK(a.messages_ok() == 150);
  CHECK(b.messages_ok() == 21);
}

TEST_CASE_METHOD(fleet_fixture,
                 "A controller that vanishes in a run does not keep the next one waiting") {
  options.rpc_clients = 3;
  options.rpc_servers = 1;
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  fake_controller a(bus, loop, "a");
  fake_controller b(bus, loop, "b");
  a.run(agent_kind::rpc_client, test_kind::call, parameters(1'000'000'000));
  a.vanish();
  b.run(agent_kind::rpc_client, test_kind::call, parameters(7));
  REQUIRE(drive(loop, [&] { return b.results.size() == 3; }));
  CHECK(b.messages_ok() == 21);
}

TEST_CASE_METHOD(
    fleet_fixture,
    "Without a control bus that answers the fleet fails at its timeout, with a reason") {
  options.rpc_clients = 1;
  options.timeout = 0.2;
  SECTION("control does not answer") {
    scripted_outcome hang;
    hang.hang = true;
    bus.script_always("self_ready", hang);
  }
  SECTION("nothing ever listens") {
    bus.stall_listeners();
    options.rpc_servers = 2;
  }
  SECTION("a client does not reach its bus") {
    bus.refuse_senders(errc::bus_unreachable, "connection refused", false);
  }
  const auto f = make();
  f->start(false);
  CHECK_FALSE(f->wait_ready());
  CHECK_FALSE(f->wait());
  CHECK_THAT(f->failure(), Catch::Contains("not ready in time"));
}

TEST_CASE_METHOD(fleet_fixture, "Who waits for a fleet hears how many agents are ready") {
  options.rpc_clients = 3;
  options.rpc_servers = 2;
  options.threads = 2;
  options.timeout = 1.5;
  bus.stall_listeners();
  const auto f = make();
  f->start(false);
  std::vector<std::size_t> heard;
  CHECK_FALSE(f->wait_ready([&](std::size_t ready) { heard.push_back(ready); }));
  CHECK_FALSE(f->wait());
  REQUIRE_FALSE(heard.empty());
  CHECK(heard.back() == 3);
}

TEST_CASE_METHOD(fleet_fixture,
                 "A bus that refuses fails the fleet at once, in its own words, masked") {
  options.rpc_servers = 3;
  options.threads = 2;
  bus.refuse_listeners(errc::authentication_failed, "rabbit://u:secret@h: ACCESS_REFUSED");
  const auto before = std::chrono::steady_clock::now();
  const auto f = make();
  f->start(false);
  CHECK_FALSE(f->wait_ready());
  CHECK_FALSE(f->wait());
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(4));
  CHECK_THAT(f->failure(), Catch::Contains("the bus refused the login"));
  CHECK_THAT(f->failure(), Catch::Contains("ACCESS_REFUSED"));
  CHECK_THAT(f->failure(), !Catch::Contains("secret"));
}

TEST_CASE_METHOD(
    fleet_fixture,
    "A bus that refuses those who only send fails the fleet, though control is ready") {
  const bool notifies = GENERATE(true, false);
  (notifies ? options.notifiers : options.rpc_clients) = 3;
  options.threads = 2;
  bus.refuse_senders(errc::authentication_failed, "rabbit://u:secret@h: ACCESS_REFUSED", true);
  const auto f = make();
  f->start(false);
  CHECK_FALSE(f->wait_ready());
  CHECK_FALSE(f->wait());
  CHECK_THAT(f->failure(), Catch::StartsWith(notifies ? "Notifier " : "RPC client "));
  CHECK_THAT(f->failure(), Catch::Contains("the bus refused the login: ") &&
                               Catch::Contains("ACCESS_REFUSED") && !Catch::Contains("secret"));
}

TEST_CASE_METHOD(fleet_fixture, "A client that has not reached its bus is told of meanwhile") {
  options.rpc_clients = 1;
  bus.refuse_senders(errc::bus_unreachable, "h:1: connection refused", false);
  const auto f = make();
  std::promise<std::string> note;
  f->on_note([&](const std::string& text) { note.set_value(text); });
  f->start(false);
  CHECK_THAT(note.get_future().get(),
             Catch::StartsWith("no contact with the bus, trying again: ") &&
                 Catch::Contains("h:1: connection refused"));
}

TEST_CASE_METHOD(fleet_fixture,
                 "Settings that the driver refuses are refused before anything starts") {
  options.rpc_clients = 1;
  CHECK_THROWS_AS(fleet(make_fleet_plan(options),
                        [](drivers::loop&, auto) -> std::unique_ptr<drivers::transport> {
                          throw configuration_error("not this");
                        }),
                  configuration_error);
  CHECK(bus.transports_made() == 0);
}

TEST_CASE_METHOD(fleet_fixture, "A fleet can be dropped at any time") {
  options.rpc_clients = 5;
  options.rpc_servers = 5;
  options.threads = 3;
  SECTION("never started") { make(); }
  SECTION("just started") { make()->start(false); }
  SECTION("ready") {
    const auto f = make();
    f->start(false);
    REQUIRE(f->wait_ready());
  }
  SECTION("in a run") {
    options.control = false;
    const auto f = make();
    f->start(false);
    REQUIRE(f->wait_ready());
    auto run = std::async(std::launch::async,
                          [&] { return f->run_test(test_kind::call, parameters(1'000'000'000)); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    f->stop();
    CHECK(run.get().empty());
    f->wait();
  }
  SUCCEED();
}

TEST_CASE_METHOD(fleet_fixture, "An output file that is full shows in the results and at the end") {
  options.control = false;
  options.rpc_clients = 2;
  options.rpc_servers = 1;
  options.output = "/dev/full";
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  const auto sent = f->run_test(test_kind::call, parameters(3));
  CHECK(sum_ok(sent) == 6);
  for (const auto& one : sent) {
    REQUIRE(one.figures.results.errors.size() == 1);
    CHECK_THAT(one.figures.results.errors.begin()->first, Catch::Contains("/dev/full: No space"));
  }
  CHECK(f->collect(agent_kind::rpc_server).at(0).figures.results.errors.size() == 1);
  f->stop();
  CHECK(f->wait());
  CHECK_THAT(f->lost_output(), Catch::Contains("/dev/full: No space left"));
}

TEST_CASE_METHOD(fleet_fixture, "the output file: a line a message, in one file or one an agent") {
  std::string name = (std::filesystem::temp_directory_path() / "ombt-fleet-XXXXXX").string();
  const std::filesystem::path directory = ::mkdtemp(name.data());
  options.control = false;
  options.rpc_clients = 2;
  options.rpc_servers = 1;
  options.threads = 2;
  const bool own = GENERATE(true, false);
  options.output = (directory / (own ? "out-%n" : "out")).string();
  {
    const auto f = make();
    f->start(false);
    REQUIRE(f->wait_ready());
    CHECK(sum_ok(f->run_test(test_kind::call, parameters(10))) == 20);
  }
  std::map<std::string, int> lines;
  int with_client = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line); ++lines[entry.path().filename()]) {
      with_client += line.starts_with(R"({"client": ")") ? 1 : 0;
    }
  }
  // A client: its name, start, ten messages, end; the server its name and twenty messages.
  if (own) {
    CHECK(lines == std::map<std::string, int>{{"out-0", 21}, {"out-1", 13}, {"out-2", 13}});
    CHECK(with_client == 0);
  } else {
    CHECK(lines == std::map<std::string, int>{{"out", 47}});
    CHECK(with_client == 47);
  }
  std::filesystem::remove_all(directory);
}

TEST_CASE_METHOD(fleet_fixture, "A controller of one topic has the agents of that topic alone") {
  options.rpc_clients = 7;
  options.rpc_servers = 3;
  options.topics = 3;
  options.threads = GENERATE(1, 2);
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  fake_controller one(bus, loop, "ctl", "t-0");
  fake_controller other(bus, loop, "ctl", "t-2");
  for (const agent_kind kind : wire::control::agent_kinds) one.ask(kind, "client_ping");
  REQUIRE(drive(loop, [&] { return one.pongs.size() == 4; }));
  for (const auto& pong : one.pongs) CHECK(pong.name.starts_with("ombt-t-0-"));
  const auto run_in = [&](fake_controller& by, std::size_t clients, std::int64_t count) {
    by.results.clear();
    by.run(agent_kind::rpc_client, test_kind::call, parameters(count));
    REQUIRE(drive(loop, [&] { return by.results.size() == clients; }));
    CHECK(by.messages_ok() == clients * static_cast<std::uint64_t>(count));
    by.results.clear();
    by.ask(agent_kind::rpc_server, "get_server_results");
    REQUIRE(drive(loop, [&] { return by.results.size() == 1; }));
    CHECK(by.messages_ok() == clients * static_cast<std::uint64_t>(count));
  };
  run_in(one, 3, 5);
  run_in(other, 2, 7);
  // Both at the same time: one's run does not wait for the other's.
  one.results.clear();
  other.results.clear();
  one.run(agent_kind::rpc_client, test_kind::fanout, parameters(5));
  other.run(agent_kind::rpc_client, test_kind::fanout, parameters(7));
  REQUIRE(drive(loop, [&] { return one.results.size() == 3 && other.results.size() == 2; }));
  one.results.clear();
  one.ask(agent_kind::rpc_server, "get_server_results");
  REQUIRE(drive(loop, [&] { return one.results.size() == 1; }));
  CHECK(one.messages_ok() == 15);  // a fanout ends with its topic
  other.results.clear();
  other.ask(agent_kind::rpc_server, "get_server_results");
  REQUIRE(drive(loop, [&] { return other.results.size() == 1; }));
  CHECK(other.messages_ok() == 14);
  // Who has left one topic goes on in the others.
  for (const agent_kind kind : wire::control::agent_kinds) one.ask(kind, "shutdown", "{}");
  run_in(other, 2, 3);
  fake_controller last(bus, loop, "ctl", "t-1");
  for (const agent_kind kind : wire::control::agent_kinds) {
    other.ask(kind, "shutdown", "{}");
    last.ask(kind, "shutdown", "{}");
  }
  CHECK(alongside([&] { return f->wait(); }));
  CHECK(f->failure().empty());
}

TEST_CASE_METHOD(fleet_fixture, "All topics share one control connection") {
  options.rpc_clients = options.rpc_servers = options.topics.emplace(20);
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  std::set<std::string> control;
  for (const auto& at : bus.listening()) {
    if (at.exchange == "ombt-control") control.insert(at.topic);
  }
  CHECK(control.size() == 40);
  CHECK(control.contains("client-RPCClient-t-19"));
  f->stop();
  CHECK(alongside([&] { return f->wait(); }));
  CHECK(bus.transports_closed() == 41);
}

TEST_CASE_METHOD(fleet_fixture, "A fleet without control runs the tests of all its topics") {
  options.control = false;
  options.rpc_clients = 4;
  options.rpc_servers = 2;
  options.topics = 2;
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  CHECK(sum_ok(f->run_test(test_kind::call, parameters(10))) == 40);
  std::multiset<std::uint64_t> had;
  for (const auto& r : f->collect(agent_kind::rpc_server)) had.insert(r.figures.results.msgs_ok);
  CHECK(had == std::multiset<std::uint64_t>{20, 20});
  f->stop();
  CHECK(f->wait());
}

TEST_CASE_METHOD(
    fleet_fixture,
    "A thread's self-audit comes once a run over several topics, and is worth a second") {
  options.rpc_clients = options.rpc_servers = options.topics.emplace(3);
  const auto f = make();
  f->start(false);
  REQUIRE(f->wait_ready());
  const std::string native = "ombt-t-None-h-1-0123456789abcdef0123456789abcdef-native";
  std::vector<std::unique_ptr<fake_controller>> topics;
  for (const char* topic : {"t-0", "t-1", "t-2"}) {
    topics.push_back(std::make_unique<fake_controller>(bus, loop, native, topic));
  }
  const auto audits = [&] {
    std::vector<double> seconds;
    for (const auto& t : topics) {
      for (const auto& r : t->results) {
        if (r.details.audit) seconds.push_back(r.details.audit->total().seconds);
      }
      t->results.clear();
    }
    return seconds;
  };
  const auto all_answered = [&] {
    REQUIRE(drive(loop, [&] {
      return topics[0]->results.size() + topics[1]->results.size() + topics[2]->results.size() == 3;
    }));
  };
  const auto collect = [&] {
    for (const auto& t : topics) t->ask(agent_kind::rpc_server, "get_server_results");
    all_answered();
  };
  collect();
  CHECK(audits().empty());  // it begins
  test_parameters asked = parameters(4);
  asked.pause = 0.4;
  asked.run = "0123456789abcdef-1";
  asked.detail = 1;
  for (const auto& t : topics) t->run(agent_kind::rpc_client, test_kind::call, asked);
  all_answered();
  const auto of_clients = audits();
  REQUIRE(of_clients.size() == 1);
  CHECK(of_clients[0] >= 1.2);
  collect();
  const auto of_servers = audits();
  REQUIRE(of_servers.size() == 1);
  CHECK(of_servers[0] >= 1.0);
  f->stop();
  CHECK(alongside([&] { return f->wait(); }));
}
