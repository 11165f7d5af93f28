// SPDX-License-Identifier: Apache-2.0
// Notes between native clients and servers: the legs of calls, and who counts which site.
#include "agents/measure/boot_id.hpp"
#include "agents/measure/clock.hpp"
#include "agents/measure/trip_notes.hpp"
#include "agents/notifier.hpp"
#include "agents/rpc_client.hpp"
#include "agents/rpc_server.hpp"
#include "tests/agents/sender_fixture.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>

using namespace ombt;
using namespace ombt::tests;
using namespace ombt::agents;
using wire::control::series;
using wire::control::test_kind;

namespace {

constexpr std::int64_t ms = 1'000'000;
const std::string controller = "ombt-t-None-h-1-aaaaaaaaaaaaaaaa0000000000000000-native";

/// A client and servers on a bus in memory.
struct notes_fixture : sender_fixture, receiver_owner {
  rpc_server_settings settings;
  std::vector<std::unique_ptr<rpc_server>> servers;
  std::map<std::string, rpc_server_settings> by_site;
  int ready = 0;

  notes_fixture() { bus.script_always("self_ready", answers("true")); }
  void on_ready(receiver&) override { ++ready; }
  void on_failed(receiver&, std::string) override {}

  rpc_server& serve(const std::string& site = "", const std::string& takes = "") {
    rpc_server_settings& s = by_site[site];
    s.at = context.rpc;
    s.site = site;
    s.takes = service_time::parse(takes);
    const std::string name = "server-" + std::to_string(servers.size());
    servers.push_back(std::make_unique<rpc_server>(name, 0, loop, *this, s, bus.make(loop)));
    servers.back()->start();
    REQUIRE(drive(loop, [&] { return ready == static_cast<int>(servers.size()); }));
    servers.back()->collect(controller);
    return *servers.back();
  }

  struct wanted {
    test_kind test = test_kind::call;
    std::int64_t count = 20;
    int detail = 1;
    bool legs = false;
    bool open_loop = false;
  };
  report run(const wanted& what, std::string site = "") {
    context.site = std::move(site);
    rpc_client client("client", 0, context, bus.make(loop));
    wire::control::run_test_request request;
    request.test = what.test;
    request.reply_to.server = controller;
    request.parameters.count = what.count;
    request.parameters.data = "XXX";
    request.parameters.run = "run-7";
    request.parameters.detail = what.detail;
    request.parameters.legs = what.legs;
    if (what.open_loop) {
      auto& load = request.parameters.load.emplace();
      load.profile = {{10'000, 10'000, 60}};
      load.count = what.count;
    }
    REQUIRE(run_to_end(client, std::make_shared<message_text>(make_test_plan(request))));
    return client.take();
  }
  std::vector<std::string> contexts() const {
    std::vector<std::string> out;
    for (const sent_message& m : bus.sent("echo")) out.push_back(m.context);
    for (const sent_message& m : bus.sent("noop")) out.push_back(m.context);
    return out;
  }
};

std::uint64_t samples(const report& of, series which) {
  const auto* const values = of.details.series.find(which);
  return values == nullptr ? 0 : values->totals().samples();
}

std::string sites_of(const report& of) {
  std::string out;
  if (of.details.sites) of.details.sites->append_members(out);
  return out;
}

std::map<std::string, std::uint64_t> counts_of(const report& of) {
  std::map<std::string, std::uint64_t> out;
  if (!of.details.sites) return out;
  for (const auto& e : of.details.sites->entries()) out[e.site] = e.messages;
  return out;
}

}  // namespace

TEST_CASE_METHOD(notes_fixture, "without legs and sites no message carries a note") {
  serve();
  const auto kind = GENERATE(test_kind::call, test_kind::cast, test_kind::fanout);
  const auto found = run({kind, 5});
  CHECK(found.results.msgs_ok == 5);
  CHECK(contexts() == std::vector<std::string>(5));
  CHECK(found.details.series.empty());
  CHECK_FALSE(found.details.sites);
  const auto served = servers[0]->collect(controller);
  CHECK(served.results.msgs_ok == 5);
  CHECK_FALSE(served.details.sites);
}

