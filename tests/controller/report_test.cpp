// SPDX-License-Identifier: Apache-2.0
#include "controller/json_report.hpp"
#include "controller/progress.hpp"
#include "controller/text_report.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <cctype>
#include <string>

using namespace ombt;
using namespace ombt::controller;
using wire::control::agent_kind;

namespace {

const std::string hex = "0123456789abcdef0123456789abcdef";

plan plan_of(task what) {
  plan p;
  p.what = what;
  p.topic = "t";
  p.parameters.count = 3;
  p.parameters.data = "XXXX";
  return p;
}

/// n samples of 1, 2, … n ms in the record and, if asked, in the histogram.
side side_of(std::uint64_t n, std::uint64_t failed, bool histogram, double start) {
  side s;
  for (std::uint64_t i = 1; i <= n; ++i) {
    s.results.add_success(static_cast<double>(i));
    if (histogram) s.latency.record(i * 1'000'000);
  }
  for (std::uint64_t i = 0; i < failed; ++i) s.results.add_failure("timed out");
  s.results.start_time = start;
  s.results.stop_time = start + 2;
  return s;
}

agent_record agent(agent_kind kind, const std::string& name, bool details = true) {
  agent_record a;
  a.kind = kind;
  a.name = name;
  a.answered_roll_call = true;
  a.reports = 1;
  a.reports_with_details = details ? 1 : 0;
  a.results.add_success(1.5);
  a.results.saw_time(100);
  return a;
}

outcome example() {
  outcome found;
  found.agents = {agent(agent_kind::rpc_client, "c1"), agent(agent_kind::rpc_client, "c2"),
                  agent(agent_kind::rpc_server, "s1")};
  found.clients = side_of(3, 0, true, 1'000);
  found.servers = side_of(3, 0, true, 1'000.5);
  found.expected = found.received = 3;
  return found;
}

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a call's report is ombt's, with percentiles below each block") {
  const std::string rows =
      "Latency Distribution: \n[0..<1):  0\n[1..<2):  1\n[2..<3):  1\n[3..<4):  1\n[4..<5):  0\n"
      "[5..<6):  0\n[6..<7):  0\n[7..<8):  0\n[8..<9):  0\n[9..<10):  0\n"
      "Latency Percentiles (msecs): 50% n/a 90% n/a 99% n/a 99.9% n/a Max 3.000\n";
  CHECK(test_report(plan_of(task::rpc_call), example()) ==
        "RPC call test results\n"
        "2 RPC clients, 1 RPC Servers (3 total)\n"
        "\n\nAggregated RPC Client results:\n"
        "------------------------------\n"
        "Total Messages: 3\n"
        "Test Interval: 1000.000000 - 1002.000000 (2.000000 secs)\n"
        "Aggregate throughput: 1.500000 msgs/sec\n"
        "Latency 3 samples (msecs): Average 2.000000 StdDev 0.816497 Min 1.000000 Max 3.000000\n" +
            rows +
            "\n\nAggregated RPC Server results:\n"
            "------------------------------\n"
            "Total Messages: 3\n"
            "Test Interval: 1000.500000 - 1002.500000 (2.000000 secs)\n"
            "Aggregate throughput: 1.500000 msgs/sec\n"
            "Latency 3 samples (msecs): Average 2.000000 StdDev 0.816497 Min 1.000000 Max "
            "3.000000\n" +
            rows);
}

TEST_CASE("each test has ombt's titles, a fanout its propagation delay") {
  CHECK(has(test_report(plan_of(task::rpc_cast), example()), "RPC cast test results\n2 RPC cl"));
  CHECK(has(test_report(plan_of(task::rpc_cast), example(), "embedded router"),
            "(3 total)\nbus: embedded router\n\n\n"));
  const auto fanout = test_report(plan_of(task::rpc_fanout), example());
  CHECK(fanout.starts_with("RPC fanout test results\n"));
  CHECK(
      fanout.ends_with("\n\nFanout propagation delay:\n"
                       "-------------------------\n"
                       "  First client transmit time: 1000.000000\n"
                       "  Last server receive time: 1002.500000\n"
                       "  Duration (secs): 2.500000\n"));
  outcome notify = example();
  notify.agents = {agent(agent_kind::notifier, "n"), agent(agent_kind::listener, "l")};
  const auto text = test_report(plan_of(task::notify), notify);
  CHECK(text.starts_with("Notification test results\n1 Notifiers, 1 Listeners (2 total)\n"));
  CHECK(has(text,
            "\n\nAggregated Notifier (Client) results:\n"
            "-------------------------------------\n"));
  CHECK(has(text,
            "\n\nAggregated Listener (Server) results:\n"
            "-------------------------------------\n"));
}

TEST_CASE("a percentile is told from 10/(1-p) samples on") {
  for (const auto& [p, needed] :
       {std::pair<double, std::uint64_t>{50, 20}, {90, 100}, {99, 1'000}, {99.9, 10'000}}) {
    INFO(p);
    CHECK_FALSE(percentile_ms(side_of(needed - 1, 0, true, 0), p));
    const auto at = percentile_ms(side_of(needed, 0, true, 0), p);
    REQUIRE(at);
    CHECK(*at == Approx(static_cast<double>(needed) * p / 100).epsilon(0.001));
  }
  CHECK_FALSE(percentile_ms(side_of(50'000, 0, false, 0), 50));
}

TEST_CASE("over all operations a failed one is infinite") {
  const auto s = side_of(900, 100, true, 0);
  const auto p50 = percentile_of_all_ms(s, 50);
  CHECK(p50.known);
  CHECK_FALSE(p50.infinite);
  CHECK(p50.ms == Approx(500).epsilon(0.001));
  const auto p90 = percentile_of_all_ms(s, 90);
  CHECK_FALSE(p90.infinite);
  CHECK(p90.ms == Approx(900).epsilon(0.001));
  const auto p99 = percentile_of_all_ms(s, 99);
  CHECK(p99.known);
  CHECK(p99.infinite);
  CHECK_FALSE(percentile_of_all_ms(s, 99.9).known);
  // All failed: known to be infinite, though there is no sample.
  side none;
  for (int i = 0; i < 20; ++i) none.results.add_failure("x");
  CHECK(percentile_of_all_ms(none, 50).infinite);
  // Not all samples are in the histogram: unknown.
  CHECK_FALSE(percentile_of_all_ms(side_of(900, 100, false, 0), 50).known);

  outcome found = example();
  found.clients = s;
  const auto text = test_report(plan_of(task::rpc_call), found);
  CHECK(has(text, "Error: 100 message transfers failed\n"));
  CHECK(has(text, "With failures as infinite (msecs): 50% 500."));
  CHECK(has(text, "99% >timeout 99.9% n/a\n"));
  CHECK(has(text, "\n\nErrors:\n-------\n  RPC clients: 100 x timed out\n"));
}

TEST_CASE("agents without a histogram are counted where percentiles would stand") {
  outcome found = example();
  found.agents[1].reports_with_details = 0;
  found.clients.latency = {};
  found.clients.latency.record(1'000'000);
  CHECK(has(test_report(plan_of(task::rpc_call), found),
            "Latency Percentiles (msecs): n/a (1 of 2 agents send no histogram)\n"));
}

TEST_CASE("clocks that are apart, problems, and a side that saw nothing are told") {
  outcome found = example();
  found.servers = {};
  found.servers.negative_samples = 2;
  found.servers.negative_min = -1.5;
  found.problems = {"RPC server s1 did not answer within 60 s"};
  const auto text = test_report(plan_of(task::rpc_fanout), found);
  CHECK(has(text, "Clocks apart: 2 samples below zero, the lowest -1.500000 msecs\n"));
  CHECK(has(text, "Test Interval: n/a (nothing was seen)\n"));
  CHECK_FALSE(has(text, "Fanout propagation delay"));
  CHECK(has(text, "\n\nFell short:\n-----------\n  RPC server s1 did not answer within 60 s\n"));
}

TEST_CASE(
    "what links counted has a line a count in its side's block, and makes no run fall short") {
  outcome found = example();
  const std::string before = test_report(plan_of(task::rpc_call), found);
  for (const auto& name : wire::control::link_count_names) {
    INFO(name.key);
    REQUIRE_FALSE(before.empty());
    found = example();
    found.servers.links.*name.count = 7;
    const std::string text = test_report(plan_of(task::rpc_call), found);
    std::string line(name.several);
    line[0] = static_cast<char>(std::toupper(line[0]));
    CHECK(text == before + line + ": 7\n");  // the servers' block is the last
    CHECK(found.ok());
    const auto json =
        nlohmann::json::parse(json_report(report_header{}, plan_of(task::rpc_call), found));
    CHECK(json["servers"]["links"][std::string(name.key)] == 7);
    CHECK(json["clients"]["links"][std::string(name.key)] == 0);
    CHECK(json["servers"]["links"].size() == wire::control::link_count_names.size());
  }
  found.clients.links.late_replies = 2;
  const std::string text = test_report(plan_of(task::rpc_call), found);
  CHECK(text.find("Late replies: 2\n") < text.find("Aggregated RPC Server"));
  CHECK(has(text, "Max 3.000\nLate replies: 2\n"));
}

TEST_CASE("the bus's processes stand below the results, and are data in the JSON report") {
  outcome found = example();
  const std::string before = test_report(plan_of(task::rpc_call), found);
  const auto json_of = [&] {
    return nlohmann::json::parse(json_report(report_header{}, plan_of(task::rpc_call), found));
  };
  CHECK(json_of()["bus_processes"] == nlohmann::json::array());
  CHECK(json_of()["bus_notes"] == nlohmann::json::array());

  bus_process p;
  p.pid = 123;
  p.command = "beam.smp";
  p.ports = {5671, 5672};
  p.add({1'000, 10, 150'000'000, 60, 45});
  p.add({1'001, 10.85, 149'000'000, 59, std::nullopt});
  p.add({1'001.05, 10.86, 149'000'000, std::nullopt, 44});
  found.bus.processes = {p};
  found.bus.notes = {"[::1]:5672: nothing on this machine listens there"};
  const std::string lines =
      "\n\nBus processes on this machine:\n------------------------------\n"
      "beam.smp (pid 123, port 5671, 5672): CPU 82 % of a core mean, 85 % max;\n"
      "  RSS 150 MB, 60 descriptors, 45 TCP connections at most\n"
      "[::1]:5672: nothing on this machine listens there\n";
  CHECK(test_report(plan_of(task::rpc_call), found) == before + lines);
  found.problems = {"a problem"};
  CHECK(has(test_report(plan_of(task::rpc_call), found), lines + "\n\nFell short:\n"));

  const auto json = json_of();
  const auto& one = json["bus_processes"][0];
  CHECK(one["pid"] == 123);
  CHECK(one["command"] == "beam.smp");
  CHECK(one["ports"] == std::vector<int>{5671, 5672});
  CHECK(one["ended"].is_null());
  REQUIRE(one["samples"].size() == 3);
  CHECK(one["samples"][0]["cpu_percent"].is_null());
  CHECK(one["samples"][1]["t"] == 1'001.0);
  CHECK(one["samples"][1]["cpu_percent"].get<double>() == Approx(85));
  CHECK(one["samples"][1]["rss_bytes"] == 149'000'000);
  CHECK(one["samples"][1]["fds"] == 59);
  CHECK(one["samples"][1]["tcp_connections"].is_null());
  CHECK(one["samples"][2]["cpu_percent"].is_null());  // too short after the one before
  CHECK(one["summary"]["cpu_percent_mean"].get<double>() == Approx(86 / 1.05));
  CHECK(one["summary"]["cpu_percent_max"].get<double>() == Approx(85));
  CHECK(one["summary"]["rss_bytes_max"] == 150'000'000);
  CHECK(one["summary"]["fds_max"] == 60);
  CHECK(one["summary"]["tcp_connections_max"] == 45);
  CHECK(json["bus_notes"][0] == found.bus.notes[0]);
}

TEST_CASE("a harness-limited run says so in the first line, and an audited one what it found") {
  outcome found = example();
  plan what = plan_of(task::rpc_call);
  const auto json_of = [&] {
    return nlohmann::json::parse(json_report(report_header{}, what, found))["audit"];
  };
  CHECK(json_of()["harness_limited"].is_null());
  CHECK(json_of()["threads_audited"] == 0);
  const std::string before = test_report(what, found);

  wire::control::audit_report audit;
  audit.thread = 1;
  audit.add_time(0.5, 0.4);
  const audited_thread who{agent_kind::rpc_client, "node-1", 12, 1};
  found.audits[who] = audit;
  CHECK(test_report(what, found) == before +
                                        "\n\nSelf-audit:\n-----------\n"
                                        "1 I/O thread: too short to say (0.50 s; 1 s is needed)\n");
  CHECK(json_of()["harness_limited"].is_null());

  audit.add_time(3.5, 1.2);
  audit.run_delay_seconds = 0.1;
  audit.lag.record(200'000, 400);
  found.audits[who] = audit;
  CHECK(test_report(what, found) == before +
                                        "\n\nSelf-audit:\n-----------\n"
                                        "1 I/O thread, the worst figures: CPU 40 % of a core,\n"
                                        "  run delay 2.5 %, loop lag 0.2 ms (p99)\n");
  CHECK(json_of()["harness_limited"] == false);

  what.audit.core = 80;
  CHECK(test_report(what, found)
            .starts_with("harness-limited: I/O thread of agent process 12 on node-1 at 80 % of a "
                         "core in 12 % of the seconds\nRPC call test results\n"));
  CHECK(found.ok());  // the figures are as good as they are
  const auto json = json_of();
  CHECK(json["harness_limited"] == true);
  CHECK(json["reasons"].size() == 1);
  CHECK(json["limits"]["core_percent"] == 80.0);
  CHECK(json["limits"]["late_percent"] == 0.1);
  CHECK(json["threads_audited"] == 1);
  const auto& thread = json["threads"][0];
  CHECK(thread["kind"] == "RPCClient");
  CHECK(thread["host"] == "node-1");
  CHECK(thread["process"] == 12);
  CHECK(thread["thread"] == 1);
  CHECK(thread["seconds"] == 4.0);
  CHECK(thread["busy_seconds"] == 0.5);
  CHECK(thread["cpu_percent_mean"].get<double>() == Approx(40));
  CHECK(thread["cpu_percent_max"].get<double>() == Approx(80));
  CHECK(thread["run_delay_percent"].get<double>() == Approx(2.5));
  CHECK(thread["loop_lag_p99_ms"].get<double>() == Approx(0.2));
  CHECK(thread["late"] == 0);
  CHECK(thread["scheduled"] == 0);
}

TEST_CASE("status lists agents by kind, host and process") {
  outcome found;
  const auto name = [](agent_kind kind, const char* host, int pid, const char* index) {
    return wire::control::agent_name("t", kind, host, pid, hex) + index;
  };
  found.agents = {agent(agent_kind::rpc_client, name(agent_kind::rpc_client, "b", 20, "-0")),
                  agent(agent_kind::rpc_client, name(agent_kind::rpc_client, "a", 3, "")),
                  agent(agent_kind::rpc_client, name(agent_kind::rpc_client, "b", 20, "-1")),
                  agent(agent_kind::rpc_client, name(agent_kind::rpc_client, "b", 7, "")),
                  agent(agent_kind::rpc_server, "by-hand")};
  CHECK(status_report(plan_of(task::status), found, false) ==
        "5 agents on topic t\n"
        "\nRPC clients: 4\n"
        "  host a  process 3  1 agent\n"
        "  host b  process 7  1 agent\n"
        "  host b  process 20  2 agents\n"
        "\nRPC servers: 1\n"
        "  by-hand\n"
        "\nListeners: 0\n"
        "\nNotifiers: 0\n");
  const auto names = status_report(plan_of(task::status), found, true);
  CHECK(has(names, "  host b  process 20  2 agents\n    " + found.agents[0].name + "\n    " +
                       found.agents[2].name + "\n"));
  CHECK(shutdown_report(found) == "5 agents told to leave\n");
  found.agents.resize(1);
  CHECK(status_report(plan_of(task::status), found, false).starts_with("1 agent on topic t\n"));
  CHECK(shutdown_report(found) == "1 agent told to leave\n");
}

TEST_CASE("the JSON report holds the same, with a schema version and milliseconds") {
  outcome found = example();
  found.clients = side_of(1'000, 1, true, 1'000);
  found.agents[0].name = "bad utf8 \xff";
  report_header header{"ombt-controller", "rabbit://u:***@h", "rabbit://c", 5.5, 7.5, ""};
  const auto text = json_report(header, plan_of(task::rpc_fanout), found);
  CHECK(text.back() == '\n');
  const auto json = nlohmann::json::parse(text);
  CHECK(json["schema_version"] == 1);
  CHECK(json["program"] == "ombt-controller");
  CHECK(json["task"] == "rpc-fanout");
  CHECK(json["url"] == "rabbit://u:***@h");
  CHECK(json["bus"].is_null());
  CHECK(json["ok"] == true);
  CHECK(json["failure"].is_null());
  CHECK(json["options"]["messages_per_client"] == 3);
  CHECK(json["options"]["length"] == 4);
  CHECK(json["options"]["delay"] == 0.25);
  CHECK(json["agent_counts"]["RPCClient"] == 2);
  const auto& clients = json["clients"];
  CHECK(clients["kind"] == "RPCClient");
  CHECK(clients["messages_ok"] == 1'000);
  CHECK(clients["messages_failed"] == 1);
  CHECK(clients["throughput_per_second"] == 500.0);
  CHECK(clients["latency"]["samples"] == 1'000);
  CHECK(clients["latency"]["average_ms"].get<double>() == Approx(500.5));
  CHECK(clients["latency"]["p50_ms"].get<double>() == Approx(500).epsilon(0.001));
  CHECK(clients["latency"]["p99_ms"].get<double>() == Approx(990).epsilon(0.001));
  CHECK(clients["latency"]["p99_9_ms"].is_null());
  CHECK(clients["latency"]["with_failures_as_infinite"]["p90_ms"].get<double>() ==
        Approx(901).epsilon(0.001));
  CHECK(clients["errors"][0]["error"] == "timed out");
  CHECK(clients["errors"][0]["count"] == 1);
  std::uint64_t counted = 0;
  for (const auto& row : clients["latency"]["distribution"]) {
    counted += row["count"].get<std::uint64_t>();
    CHECK(row["to_ms"].get<double>() > row["from_ms"].get<double>());
  }
  CHECK(counted == 1'000);
  CHECK(json["fanout_propagation_seconds"] == 2.5);
  CHECK(json["agents"].size() == 3);
  CHECK(json["agents"][1]["name"] == "c2");
  CHECK(json["agents"][1]["host"].is_null());

  outcome failed;
  failed.failure = "No RPCClient clients visible";
  const auto none = nlohmann::json::parse(json_report(header, plan_of(task::rpc_call), failed));
  CHECK(none["ok"] == false);
  CHECK(none["failure"] == failed.failure);
  CHECK(none["clients"]["latency"]["average_ms"].is_null());
  const auto status = nlohmann::json::parse(json_report(header, plan_of(task::status), example()));
  CHECK_FALSE(status.contains("clients"));
  header.bus = "embedded router";
  CHECK(nlohmann::json::parse(json_report(header, plan_of(task::notify), found))["bus"] ==
        "embedded router");
  CHECK(status["agents"].size() == 3);
}

TEST_CASE("the option --output has a line a phase, agent name to results") {
  outcome found = example();
  found.agents[1].reports = 0;
  const auto lines = output_lines(plan_of(task::rpc_call), found);
  const auto end = lines.find('\n');
  const auto clients = nlohmann::json::parse(lines.substr(0, end));
  const auto servers = nlohmann::json::parse(lines.substr(end + 1));
  CHECK(clients.size() == 1);
  CHECK(clients["c1"]["msgs_ok"] == 1);
  CHECK(clients["c1"]["latency"]["min"] == 1.5);
  CHECK_FALSE(clients["c1"].contains("ombt"));
  CHECK(servers["s1"]["msgs_ok"] == 1);
  CHECK(lines.back() == '\n');
  CHECK(output_lines(plan_of(task::status), found).empty());
}

TEST_CASE("progress says how far each phase is") {
  CHECK(progress_text(phase::connecting, {}) == "connecting");
  CHECK(progress_text(phase::roll_call, {4, 0}) == "roll call: 4 agents");
  CHECK(progress_text(phase::roll_call, {1, 0}) == "roll call: 1 agent");
  CHECK(progress_text(phase::resetting, {1, 2}) == "resetting servers: 1 of 2");
  CHECK(progress_text(phase::running, {3, 10}) == "running: 3 of 10 clients done");
  CHECK(progress_text(phase::polling, {30, 100}) ==
        "asking servers: 30 of 100 messages accounted for");
}
