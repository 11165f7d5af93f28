// SPDX-License-Identifier: Apache-2.0
#include "agents/rpc_server.hpp"

#include "wire/configuration_error.hpp"

#include "agents/measure/clock.hpp"
#include "tests/agents/drive.hpp"
#include "tests/agents/fake_transport.hpp"

#include <catch2/catch.hpp>

#include <optional>

using namespace ombt;
using namespace ombt::tests;
using agents::receiver;
using agents::rpc_server;

namespace {

/// A peer that calls and keeps what came back.
struct caller final : drivers::completion {
  struct answer {
    error_code error;
    std::string result;
    std::string exception;
  };
  std::optional<answer> got;

  void on_complete(std::uint64_t, const drivers::outcome& o) override {
    answer a;
    a.error = o.error;
    if (o.result) o.result.append_to(a.result);
    if (o.exception) a.exception = o.exception->class_name;
    got = a;
  }
};

struct server_fixture : agents::receiver_owner {
  drivers::loop loop;
  fake_bus bus;
  std::unique_ptr<drivers::transport> peer = bus.make(loop);
  agents::rpc_server_settings settings;
  int ready = 0;
  std::vector<std::string> failures;

  server_fixture() {
    settings.at.exchange = wire::control::rpc_test_exchange;
    settings.at.topic = "rpc-t";
  }
  void on_ready(receiver&) override { ++ready; }
  void on_failed(receiver&, std::string why) override { failures.push_back(std::move(why)); }

  std::unique_ptr<rpc_server> serving(const char* name = "server-1") {
    auto s = std::make_unique<rpc_server>(name, 0, loop, *this, settings, bus.make(loop));
    const int before = ready;
    s->start();
    REQUIRE(drive(loop, [&] { return ready > before; }));
    return s;
  }

  caller::answer call(const std::string& method, const std::string& args) {
    caller c;
    drivers::target to = settings.at;
    drivers::request_message r;
    r.method = method;
    r.args_json = args;
    peer->call(to, r, {}, c, 0);
    REQUIRE(drive(loop, [&] { return c.got.has_value(); }));
    return *c.got;
  }
  void cast(const std::string& method, const std::string& args, bool fanout = false) {
    caller c;
    drivers::target to = settings.at;
    to.fanout = fanout;
    drivers::request_message r;
    r.method = method;
    r.args_json = args;
    peer->cast(to, r, {}, c, 0);
    REQUIRE(drive(loop, [&] { return c.got.has_value(); }));
    settle(loop, std::chrono::milliseconds(5));
  }
  static std::string arguments(double age = 0.001, const std::string& msgid = "x:1",
                               const std::string& data = "\"XXX\"") {
    std::string text = R"({"data": )" + data + R"(, "timestamp": )";
    wire::json::append_number(text, agents::epoch_now() - age);
    text += R"(, "msgid": ")" + msgid + "\"}";
    return text;
  }
};

constexpr const char* controller_a = "ombt-t-None-h-1-aaaaaaaaaaaaaaaa0000000000000000-native";
constexpr const char* controller_b = "ombt-t-None-h-2-bbbbbbbbbbbbbbbb0000000000000000-native";

}  // namespace

TEST_CASE_METHOD(server_fixture, "A server listens under its own name and says when it is ready") {
  const auto server = serving();
  REQUIRE(bus.listening().size() == 1);
  CHECK(bus.listening()[0].exchange == "ombt-rpc-test");
  CHECK(bus.listening()[0].topic == "rpc-t");
  CHECK(bus.listening()[0].server == "server-1");
  CHECK(server->current() == receiver::state::serving);
}

TEST_CASE_METHOD(server_fixture, "echo returns its data, whatever it is") {
  const auto server = serving();
  for (const char* data :
       {R"("XXX")", R"("")", R"("\u00e9\ud83d\ude00")", "null", "[1, {\"a\": 2.5}]", "7"}) {
    const auto answer = call("echo", arguments(0.001, "x:1", data));
    CHECK_FALSE(answer.error);
    CHECK(answer.result == data);
  }
  CHECK(server->collect("").results.msgs_ok == 6);
}

