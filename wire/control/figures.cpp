// SPDX-License-Identifier: Apache-2.0
#include "wire/control/figures.hpp"

#include <algorithm>

namespace ombt::wire::control {
namespace {

bool sends(agent_kind kind) {
  return kind == agent_kind::rpc_client || kind == agent_kind::notifier;
}

/// Calls visit(kind, its name, its figures) for the kinds that are there.
template <class Visit>
void for_each_kind(const process_figures& all, Visit visit) {
  for (const agent_kind kind : agent_kinds) {
    const kind_figures& of = all[static_cast<std::size_t>(kind)];
    if (of.present) visit(kind, wire_name(kind), of);
  }
}

}  // namespace

void life_counts::record(std::uint64_t nanoseconds, std::uint64_t times) noexcept {
  const double value = static_cast<double>(nanoseconds) / 1e9;
  const auto at = std::lower_bound(bounds.begin(), bounds.end(), value);
  latency[static_cast<std::size_t>(at - bounds.begin())] += times;
  seconds += value * static_cast<double>(times);
}

void life_counts::record(const hdr::sparse_histogram& values) noexcept {
  for (const hdr::bucket& one : values.buckets()) {
    record(hdr::lowest_value_at(one.index), one.count);
  }
  if (values.totals().overflow > 0) record(values.totals().max, values.totals().overflow);
}

void life_counts::merge(const life_counts& other) noexcept {
  ok += other.ok;
  failed += other.failed;
  below_zero += other.below_zero;
  seconds += other.seconds;
  for (std::size_t i = 0; i < latency.size(); ++i) latency[i] += other.latency[i];
}

void kind_figures::merge(const kind_figures& other) noexcept {
  present = present || other.present;
  agents += other.agents;
  running = running || other.running;
  in_flight += other.in_flight;
  counts.merge(other.counts);
  links.merge(other.links);
}

void append_figures(metrics_text& out, const process_figures& all) {
  out.gauge("ombt_build_info", "Version of the program; always 1.");
  out.sample({{"version", OMBT_VERSION}}, std::uint64_t{1});
  out.gauge("ombt_agents", "Agents that are there, by kind.");
  for_each_kind(all, [&](agent_kind, std::string_view name, const kind_figures& of) {
    out.sample({{"kind", name}}, std::uint64_t{of.agents});
  });
  out.gauge("ombt_run_active", "1 while agents that send are in a run.");
  for_each_kind(all, [&](agent_kind kind, std::string_view name, const kind_figures& of) {
    if (sends(kind)) out.sample({{"kind", name}}, std::uint64_t{of.running ? 1U : 0U});
  });
  out.counter("ombt_messages_total",
              "Messages that ended at agents that send, or arrived at those that receive.");
  for_each_kind(all, [&](agent_kind, std::string_view name, const kind_figures& of) {
    out.sample({{"kind", name}, {"result", "ok"}}, of.counts.ok);
    out.sample({{"kind", name}, {"result", "failed"}}, of.counts.failed);
  });
  out.gauge("ombt_messages_in_flight", "Messages that have not ended.");
  for_each_kind(all, [&](agent_kind kind, std::string_view name, const kind_figures& of) {
    if (sends(kind)) out.sample({{"kind", name}}, of.in_flight);
  });
  out.histogram("ombt_latency_seconds",
                "Of messages that succeeded: until they ended; at agents that receive, one way.");
  for_each_kind(all, [&](agent_kind, std::string_view name, const kind_figures& of) {
    out.buckets({{"kind", name}}, life_counts::bounds, of.counts.latency, of.counts.seconds);
  });
  out.counter("ombt_clocks_apart_total",
              "Messages that arrived before they were sent, by the clocks; in no latency.");
  for_each_kind(all, [&](agent_kind kind, std::string_view name, const kind_figures& of) {
    if (!sends(kind)) out.sample({{"kind", name}}, of.counts.below_zero);
  });
  out.counter("ombt_link_events_total", "What went wrong at links to the bus, by what it was.");
  for_each_kind(all, [&](agent_kind, std::string_view name, const kind_figures& of) {
    for (const link_count_name& event : link_count_names) {
      out.sample({{"kind", name}, {"event", event.key}}, of.links.*event.count);
    }
  });
}

}  // namespace ombt::wire::control
