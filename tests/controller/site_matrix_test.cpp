// SPDX-License-Identifier: Apache-2.0
#include "controller/json_report.hpp"
#include "controller/text_report.hpp"
#include "tests/controller/report_example.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

using namespace ombt::controller;
using namespace ombt::controller::test;
using ombt::wire::control::site_counts;

namespace {

site_counts client_at(const std::string& own, const std::map<std::string, std::uint64_t>& calls_at,
                      std::uint64_t nanoseconds = 1'000'000) {
  site_counts out(own);
  for (const auto& [site, calls] : calls_at) {
    for (std::uint64_t i = 0; i < calls; ++i) out.answered(site, nanoseconds);
  }
  return out;
}

site_counts server_at(const std::string& own, const std::map<std::string, std::uint64_t>& from) {
  site_counts out(own);
  for (const auto& [site, messages] : from) {
    for (std::uint64_t i = 0; i < messages; ++i) out.arrived(site);
  }
  return out;
}

/// Three sites, the third has clients only; agents without one.
site_matrix example_matrix() {
  site_matrix m;
  m.add_client(client_at("fra", {{"fra", 1'200}, {"ams", 30}}));
  m.add_client(client_at("fra", {{"fra", 34}}, 2'000'000));
  m.add_client(client_at("ams", {{"ams", 100}, {"", 20}}));
  m.add_client(client_at("", {{"fra", 5}}));
  m.add_client(client_at("z\u00fcr", {{"ams", 10}}));
  m.add_server(server_at("fra", {{"fra", 1'234}, {"", 5}}));
  m.add_server(server_at("ams", {{"fra", 30}, {"ams", 100}, {"z\u00fcr", 10}}));
  m.add_server(server_at("", {{"ams", 20}}));
  return m;
}

std::string text_of(const site_matrix& m, bool calls = true, std::uint64_t succeeded = 1'399) {
  std::string out;
  append_site_text(out, m, calls, succeeded);
  return out;
}

}  // namespace

TEST_CASE("the matrix is the sum over agents, and both sides agree about it") {
  const site_matrix m = example_matrix();
  REQUIRE(m.cells().size() == 6);
  for (const auto& [sites, cell] : m.cells()) CHECK(cell.calls == cell.arrivals);
  const auto& at_home = m.cells().at({"fra", "fra"});
  CHECK(at_home.calls == 1'234);
  CHECK(at_home.latency.totals().count == 1'234);
  CHECK(at_home.latency.totals().max == 2'000'000);
  CHECK(m.local(true, "fra").percent() == Approx(100 * 1'234.0 / 1'264));
  CHECK(m.local(true, "z\u00fcr").percent() == 0.0);
  // Who has no site can't stay on it.
  CHECK_FALSE(m.local(true, "").percent());
  CHECK(m.local(true).all == 1'394);
  CHECK(m.local(true).local == 1'334);
}

TEST_CASE("few sites are a table of 80 columns") {
  CHECK(text_of(example_matrix()) ==
        "  of \\ at                       -              ams              fra    local\n"
        "  -                             0                0                5      n/a\n"
        "                                                                n/a\n"
        "  ams                          20              100                0    83.3%\n"
        "                        1.000/n/a        1.000/n/a\n"
        "  fra                           0               30            1,234    97.6%\n"
        "                                         1.000/n/a      1.000/2.000\n"
        "  z\u00fcr                           0               10                0     0.0%\n"
        "                                               n/a\n"
        "  all                                                                  95.7%\n");
  std::istringstream lines(text_of(example_matrix()));
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 81);
}

TEST_CASE("how many calls the matrix is about is told, and what both sides count otherwise") {
  site_matrix m;
  m.add_client(client_at("a", {{"b", 10}}));
  m.add_server(server_at("b", {{"a", 12}}));
  CHECK(has(text_of(m, true, 15),
            "  sites of 10 of 15 calls\n  a -> b: 10 answered, but 12 arrived at the servers\n"));
  for (int i = 0; i < 9; ++i) m.add_server(server_at("c" + std::to_string(i), {{"a", 1}}));
  CHECK(has(text_of(m, true, 10), "\n  and 5 more pairs that differ so\n"));
  CHECK_FALSE(has(text_of(m, true, 10), "sites of"));
}

TEST_CASE("many sites, or long names, are a list, the busiest first") {
  site_matrix m;
  for (int i = 0; i < 50; ++i) {
    const std::string site = "site-" + std::to_string(i);
    m.add_client(client_at(site, {{site, 100 + static_cast<std::uint64_t>(i)}}));
    m.add_server(server_at(site, {{site, 100 + static_cast<std::uint64_t>(i)}}));
  }
  const std::string text = text_of(m, true, 6'225);
  CHECK(
      text.starts_with("  site-49 -> site-49: 149, 1.000/n/a\n"
                       "  site-48 -> site-48: 148, 1.000/n/a\n"));
  CHECK(has(text, "\n  and 10 more pairs\n"));
  CHECK(has(text, "\n  local of site-0: 100 of 100, 100.0%\n"));
  CHECK(has(text, "\n  local of all: 6,225 of 6,225, 100.0%\n"));
  site_matrix wide;
  wide.add_client(client_at("a", {{std::string(64, 'b'), 3}}));
  CHECK(text_of(wide, true, 3).starts_with("  a -> " + std::string(64, 'b') + ": 3, n/a\n"));
}

TEST_CASE("of messages without answers the matrix is the servers'") {
  site_matrix m;
  m.add_server(server_at("a", {{"a", 7}, {"b", 3}}));
  CHECK(text_of(m, false, 0) ==
        "  of \\ at                       a    local\n"
        "  a                             7   100.0%\n"
        "  b                             3     0.0%\n"
        "  all                                70.0%\n");
}

TEST_CASE("agents that make up sites take bounded room, and none of their calls is left out") {
  site_matrix m;
  std::uint64_t calls = 0;
  for (int agent = 0; agent < 2'000; ++agent) {
    site_counts one("own-" + std::to_string(agent % 100));
    for (int i = 0; i < 70; ++i) one.answered("s-" + std::to_string(agent * 70 + i), 1'000);
    m.add_client(one);
    m.add_server(server_at("s-" + std::to_string(agent), {{"own-0", 1}}));
    calls += 70;
  }
  CHECK(m.cells().size() <= site_matrix::most_cells + 1);
  CHECK(m.client_sites().size() <= site_matrix::most_sites + 1);
  std::uint64_t counted = 0;
  for (const auto& [sites, cell] : m.cells()) counted += cell.calls;
  CHECK(counted == calls);
  // Nobody knows whether those others are where they were called.
  CHECK_FALSE(m.local(true, "other sites").percent());
  // Also where each pair is a new one, of sites that are known.
  site_matrix pairs;
  for (int a = 0; a < 64; ++a) {
    for (int b = 0; b < 64; ++b) {
      pairs.add_client(client_at("s" + std::to_string(a), {{"s" + std::to_string(b), 1}}));
    }
  }
  CHECK(pairs.cells().size() == site_matrix::most_cells + 1);
  CHECK(pairs.cells().at({"other sites", "other sites"}).calls == 64 * 64 - 1'024);
}

TEST_CASE("reports have the sites, text and JSON") {
  outcome found = example();
  const plan what = plan_of(task::rpc_call);
  CHECK_FALSE(has(test_report(what, found), "Sites"));
  const report_header header;
  CHECK(nlohmann::json::parse(json_report(header, what, found))["sites"].is_null());
  found.sites = example_matrix();
  CHECK(has(test_report(what, found),
            "\n\nSites (calls of clients at servers, and p50/p99 in msecs):\n"));
  const auto sites = nlohmann::json::parse(json_report(header, what, found))["sites"];
  REQUIRE(sites["cells"].size() == 6);
  const auto& cell = sites["cells"][4];
  CHECK(cell["client"] == "fra");
  CHECK(cell["server"] == "fra");
  CHECK(cell["calls"] == 1'234);
  CHECK(cell["arrived"] == 1'234);
  CHECK(cell["p50_ms"] == Approx(1.000).epsilon(0.001));
  CHECK(cell["p99_9_ms"].is_null());
  CHECK(cell["max_ms"] == 2.0);
  REQUIRE(sites["clients"].size() == 4);
  CHECK(sites["clients"][0]["site"] == "");
  CHECK(sites["clients"][0]["local_percent"].is_null());
  CHECK(sites["clients"][2] == nlohmann::json({{"site", "fra"},
                                               {"messages", 1'264},
                                               {"local", 1'234},
                                               {"local_percent", 100 * 1'234.0 / 1'264}}));
  CHECK(sites["all"]["messages"] == 1'394);
  const auto cast = nlohmann::json::parse(json_report(header, plan_of(task::rpc_cast), found));
  CHECK_FALSE(cast["sites"]["cells"][4].contains("calls"));
  CHECK(cast["sites"]["cells"][4]["arrived"] == 1'234);
  CHECK(has(test_report(plan_of(task::rpc_cast), found),
            "\n\nSites (messages of clients at servers):\n"));
}
