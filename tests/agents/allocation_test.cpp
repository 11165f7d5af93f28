// SPDX-License-Identifier: Apache-2.0
// Counts allocations on the path of a message: a program of its own, since it replaces operator
// new.
#include "wire/json/value.hpp"
#include "wire/oslo/messages.hpp"

#include "agents/measure/boot_id.hpp"
#include "agents/measure/clock.hpp"
#include "agents/rpc_client.hpp"
#include "agents/rpc_server.hpp"

#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

namespace {
std::uint64_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace ombt;

/// Takes operations and does nothing with them.
struct silent_transport final : drivers::transport {
  drivers::completion*& waiting;
  std::uint64_t& bytes;
  drivers::transport_counters none;
  silent_transport(drivers::completion*& w, std::uint64_t& b) : waiting(w), bytes(b) {}
  void take(const drivers::request_message& r, drivers::completion& done) {
    waiting = &done;
    bytes += r.args_json.size();
  }
  void reach(drivers::reach_handler&) override {}
  void call(const drivers::target&, const drivers::request_message& r, const drivers::call_options&,
            drivers::completion& done, std::uint64_t) override {
    take(r, done);
  }
  void cast(const drivers::target&, const drivers::request_message& r, const drivers::call_options&,
            drivers::completion& done, std::uint64_t) override {
    take(r, done);
  }
  void notify(const drivers::target&, const drivers::notification_message&,
              const drivers::call_options&, drivers::completion&, std::uint64_t) override {}
  std::unique_ptr<drivers::listener> listen(const drivers::target&, const drivers::serve_options&,
                                            drivers::request_handler&) override {
    return nullptr;
  }
  std::unique_ptr<drivers::listener> listen_for_notifications(
      const drivers::target&, const std::vector<std::string>&, std::string_view,
      drivers::notification_handler&) override {
    return nullptr;
  }
  void close(drivers::duration, std::function<void()>) override {}
  void remove_declarations(bool) override {}
  bool in_contact() const noexcept override { return true; }
  const drivers::transport_counters& counters() const noexcept override { return none; }
  std::string last_error() const override { return {}; }
};

struct nobody : agents::sender_owner, agents::receiver_owner {
  void on_reached(agents::sender&) override {}
  void on_unreachable(agents::sender&, std::string) override {}
  void on_run_done(agents::sender&) override {}
  void on_ready(agents::receiver&) override {}
  void on_failed(agents::receiver&, std::string) override {}
};

/// Takes answers and does nothing with them.
struct silent_listener final : drivers::listener {
  drivers::listener_counters none;
  void reply(drivers::request_id, std::string_view, std::string_view) override {}
  void fail(drivers::request_id, const wire::oslo::remote_exception&) override {}
  void done(drivers::request_id) override {}
  void acknowledge(drivers::request_id) override {}
  void requeue(drivers::request_id) override {}
  const drivers::listener_counters& counters() const noexcept override { return none; }
};

}  // namespace

TEST_CASE("A warm client of an open loop paces, sends and counts without allocating") {
  drivers::loop loop;
  nobody owner;
  const agents::sender_context context{loop, owner, std::chrono::seconds(60), {}, {}, {}};
  drivers::completion* waiting = nullptr;
  std::uint64_t bytes = 0;
  agents::rpc_client client("c", 0, context, std::make_unique<silent_transport>(waiting, bytes));
  wire::control::run_test_request request;
  request.test = wire::control::test_kind::call;
  request.parameters.data = std::string(1024, 'X');
  auto& load = request.parameters.load.emplace();
  load.profile = {{1e7, 1e7, 3600}};  // always behind: each completion sends the next one
  load.outstanding = 1;
  load.sizes = {{0, 1024, 1}};
  REQUIRE(client.run(std::make_shared<agents::message_text>(agents::make_test_plan(request))));
  const drivers::outcome ok;
  for (int i = 0; i < 5000; ++i) waiting->on_complete(0, ok);
  const std::uint64_t before = allocations;
  constexpr int messages = 20000;
  for (int i = 0; i < messages; ++i) waiting->on_complete(0, ok);
  // What is left: durations never seen before may grow the three histograms.
  CHECK(allocations - before <= 60);
  CHECK(bytes > std::uint64_t{messages} * 400);
}

TEST_CASE("A warm client sends and counts without allocating") {
  drivers::loop loop;
  nobody owner;
  const agents::sender_context context{loop, owner, std::chrono::seconds(1), {}, {}, {}};
  drivers::completion* waiting = nullptr;
  std::uint64_t bytes = 0;
  agents::rpc_client client("c", 0, context, std::make_unique<silent_transport>(waiting, bytes));
  wire::control::run_test_request request;
  request.test = GENERATE(wire::control::test_kind::call, wire::control::test_kind::cast);
  request.parameters.count = 1'000'000;
  request.parameters.data = std::string(1024, 'X');
  REQUIRE(client.run(std::make_shared<agents::message_text>(agents::make_test_plan(request))));
  const drivers::outcome ok;
  for (int i = 0; i < 5000; ++i) waiting->on_complete(0, ok);
  const std::uint64_t before = allocations;
  constexpr int messages = 20000;
  for (int i = 0; i < messages; ++i) waiting->on_complete(0, ok);
  // What is left: a latency never seen before may grow the histogram.
  CHECK(allocations - before <= 20);
  CHECK(bytes > std::uint64_t{messages} * 1024);
  CHECK(before > 0);
}

