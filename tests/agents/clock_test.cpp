// SPDX-License-Identifier: Apache-2.0
// The corrected clock: what it says, who tells it, and that messages and arrivals are by it.
#include "agents/measure/clock.hpp"

#include "wire/control/clock.hpp"

#include "agents/control/bus_carrier.hpp"
#include "agents/measure/boot_id.hpp"
#include "agents/measure/trip_notes.hpp"
#include "agents/rpc_client.hpp"
#include "agents/rpc_server.hpp"
#include "tests/agents/fake_controller.hpp"
#include "tests/agents/sender_fixture.hpp"
#include "tests/agents/silent_commands.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>

using namespace ombt;
using namespace ombt::tests;
using wire::control::agent_kind;
using wire::control::test_kind;

namespace {

constexpr std::int64_t hour = 3'600'000'000'000;

/// The process has no correction before and after.
struct uncorrected {
  uncorrected() { agents::correct_clock(0); }
  ~uncorrected() { agents::correct_clock(0); }
};

/// A process with clients and a server, on the bus.
struct clock_fixture : uncorrected, silent_commands {
  drivers::loop loop;
  fake_bus bus;
  std::unique_ptr<agents::bus_carrier> carrier;
  std::unique_ptr<drivers::transport> peer;
  int ready = 0;
  std::shared_ptr<agents::answer_path> path;

  clock_fixture() {
    agents::bus_carrier_settings settings;
    settings.endpoints = {{agent_kind::rpc_client, "clients", "t"},
                          {agent_kind::rpc_server, "other-server", "other"},
                          {agent_kind::rpc_server, "server", "t"}};
    carrier = std::make_unique<agents::bus_carrier>(loop, settings, *this, bus.make(loop));
    carrier->start();
    peer = bus.make(loop);
    REQUIRE(drive(loop, [&] { return ready == 1; }));
  }
  void on_ping(agent_kind, std::shared_ptr<agents::answer_path> from) override { path = from; }
  void on_carrier_ready() override { ++ready; }

  struct caller : drivers::completion {
    bool done = false;
    std::string exception;
    std::optional<wire::control::clock_reply> reply;
    void on_complete(std::uint64_t, const drivers::outcome& o) override {
      done = true;
      if (o.exception) exception = o.exception->class_name;
      std::string why;
      if (wire::control::clock_reply read; !o.error && read_clock_reply(o.result, read, why)) {
        reply = read;
      }
    }
  };
  caller call(const std::string& args) {
    caller out;
    drivers::target to;
    to.exchange = "ombt-control";
    to.topic = "client-RPCServer-t";
    to.server = "server";
    drivers::request_message r;
    r.method = "clock";
    r.args_json = args;
    peer->call(to, r, {}, out, 0);
    REQUIRE(drive(loop, [&] { return out.done; }));
    return out;
  }
};

}  // namespace

