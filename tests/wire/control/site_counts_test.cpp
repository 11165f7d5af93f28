// SPDX-License-Identifier: Apache-2.0
#include "wire/control/site_counts.hpp"

#include "wire/control/results.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

bool reads(const std::string& text, site_counts& out, std::string& why) {
  json::reader reader;
  json::value root;
  INFO(text.substr(0, 300));
  REQUIRE_FALSE(reader.parse(text, root));
  return site_counts::read_members(root, out, why);
}

std::string members(const site_counts& of) {
  std::string out = "{";
  of.append_members(out);
  return out + "}";
}

}  // namespace

TEST_CASE("a site is a short text without control characters") {
  CHECK(is_site(""));
  CHECK(is_site("eu-west 1"));
  CHECK(is_site("r\u00e9gion"));
  CHECK(is_site(std::string(64, 's')));
  CHECK_FALSE(is_site(std::string(65, 's')));
  CHECK_FALSE(is_site("a\nb"));
  CHECK_FALSE(is_site("a\x1b[2J"));
  CHECK_FALSE(is_site("a\x7f"));
  CHECK_FALSE(is_site("a\xff"));
}

TEST_CASE(
    "a client's calls by site survive the wire with their round trips, a server's as counts") {
  site_counts client("a");
  client.answered("a", 1'000);
  client.answered("b", 5'000'000);
  client.answered("a", 1'000);
  client.answered("", 2'000);
  CHECK(members(client) ==
        R"({"site": "a", "sites": {)"
        R"("a": {"count": 2, "overflow": 0, "min": 1000, "max": 1000, "total": 2000.0, )"
        R"("counts": [[1000, 2]]}, )"
        R"("b": {"count": 1, "overflow": 0, "min": 5000000, "max": 5000000, "total": 5000000.0, )"
        R"("counts": [[)" +
            std::to_string(hdr::index_of(5'000'000)) +
            R"(, 1]]}, )"
            R"("": {"count": 1, "overflow": 0, "min": 2000, "max": 2000, "total": 2000.0, )"
            R"("counts": [[2000, 1]]}}})");
  site_counts server("");
  server.arrived("b");
  server.arrived("b");
  CHECK(members(server) == R"({"site": "", "sites": {"b": 2}})");
  for (const site_counts& one : {client, server}) {
    site_counts back;
    std::string why;
    REQUIRE(reads(members(one), back, why));
    CHECK(members(back) == members(one));
    CHECK(back.own() == one.own());
  }
}

TEST_CASE("results carry them beside the rest, and only where there are any") {
  result_details details;
  std::string text;
  append_results(text, {}, &details);
  CHECK(text.find("site") == std::string::npos);
  auto sites = std::make_shared<site_counts>("here");
  sites->arrived("there");
  details.sites = sites;
  text.clear();
  append_results(text, {}, &details);
  const std::string end = R"(, "site": "here", "sites": {"there": 1}}})";
  CHECK(text.substr(text.size() - end.size()) == end);
  json::reader reader;
  json::value root;
  REQUIRE_FALSE(reader.parse(text, root));
  results out;
  result_details back;
  bool present = false;
  std::string why;
  REQUIRE(read_results(root, out, back, present, why));
  REQUIRE(back.sites);
  CHECK(members(*back.sites) == members(*sites));
}

TEST_CASE("counts of several agents of a site add up") {
  site_counts sum("a");
  sum.answered("b", 1'000);
  site_counts other("a");
  other.answered("c", 2'000);
  other.answered("b", 3'000);
  sum.merge(other);
  REQUIRE(sum.entries().size() == 2);
  CHECK(sum.entries()[0].messages == 2);
  CHECK(sum.entries()[0].latency.totals().max == 3'000);
  CHECK(sum.entries()[1].messages == 1);
}

TEST_CASE("a million sites take the room of some dozen, and all of them are counted") {
  site_counts many("own");
  constexpr int sites = 1'000'000;
  for (int i = 0; i < sites; ++i) many.arrived("site-" + std::to_string(i));
  many.arrived("own");  // never one of the others
  REQUIRE(many.entries().size() == site_counts::most_sites + 2);
  std::uint64_t messages = 0;
  for (const auto& e : many.entries()) messages += e.messages;
  CHECK(messages == sites + 1);
  CHECK(many.entries()[site_counts::most_sites].site == other_sites);
  CHECK(many.entries().back().site == "own");
  CHECK(many.entries().back().messages == 1);
  // And such a report is read.
  site_counts back;
  std::string why;
  CHECK(reads(members(many), back, why));
  back.merge(many);
  CHECK(back.entries().size() == site_counts::most_sites + 2);
}

TEST_CASE("sites that no native agent reports are refused with a reason") {
  std::string million = R"({"site": "a", "sites": {"x": 1)";
  for (int i = 0; i < 1'000'000; ++i) million += ", \"" + std::to_string(i) + "\": 1";
  million += "}}";
  const std::string longer(65, 's');
  const std::vector<std::pair<std::string, std::string>> bad = {
      {R"({"sites": {}})", "site is no site"},
      {R"({"site": 5, "sites": {}})", "site is no site"},
      {R"({"site": "a\u001b[2J", "sites": {}})", "site is no site"},
      {R"({"site": ")" + longer + R"(", "sites": {}})", "site is no site"},
      {R"({"site": "a"})", "sites is no object"},
      {R"({"site": "a", "sites": []})", "sites is no object"},
      {R"({"site": "a", "sites": {"a\n": 1}})", "a name that is no site"},
      {R"({"site": "a", "sites": {")" + longer + R"(": 1}})", "a name that is no site"},
      {R"({"site": "a", "sites": {"a": -1}})", "else than histograms and counts"},
      {R"({"site": "a", "sites": {"a": 1.5}})", "else than histograms and counts"},
      {R"({"site": "a", "sites": {"a": "1"}})", "else than histograms and counts"},
      {R"({"site": "a", "sites": {"a": 9223372036854775807}})", "else than histograms and counts"},
      {R"({"site": "a", "sites": {"a": {"count": -1}}})", "sites: histogram"},
      {million, "sites has more than there can be"},
  };
  for (const auto& [text, reason] : bad) {
    site_counts out;
    std::string why;
    INFO(text.substr(0, 200));
    CHECK_FALSE(reads(text, out, why));
    INFO(why);
    CHECK(why.find(reason) != std::string::npos);
  }
  // Of a name that is there twice the last counts.
  site_counts out;
  std::string why;
  REQUIRE(reads(R"({"site": "a", "sites": {"b": 1, "b": 2}})", out, why));
  REQUIRE(out.entries().size() == 1);
  CHECK(out.entries()[0].messages == 2);
}
