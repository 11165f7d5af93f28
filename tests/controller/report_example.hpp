// SPDX-License-Identifier: Apache-2.0
#pragma once
// An outcome to report about, and how to look at the report.

#include "controller/outcome.hpp"
#include "controller/plan.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <string>

namespace ombt::controller::test {

using wire::control::agent_kind;

inline const std::string hex = "0123456789abcdef0123456789abcdef";

inline plan plan_of(task what) {
  plan p;
  p.what = what;
  p.topic = "t";
  p.parameters.count = 3;
  p.parameters.data = "XXXX";
  return p;
}

/// n samples of 1, 2, … n ms in the record and, if asked, in the histogram.
inline side side_of(std::uint64_t n, std::uint64_t failed, bool histogram, double start) {
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

inline agent_record agent(agent_kind kind, const std::string& name, bool details = true) {
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

inline outcome example() {
  outcome found;
  found.agents = {agent(agent_kind::rpc_client, "c1"), agent(agent_kind::rpc_client, "c2"),
                  agent(agent_kind::rpc_server, "s1")};
  found.clients = side_of(3, 0, true, 1'000);
  found.servers = side_of(3, 0, true, 1'000.5);
  found.expected = found.received = 3;
  return found;
}

inline bool has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace ombt::controller::test
