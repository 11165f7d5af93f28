// SPDX-License-Identifier: Apache-2.0
#include "wire/control/live.hpp"

#include "wire/control/field_reader.hpp"

#include <limits>

namespace ombt::wire::control {
namespace {

constexpr std::size_t longest_run = 128;

/// The same samples in fewer buckets: each 2^bits neighbours become the lowest of them.
hdr::sparse_histogram coarser(const hdr::sparse_histogram& values, unsigned bits) {
  hdr::sparse_histogram out;
  for (const hdr::bucket& one : values.buckets()) {
    out.record(hdr::lowest_value_at(one.index >> bits << bits), one.count);
  }
  return out;
}

void append_with(std::string& out, const live_report& report, const interval_row& second) {
  out += "{\"run\": ";
  json::append_string(out, report.run);
  out.append(", \"kind\": \"").append(wire_name(report.kind));
  out += "\", \"thread\": " + std::to_string(report.thread) +
         ", \"agents\": " + std::to_string(report.agents) +
         ", \"ok\": " + std::to_string(report.ok) +
         ", \"failed\": " + std::to_string(report.failed) +
         ", \"in_flight\": " + std::to_string(report.in_flight) + ", \"second\": ";
  append_interval_row(out, second);
  out += '}';
}

}  // namespace

void append_live_report(std::string& out, const live_report& report) {
  interval_row second = report.second;
  second.intended.clear();
  const std::size_t before = out.size();
  append_with(out, report, second);
  for (unsigned bits = 1; out.size() - before > live_limit && bits < 16; ++bits) {
    out.resize(before);
    second.latency = coarser(report.second.latency, bits);
    append_with(out, report, second);
  }
}

bool read_live_report(json::value from, live_report& out, std::string& why) {
  out = {};
  if (!from.is_object()) {
    why = "report is no object";
    return false;
  }
  const auto run = from["run"].string();
  const auto kind = agent_kind_from(from["kind"].string().value_or(""));
  if (!run || run->empty() || run->size() > longest_run || !kind) {
    why = "report has no run, or no kind";
    return false;
  }
  out.run = *run;
  out.kind = *kind;
  field_reader fields{"report.", why};
  std::uint64_t thread = 0;
  std::uint64_t agents = 0;
  fields.count(from, "thread", thread);
  fields.count(from, "agents", agents);
  fields.count(from, "ok", out.ok);
  fields.count(from, "failed", out.failed);
  fields.count(from, "in_flight", out.in_flight);
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
  if (thread > most) fields.fail("thread", " is no small number");
  if (agents > most) fields.fail("agents", " is no small number");
  if (!fields.ok()) return false;
  out.thread = static_cast<std::uint32_t>(thread);
  out.agents = static_cast<std::uint32_t>(agents);
  return read_interval_row(from["second"], out.second, why);
}

}  // namespace ombt::wire::control