TEST_CASE_METHOD(server_fixture, "noop and self_ready are served; self_ready is no test message") {
  const auto server = serving();
  CHECK(call("noop", arguments()).result == "null");
  CHECK(call("self_ready", "{}").result == "true");
  cast("noop", arguments());
  cast("self_ready", "{}");
  CHECK(server->collect("").results.msgs_ok == 2);
  CHECK(bus.unended() == 0);
}

TEST_CASE_METHOD(server_fixture, "An unknown method is NoSuchMethod, and dropped in a cast") {
  const auto server = serving();
  for (const char* method : {"nope", "_private", "", "client_ping", "shutdown"}) {
    CHECK(call(method, "{}").exception == "NoSuchMethod");
  }
  cast("nope", "{}");
  CHECK(bus.unended() == 0);
  CHECK(server->collect("").results.empty());
}

TEST_CASE_METHOD(server_fixture,
                 "Arguments that are none raise TypeError, are counted, and no message") {
  const auto server = serving();
  for (const char* args :
       {"{}", R"({"data": "X"})", R"({"data": "X", "timestamp": "now"})", R"({"timestamp": 1.0})",
        R"({"data": "X", "timestamp": null})", "[]", "7", R"({"data": "X", "timestamp": 1e300})"}) {
    INFO(args);
    CHECK(call("echo", args).exception == "TypeError");
    cast("noop", args);
  }
  CHECK(bus.unended() == 0);
  const auto results = server->collect("").results;
  CHECK(results.msgs_ok == 0);
  CHECK(results.msgs_fail == 0);
  std::uint64_t errors = 0;
  for (const auto& [text, count] : results.errors) errors += count;
  CHECK(errors == 16);
}

TEST_CASE_METHOD(server_fixture,
                 "What the listener could not read is told once, to who asks next") {
  const auto server = serving();
  for (int i = 0; i < 3; ++i) cast("noop", "{");
  CHECK(server->links().unreadable == 3);
  auto first = server->collect("");
  CHECK(first.details.links == wire::control::link_counts{.unreadable = 3});
  CHECK(first.results.empty());
  CHECK_FALSE(server->collect("").details.links.any());
  cast("noop", "{");
  agents::report sum = server->collect("");
  CHECK(sum.details.links.unreadable == 1);
  sum.merge(first);
  CHECK(sum.details.links.unreadable == 4);
  CHECK(server->links().unreadable == 4);
}

TEST_CASE_METHOD(server_fixture, "A message without msgid counts all the same") {
  const auto server = serving();
  CHECK_FALSE(call("echo", R"({"data": "X", "timestamp": 1.0})").error);
  CHECK_FALSE(call("echo", R"({"data": "X", "timestamp": 1, "msgid": 7})").error);
  CHECK(server->collect("").results.msgs_ok == 2);
}

TEST_CASE_METHOD(server_fixture,
                 "The latency is from the timestamp sent; a clock ahead is no failure") {
  const auto server = serving();
  cast("noop", arguments(0.5));
  cast("noop", arguments(-10));
  const auto report = server->collect(controller_a);
  CHECK(report.results.msgs_ok == 2);
  CHECK(report.results.msgs_fail == 0);
  CHECK(report.results.latency.count == 1);
  REQUIRE(report.results.latency.min);
  CHECK(*report.results.latency.min >= 500);
  CHECK(*report.results.latency.min < 5000);
  CHECK(report.details.negative_samples == 1);
  CHECK(report.details.negative_min < -5000);
}

TEST_CASE_METHOD(server_fixture, "Collecting starts from zero") {
  const auto server = serving();
  cast("noop", arguments());
  CHECK(server->collect("").results.msgs_ok == 1);
  CHECK(server->collect("").results.empty());
  cast("noop", arguments());
  cast("noop", arguments());
  CHECK(server->collect("").results.msgs_ok == 2);
}