TEST_CASE_METHOD(notes_fixture, "a site is said only in runs of native controllers") {
  serve("a");
  const auto found = run({test_kind::call, 5, 0}, "a");
  CHECK(found.results.msgs_ok == 5);
  CHECK(contexts() == std::vector<std::string>(5));
  CHECK_FALSE(found.details.sites);
}

TEST_CASE_METHOD(notes_fixture, "each leg of each call is counted, and all of them are its time") {
  const bool open = GENERATE(false, true);
  const std::int64_t takes = 3 * ms;
  serve("", "3ms");
  const auto found = run({test_kind::call, 20, 1, true, open});
  CHECK(found.results.msgs_ok == 20);
  double legs = 0;
  for (const series which : {series::request_leg, series::server_time, series::reply_leg}) {
    REQUIRE(samples(found, which) == 20);
    legs += found.details.series.find(which)->totals().total;
  }
  // One machine: not a nanosecond is lost between them.
  CHECK(legs == found.details.latency.totals().total);
  CHECK(found.details.series.find(series::server_time)->totals().min >=
        static_cast<std::uint64_t>(takes));
  for (const auto& e : found.details.series.entries()) CHECK(e.below.samples == 0);
  // Nobody has a site.
  CHECK_FALSE(found.details.sites);
  CHECK_FALSE(servers[0]->collect(controller).details.sites);
}

TEST_CASE_METHOD(notes_fixture, "a request says when it was sent and how late it was") {
  serve();
  run({test_kind::call, 3, 1, true, true}, "a");
  const auto sent = contexts();
  REQUIRE(sent.size() == 3);
  std::int64_t before = 0;
  const std::int64_t now = stamp_at(drivers::steady_clock::now()).monotonic;
  for (const std::string& one : sent) {
    wire::json::reader reader;
    wire::json::value root;
    REQUIRE_FALSE(reader.parse(one, root));
    const auto note = read_request_note(root["ombt"]);
    REQUIRE(note);
    CHECK(note->sent.boot == boot_id());
    CHECK(note->sent.monotonic > before);
    CHECK(note->sent.monotonic < now);
    CHECK(note->late >= 0);
    CHECK(note->site == "a");
    before = note->sent.monotonic;
  }
}

TEST_CASE_METHOD(notes_fixture, "servers that give no note leave legs and sites unknown") {
  bus.script_always("echo", answers("\"XXX\""));
  const auto found = run({test_kind::call, 5, 1, true}, "a");
  CHECK(found.results.msgs_ok == 5);
  CHECK(found.details.series.empty());
  CHECK_FALSE(found.details.sites);
}

