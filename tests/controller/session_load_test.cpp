// SPDX-License-Identifier: Apache-2.0
// Runs with a load: what is sent to the clients, who may take part, and the warm-up before.
#include "wire/json/value.hpp"

#include "controller/json_report.hpp"
#include "controller/text_report.hpp"
#include "tests/controller/session_script.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace ombt;
using namespace ombt::tests;
using wire::control::client_result_request;
using wire::control::series;

namespace {

plan open_loop(task what = task::rpc_call) {
  plan p = plan_for(what);
  p.parameters.load.emplace().profile = {{1000, 1000, 30}};
  p.native_clients_for = "--rate";
  p.boot_id = "boot-1";
  return p;
}

wire::control::test_parameters parameters_of(const action& run) {
  wire::json::reader reader;
  wire::json::value root;
  REQUIRE_FALSE(reader.parse(run.args_json, root));
  wire::control::run_test_request request;
  std::string why;
  REQUIRE(wire::control::read_run_test_args(root, request, why));
  return request.parameters;
}

client_result_request native_record(const std::string& name, std::uint64_t ok,
                                    const std::string& run) {
  auto r = session_script::record(client, name, ok);
  r.has_details = true;
  r.details.run = run;
  r.details.latency.record(1'000'000, ok);
  for (std::uint64_t i = 0; i < ok; ++i) r.details.series.record(series::intended, 2'000'000);
  r.details.load = {ok + 2, 1, 2};
  auto sent = std::make_shared<wire::control::client_ledger>();
  sent->client = std::hash<std::string>{}(run);
  sent->sent = ok;
  r.details.sent = std::move(sent);
  auto audit = std::make_shared<wire::control::audit_report>();
  audit->add_time(1, 0.5);
  r.details.audit = std::move(audit);
  return r;
}

/// Through the roll call of native clients and a server, to the run that is out.
action start_native(session_script& s, const std::vector<std::string>& clients) {
  s.connect();
  for (const auto& name : clients) s.native_pong(client, name);
  s.native_pong(server, "s1");
  s.pass(s.machine.what().idle);
  REQUIRE(s.machine.current() == phase::resetting);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 5);
  REQUIRE(s.machine.current() == phase::running);
  return s.expect(method::run_test, 1)[0];
}

/// Lets time pass until the session is over; the server had so many messages.
void run_out(session_script& s, std::uint64_t had) {
  for (int i = 0; i < 1000 && !s.machine.finished(); ++i) {
    s.pass(1s);
    for (const action& a : s.take()) {
      s.complete(a);
      if (s.machine.current() != phase::polling) continue;
      auto record = session_script::record(server, "s1", std::exchange(had, 0));
      record.has_details = true;
      record.details.arrivals = std::make_shared<wire::control::arrival_report>();
      s.machine.on_result(record, s.now());
    }
  }
  REQUIRE(s.machine.finished());
}

/// Of a run of four native clients, of which two send no results.
std::optional<std::uint64_t> unreported_of(const plan& p) {
  session_script s{p};
  start_native(s, {"c1", "c2", "c3", "c4"});
  s.native_result("c1", 10, run_id);
  s.native_result("c2", 10, run_id);
  run_out(s, 20);
  return s.found().clients.unreported;
}

}  // namespace

TEST_CASE("an open loop's clients share the rate and begin at one instant") {
  session_script s{open_loop()};
  const auto run = start_native(s, {"c1", "c2", "c3"});
  const auto sent = parameters_of(run);
  CHECK(sent.run == run_id);
  CHECK(sent.detail == 1);
  REQUIRE(sent.load);
  CHECK(sent.load->clients == 3);
  CHECK(sent.load->start.boot == "boot-1");
  CHECK(sent.load->start.in == Approx(0.506));
  const auto instant = std::chrono::nanoseconds(s.now().time_since_epoch()).count();
  CHECK(std::abs(sent.load->start.monotonic_ns - instant - 506'000'000) < 1000);
}

