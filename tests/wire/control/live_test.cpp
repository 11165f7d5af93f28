// SPDX-License-Identifier: Apache-2.0
#include "wire/control/live.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

live_report example_report() {
  live_report out;
  out.run = "0123456789abcdef-1";
  out.kind = agent_kind::notifier;
  out.thread = 3;
  out.agents = 40;
  out.ok = 24'000;
  out.failed = 310;
  out.in_flight = 17;
  out.second.start = 1'700'000'000;
  out.second.ok = 2'000;
  out.second.failed = 31;
  out.second.latency.record(1'200'000, 1'990);
  out.second.latency.record(4'800'000, 10);
  return out;
}

bool reads(const std::string& text, live_report& out, std::string& why) {
  json::reader reader;
  json::value root;
  INFO(text.substr(0, 300));
  REQUIRE_FALSE(reader.parse(text, root));
  return read_live_report(root, out, why);
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), by);
}

}  // namespace

TEST_CASE("what a thread says of a run survives the wire") {
  const live_report report = example_report();
  std::string text;
  append_live_report(text, report);
  CHECK(text.size() < 1'000);
  live_report back;
  std::string why;
  REQUIRE(reads(text, back, why));
  CHECK(back.run == report.run);
  CHECK(back.kind == report.kind);
  CHECK(back.thread == 3);
  CHECK(back.agents == 40);
  CHECK(back.ok == 24'000);
  CHECK(back.failed == 310);
  CHECK(back.in_flight == 17);
  CHECK(back.second.start == report.second.start);
  CHECK(back.second.ok == 2'000);
  CHECK(back.second.failed == 31);
  CHECK(back.second.latency.totals().count == 2'000);
  CHECK(back.second.latency.totals().max == 4'800'000);
}

TEST_CASE("a histogram that is too large for a datagram becomes coarser, and loses no message") {
  live_report report = example_report();
  std::uint64_t samples = 0;
  for (std::uint32_t i = 0; i < hdr::index_limit - 1'024; ++i) {
    const std::uint64_t value = hdr::lowest_value_at(i);
    if (value > hdr::highest) break;
    report.second.latency.record(value, 1'000'000);
    samples += 1'000'000;
  }
  report.second.ok += samples;
  report.second.intended.record(1);  // not told
  std::string text = "before";
  append_live_report(text, report);
  CHECK(text.size() <= live_limit + 6);
  CHECK(text.size() > live_limit / 8);
  live_report back;
  std::string why;
  REQUIRE(reads(text.substr(6), back, why));
  CHECK(back.second.latency.totals().count == report.second.latency.totals().count);
  CHECK(back.second.intended.totals().count == 0);
  const auto exact = static_cast<double>(report.second.latency.value_at_percentile(50));
  CHECK(static_cast<double>(back.second.latency.value_at_percentile(50)) ==
        Approx(exact).epsilon(0.1));
}

TEST_CASE("what no thread says is refused with a reason") {
  std::string good;
  append_live_report(good, example_report());
  const std::vector<std::string> wrong = {
      "[]",
      "{}",
      replaced(good, "\"run\"", "\"ran\""),
      replaced(good, "0123456789abcdef-1", ""),
      replaced(good, "0123456789abcdef-1", std::string(129, 'a')),
      replaced(good, "Notifier", "None"),
      replaced(good, "\"thread\": 3", "\"thread\": 4294967296"),
      replaced(good, "\"agents\": 40", "\"agents\": -1"),
      replaced(good, "\"agents\": 40", "\"agents\": 4294967296"),
      replaced(good, "\"ok\": 24000", "\"ok\": 9007199254740993"),
      replaced(good, "\"failed\": 310", "\"failed\": \"310\""),
      replaced(good, "\"in_flight\": 17", "\"in_flight\": 1.5"),
      replaced(good, "\"second\"", "\"minute\""),
      replaced(good, "1700000000, 2000", "1700000000, 1999"),
  };
  live_report out;
  std::string why;
  for (const std::string& text : wrong) {
    INFO(text);
    why.clear();
    CHECK_FALSE(reads(text, out, why));
    CHECK_FALSE(why.empty());
  }
}
