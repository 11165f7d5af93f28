// SPDX-License-Identifier: Apache-2.0
#include "wire/control/results.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

bool reads(const std::string& text, audit_report& out, std::string& why) {
  json::reader reader;
  json::value root;
  INFO(text.substr(0, 300));
  REQUIRE_FALSE(reader.parse(text, root));
  return read_audit(root, out, why);
}

audit_report example_audit() {
  audit_report a;
  a.thread = 3;
  a.add_time(1, 0.42);
  a.add_time(1, 0.97);
  a.add_time(0.5, 0.5);
  a.run_delay_seconds = 0.25;
  a.lag.record(50'000, 99);
  a.lag.record(3'000'000);
  a.late = 2;
  a.scheduled = 1'000;
  return a;
}

}  // namespace

TEST_CASE("seconds are kept by the CPU that was used in them") {
  audit_report a = example_audit();
  CHECK(a.total().seconds == Approx(2.5));
  CHECK(a.total().cpu_seconds == Approx(1.89));
  CHECK(a.above(90).seconds == Approx(1.5));
  CHECK(a.above(90).cpu_seconds == Approx(1.47));
  CHECK(a.above(40).seconds == Approx(2.5));
  CHECK(a.above(45).seconds == Approx(1.5));
  CHECK(a.above(100).seconds == Approx(0.5));
  CHECK(a.cpu_most == Approx(1.0));
  a.add_time(1, 5);     // more than a core: no thread can, a clock may
  a.add_time(1, -0.1);  // nor less than nothing
  a.add_time(0, 1);
  a.add_time(-1, 1);
  CHECK(a.load[audit_report::steps - 1].seconds == Approx(1.5));
  CHECK(a.load[0].seconds == Approx(1));
  CHECK(a.cpu_most == Approx(5));
}

TEST_CASE("the lag is a percentile of the timers, in milliseconds") {
  const audit_report a = example_audit();
  CHECK(a.lag_ms(50) == Approx(0.05).epsilon(0.001));
  CHECK(a.lag_ms(99) == Approx(0.05).epsilon(0.001));
  CHECK(a.lag_ms(99.5) == Approx(3).epsilon(0.001));
  CHECK(audit_report{}.lag_ms(99) == 0);
  audit_report stuck;
  stuck.lag.record(hdr::highest + 1'000'000'000);
  CHECK(stuck.lag_ms(99) == Approx(3'601'000));
}

TEST_CASE("reports of the same thread at different times add up") {
  audit_report a = example_audit();
  audit_report b;
  b.add_time(4, 3.7);
  b.lag.record(1'000'000, 5);
  b.scheduled = 7;
  a.merge(b);
  CHECK(a.thread == 3);
  CHECK(a.total().seconds == Approx(6.5));
  CHECK(a.above(90).seconds == Approx(5.5));
  CHECK(a.run_delay_seconds == Approx(0.25));
  CHECK(a.lag.totals().count == 105);
  CHECK(a.late == 2);
  CHECK(a.scheduled == 1'007);
  audit_report none;
  none.merge(example_audit());
  CHECK(none.run_delay_seconds == Approx(0.25));
  b.scheduled = b.late = ~std::uint64_t{0} / 4;
  a.merge(b);
  CHECK(a.late == std::uint64_t{1} << 53);
}

TEST_CASE("an audit is read as it was written, inside the details of a result") {
  const audit_report a = example_audit();
  std::string text;
  append_audit(text, a);
  CHECK(text.find(R"({"thread": 3, "load": [[8, 1.0, 0.42], [19, 1.0, 0.97], [20, 0.5, 0.5]], )"
                  R"("cpu_max": 1.0, "run_delay": 0.25, "lag": {"count": 100, )") == 0);
  CHECK(text.find(R"(, "late": 2, "scheduled": 1000})") != std::string::npos);
  audit_report back;
  std::string why;
  REQUIRE(reads(text, back, why));
  std::string again;
  append_audit(again, back);
  CHECK(again == text);

  result_details details;
  details.run = "r";
  std::string plain;
  append_results(plain, {}, &details);
  CHECK(plain.find("audit") == std::string::npos);
  details.audit = std::make_shared<audit_report>(a);
  std::string with;
  append_results(with, {}, &details);
  json::reader reader;
  json::value root;
  REQUIRE_FALSE(reader.parse(with, root));
  results r;
  result_details read;
  bool present = false;
  REQUIRE(read_results(root, r, read, present, why));
  REQUIRE(read.audit);
  CHECK(read.audit->scheduled == 1'000);
  REQUIRE_FALSE(reader.parse(plain, root));
  REQUIRE(read_results(root, r, read, present, why));
  CHECK_FALSE(read.audit);
}

TEST_CASE("keys that are missing have their defaults, and unknown ones are ignored") {
  audit_report a;
  std::string why;
  REQUIRE(reads(R"({"more": [1]})", a, why));
  CHECK(a.total().seconds == 0);
  CHECK_FALSE(a.run_delay_seconds);
  REQUIRE(reads(R"({"run_delay": null})", a, why));
  CHECK_FALSE(a.run_delay_seconds);
  REQUIRE(reads(R"({"load": [[2, 1, 0.1], [2, 3, 0.3]]})", a, why));
  CHECK(a.total().seconds == 3);  // the last wins
}

TEST_CASE("what no thread can have reported is refused, with the reason") {
  for (const char* wrong :
       {"[]",
        "null",
        "7",
        R"({"thread": -1})",
        R"({"thread": 1000001})",
        R"({"thread": "0"})",
        R"({"load": {}})",
        R"({"load": [1]})",
        R"({"load": [[1, 2]]})",
        R"({"load": [[1, 2, 3, 4]]})",
        R"({"load": [[21, 1, 1]]})",
        R"({"load": [[-1, 1, 1]]})",
        R"({"load": [[1.5, 1, 1]]})",
        R"({"load": [[1, -1, 1]]})",
        R"({"load": [[1, 1, -1]]})",
        R"({"load": [[1, 1e300, 1]]})",
        R"({"load": [[1, 1, "x"]]})",
        R"({"load": [[0,1,1],[0,1,1],[0,1,1],[0,1,1],[0,1,1],[0,1,1],[0,1,1],[0,1,1],[0,1,1],)"
        R"([0,1,1],[0,1,1],[0,1,1],[0,1,1],[0,1,1],[0,1,1],[0,1,1],[0,1,1],[0,1,1],[0,1,1],)"
        R"([0,1,1],[0,1,1],[0,1,1]]})",
        R"({"cpu_max": -0.1})",
        R"({"cpu_max": null})",
        R"({"run_delay": -1})",
        R"({"run_delay": "x"})",
        R"({"lag": []})",
        R"({"lag": {"count": 1}})",
        R"({"late": 1})",
        R"({"late": 2, "scheduled": 1})",
        R"({"scheduled": -1})",
        R"({"scheduled": 9007199254740993})"}) {
    INFO(wrong);
    audit_report a;
    std::string why;
    CHECK_FALSE(reads(wrong, a, why));
    CHECK_FALSE(why.empty());
    json::reader reader;
    json::value root;
    REQUIRE_FALSE(reader.parse(
        R"({"ombt": {"run": "", "latency": {"count": 0, "overflow": 0, "min": 0, "max": 0, )"
        R"("total": 0.0, "counts": []}, "audit": )" +
            std::string(wrong) + "}}",
        root));
    results r;
    result_details details;
    bool present = false;
    why.clear();
    CHECK_FALSE(read_results(root, r, details, present, why));
    CHECK(why.find("results.ombt.audit: ") == 0);
  }
}