TEST_CASE("A warm server notes messages in a ledger without allocating") {
  drivers::loop loop;
  nobody owner;
  agents::rpc_server_settings settings;
  drivers::completion* waiting = nullptr;
  std::uint64_t bytes = 0;
  agents::rpc_server server("s", 0, loop, owner, settings,
                            std::make_unique<silent_transport>(waiting, bytes));
  server.start();
  const std::string controller = "ombt-t-None-h-1-aaaaaaaaaaaaaaaa0000000000000000-native";
  server.collect(controller);
  drivers::request_handler& handler = server;
  silent_listener from;
  wire::json::reader reader;
  std::string text;
  constexpr int clients = 100;
  std::uint64_t counted = 0;
  const auto arrive = [&](int sequence) {
    for (int client = 0; client < clients; ++client) {
      char args[200];
      std::snprintf(args, sizeof args,
                    R"({"data": "X", "timestamp": %.6f, "msgid": "aaaaaaaaaaaaaaaa%016x:%d"})",
                    agents::epoch_now(), static_cast<unsigned>(client), sequence);
      text = args;
      drivers::incoming_request request;
      REQUIRE_FALSE(reader.parse(text, request.args));
      request.method = "noop";
      const std::uint64_t before = allocations;
      handler.on_request(from, request);
      counted += allocations - before;
    }
  };
  // In order, and each third by another server: a word of 64 after the other, so bitmaps grow.
  for (int sequence = 0; sequence < 900; sequence += 3) arrive(sequence);
  CHECK(counted > 0);
  counted = 0;
  for (int sequence = 1; sequence < 900; sequence += 3) arrive(sequence);
  for (int sequence = 0; sequence < 300; ++sequence) arrive(sequence);
  // What is left: a latency never seen before may grow the histogram, the first that comes again
  // the bitmap of those: twice or thrice a client.
  CHECK(counted <= 20 + 4 * clients);
  const auto ledger = server.collect(controller).details.received;
  REQUIRE(ledger);
  CHECK(ledger->clients.size() == clients);
  CHECK(ledger->arrivals() == clients * 900);
}

TEST_CASE("Notes cost a warm client no allocation") {
  drivers::loop loop;
  nobody owner;
  const agents::sender_context context{loop, owner, std::chrono::seconds(60), {}, {}, {}, 0, "a"};
  drivers::completion* waiting = nullptr;
  std::uint64_t bytes = 0;
  agents::rpc_client client("c", 0, context, std::make_unique<silent_transport>(waiting, bytes));
  wire::control::run_test_request request;
  request.test = wire::control::test_kind::call;
  request.parameters.count = 1'000'000;
  request.parameters.legs = true;
  REQUIRE(client.run(std::make_shared<agents::message_text>(agents::make_test_plan(request))));
  std::string note;
  agents::append_note(note,
                      {agents::stamp_at(drivers::steady_clock::now()), 5, "a site elsewhere"});
  wire::json::reader reader;
  drivers::outcome ok;
  REQUIRE_FALSE(reader.parse(note, ok.note));
  for (int i = 0; i < 5000; ++i) waiting->on_complete(0, ok);
  const std::uint64_t before = allocations;
  for (int i = 0; i < 20000; ++i) waiting->on_complete(0, ok);
  // What is left: durations never seen before may grow the five histograms.
  CHECK(allocations - before <= 100);
  const auto found = client.take();
  CHECK(found.details.sites->entries().at(0).messages > 24'000);
  CHECK(found.details.series.find(wire::control::series::server_time)->totals().count > 24'000);
}

TEST_CASE("Notes cost a warm server and the request's body no allocation") {
  drivers::loop loop;
  nobody owner;
  agents::rpc_server_settings settings;
  settings.site = "a";
  drivers::completion* waiting = nullptr;
  std::uint64_t bytes = 0;
  agents::rpc_server server("s", 0, loop, owner, settings,
                            std::make_unique<silent_transport>(waiting, bytes));
  server.start();
  drivers::request_handler& handler = server;
  silent_listener from;
  std::string context;
  agents::append_context(
      context, {agents::stamp_at(drivers::steady_clock::now()), 5, "a site somewhere else"});
  wire::oslo::request out;
  out.method = "echo";
  out.args_json = R"({"data": "X", "timestamp": 1e9, "msgid": "m"})";
  out.context_json = context;
  std::string body;
  wire::json::reader reader;
  drivers::incoming_request request;
  REQUIRE_FALSE(reader.parse(
      R"({"args": )" + std::string(out.args_json) + R"(, "_context_ombt": )" + context.substr(9),
      request.message));
  request.method = "echo";
  request.args = request.message["args"];
  request.wants_reply = true;
  request.received = drivers::steady_clock::now();
  const auto go = [&](int times) {
    const std::uint64_t before = allocations;
    for (int i = 0; i < times; ++i) {
      body.clear();
      append_request(body, out);
      handler.on_request(from, request);
    }
    return allocations - before;
  };
  CHECK(go(1000) > 0);
  CHECK(go(1000) <= 20);
  const auto found = server.collect("ombt-t-None-h-1-aaaaaaaaaaaaaaaa0000000000000000-native");
  REQUIRE(found.details.sites);
  CHECK(found.details.sites->entries().at(0).messages == 2'000);
}
