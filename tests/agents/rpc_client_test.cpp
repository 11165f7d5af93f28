// SPDX-License-Identifier: Apache-2.0
#include "agents/rpc_client.hpp"

#include "tests/agents/sender_fixture.hpp"

#include <catch2/catch.hpp>

#include <regex>
#include <set>

using namespace ombt;
using namespace ombt::tests;
using agents::rpc_client;
using agents::sender;
using wire::control::test_kind;

namespace {

struct client_fixture : sender_fixture {
  rpc_client client{"client-1", 0, context, bus.make(loop)};
  client_fixture() {
    bus.script_always("self_ready", answers("true"));
    bus.script_always("echo", answers("\"XXX\""));
    bus.script_always("noop", answers("null"));
  }
};

}  // namespace

TEST_CASE("A client small enough that thousands fit") {
  // The results record and its histogram are two thirds of it.
  CHECK(sizeof(rpc_client) - sizeof(agents::recorder) <= 320);
  CHECK(sizeof(rpc_client) <= 880);
}

TEST_CASE_METHOD(client_fixture, "test_call warms up once, then calls echo count times") {
  REQUIRE(run_to_end(client, text(test_kind::call, 5)));
  const auto sent = bus.sent();
  REQUIRE(sent.size() == 6);
  CHECK(sent[0].method == "self_ready");
  CHECK(sent[0].what == sent_message::kind::call);
  CHECK(sent[0].args == "{}");
  CHECK(sent[0].to.exchange == "ombt-rpc-test");
  CHECK(sent[0].to.topic == "rpc-t");
  CHECK(sent[0].timeout == std::chrono::seconds(7));
  std::set<std::string> ids;
  const std::regex args(
      R"re(\{"data": "XXX", "timestamp": [0-9]{10}\.[0-9]+, "msgid": "([0-9a-f]{32}):([0-9]+)"\})re");
  for (std::size_t i = 1; i < sent.size(); ++i) {
    CHECK(sent[i].method == "echo");
    CHECK(sent[i].what == sent_message::kind::call);
    CHECK_FALSE(sent[i].to.fanout);
    std::smatch found;
    REQUIRE(std::regex_match(sent[i].args, found, args));
    CHECK(found[2] == std::to_string(i - 1));
    ids.insert(found[1]);
  }
  CHECK(ids.size() == 1);
  const auto report = client.take();
  CHECK(report.results.msgs_ok == 5);
  CHECK(report.results.msgs_fail == 0);
  CHECK(report.results.latency.count == 5);
  CHECK(report.results.errors.empty());
  CHECK(report.details.latency.totals().count == 5);
  CHECK(report.details.run == "run-7");
  REQUIRE(report.results.start_time);
  REQUIRE(report.results.stop_time);
  CHECK(*report.results.start_time <= *report.results.stop_time);
  CHECK(*report.results.start_time > 1.6e9);
  CHECK(client.current() == sender::state::idle);
}

TEST_CASE_METHOD(client_fixture, "test_cast and test_fanout cast noop, to one or to all") {
  REQUIRE(run_to_end(client, text(test_kind::cast, 2)));
  REQUIRE(run_to_end(client, text(test_kind::fanout, 3)));
  const auto casts = bus.sent("noop");
  REQUIRE(casts.size() == 5);
  for (std::size_t i = 0; i < casts.size(); ++i) {
    CHECK(casts[i].what == sent_message::kind::cast);
    CHECK(casts[i].to.fanout == (i >= 2));
    CHECK(casts[i].to.topic == "rpc-t");
  }
  CHECK(client.take().results.msgs_ok == 5);
}

TEST_CASE_METHOD(client_fixture,
                 "A failed warm-up is an error, no failed message, and the run goes on") {
  bus.script("self_ready", fails(errc::messaging_timeout));
  REQUIRE(run_to_end(client, text(test_kind::call, 3)));
  const auto results = client.take().results;
  CHECK(results.msgs_ok == 3);
  CHECK(results.msgs_fail == 0);
  CHECK(results.errors.at("messaging_timeout") == 1);
}

