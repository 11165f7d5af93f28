// SPDX-License-Identifier: Apache-2.0
#include "wire/hdr/interval_log.hpp"

#include "controller/json_report.hpp"
#include "controller/latency_log.hpp"
#include "controller/progress.hpp"
#include "controller/text_report.hpp"
#include "tests/controller/report_example.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace ombt;
using namespace ombt::controller;
using namespace ombt::controller::test;
using wire::control::agent_kind;

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

TEST_CASE("messages that are lost are infinite among all, though each succeeded") {
  outcome found = example();
  found.clients = side_of(1000, 0, true, 1'000);
  CHECK_FALSE(has(test_report(plan_of(task::rpc_cast), found), "With failures as infinite"));
  found.clients.lost = 100;
  const auto text = test_report(plan_of(task::rpc_cast), found);
  CHECK(has(text, "With failures as infinite (msecs): 50% 600."));
  CHECK(has(text, "99% >timeout 99.9% n/a\n"));
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
  found.problems = {"RPC server s1 did not answer within 60 s",
                    "2 RPC clients sent no results: process 6049 of host node-1 is gone (the "
                    "connection was lost)"};
  const auto text = test_report(plan_of(task::rpc_fanout), found);
  CHECK(has(text, "Clocks apart: 2 samples below zero, the lowest -1.500000 msecs\n"));
  CHECK(has(text, "Test Interval: n/a (nothing was seen)\n"));
  CHECK_FALSE(has(text, "Fanout propagation delay"));
  CHECK(has(text,
            "\n\nFell short:\n-----------\n  RPC server s1 did not answer within 60 s\n"
            "  2 RPC clients sent no results: process 6049 of host node-1 is gone (the\n"
            "    connection was lost)\n"));
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

namespace {

/// An open loop of 1,000 successes of 1, 2, … ms, each 500 ms behind its intended time; of failures
/// and dropped messages as told.
outcome open_loop_outcome(std::uint64_t failed, std::uint64_t dropped) {
  outcome found = example();
  found.clients = side_of(1'000, failed, true, 1'000);
  for (std::uint64_t i = 1; i <= 1'000; ++i) {
    found.clients.series[wire::control::series::intended].record((i + 500) * 1'000'000);
  }
  for (std::uint64_t i = 0; i < failed; ++i) {
    found.clients.series[wire::control::series::failed].record(60'000'000'000);
  }
  for (std::uint64_t i = 0; i < 1'000 + failed; ++i) {
    found.clients.series[wire::control::series::slip].record(i < 1'000 ? 50'000 : 2'000'000);
  }
  found.clients.load = {1'000 + failed + dropped, failed, dropped};
  return found;
}

plan open_loop_plan() {
  plan p = plan_of(task::rpc_call);
  p.parameters.load.emplace().profile = {{500, 500, 2}};
  p.parameters.load->seed = 7;
  p.parameters.load->sizes = {{1, 4, 1}};
  p.warmup = 1.5;
  return p;
}

}  // namespace

TEST_CASE("an open loop's report has its load, both latencies, and what was late") {
  outcome found = open_loop_outcome(0, 0);
  found.warm_up_messages = 750;
  const auto text = test_report(open_loop_plan(), found);
  CHECK(has(text,
            "2 RPC clients, 1 RPC Servers (3 total)\n"
            "open loop, uniform arrivals, 500/s for 2 s over 2 clients\n"
            "warm-up: 1.5 s before it, 750 messages, in no figure\n"));
  const auto value = [](double milliseconds) {
    const auto index = wire::hdr::index_of(static_cast<std::uint64_t>(milliseconds * 1e6));
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.3f",
                  static_cast<double>(wire::hdr::highest_value_at(index)) / 1e6);
    return std::string(digits);
  };
  CHECK(has(text, "Latency Percentiles (msecs): 50% " + value(500) + " 90% " + value(900) +
                      " 99% " + value(990) + " 99.9% n/a Max 1000.000\n" +
                      "Intended (msecs): 50% " + value(1000) + " 90% " + value(1400) + " 99% " +
                      value(1490) + " 99.9% n/a Max 1500.000\n" + "All scheduled (msecs): 50% " +
                      value(1000) + " 90% " + value(1400) + " 99% " + value(1490) + " 99.9% n/a\n" +
                      "Scheduled: 1000 messages, 0 late by more than 1 ms (all causes), 0 dropped\n"
                      "Slip (msecs): 50% 0.050 90% 0.050 99% 0.050 99.9% n/a Max "
                      "0.050\n"
                      "Offered: 500.0 msgs/sec, achieved: 500.0\n"));
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    if (text.compare(at, 7, "Latency") != 0) CHECK(end - at <= 80);
    at = end + 1;
  }
}

TEST_CASE("a profile of several steps is told in lines of 80 columns") {
  plan what = plan_of(task::rpc_call);
  auto& load = what.parameters.load.emplace();
  load.profile = {{1000, 1000, 30}, {5000, 5000, 60}, {10'000.5, 20'000.5, 120}};
  const auto text = test_report(what, example());
  CHECK(has(text,
            "\nopen loop, uniform arrivals, 1000/s for 30 s, 5000/s for 60 s, 10000.5/s to\n"
            "  20000.5/s for 120 s over 2 clients\n"));
}

TEST_CASE("over all that was scheduled, failed and dropped messages are infinite") {
  const auto percentiles = [](std::uint64_t failed, std::uint64_t dropped) {
    const outcome found = open_loop_outcome(failed, dropped);
    const auto text = test_report(open_loop_plan(), found);
    CHECK_FALSE(has(text, "With failures as infinite"));
    const auto at = text.find("All scheduled");
    return text.substr(at, text.find('\n', at) - at);
  };
  CHECK(has(percentiles(0, 11), "99% >timeout"));
  CHECK(has(percentiles(11, 0), "99% >timeout"));
  CHECK(has(percentiles(60, 60), "90% >timeout"));
  CHECK_FALSE(has(percentiles(0, 9), ">timeout"));
  // A bus that fails more does not look better.
  double before = 0;
  for (const std::uint64_t failed : {0, 100, 300, 500, 900}) {
    const auto median = percentile_of_all_ms(open_loop_outcome(failed, 0).clients, 50);
    REQUIRE(median.known);
    CHECK(median.ms >= before);
    before = median.ms;
  }
  outcome nothing = example();
  nothing.clients = side_of(0, 30, true, 5);
  nothing.clients.load = {40, 0, 10};
  CHECK(percentile_of_all_ms(nothing.clients, 50).infinite);
}

TEST_CASE("the JSON report has the load that was asked for and what became of it") {
  report_header header{"ombt-controller", "rabbit://h", "rabbit://h", 5.5, 7.5, ""};
  outcome found = open_loop_outcome(20, 10);
  found.warm_up_messages = 750;
  auto json = nlohmann::json::parse(json_report(header, open_loop_plan(), found));
  const auto& load = json["options"]["load"];
  CHECK(load["loop"] == "open");
  CHECK(load["rates_are_of"] == "all clients");
  CHECK(load["profile"][0]["from"] == 500.0);
  CHECK(load["profile"][0]["seconds"] == 2.0);
  CHECK(load["arrivals"] == "uniform");
  CHECK(load["outstanding"] == 1000);
  CHECK(load["max_late"].is_null());
  CHECK(load["seed"] == 7);
  CHECK(load["sizes"][0]["most"] == 4);
  CHECK(load["warmup"] == 1.5);
  CHECK(json["options"]["messages_per_client"].is_null());
  CHECK(json["warm_up_messages"] == 750);
  const auto& clients = json["clients"];
  CHECK(clients["latency"]["p50_ms"].get<double>() == Approx(500).epsilon(0.001));
  CHECK(clients["latency"]["intended"]["samples"] == 1'000);
  CHECK(clients["latency"]["intended"]["p50_ms"].get<double>() == Approx(1000).epsilon(0.001));
  CHECK(clients["latency"]["intended"]["max_ms"] == 1500.0);
  CHECK(clients["latency"]["with_failures_as_infinite"]["p99_ms"] == ">timeout");
  CHECK(clients["failed_after"]["samples"] == 20);
  CHECK(clients["failed_after"]["p50_ms"].is_null() == false);
  CHECK(clients["load"]["offered_per_second"] == 500.0);
  CHECK(clients["load"]["scheduled"] == 1'030);
  CHECK(clients["load"]["late"] == 20);
  CHECK(clients["load"]["dropped"] == 10);
  CHECK(clients["load"]["slip"]["max_ms"] == 2.0);
  json = nlohmann::json::parse(json_report(header, plan_of(task::rpc_call), example()));
  CHECK(json["options"]["load"].is_null());
  CHECK(json["warm_up_messages"].is_null());
  CHECK(json["clients"]["latency"]["intended"].is_null());
  CHECK(json["clients"]["failed_after"].is_null());
  CHECK_FALSE(json["clients"].contains("load"));
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
                  agent(agent_kind::rpc_server, "by-hand"),
                  agent(agent_kind::notifier, "mine-0"),
                  agent(agent_kind::notifier, "mine-1")};
  // By direct control their process is known.
  found.processes.resize(1);
  found.processes[0].number = found.agents[5].process = found.agents[6].process = 3;
  found.processes[0].told.host = "c";
  found.processes[0].told.pid = 9;
  CHECK(status_report(plan_of(task::status), found, false) ==
        "7 agents on topic t\n"
        "\nRPC clients: 4\n"
        "  host a  process 3  1 agent\n"
        "  host b  process 7  1 agent\n"
        "  host b  process 20  2 agents\n"
        "\nRPC servers: 1\n"
        "  by-hand\n"
        "\nListeners: 0\n"
        "\nNotifiers: 2\n"
        "  host c  process 9  2 agents\n");
  const auto names = status_report(plan_of(task::status), found, true);
  CHECK(has(names, "  host b  process 20  2 agents\n    " + found.agents[0].name + "\n    " +
                       found.agents[2].name + "\n"));
  CHECK(shutdown_report(plan_of(task::shutdown), found) == "7 agents told to leave\n");
  found.agents.resize(1);
  CHECK(status_report(plan_of(task::status), found, false).starts_with("1 agent on topic t\n"));
  CHECK(shutdown_report(plan_of(task::shutdown), found) == "1 agent told to leave\n");
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
  CHECK(json["agents"][1]["process"].is_null());

  // By direct control its process says where it is, whatever its name.
  outcome direct = found;
  direct.agents[1].process = 7;
  direct.processes.push_back({7, {}});
  direct.processes[0].told.host = "n1";
  direct.processes[0].told.pid = 71;
  const auto placed = nlohmann::json::parse(json_report(header, plan_of(task::notify), direct));
  CHECK(placed["agents"][1]["host"] == "n1");
  CHECK(placed["agents"][1]["process"] == 71);
  CHECK(placed["agents"][0]["host"] == json["agents"][0]["host"]);

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

TEST_CASE("the latency log has a series a side, with the counts of its histogram") {
  report_header header;
  header.program = "ombt-controller";
  header.started = 990;
  outcome found = example();
  const auto read = [&] {
    wire::hdr::interval_log_reader reader;
    std::vector<wire::hdr::interval> all;
    const std::string log = latency_log(header, plan_of(task::rpc_call), found);
    for (std::size_t at = 0; at < log.size();) {
      const std::size_t end = log.find('\n', at);
      std::optional<wire::hdr::interval> one;
      std::string why;
      const auto error = reader.read_line(std::string_view(log).substr(at, end - at), one, why);
      INFO(why << log);
      REQUIRE_FALSE(error);
      if (one) all.push_back(std::move(*one));
      at = end + 1;
    }
    return all;
  };
  const auto all = read();
  REQUIRE(all.size() == 2);
  CHECK(all[0].tag == "RPCClient");
  CHECK(all[0].start == Approx(1'000));
  CHECK(all[0].length == Approx(2));
  CHECK(all[0].values.totals().count == 3);
  CHECK(all[0].logged_max == Approx(3));
  CHECK(all[1].tag == "RPCServer");
  CHECK(all[1].start == Approx(1'000.5));
  // With intervals there is a line an interval, and one for what is in none of them.
  wire::control::interval_row row;
  row.start = 999;
  row.ok = 1;
  row.latency.record(1'000'000);
  found.clients.intervals.add(row);
  row.start = 1'001;
  row.failed = 4;
  row.latency.clear();
  row.latency.record(3'000'000);
  row.intended.record(5'000'000);
  found.clients.intervals.add(row);
  found.clients.series[wire::control::series::intended].record(5'000'000);
  const auto parts = read();
  REQUIRE(parts.size() == 5);
  CHECK(parts[0].tag == "RPCClient");
  CHECK(parts[0].start == Approx(999));
  CHECK(parts[0].length == Approx(1));
  CHECK(parts[1].start == Approx(1'000));
  CHECK(parts[1].length == Approx(2));
  CHECK(parts[2].tag == "RPCServer");
  CHECK(parts[3].tag == "RPCClient");
  CHECK(parts[4].tag == "RPCClient-intended");
  CHECK(parts[4].values.totals().count == 1);
  wire::hdr::sparse_histogram sum;
  for (const auto& part : parts) {
    if (part.tag == "RPCClient") sum.merge(part.values);
  }
  std::string text;
  std::string whole;
  sum.append_json(text);
  found.clients.latency.to_sparse().append_json(whole);
  CHECK(text.substr(text.find("counts")) == whole.substr(whole.find("counts")));
  CHECK(sum.totals().count == 3);
  found.servers = side();
  found.clients = side();
  CHECK(read().empty());
}

TEST_CASE("the report as data has the intervals of each side") {
  report_header header;
  outcome found = example();
  wire::control::interval_row row;
  row.start = 1'000;
  row.ok = 1'000;
  row.failed = 7;
  row.latency.record(2'000'000, 990);
  row.latency.record(9'000'000, 10);
  found.clients.intervals.add(row);
  row.start = 1'001;
  row.ok = row.failed = 3;
  row.latency.clear();
  found.clients.intervals.add(row);
  const auto report = nlohmann::json::parse(json_report(header, plan_of(task::rpc_call), found));
  const auto& intervals = report["clients"]["intervals"];
  REQUIRE(intervals.size() == 2);
  CHECK(intervals[0]["start"] == 1'000);
  CHECK(intervals[0]["seconds"] == 1);
  CHECK(intervals[0]["ok"] == 1'000);
  CHECK(intervals[0]["failed"] == 7);
  CHECK(intervals[0]["p50_ms"].get<double>() == Approx(2).epsilon(0.001));
  CHECK(intervals[0]["p99_ms"].get<double>() == Approx(2).epsilon(0.001));
  CHECK(intervals[0]["max_ms"] == 9);
  CHECK(intervals[1]["p50_ms"].is_null());
  CHECK(intervals[1]["max_ms"].is_null());
  CHECK(report["servers"]["intervals"].empty());
}