TEST_CASE("a rate of each client is nobody's to share") {
  auto p = open_loop();
  p.rate_per_client = true;
  session_script s{p};
  CHECK(parameters_of(start_native(s, {"c1", "c2", "c3"})).load->clients == 1);
}

TEST_CASE("a load that Python clients cannot follow is refused before the run, with their number") {
  session_script s{open_loop()};
  s.connect();
  s.native_pong(client, "c1");
  s.pong(client, "python-1");
  s.pong(client, "python-2");
  s.native_pong(server, "s1");
  s.pong(server, "python-server");
  s.pass(s.machine.what().idle);
  REQUIRE(s.machine.finished());
  CHECK(s.found().failure ==
        "--rate needs native clients: 2 of 3 RPC clients are not, and would send as ombt does");
  for (const action& a : s.sent) CHECK(a.method != method::run_test);
}

TEST_CASE("Python servers take part in any load") {
  session_script s{open_loop()};
  s.connect();
  s.native_pong(client, "c1");
  s.pong(server, "python-server");
  s.pass(s.machine.what().idle);
  CHECK(s.machine.current() == phase::resetting);
}

TEST_CASE("the sums of a load are taken with its results, and dropped messages fall short") {
  session_script s{open_loop()};
  start_native(s, {"c1", "c2"});
  s.machine.on_result(native_record("c1", 10, run_id), s.now());
  s.machine.on_result(native_record("c2", 20, run_id), s.now());
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 30);
  REQUIRE(s.machine.finished());
  const auto& clients = s.found().clients;
  CHECK(clients.load == wire::control::load_counts{34, 2, 4});
  REQUIRE(clients.find(series::intended) != nullptr);
  CHECK(clients.find(series::intended)->count() == 30);
  CHECK(clients.find(series::slip) == nullptr);
  REQUIRE(s.found().problems.size() == 1);
  CHECK(s.found().problems[0] ==
        "4 of 34 scheduled messages were dropped: later than their timeout");
}

TEST_CASE("the time that a load takes is no silence of its clients") {
  auto p = open_loop();
  p.timeout = 2s;
  session_script s{p};
  start_native(s, {"c1"});
  s.pass(32s);  // 30 s of the profile, half a second before it, and the timeout
  CHECK(s.machine.current() == phase::running);
  s.pass(1s);
  CHECK(s.machine.current() == phase::polling);
}

TEST_CASE("a warm-up is a run of its own, of which nothing is kept but its size") {
  auto p = open_loop(task::rpc_cast);
  p.parameters.load->count = 15;
  p.warmup = 5;
  session_script s{p};
  const auto warm_up = parameters_of(start_native(s, {"c1"}));
  CHECK(warm_up.run != run_id);
  CHECK(warm_up.load->profile == std::vector<wire::control::rate_segment>{{1000, 1000, 5}});
  CHECK_FALSE(warm_up.load->count);
  s.machine.on_result(native_record("c1", 10, warm_up.run), s.now());
  s.pass(p.delay);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 10);
  // The run that counts, from zero.
  REQUIRE(s.machine.current() == phase::running);
  const auto real = parameters_of(s.expect(method::run_test, 1)[0]);
  CHECK(real.run == run_id);
  CHECK(real.load->profile == p.parameters.load->profile);
  CHECK(real.load->count == 15);
  s.machine.on_result(native_record("c1", 7, warm_up.run), s.now());  // late, and another run's
  CHECK(s.found().foreign_results == 1);
  s.machine.on_result(native_record("c1", 15, run_id), s.now());
  s.pass(p.delay);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 15);
  REQUIRE(s.machine.finished());
  CHECK(s.found().warm_up_messages == 10);
  CHECK(s.found().clients.results.msgs_ok == 15);
  CHECK(s.found().clients.load.scheduled == 17);
  CHECK(s.found().servers.results.msgs_ok == 15);
  CHECK(s.found().received == 15);
  CHECK(s.found().agents[0].results.msgs_ok == 15);
  REQUIRE(s.found().ledger);
  CHECK(s.found().ledger->all.sent == 15);
  REQUIRE(s.found().audits.size() == 1);
  CHECK(s.found().audits.begin()->second.total().seconds == 1);
}