TEST_CASE_METHOD(server_fixture, "Two native controllers get their own messages") {
  const auto server = serving();
  CHECK(server->collect(controller_a).results.empty());  // makes their tags known
  CHECK(server->collect(controller_b).results.empty());
  for (int i = 0; i < 3; ++i) cast("noop", arguments(0, "aaaaaaaaaaaaaaaa1111111111111111:1"));
  for (int i = 0; i < 5; ++i) cast("noop", arguments(0, "bbbbbbbbbbbbbbbb1111111111111111:1"));
  cast("noop", arguments(0, "cccccccccccccccc1111111111111111:1"));
  CHECK(server->collect("ombt-python-controller").results.msgs_ok == 1);
  CHECK(server->collect(controller_a).results.msgs_ok == 3);
  CHECK(server->collect(controller_b).results.msgs_ok == 5);
  CHECK(server->collect(controller_a).results.empty());
}

TEST_CASE_METHOD(server_fixture,
                 "Servers note when messages arrive for a controller that asks, copies once") {
  agents::thread_arrivals noted{1 << 20};
  std::vector<std::unique_ptr<rpc_server>> servers;
  for (const char* name : {"server-1", "server-2"}) {
    servers.push_back(std::make_unique<rpc_server>(name, 0, loop, *this, settings, bus.make(loop)));
    servers.back()->note_arrivals_in(noted);
    servers.back()->start();
  }
  REQUIRE(drive(loop, [&] { return ready == 2; }));
  const std::string fanout_a =
      wire::control::controller_name("t", "h", 1, "aaaaaaaaaaaaaaaa0000000000000000", true);
  const auto ask = [&](const std::string& who) {
    for (const auto& s : servers) s->collect(who);
  };
  const auto told = [&] {
    const auto answer = noted.answer(fanout_a, true);
    std::vector<std::uint64_t> servers_by_sequence;
    for (const auto& client : answer->clients) {
      wire::control::arrival_reader reader{client.bytes, answer->ends};
      while (reader.next()) {
        servers_by_sequence.resize(reader.sequence() + 1);
        servers_by_sequence.back() = reader.servers();
        CHECK(reader.times().front() >= 1'000'000);
        CHECK(reader.times().back() < 9'000'000);
      }
    }
    return servers_by_sequence;
  };
  const std::string id = "aaaaaaaaaaaaaaaa1111111111111111:";
  ask(controller_a);  // a test of another kind notes nothing
  cast("noop", arguments(1, id + "0"), true);
  ask(fanout_a);
  CHECK(told().empty());
  cast("noop", arguments(1, id + "1"), true);
  cast("noop", arguments(1, id + "1"), true);
  cast("noop", arguments(1, id + "3"), true);
  cast("noop", arguments(1, "bbbbbbbbbbbbbbbb1111111111111111:2"), true);
  ask(fanout_a);
  CHECK(told() == std::vector<std::uint64_t>{0, 2, 0, 2});
  cast("noop", arguments(1, id + "1"), true);  // again, behind the question
  cast("noop", arguments(1, id + "2"), true);
  ask(fanout_a);
  CHECK(told() == std::vector<std::uint64_t>{0, 0, 2});
}

TEST_CASE_METHOD(server_fixture,
                 "Any number of controllers may ask; the memory of them is bounded") {
  const auto server = serving();
  for (int i = 0; i < 1000; ++i) {
    char name[128];
    std::snprintf(name, sizeof name, "ombt-t-None-h-2-%016x0000000000000000-native", i);
    REQUIRE_FALSE(wire::control::run_tag_of(name).empty());
    server->collect(name);
  }
  server->collect(controller_a);
  cast("noop", arguments(0, "aaaaaaaaaaaaaaaa1111111111111111:1"));
  CHECK(server->collect(controller_a).results.msgs_ok == 1);
}