TEST_CASE("the clock is this machine's until a controller says what to add") {
  const uncorrected guard;
  const std::int64_t before = agents::uncorrected_now();
  const std::int64_t now = agents::real_now();
  CHECK(now >= before);
  CHECK(now <= agents::uncorrected_now());
  agents::correct_clock(hour);
  CHECK(agents::real_now() - agents::uncorrected_now() >= hour - 1'000'000'000);
  CHECK(agents::epoch_now() == Approx(static_cast<double>(before + hour) / 1e9).margin(60));
  agents::correct_clock(-hour);
  const std::int64_t behind = agents::real_now();
  CHECK(behind <= agents::uncorrected_now() - hour);
}

TEST_CASE("stamps of legs are by the corrected clock") {
  const uncorrected guard;
  const auto now = drivers::steady_clock::now();
  const std::int64_t plain = agents::stamp_at(now).real;
  agents::correct_clock(hour);
  CHECK(std::abs(agents::stamp_at(now).real - plain - hour) < 60'000'000'000);
}

TEST_CASE("how far the clock is ahead of the monotonic one stays, corrected or not") {
  const uncorrected guard;
  std::optional<std::int64_t> first;
  std::optional<std::int64_t> second;
  while (!first) first = agents::ahead_of_monotonic();
  agents::correct_clock(hour);
  while (!second) second = agents::ahead_of_monotonic();
  CHECK(std::abs(*first - *second) < 1'000'000);
}

TEST_CASE_METHOD(clock_fixture,
                 "asked for its clock, a process says it as it is, corrected or not") {
  for (const std::int64_t correction : {std::int64_t{0}, hour}) {
    agents::correct_clock(correction);
    const std::int64_t before = agents::uncorrected_now();
    const auto answer = call("{}");
    REQUIRE(answer.reply);
    CHECK(answer.reply->boot == agents::boot_id());
    CHECK(answer.reply->received >= before);
    CHECK(answer.reply->replied >= answer.reply->received);
    CHECK(answer.reply->replied <= agents::uncorrected_now());
    CHECK(agents::clock_correction() == correction);
  }
  CHECK(carrier->counters().commands == 2);
}

TEST_CASE_METHOD(clock_fixture, "a correction is the whole process's, and the last one counts") {
  REQUIRE(call(R"({"correct": -50000000})").reply);
  CHECK(agents::clock_correction() == -50'000'000);
  REQUIRE(call(R"({"correct": 7})").reply);
  CHECK(agents::clock_correction() == 7);
  CHECK(call(R"({"correct": 1e9})").exception == "ValueError");
  CHECK(call(R"({"correct": 9223372036854775807})").exception == "ValueError");
  CHECK(agents::clock_correction() == 7);
  CHECK(carrier->counters().refused == 2);
  CHECK(bus.unended() == 0);
  REQUIRE(call(R"({"correct": 0})").reply);
  CHECK(agents::clock_correction() == 0);
}

TEST_CASE_METHOD(clock_fixture,
                 "native controllers hear of the process, the machine and its correction") {
  fake_controller native(bus, loop, "ombt-t-None-h-1-aaaaaaaaaaaaaaaa0000000000000000-native");
  native.ask(agent_kind::rpc_server, "client_ping");
  REQUIRE(drive(loop, [&] { return path != nullptr; }));
  path->send_pong(agent_kind::rpc_server, "server-3", {});
  agents::correct_clock(-50'000'000);
  path->send_pong(agent_kind::rpc_client, "client-1", "run");
  REQUIRE(drive(loop, [&] { return native.pongs.size() == 2; }));
  CHECK(native.pongs[0].place == wire::control::process_place{"server", agents::boot_id(), 0});
  CHECK(native.pongs[1].place ==
        wire::control::process_place{"clients", agents::boot_id(), -50'000'000});

  fake_controller python(bus, loop, "ombt-t-None-h-1-aaaaaaaaaaaaaaaa0000000000000000");
  path.reset();
  python.ask(agent_kind::rpc_server, "client_ping");
  REQUIRE(drive(loop, [&] { return path != nullptr; }));
  path->send_pong(agent_kind::rpc_server, "server-3", {});
  REQUIRE(drive(loop, [&] { return !python.pongs.empty(); }));
  CHECK(bus.sent("client_pong").back().args == R"({"kind": "RPCServer", "name": "server-3"})");
}

TEST_CASE_METHOD(sender_fixture, "what a client stamps on a message is by the corrected clock") {
  const uncorrected guard;
  bus.script_always("self_ready", answers("true"));
  agents::rpc_client client("client-1", 0, context, bus.make(loop));
  const auto stamp = [&] {
    bus.script("echo", answers("\"XXX\""));
    REQUIRE(run_to_end(client, text(test_kind::call, 1)));
    client.take();
    const std::string args = bus.sent("echo").back().args;
    const auto at = args.find("\"timestamp\": ");
    REQUIRE(at != std::string::npos);
    return std::strtod(args.c_str() + at + 13, nullptr);
  };
  const double now = agents::epoch_now();
  CHECK(stamp() == Approx(now).margin(60));
  agents::correct_clock(-hour);
  CHECK(stamp() == Approx(now - 3600).margin(60));
}

namespace {

struct arrival_fixture : uncorrected, agents::receiver_owner, drivers::completion {
  drivers::loop loop;
  fake_bus bus;
  std::unique_ptr<drivers::transport> peer = bus.make(loop);
  int ready = 0;
  int sent = 0;

  void on_ready(agents::receiver&) override { ++ready; }
  void on_failed(agents::receiver&, std::string) override {}
  void on_complete(std::uint64_t, const drivers::outcome&) override { ++sent; }
};

}  // namespace

TEST_CASE_METHOD(arrival_fixture, "what a server takes for an arrival is by the corrected clock") {
  agents::rpc_server_settings settings;
  settings.at.exchange = wire::control::rpc_test_exchange;
  settings.at.topic = "rpc-t";
  agents::rpc_server server("server-1", 0, loop, *this, settings, bus.make(loop));
  server.start();
  REQUIRE(drive(loop, [&] { return ready == 1; }));
  std::string args = R"({"data": "X", "timestamp": )";
  wire::json::append_number(args, agents::epoch_now());
  args += R"(, "msgid": "x:1"})";
  agents::correct_clock(hour);
  drivers::request_message message;
  message.method = "noop";
  message.args_json = args;
  peer->call(settings.at, message, {}, *this, 0);
  REQUIRE(drive(loop, [&] { return sent == 1; }));
  const auto figures = server.collect("");
  CHECK(figures.results.latency.count == 1);
  CHECK(figures.results.latency.max.value_or(0) == Approx(3'600'000).margin(60'000));
}