TEST_CASE_METHOD(client_fixture,
                 "Every named error counts as a failed message and never as latency") {
  const errc every[] = {errc::messaging_timeout,     errc::message_undeliverable,
                        errc::delivery_failure,      errc::nacked,
                        errc::connection_lost,       errc::bus_unreachable,
                        errc::authentication_failed, errc::vhost_refused,
                        errc::wrong_protocol,        errc::protocol_error,
                        errc::channel_refused,       errc::cancelled,
                        errc::malformed_message,     errc::unsupported_envelope,
                        errc::unreadable_content,    errc::limit_exceeded};
  for (const errc e : every) bus.script("echo", fails(e));
  const std::int64_t count = std::size(every) + 2;
  REQUIRE(run_to_end(client, text(test_kind::call, count)));
  const auto report = client.take();
  CHECK(report.results.msgs_ok == 2);
  CHECK(report.results.msgs_fail == std::size(every));
  CHECK(report.results.latency.count == 2);
  CHECK(report.details.latency.totals().count == 2);
  for (const errc e : every) CHECK(report.results.errors.at(name_of(e)) == 1);
}

TEST_CASE_METHOD(client_fixture, "A remote exception is counted by its class") {
  scripted_outcome raised;
  raised.error = errc::remote_exception;
  raised.exception_class = "NoSuchMethod";
  bus.script_always("echo", raised);
  REQUIRE(run_to_end(client, text(test_kind::call, 2)));
  CHECK(client.take().results.errors.at("remote_exception: NoSuchMethod") == 2);
}

TEST_CASE_METHOD(client_fixture, "A second run starts from zero, with a message id of its own") {
  REQUIRE(run_to_end(client, text(test_kind::call, 2)));
  CHECK(client.take().results.msgs_ok == 2);
  REQUIRE(run_to_end(client, text(test_kind::call, 1)));
  const auto again = client.take();
  CHECK(again.results.msgs_ok == 1);
  CHECK(again.results.latency.count == 1);
  const auto sent = bus.sent("echo");
  const auto id = [](const std::string& args) { return args.substr(args.find("msgid"), 40); };
  CHECK(id(sent[0].args) == id(sent[1].args));
  CHECK(id(sent[0].args) != id(sent[2].args));
}

TEST_CASE_METHOD(client_fixture, "A run that a client is busy with is not disturbed by another") {
  REQUIRE(client.run(text(test_kind::call, 2)));
  CHECK_FALSE(client.run(text(test_kind::call, 50)));
  REQUIRE(drive(loop, [&] { return runs_done == 1; }));
  CHECK(client.take().results.msgs_ok == 2);
}

TEST_CASE_METHOD(client_fixture, "The pause is between messages, not in the latency") {
  const auto before = drivers::steady_clock::now();
  REQUIRE(run_to_end(client, text(test_kind::call, 4, 0.02)));
  const auto took = drivers::steady_clock::now() - before;
  CHECK(took >= std::chrono::milliseconds(58));  // three pauses, none after the last
  const auto results = client.take().results;
  CHECK(results.msgs_ok == 4);
  REQUIRE(results.latency.min);
  CHECK(*results.latency.min < 15);
}

