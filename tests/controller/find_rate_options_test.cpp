// SPDX-License-Identifier: Apache-2.0
#include "wire/configuration_error.hpp"

#include "controller/find_rate.hpp"
#include "tests/controller/probe_runs.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::controller;
using namespace ombt::controller::test;

namespace {

std::string why_refused(const settings& s) {
  try {
    check_settings(s);
  } catch (const configuration_error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

// ---- options ------------------------------------------------------------------------------------

TEST_CASE("what find-rate is told becomes the load of its probes") {
  auto s = search_for("20ms");
  s.search.test = "rpc-cast";
  s.search.from = "250";
  s.search.step = "5s";
  s.load.arrivals = "poisson";
  s.load.outstanding = 50;
  s.load.warmup = "1s";
  const auto checked = check_settings(s);
  CHECK(checked.what.what == task::rpc_cast);
  CHECK(checked.what.native_clients_for == "find-rate");
  CHECK(checked.what.warmup == 1);
  CHECK(checked.what.parameters.load->outstanding == 50);
  CHECK(checked.goal->ms == Approx(20));
  CHECK(checked.goal->percentile == 99);
  CHECK(checked.goal->limits.first == 250);
  CHECK(checked.goal->limits.least == 10);
  CHECK(checked.goal->limits.precision == Approx(0.03));
  const auto probe = probe_plan(checked.what, 500, 7);
  CHECK(probe.parameters.load->profile == std::vector<wire::control::rate_segment>{{500, 500, 7}});
  CHECK(probe.parameters.load->arrive == wire::control::arrivals::poisson);
  // What comes much too late is not waited for.
  CHECK(*checked.what.parameters.load->max_late == 1);
  CHECK(*check_settings(search_for("500ms")).what.parameters.load->max_late == 5);
  CHECK(check_settings(search_for("500us")).goal->ms == Approx(0.5));
}

TEST_CASE("the first rate is within the bounds, and one that is low lowers the least") {
  auto s = search_for("20ms");
  s.search.most = "30";
  CHECK(check_settings(s).goal->limits.first == 30);
  s.search.most.clear();
  s.search.least = "400";
  CHECK(check_settings(s).goal->limits.first == 400);
  s.search.least.clear();
  s.search.from = "2";
  CHECK(check_settings(s).goal->limits.least == 2);
}

TEST_CASE("what contradicts a search is refused, and named") {
  const auto refused = [](const std::function<void(settings&)>& change) {
    auto s = search_for("20ms");
    change(s);
    return why_refused(s);
  };
  const std::string chooses =
      " and find-rate contradict each other: it chooses the rates itself (--from, --min-rate, "
      "--max-rate) and sends for --step";
  CHECK(refused([](auto& s) { s.delay = 1; }) ==
        "--delay is for rpc-cast, rpc-fanout and notify: a call that has its reply has arrived");
  CHECK(refused([](auto& s) {
          s.delay = 1;
          s.search.test = "notify";
        }).empty());
  CHECK(refused([](auto& s) { s.load.rate = "5"; }) == "--rate" + chooses);
  CHECK(refused([](auto& s) { s.load.rate_per_client = "5"; }) == "--rate-per-client" + chooses);
  CHECK(refused([](auto& s) { s.load.ramp = "1:5:1s"; }) == "--ramp" + chooses);
  CHECK(refused([](auto& s) { s.load.duration = "5s"; }) == "--duration" + chooses);
  CHECK(refused([](auto& s) { s.count = 5; }) == "--calls" + chooses);
  CHECK(refused([](auto& s) {
          s.count = 5;
          s.search.test = "notify";
        }) == "--events" + chooses);
  CHECK(refused([](auto& s) { s.pause = 1; }) == "--pause" + chooses);
  CHECK(refused([](auto& s) { s.output = "lines"; }) ==
        "--output is of one run, and find-rate makes many: --out keeps them");
  CHECK(refused([](auto& s) { s.search.p99.clear(); }) ==
        "find-rate needs --target-p99 TIME (or --target-p50, --target-p90, --target-p999): what "
        "that percentile may take");
  CHECK(refused([](auto& s) { s.search.p50 = "1s"; }) ==
        "--target-p50 and --target-p99 contradict each other: one percentile is the target");
  CHECK(has(refused([](auto& s) { s.search.p99 = "0ms"; }), "--target-p99 0ms: expected a time"));
  CHECK(has(refused([](auto& s) { s.search.p99 = "soon"; }), "--target-p99 soon: expected a time"));
  CHECK(refused([](auto& s) { s.search.p99 = "2h"; }) ==
        "--target-p99 2h: expected a time of at most 1h");
  CHECK(refused([](auto& s) { s.search.test = "status"; }) ==
        "--test status: expected rpc-call, rpc-cast, rpc-fanout or notify");
  CHECK(has(refused([](auto& s) { s.search.from = "0"; }), "--from 0: expected rates above 0"));
  CHECK(has(refused([](auto& s) { s.search.step = "x"; }), "--step x: expected a time"));
  for (const char* text : {"0%", "x", "3%%", "101", ""}) {
    CHECK(refused([&](auto& s) { s.search.precision = text; }) ==
          "--precision " + std::string(text) + ": expected 0.1% to 100%");
  }
  CHECK(refused([](auto& s) { s.search.probes = 0; }) ==
        "--max-probes 0: expected a number from 1 to 1000");
  CHECK(refused([](auto& s) {
          s.search.least = "500";
          s.search.most = "100";
        }) == "--min-rate 500 is above --max-rate 100");
  CHECK(refused([](auto& s) {
          s.search.from = "500";
          s.search.most = "100";
        }) == "--from 500 is above --max-rate 100");
  CHECK(refused([](auto& s) {
          s.search.from = "50";
          s.search.least = "100";
        }) == "--min-rate 100 is above --from 50");
  CHECK(refused([](auto& s) { s.search.from = "0.001"; }) ==
        "--min-rate 0.001: a probe would take more than 168h, since p99 needs 1,000 messages");
  CHECK(has(refused([](auto& s) { s.load.outstanding = 0; }), "--outstanding 0: expected"));
  CHECK(has(refused([](auto& s) { s.load.arrivals = "odd"; }), "--arrivals odd: expected"));
}

TEST_CASE("a target needs its unit, since a number alone may be milliseconds or seconds") {
  const auto why_not = [](std::string search_settings::*target, const char* text) {
    auto s = search_for("");
    s.search.*target = text;
    return why_refused(s);
  };
  CHECK(why_not(&search_settings::p99, "20") ==
        "--target-p99 20: expected a time with its unit: 20ms or 20s?");
  CHECK(why_not(&search_settings::p50, "0.5") ==
        "--target-p50 0.5: expected a time with its unit: 0.5ms or 0.5s?");
  CHECK(has(why_not(&search_settings::p90, "0"), "--target-p90 0: expected a time with its unit"));
  CHECK(has(why_not(&search_settings::p999, "-1"), "--target-p999 -1: expected"));
  auto s = search_for("1.5s");
  CHECK(check_settings(s).goal->ms == 1500);
  s.search.step = "20";  // of other times seconds are meant, as everywhere
  CHECK(check_settings(s).goal->step == 20);
}

// ---- reports ------------------------------------------------------------------------------------

TEST_CASE("the report begins with the answer, and has the curve by rate in 80 columns") {
  const auto s = search_for("20ms");
  const auto curve = search(s, [&](const plan& p) { return jump_at(4120, p); });
  auto asked = asked_of(s);
  asked.header.bus = "embedded router";
  const auto text = find_rate_text(asked, curve);
  INFO(text);
  CHECK(text.starts_with("Highest rate that holds p99 <= 20 ms: " + rate_text(*curve.best) +
                         " messages/s (missed at " + rate_text(*curve.missed) + ")\n" +
                         "rpc-call: 2 RPC clients, 1 RPC server; "));
  CHECK(has(text, "\nbus: embedded router\n"));
  CHECK(has(text,
            "\n  asked/s  achieved  secs    p50 ms    p99 ms   lost  failed dropped  goal\n"
            "      100     99.95    10     5.000     5.000      0       0       0  held\n"
            "      200     199.9    10     5.000     5.000      0       0       0  held\n"));
  CHECK(has(text, "    6,400     6,368    10    50.000    50.000      0       0       0  ! p99\n"));
  CHECK_FALSE(has(text, "\nMissed:\n"));
  double last = 0;
  std::size_t rows = 0;
  for (std::size_t at = 0, end = 0; at < text.size(); at = end + 1) {
    end = text.find('\n', at);
    const auto line = text.substr(at, end - at);
    CHECK(line.size() <= 80);
    if (!line.ends_with("held") && !line.ends_with("! p99")) continue;
    std::string number = line.substr(0, 9);
    number.erase(std::remove(number.begin(), number.end(), ','), number.end());
    CHECK(std::stod(number) >= last);
    last = std::stod(number);
    ++rows;
  }
  CHECK(rows == curve.probes.size());
  CHECK(probe_text(asked.goal, curve.probes[0]) == "100 messages/s for 10 s: p99 5.000 ms, held");
}

TEST_CASE("the curve has two percentiles in their order, p99 and the goal's or p50") {
  const auto title = [](std::string search_settings::*target) {
    auto s = search_for("");
    s.search.*target = "20ms";
    const auto text =
        find_rate_text(asked_of(s), search(s, [](const plan& p) { return jump_at(300, p); }));
    const auto from = text.find("\n  asked/s") + 1;
    return text.substr(from, text.find('\n', from) - from);
  };
  const std::string left = "  asked/s  achieved  secs ";
  const std::string right = "   lost  failed dropped  goal";
  CHECK(title(&search_settings::p50) == left + "   p50 ms    p99 ms" + right);
  CHECK(title(&search_settings::p90) == left + "   p90 ms    p99 ms" + right);
  CHECK(title(&search_settings::p99) == left + "   p50 ms    p99 ms" + right);
  CHECK(title(&search_settings::p999) == left + "   p99 ms  p99.9 ms" + right);
}

TEST_CASE("with --strict agents that were the limit of an answer make it none") {
  auto s = search_for("20ms");
  const auto limited = search(s, [](const plan& p) {
    outcome found = jump_at(300, p);
    wire::control::audit_report audit;
    audit.scheduled = audit.late = 100;
    found.add_audit(found.agents[0], audit);
    return found;
  });
  const auto ok_of = [&] {
    return nlohmann::json::parse(find_rate_json(asked_of(s), limited))["ok"];
  };
  CHECK(ok_of() == true);
  s.strict = true;
  CHECK(ok_of() == false);
  CHECK_FALSE(succeeded(asked_of(s), limited));
}

TEST_CASE("what the table does not show of a miss stands below it") {
  const auto s = search_for("20ms");
  const auto curve = search(s, [&](const plan& p) {
    auto found = jump_at(1e6, p);
    const double rate = p.parameters.load->profile.front().from;
    if (rate > 300) found.servers.results.stop_time = *found.servers.results.stop_time + 9;
    if (rate > 280 && rate < 290) found.clients.results.errors["no luck"] = 1'234;
    if (rate == 400) found.problems = {"3 more messages than expected arrived"};
    return found;
  });
  const auto text = find_rate_text(asked_of(s), curve);
  INFO(text);
  CHECK(has(text, "  ! trouble\n"));
  CHECK(has(text, "  ! pace\n"));
  CHECK(has(text, "\n  at 400/s: 3 more messages than expected arrived\n"));
  CHECK(has(text, " s for what was to take 10 s\n"));
  CHECK(has(text, "\nErrors:\n  at 282.8/s: 1,234 x no luck\n"));
}

TEST_CASE("a row of the curve fits 80 columns as wide as it comes") {
  const auto s = search_for("20ms");
  const auto curve = search(s, [&](const plan& p) {
    auto found = run_with(p, std::vector<double>(asked_for(p), 9999.9));
    found.clients.load.dropped = 9'999'999;
    found.clients.load.scheduled += 9'999'999;
    wire::control::audit_report audit;
    audit.scheduled = audit.late = 100;
    found.add_audit(found.agents[0], audit);
    return found;
  });
  const auto text = find_rate_text(asked_of(s), curve);
  INFO(text);
  const auto end = text.find(" 9999999  ! dropped*\n");
  REQUIRE(end != std::string::npos);
  CHECK(end + 20 - (text.rfind('\n', end) + 1) <= 80);
}

TEST_CASE("the curve as data has the probes in their order") {
  const auto s = search_for("20ms");
  const auto curve = search(s, [&](const plan& p) {
    auto found = jump_at(300, p);
    if (p.parameters.load->profile.front().from > 300) {
      found.clients.load.dropped = found.clients.load.scheduled;
      found.clients.load.scheduled *= 2;
    }
    return found;
  });
  const auto data = nlohmann::json::parse(find_rate_json(asked_of(s), curve));
  CHECK(data["task"] == "find-rate");
  CHECK(data["test"] == "rpc-call");
  CHECK(data["ok"] == true);
  CHECK(data["rate"] == *curve.best);
  CHECK(data["missed_at"] == *curve.missed);
  CHECK(data["options"]["target"]["percentile"] == 99);
  REQUIRE(data["probes"].size() == curve.probes.size());
  CHECK(data["probes"][0]["rate"] == 100);
  CHECK(data["probes"][0]["held"] == true);
  CHECK(data["probes"][0]["missed_by"].is_null());
  CHECK(data["probes"][2]["rate"] == 400);
  CHECK(data["probes"][2]["missed_by"] == "dropped");
  CHECK(data["probes"][2]["dropped"] == 4000);
  CHECK(data["probes"][2]["all_scheduled"]["p99_ms"] == ">timeout");
  CHECK(data["probes"][3]["rate"] == 400);
}
