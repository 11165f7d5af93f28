// SPDX-License-Identifier: Apache-2.0
#include "wire/control/figures.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ombt::wire;
using namespace ombt::wire::control;
using Catch::Contains;

TEST_CASE("figures are written as Prometheus reads them, whatever is in a label") {
  metrics_text out;
  out.counter("a_total", "What \"a\" is:\nback\\slash.");
  out.sample({}, std::uint64_t{18'446'744'073'709'551'615U});
  out.sample({{"x", "quote \" and \\ and\nline"}, {"y", ""}}, 0.25);
  const double bounds[] = {0.0001, 0.5};
  const std::uint64_t counts[] = {3, 0, 2};
  out.histogram("h_seconds", "H.");
  out.buckets({{"k", "v"}}, bounds, counts, 7.5);
  CHECK(out.text() ==
        "# HELP a_total What \"a\" is:\\nback\\\\slash.\n"
        "# TYPE a_total counter\n"
        "a_total 18446744073709551615\n"
        "a_total{x=\"quote \\\" and \\\\ and\\nline\",y=\"\"} 0.25\n"
        "# HELP h_seconds H.\n"
        "# TYPE h_seconds histogram\n"
        "h_seconds_bucket{k=\"v\",le=\"0.0001\"} 3\n"
        "h_seconds_bucket{k=\"v\",le=\"0.5\"} 3\n"
        "h_seconds_bucket{k=\"v\",le=\"+Inf\"} 5\n"
        "h_seconds_sum{k=\"v\"} 7.5\n"
        "h_seconds_count{k=\"v\"} 5\n");
}

TEST_CASE("a latency counts in the first bucket that reaches it") {
  life_counts counts;
  counts.record(0);
  counts.record(100'000);  // the bound itself
  counts.record(100'001);
  counts.record(60'000'000'000, 2);
  counts.record(60'000'000'001);
  CHECK(counts.latency.front() == 2);
  CHECK(counts.latency[1] == 1);
  CHECK(counts.latency[life_counts::bounds.size() - 1] == 2);
  CHECK(counts.latency.back() == 1);
  CHECK(counts.seconds == Approx(180.0002).epsilon(1e-6));
  hdr::sparse_histogram values;
  values.record(2'000'000, 7);
  values.record(hdr::highest + 1);
  life_counts other;
  other.ok = 8;
  other.failed = 2;
  other.below_zero = 1;
  other.record(values);
  counts.merge(other);
  counts.merge(other);
  CHECK(counts.ok == 16);
  CHECK(counts.failed == 4);
  CHECK(counts.below_zero == 2);
  CHECK(counts.latency[4] == 14);
  CHECK(counts.latency.back() == 3);
}

TEST_CASE("a process tells of the kinds of agents that it has, each counter under one name") {
  process_figures all;
  kind_figures& clients = all[static_cast<std::size_t>(agent_kind::rpc_client)];
  clients.present = true;
  clients.agents = 4;
  clients.running = true;
  clients.in_flight = 3;
  clients.counts.ok = 10;
  clients.counts.failed = 2;
  clients.links.late_replies = 5;
  kind_figures& servers = all[static_cast<std::size_t>(agent_kind::rpc_server)];
  servers.present = true;  // all of them have left
  servers.counts.below_zero = 1;
  process_figures twice = all;
  for (std::size_t i = 0; i < all.size(); ++i) twice[i].merge(all[i]);
  metrics_text out;
  append_figures(out, twice);
  const std::string& text = out.text();
  for (const char* line :
       {"ombt_agents{kind=\"RPCClient\"} 8\n", "ombt_agents{kind=\"RPCServer\"} 0\n",
        "ombt_run_active{kind=\"RPCClient\"} 1\n",
        "ombt_messages_total{kind=\"RPCClient\",result=\"ok\"} 20\n",
        "ombt_messages_total{kind=\"RPCClient\",result=\"failed\"} 4\n",
        "ombt_messages_in_flight{kind=\"RPCClient\"} 6\n",
        "ombt_latency_seconds_count{kind=\"RPCServer\"} 0\n",
        "ombt_clocks_apart_total{kind=\"RPCServer\"} 2\n",
        "ombt_link_events_total{kind=\"RPCClient\",event=\"late_replies\"} 10\n"}) {
    CHECK_THAT(text, Contains(line));
  }
  CHECK_THAT(text, !Contains("Notifier"));
  CHECK_THAT(text, !Contains("ombt_run_active{kind=\"RPCServer\"}"));
  CHECK_THAT(text, !Contains("ombt_clocks_apart_total{kind=\"RPCClient\"}"));
}