TEST_CASE("an open loop that sent nothing falls short, unless it is told why anyway") {
  auto p = open_loop();
  p.parameters.load->profile = {{0.01, 0.01, 30}};
  p.rate_per_client = true;
  const auto problems_of = [&](bool cut_short) {
    session_script s{p};
    const auto run = parameters_of(start_native(s, {"c1"})).run;
    auto nothing = session_script::record(client, "c1", 0);
    nothing.has_details = true;
    nothing.details.run = run;
    nothing.details.cut_short = cut_short;
    s.machine.on_result(nothing, s.now());
    s.take();
    s.result(server, "s1", 0);
    REQUIRE(s.machine.finished());
    return s.found().problems;
  };
  CHECK(problems_of(false) ==
        std::vector<std::string>{"no message was sent: the schedule had none in its time"});
  const auto told = problems_of(true);
  REQUIRE(told.size() == 1);
  CHECK(has(told[0], "ended the run early"));
}

TEST_CASE("interrupted in its warm-up, a session ends that run") {
  auto p = open_loop();
  p.warmup = 5;
  session_script s{p};
  const auto warm_up = parameters_of(start_native(s, {"c1"}));
  s.machine.cancel("interrupted", s.now());
  const auto cancel = s.expect(method::run_test, 1)[0];
  CHECK(has(cancel.args_json, "cancel_run"));
  CHECK(has(cancel.args_json, warm_up.run));
  CHECK(s.machine.finished());
}

TEST_CASE("a server that is silent after the warm-up has no part in the run") {
  auto p = open_loop();
  p.warmup = 5;
  p.timeout = 4s;
  session_script s{p};
  s.connect();
  s.native_pong(client, "c1");
  s.native_pong(server, "s1");
  s.native_pong(server, "s2");
  s.pass(p.idle);
  s.expect(method::get_server_results, 1);
  s.result(server, "s1", 0);
  s.result(server, "s2", 0);
  const auto warm_up = parameters_of(s.expect(method::run_test, 1)[0]);
  s.machine.on_result(native_record("c1", 10, warm_up.run), s.now());
  s.take();
  s.result(server, "s1", 4);
  s.pass(p.timeout);
  s.expect_last(method::run_test);
  REQUIRE(s.machine.current() == phase::running);
  s.machine.on_result(native_record("c1", 10, run_id), s.now());
  s.take();
  s.result(server, "s2", 6);  // of the warm-up
  s.result(server, "s1", 10);
  REQUIRE(s.machine.finished());
  CHECK(s.found().received == 10);
  CHECK(s.found().foreign_results == 1);
  const auto& problems = s.found().problems;
  CHECK(std::any_of(problems.begin(), problems.end(),
                    [](const auto& problem) { return has(problem, "s2 did not answer"); }));
}

TEST_CASE("what clients that sent no results were to send is scheduled, and infinite") {
  auto p = open_loop();
  p.parameters.load->profile = {{100, 100, 8}};  // 800 of four
  session_script s{p};
  start_native(s, {"c1", "c2", "c3", "c4"});
  for (const char* name : {"c1", "c2"}) {
    s.machine.on_result(native_record(name, 198, run_id), s.now());
  }
  run_out(s, 396);
  const auto& clients = s.found().clients;
  CHECK(clients.unreported == 400);
  CHECK(clients.scheduled() == 800);
  CHECK(controller::percentile_of_all_ms(clients, 50).infinite);  // 396 of 800 succeeded
  const auto text = controller::test_report(s.machine.what(), s.found());
  CHECK(has(text, "All scheduled (msecs): 50% >timeout 90% >timeout 99% n/a 99.9% n/a\n"));
  CHECK(has(text,
            "Scheduled: 800 messages, 2 late by more than 1 ms (all causes), 4 dropped\n"
            "  (400 of them of clients that sent no results, or ended early)\n"));
  const auto& problems = s.found().problems;
  CHECK(std::find(problems.begin(), problems.end(),
                  "4 of 800 scheduled messages were dropped: later than their timeout") !=
        problems.end());
  const auto data =
      nlohmann::json::parse(controller::json_report({}, s.machine.what(), s.found()))["clients"];
  CHECK(data["messages_unreported"] == 400);
  CHECK(data["load"]["scheduled"] == 800);
  CHECK(data["latency"]["with_failures_as_infinite"]["p50_ms"] == ">timeout");
}