TEST_CASE_METHOD(server_fixture, "A service time delays the answer without blocking the others") {
  settings.takes = agents::service_time::parse("300ms");
  const auto server = serving();
  std::vector<caller> callers(10);
  const auto before = drivers::steady_clock::now();
  for (auto& c : callers) {
    const std::string args = arguments();
    drivers::request_message r;
    r.method = "echo";
    r.args_json = args;
    peer->call(settings.at, r, {}, c, 0);
  }
  CHECK(call("self_ready", "{}").result == "true");
  CHECK(drivers::steady_clock::now() - before < std::chrono::milliseconds(290));
  REQUIRE(drive(loop, [&] {
    return std::all_of(callers.begin(), callers.end(), [](auto& c) { return c.got.has_value(); });
  }));
  const auto took = drivers::steady_clock::now() - before;
  CHECK(took >= std::chrono::milliseconds(300));
  CHECK(took < std::chrono::milliseconds(2500));
  for (const auto& c : callers) CHECK(c.got->result == "\"XXX\"");
  CHECK(bus.unended() == 0);
  cast("noop", arguments());
  CHECK(bus.unended() == 1);
  REQUIRE(drive(loop, [&] { return bus.unended() == 0; }));
}

TEST_CASE_METHOD(server_fixture, "A server can go with requests in work") {
  settings.takes = agents::service_time::parse("300ms");
  auto server = serving();
  cast("noop", arguments());
  CHECK(bus.unended() == 1);
  SECTION("stopped first") {
    bool closed = false;
    server->stop(std::chrono::seconds(1), [&] { closed = true; });
    REQUIRE(drive(loop, [&] { return closed; }));
  }
  SECTION("dropped") {}
  server.reset();
  settle(loop, std::chrono::milliseconds(350));
  CHECK(bus.unended() == 0);
}

TEST_CASE_METHOD(server_fixture, "A server that is told to go answers the calls in work first") {
  settings.takes = agents::service_time::parse("1s");
  const auto server = serving();
  std::vector<caller> callers(3);
  const std::string args = arguments();
  drivers::request_message r;
  r.method = "echo";
  r.args_json = args;
  for (auto& c : callers) peer->call(settings.at, r, {}, c, 0);
  cast("noop", args);
  REQUIRE(bus.unended() == 4);
  bool closed = false;
  SECTION("and is gone once it has") {
    bool answered_before = false;
    server->stop(std::chrono::seconds(60), [&] {
      closed = true;
      answered_before = callers.back().got.has_value();
    });
    CHECK(server->current() == receiver::state::closing);
    caller late;
    peer->call(settings.at, r, {}, late, 0);
    REQUIRE(drive(loop, [&] { return closed; }));
    CHECK(answered_before);
    for (const auto& c : callers) {
      REQUIRE(c.got);
      CHECK(c.got->result == "\"XXX\"");
    }
    REQUIRE(late.got);
    CHECK(late.got->error == errc::messaging_timeout);  // nobody listens any more
  }
  SECTION("but not beyond its limit") {
    server->stop(std::chrono::milliseconds(10), [&] { closed = true; });
    REQUIRE(drive(loop, [&] { return closed; }));
    REQUIRE(drive(loop, [&] { return bus.unended() == 0; }));
    for (const auto& c : callers) CHECK_FALSE(c.got);
  }
  CHECK(server->current() == receiver::state::closed);
}

TEST_CASE_METHOD(server_fixture, "A server that owes nothing goes at once") {
  settings.takes = agents::service_time::parse("60s");
  const auto server = serving();
  cast("noop", arguments());  // nobody waits for its end
  CHECK(bus.unended() == 1);
  CHECK(call("self_ready", "{}").result == "true");
  bool closed = false;
  server->stop(std::chrono::seconds(60), [&] { closed = true; });
  REQUIRE(drive(loop, [&] { return closed; }));
}

TEST_CASE_METHOD(server_fixture,
                 "A listener that is refused for good fails the server, with the reason") {
  bus.refuse_listeners(errc::authentication_failed, "127.0.0.1:5672: ACCESS_REFUSED");
  rpc_server server("s", 0, loop, *this, settings, bus.make(loop));
  server.start();
  REQUIRE(drive(loop, [&] { return !failures.empty(); }));
  CHECK(failures[0] == "the bus refused the login: 127.0.0.1:5672: ACCESS_REFUSED");
  CHECK(server.current() == receiver::state::failed);
  CHECK(ready == 0);
}

