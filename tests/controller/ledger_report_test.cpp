// SPDX-License-Identifier: Apache-2.0
#include "wire/format.hpp"

#include "controller/json_report.hpp"
#include "controller/ledger_text.hpp"
#include "controller/text_report.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <string>

using namespace ombt::controller;

namespace {

std::string text_of(const ledger_summary& ledger) {
  std::string out;
  append_ledger_text(out, ledger, "RPC client", "RPC server");
  return out;
}

ledger_summary clean(std::uint64_t messages) {
  ledger_summary out;
  out.all.sent = out.all.delivered = messages;
  return out;
}

ledger_summary troubled() {
  ledger_summary out;
  out.all = {2'000, 1'950, 10, 30, 10, 0, 0, 12, 4};
  out.caught_by_window = 5;
  out.late_replies = 3;
  out.failed_by_kind = {{"messaging_timeout", 8}, {"nacked", 2}};
  out.clients_listed_of = 2;
  out.clients = {{"c1", {1'000, 960, 0, 30, 10, 0, 0, 0, 4}, "17, 25-53"},
                 {"c2", {1'000, 990, 10, 0, 0, 0, 0, 12, 0}, ""}};
  return out;
}

}  // namespace

TEST_CASE("numbers are grouped by thousands") {
  CHECK(ombt::grouped(0) == "0");
  CHECK(ombt::grouped(999) == "999");
  CHECK(ombt::grouped(1'000) == "1,000");
  CHECK(ombt::grouped(12'345'678) == "12,345,678");
}

TEST_CASE("a ledger in which all is well is one line") {
  CHECK(text_of(clean(2'000)) == "\n\nLedger: sent 2,000 = delivered once 2,000\n");
}

TEST_CASE("a ledger with trouble has the equation, and who is concerned") {
  CHECK(text_of(troubled()) ==
        "\n\nLedger:\n-------\n"
        "  sent 2,000 = delivered once 1,950 + more than once 10 + lost 30 + failed 10\n"
        "  failed, but delivered: 4\n"
        "  extra copies: 12\n"
        "  copies caught by oslo.messaging's window: 5\n"
        "  late replies: 3\n"
        "  failed with messaging_timeout: 8\n"
        "  failed with nacked: 2\n"
        "  RPC client c1:\n"
        "    sent 1,000 = delivered once 960 + lost 30 + failed 10; not there: 17, 25-53\n"
        "  RPC client c2:\n"
        "    sent 1,000 = delivered once 990 + more than once 10; extra copies 12\n");
  auto fanout = troubled();
  fanout.fanout = true;
  fanout.receivers = 20;
  fanout.copies_lost = 35;
  fanout.clients.clear();
  fanout.clients_listed_of = 0;
  fanout.receivers_listed_of = 30;
  for (int i = 0; i < 30; ++i) {
    fanout.receivers_wrong.push_back({"s" + std::to_string(i), {10, 9, 0, 1, 0, 0, 0, 0, 0}, ""});
  }
  const auto text = text_of(fanout);
  CHECK(text.find("  (delivered: to each of 20 RPC servers)\n  copies lost: 35\n") !=
        std::string::npos);
  CHECK(text.find("  RPC server s19: sent 10 = delivered once 9 + lost 1\n  and 10 more RPC "
                  "servers\n") != std::string::npos);
}

TEST_CASE("what a ledger cannot say is told, a line each, also of one that knows nothing") {
  auto partly = clean(100);
  partly.all.delivered = 90;
  partly.all.unknown = 10;
  partly.gaps = {"1 receiver without a ledger, as Python ones are"};
  CHECK(text_of(partly) ==
        "\n\nLedger:\n-------\n"
        "  sent 100 = delivered once 90 + unknown 10\n"
        "  Incomplete: 1 receiver without a ledger, as Python ones are\n");
  auto nothing = clean(0);
  nothing.gaps = {"a", "b"};
  CHECK(text_of(nothing) == "\n\nLedger: n/a\n  Incomplete: a\n  Incomplete: b\n");
}

TEST_CASE("a ledger that does not close says so in capitals") {
  auto wrong = clean(10);
  wrong.all.lost = 1;
  CHECK_FALSE(wrong.complete());
  CHECK(text_of(wrong).find("THE LEDGER DOES NOT CLOSE") != std::string::npos);
}

TEST_CASE("the ledger is in both reports of a test, and null in one without") {
  plan what;
  what.what = task::rpc_cast;
  outcome found;
  const auto report = [&] {
    return nlohmann::json::parse(json_report(report_header{}, what, found))["ledger"];
  };
  CHECK(report().is_null());
  found.ledger = troubled();
  CHECK(test_report(what, found).find("  extra copies: 12\n") != std::string::npos);
  auto json = report();
  CHECK(json["sent"] == 2'000);
  CHECK(json["delivered"] == 1'950);
  CHECK(json["duplicated"] == 10);
  CHECK(json["lost"] == 30);
  CHECK(json["failed"] == 10);
  CHECK(json["unknown"] == 0);
  CHECK(json["not_kept"] == 0);
  CHECK(json["extra_copies"] == 12);
  CHECK(json["failed_but_delivered"] == 4);
  CHECK(json["caught_by_window"] == 5);
  CHECK(json["late_replies"] == 3);
  CHECK(json["complete"] == true);
  CHECK(json["failed_by_kind"][1] == nlohmann::json{{"error", "nacked"}, {"count", 2}});
  CHECK(json["clients_concerned"] == 2);
  CHECK(json["clients"][0]["name"] == "c1");
  CHECK(json["clients"][0]["lost"] == 30);
  CHECK(json["clients"][0]["lost_sequences"] == "17, 25-53");
  CHECK_FALSE(json.contains("servers"));
  found.ledger->fanout = true;
  found.ledger->copies_lost = 35;
  found.ledger->receivers = 2;
  found.ledger->receivers_listed_of = 1;
  found.ledger->receivers_wrong = {{"s1", {10, 9, 0, 1, 0, 0, 0, 0, 0}, ""}};
  found.ledger->gaps = {"why"};
  json = report();
  CHECK(json["complete"] == false);
  CHECK(json["gaps"][0] == "why");
  CHECK(json["servers_expected"] == 2);
  CHECK(json["copies_lost"] == 35);
  CHECK(json["servers_concerned"] == 1);
  CHECK(json["servers"][0]["name"] == "s1");
}