TEST_CASE("all clients of a schedule may vanish: then all of it is infinite") {
  auto p = open_loop();
  p.parameters.load->profile = {{100, 100, 8}};
  session_script s{p};
  start_native(s, {"c1", "c2"});
  run_out(s, 0);
  CHECK(s.found().clients.unreported == 800);
  CHECK(has(controller::test_report(s.machine.what(), s.found()),
            "All scheduled (msecs): 50% >timeout 90% >timeout 99% n/a 99.9% n/a\n"
            "Scheduled: 800 messages, 0 late by more than 1 ms (all causes), 0 dropped\n"
            "  (800 of them of clients that sent no results, or ended early)\n"));
}

TEST_CASE("a client's share is of the profile, at most its count; by time alone nobody knows it") {
  auto p = open_loop();
  p.parameters.load->profile = {{100, 100, 8}};
  CHECK(unreported_of(p) == 400);
  p.parameters.load->count = 50;
  CHECK(unreported_of(p) == 100);
  p.parameters.load->count.reset();
  p.rate_per_client = true;
  CHECK(unreported_of(p) == 1600);

  plan closed = plan_for(task::rpc_call, 10);
  CHECK(unreported_of(closed) == 20);
  closed.parameters.load.emplace().duration = 5;
  CHECK_FALSE(unreported_of(closed));
  closed.parameters.load->count = 10;
  CHECK(unreported_of(closed) == 20);
}

TEST_CASE(
    "the report of a closed loop has unreported messages among its failures, or says why not") {
  session_script s{plan_for(task::rpc_call, 10)};
  start_native(s, {"c1", "c2"});
  s.native_result("c1", 10, run_id);
  run_out(s, 10);
  CHECK(has(controller::test_report(s.machine.what(), s.found()),
            "With failures as infinite (msecs): 50% 1.000 90% n/a 99% n/a 99.9% n/a\n"
            "  (10 of them of clients that sent no results, or ended early)\n"));
  plan timed = plan_for(task::rpc_call, 10);
  timed.parameters.load.emplace().duration = 5;
  session_script t{timed};
  start_native(t, {"c1", "c2"});
  t.native_result("c1", 10, run_id);
  run_out(t, 10);
  CHECK(has(controller::test_report(t.machine.what(), t.found()),
            "  (without those of clients that sent no results, or ended early: not known)\n"));
}

TEST_CASE("what a client had left that ended early is infinite as well") {
  auto p = open_loop();
  p.parameters.load->profile = {{100, 100, 8}};
  session_script s{p};
  start_native(s, {"c1", "c2"});
  auto record = native_record("c1", 248, run_id);  // 250 of its 400
  record.details.cut_short = true;
  s.machine.on_result(record, s.now());
  s.machine.on_result(native_record("c2", 398, run_id), s.now());
  run_out(s, 646);
  CHECK(s.found().clients.unreported == 150);
  CHECK(s.found().clients.scheduled() == 800);
}

TEST_CASE("a fanout's messages of clients that sent no results never came") {
  session_script s{plan_for(task::rpc_fanout, 4)};
  start_native(s, {"c1", "c2"});
  s.machine.on_result(native_record("c1", 4, run_id), s.now());
  run_out(s, 4);
  REQUIRE(s.found().fanout);
  CHECK(s.found().fanout->messages == 8);
  CHECK(s.found().fanout->last.never == 8);
}
