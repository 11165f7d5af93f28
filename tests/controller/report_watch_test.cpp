// SPDX-License-Identifier: Apache-2.0
// What reports say of the bus's processes and of the agents' own threads.
#include "controller/json_report.hpp"
#include "controller/text_report.hpp"
#include "controller/verdict.hpp"
#include "tests/controller/report_example.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::controller;
using namespace ombt::controller::test;

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
                         "core in\n  12 % of the seconds\nRPC call test results\n"));
  CHECK(found.ok());  // the figures are as good as they are
  const auto ok_of = [&] {
    return nlohmann::json::parse(json_report(report_header{}, what, found))["ok"];
  };
  CHECK(ok_of() == true);
  what.strict = true;  // then its exit status is 1
  CHECK_FALSE(succeeded(what, found));
  CHECK(ok_of() == false);
  what.strict = false;
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