TEST_CASE_METHOD(client_fixture,
                 "A cancelled run ends after the message in flight and is reported") {
  SECTION("in a pause") {
    REQUIRE(client.run(text(test_kind::call, 1000, 3600)));
    REQUIRE(drive(loop, [&] { return client.current() == sender::state::pausing; }));
    client.cancel_run();
    CHECK(runs_done == 1);
    const auto report = client.take();
    CHECK(report.results.msgs_ok == 1);
    CHECK(report.details.cut_short);
  }
  SECTION("while sending") {
    REQUIRE(client.run(text(test_kind::call, 1'000'000'000)));
    REQUIRE(drive(loop, [&] { return bus.sent("echo").size() >= 10; }));
    client.cancel_run();
    REQUIRE(drive(loop, [&] { return runs_done == 1; }));
    const auto report = client.take();
    CHECK(report.results.msgs_ok == bus.sent("echo").size());
    CHECK(report.details.cut_short);
  }
  SECTION("while warming up") {
    REQUIRE(client.run(text(test_kind::call, 5)));
    client.cancel_run();
    REQUIRE(drive(loop, [&] { return runs_done == 1; }));
    CHECK(bus.sent("echo").empty());
    CHECK(client.take().details.cut_short);
  }
  CHECK(client.current() == sender::state::idle);
  client.cancel_run();  // nothing to cancel
  REQUIRE(run_to_end(client, text(test_kind::call, 1)));
  CHECK_FALSE(client.take().details.cut_short);
}

TEST_CASE_METHOD(client_fixture,
                 "Stopping in any state closes the transport and reports nothing more") {
  bool closed = false;
  SECTION("idle") {}
  SECTION("warming up") {
    bus.script("self_ready", hangs());
    client.run(text(test_kind::call, 5));
    CHECK(client.current() == sender::state::warming_up);
  }
  SECTION("sending") {
    bus.script("echo", hangs());
    client.run(text(test_kind::call, 5));
    REQUIRE(drive(loop, [&] { return client.current() == sender::state::sending; }));
  }
  SECTION("pausing") {
    client.run(text(test_kind::call, 5, 0.01));
    REQUIRE(drive(loop, [&] { return client.current() == sender::state::pausing; }));
  }
  client.stop(std::chrono::seconds(1), [&] { closed = true; });
  REQUIRE(drive(loop, [&] { return closed; }));
  settle(loop);
  CHECK(client.current() == sender::state::closed);
  CHECK(bus.transports_closed() == 1);
  CHECK(runs_done == 0);
  CHECK_FALSE(client.run(text(test_kind::call, 1)));
}

TEST_CASE_METHOD(client_fixture, "A native controller's tag begins every message id") {
  wire::control::run_test_request request;
  request.test = test_kind::cast;
  request.parameters.count = 1;
  request.reply_to.server =
      wire::control::controller_name("t", "h", 1, "00112233445566778899aabbccddeeff");
  const auto plan = agents::make_test_plan(request);
  REQUIRE(run_to_end(client, std::make_shared<agents::message_text>(plan)));
  CHECK(bus.sent("noop")[0].args.find("\"msgid\": \"" + plan->run_tag) != std::string::npos);
  CHECK(plan->run_tag.size() == 16);
}

TEST_CASE_METHOD(client_fixture, "A client's ledger says what it sent and which failed, by error") {
  bus.script("echo", answers("null"));
  bus.script("echo", fails(errc::nacked));
  bus.script("echo", fails(errc::messaging_timeout));
  bus.script("echo", answers("null"));
  bus.script("echo", fails(errc::nacked));
  REQUIRE(run_to_end(client, text(test_kind::call, 6)));
  const auto report = client.take();
  REQUIRE(report.details.sent);
  const auto& ledger = *report.details.sent;
  CHECK(ledger.sent == 6);
  const std::string args = bus.sent("echo").at(0).args;
  const auto id = wire::control::read_message_id(args.substr(args.find("msgid") + 9, 34));
  REQUIRE(id);
  CHECK(ledger.client == id->client);
  std::string text_of_failed;
  for (const auto& [error, sequences] : ledger.failed) {
    text_of_failed += error + ' ';
    sequences.append_text(text_of_failed);
    text_of_failed += ';';
  }
  CHECK(text_of_failed == "messaging_timeout 2;nacked 1,4;");
  CHECK(report.results.errors.size() == 2);
  // The next run is another's: nothing of this one is left.
  REQUIRE(run_to_end(client, text(test_kind::call, 2)));
  const auto second = client.take().details.sent;
  REQUIRE(second);
  CHECK(second->sent == 2);
  CHECK(second->failed.empty());
  CHECK(second->client != ledger.client);
}

TEST_CASE_METHOD(client_fixture, "A run that ends in its warm-up has sent nothing") {
  REQUIRE(run_to_end(client, text(test_kind::call, 3)));
  client.take();
  bus.script("self_ready", hangs());
  REQUIRE(client.run(text(test_kind::call, 3)));
  client.cancel_run();
  bool stopped = false;
  client.stop(std::chrono::milliseconds(1), [&] { stopped = true; });
  REQUIRE(drive(loop, [&] { return stopped; }));
  CHECK(client.take().details.sent->sent == 0);
}