TEST_CASE_METHOD(server_fixture,
                 "What arrives after stop is answered no more and counted no more") {
  const auto server = serving();
  bool closed = false;
  server->stop(std::chrono::seconds(1), [&] { closed = true; });
  REQUIRE(drive(loop, [&] { return closed; }));
  CHECK(server->current() == receiver::state::closed);
  cast("noop", arguments());
  CHECK(server->collect("").results.empty());
}

TEST_CASE_METHOD(
    server_fixture,
    "A server notes which messages it had, once or again, for each controller that asked") {
  const auto server = serving();
  const auto empty = server->collect(controller_a).details.received;
  REQUIRE(empty);
  CHECK(*empty == wire::control::server_ledger{});
  const std::string tag_a = "aaaaaaaaaaaaaaaa";
  const std::string one = tag_a + "0000000000000001:";
  for (const char* n : {"0", "1", "2", "2", "2", "7"}) cast("noop", arguments(0, one + n));
  call("echo", arguments(0, tag_a + "0000000000000002:0"));
  // No test messages' ids, and those of a controller that has not asked.
  const std::vector<std::string> strange = {"x:1",
                                            "",
                                            one,
                                            one + "x",
                                            one.substr(0, 32),
                                            "bbbbbbbbbbbbbbbb0000000000000003:4",
                                            "bbbbbbbbbbbbbbbb:1"};
  for (const std::string& id : strange) {
    cast("noop", arguments(0, id));
  }
  const auto a = server->collect(controller_a);
  REQUIRE(a.details.received);
  const auto& ledger = *a.details.received;
  REQUIRE(ledger.clients.size() == 2);
  std::string text;
  append_ledger(text, ledger);
  CHECK(text == R"({"clients": {"0000000000000001": ["0-2,7", "2", 2], "0000000000000002": "0"}, )"
                R"("unidentified": 6})");
  CHECK(a.results.msgs_ok == 14);
  // Told once, and not to others.
  CHECK(*server->collect(controller_a).details.received == wire::control::server_ledger{});
  cast("noop", arguments(0, one + "8"));
  CHECK(*server->collect(controller_b).details.received == wire::control::server_ledger{});
  CHECK_FALSE(server->collect("ombt-t-None-h-1-" + std::string(32, '0')).details.received);
  CHECK(server->collect(controller_a).details.received->arrivals() == 1);
}

TEST_CASE_METHOD(server_fixture, "What ledgers take is bounded, and given back") {
  wire::control::ledger_room room{3 * wire::control::server_ledger::entry_bytes};
  const std::size_t all = room.left();
  const auto server =
      std::make_unique<rpc_server>("server-1", 0, loop, *this, settings, bus.make(loop));
  server->keep_ledgers_in(room);
  server->start();
  REQUIRE(drive(loop, [&] { return ready == 1; }));
  server->collect(controller_a);
  for (int client = 10; client < 20; ++client) {
    cast("noop", arguments(0, "aaaaaaaaaaaaaaaa00000000000000" + std::to_string(client) + ":0"));
  }
  CHECK(room.left() < wire::control::server_ledger::entry_bytes);
  const auto found = server->collect(controller_a);
  CHECK(found.results.msgs_ok == 10);
  REQUIRE(found.details.received);
  CHECK(found.details.received->arrivals() == 2);
  CHECK(found.details.received->not_kept == 8);
  CHECK(room.left() == all);
  // Also by controllers that are forgotten.
  cast("noop", arguments(0, "aaaaaaaaaaaaaaaa0000000000000001:0"));
  CHECK(room.left() < all);
  for (int i = 10; i < 30; ++i) {
    server->collect("ombt-t-None-h-1-cccccccccccccc" + std::to_string(i) +
                    "0000000000000000-native");
  }
  CHECK(room.left() == all);
}