TEST_CASE_METHOD(notes_fixture, "notes that no native server gives are passed over") {
  auto strange = answers("\"XXX\"");
  const char* const note =
      GENERATE(R"(5)", R"({"boot": "m", "mono": 1, "real": 1})",
               R"({"boot": "m", "mono": 1, "real": 1, "took": -5, "site": "b"})",
               R"({"boot": "m", "mono": 1, "real": 1, "took": 5, "site": "\u001b[2J"})",
               R"({"boot": "m", "mono": 1, "real": 4611686018427387904, "took": 5, "site": "b"})");
  strange.note_json = note;
  bus.script_always("echo", strange);
  const auto found = run({test_kind::call, 5, 1, true}, "a");
  CHECK(found.results.msgs_ok == 5);
  CHECK(found.details.series.empty());
  CHECK_FALSE(found.details.sites);
}

TEST_CASE_METHOD(notes_fixture,
                 "legs that clocks apart make negative are counted, none is dropped") {
  // A server on another machine whose clock is an hour ahead.
  auto ahead = answers("\"XXX\"");
  std::string note;
  append_note(note, {{"another", 5, real_now() + 3'600'000 * ms}, 2 * ms, ""});
  ahead.note_json = note;
  bus.script_always("echo", ahead);
  const auto found = run({test_kind::call, 4, 1, true});
  CHECK(samples(found, series::request_leg) == 4);
  CHECK(found.details.series.find(series::request_leg)->totals().min > 3'599'000ull * ms);
  CHECK(found.details.series.find(series::server_time)->totals().max == 2 * ms);
  CHECK(samples(found, series::reply_leg) == 0);
  for (const auto& e : found.details.series.entries()) {
    if (e.which != series::reply_leg) continue;
    CHECK(e.below.samples == 4);
    CHECK(e.below.lowest < -3'599'000 * ms);
  }
  CHECK(found.results.msgs_ok == 4);
  CHECK(found.results.msgs_fail == 0);
}

TEST_CASE_METHOD(notes_fixture, "a foreign server's note is of no interest to who did not ask") {
  auto unasked = answers("\"XXX\"");
  append_note(unasked.note_json, {{boot_id(), 5, 5}, 1, "b"});
  bus.script_always("echo", unasked);
  const auto found = run({test_kind::call, 4});
  CHECK(found.details.series.empty());
  CHECK_FALSE(found.details.sites);
}

TEST_CASE_METHOD(notes_fixture,
                 "clients count calls by the servers' sites, servers by the clients'") {
  serve("a");
  serve("b");
  serve("");
  const auto a = run({test_kind::call, 30}, "a");
  CHECK(a.details.series.empty());  // nobody wants the legs
  CHECK(counts_of(a) == std::map<std::string, std::uint64_t>{{"a", 10}, {"b", 10}, {"", 10}});
  CHECK(a.details.sites->own() == "a");
  std::uint64_t latencies = 0;
  for (const auto& e : a.details.sites->entries()) latencies += e.latency.totals().count;
  CHECK(latencies == a.details.latency.totals().count);
  const auto c = run({test_kind::call, 6}, "c");
  CHECK(counts_of(c) == std::map<std::string, std::uint64_t>{{"a", 2}, {"b", 2}, {"", 2}});
  // Who has none says so where legs are wanted, and meets those who have one.
  const auto none = run({test_kind::call, 3, 1, true}, "");
  CHECK(counts_of(none) == std::map<std::string, std::uint64_t>{{"a", 1}, {"b", 1}});
  CHECK(sites_of(none).starts_with(R"("site": "", "sites": {)"));
  for (std::size_t i = 0; i < 3; ++i) {
    const auto served = servers[i]->collect(controller);
    auto expected = std::map<std::string, std::uint64_t>{{"a", 10}, {"c", 2}};
    if (i < 2) expected[""] = 1;
    CHECK(counts_of(served) == expected);
    CHECK(served.details.sites->own() == (i == 0 ? "a" : i == 1 ? "b" : ""));
    // Told once.
    CHECK_FALSE(servers[i]->collect(controller).details.sites);
  }
}

TEST_CASE_METHOD(notes_fixture,
                 "casts and fanouts say their site too, and only servers count them") {
  serve("a");
  serve("b");
  const auto cast = run({test_kind::cast, 4}, "c");
  CHECK(cast.results.msgs_ok == 4);
  CHECK_FALSE(cast.details.sites);
  run({test_kind::fanout, 3}, "c");
  settle(loop);
  for (const auto& server : servers) {
    CHECK(counts_of(server->collect(controller)) == std::map<std::string, std::uint64_t>{{"c", 5}});
  }
}

namespace {

/// Keeps what a server answers with.
struct keeping_listener final : drivers::listener {
  drivers::listener_counters none;
  std::optional<std::string> note;
  int ended = 0;
  void reply(drivers::request_id, std::string_view, std::string_view with) override {
    note = with;
    ++ended;
  }
  void fail(drivers::request_id, const wire::oslo::remote_exception&) override { ++ended; }
  void done(drivers::request_id) override { ++ended; }
  void acknowledge(drivers::request_id) override {}
  void requeue(drivers::request_id) override {}
  const drivers::listener_counters& counters() const noexcept override { return none; }
};

}  // namespace

TEST_CASE_METHOD(notes_fixture,
                 "a server answers a note with a note, on either bus, else with none") {
  drivers::request_handler& handler = serve("b");
  const std::string args =
      R"("args": {"data": "X", "timestamp": 1e9, "msgid": "aaaaaaaaaaaaaaaa0000000000000001:0"})";
  const std::string note = R"({"boot": "m", "mono": 1, "real": 1, "site": "a"})";
  struct sample {
    std::string key;
    bool noted;
  };
  const auto given =
      GENERATE_COPY(sample{"", false}, sample{R"(, "_context_ombt": )" + note, true},
                    sample{R"(, "context": {"ombt": )" + note + "}", true},
                    sample{R"(, "context": {"user": 5})", false},
                    sample{R"(, "_context_ombt": 5)", false}, sample{R"(, "context": 5)", false});
  wire::json::reader reader;
  drivers::incoming_request request;
  REQUIRE_FALSE(reader.parse("{" + args + given.key + "}", request.message));
  request.method = "echo";
  request.args = request.message["args"];
  request.context = request.message["context"];
  request.wants_reply = true;
  request.received = drivers::steady_clock::now() - std::chrono::milliseconds(5);
  keeping_listener from;
  handler.on_request(from, request);
  REQUIRE(from.ended == 1);
  CHECK(from.note->empty() != given.noted);
  const auto served = servers[0]->collect(controller);
  CHECK(served.results.msgs_ok == 1);
  CHECK(counts_of(served).empty() != given.noted);
  if (!given.noted) return;
  wire::json::reader second;
  wire::json::value root;
  REQUIRE_FALSE(second.parse(*from.note, root));
  const auto read = read_reply_note(root);
  REQUIRE(read);
  CHECK(read->site == "b");
  // From when its bytes were read, waiting for a place included.
  CHECK(read->took >= 5 * ms);
  CHECK(read->received.monotonic ==
        std::chrono::nanoseconds(request.received.time_since_epoch()).count());
  CHECK(counts_of(served) == std::map<std::string, std::uint64_t>{{"a", 1}});
}

TEST_CASE_METHOD(notes_fixture, "notifications have no note") {
  context.site = "a";
  notifier n("n", 0, context, bus.make(loop));
  bus.script_always("warn", answers("null"));
  wire::control::run_test_request request;
  request.test = test_kind::notify;
  request.parameters.count = 2;
  request.parameters.data = "XXX";
  request.parameters.severity = "warn";
  request.parameters.run = "run-7";
  request.parameters.detail = 1;
  request.parameters.legs = true;
  REQUIRE(run_to_end(n, std::make_shared<message_text>(make_test_plan(request))));
  for (const sent_message& m : bus.sent("warn")) CHECK(m.context.empty());
  CHECK(n.take().results.msgs_ok == 2);
}

TEST_CASE("both clocks of an instant belong together") {
  const std::int64_t before = real_now();
  const auto then = drivers::steady_clock::now() - std::chrono::seconds(2);
  const stamp at = stamp_at(then);
  CHECK(at.boot == boot_id());
  CHECK(at.monotonic == std::chrono::nanoseconds(then.time_since_epoch()).count());
  CHECK(before - at.real <= 2'000 * ms);
  CHECK(real_now() - at.real >= 2'000 * ms);
}

TEST_CASE("the legs of a call between machines are those of the real clocks") {
  const stamp sent{"a", 1'000, 50'000};
  const stamp completed{"a", 1'900, 50'900};
  const auto one = legs_of(sent, {{"a", 1'300, 9}, 400, ""}, completed);
  CHECK((one.request == 300 && one.server == 400 && one.reply == 200));
  const auto two = legs_of(sent, {{"b", 9, 50'600}, 400, ""}, completed);
  CHECK((two.request == 600 && two.server == 400 && two.reply == -100));
}
