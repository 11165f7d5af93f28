// SPDX-License-Identifier: Apache-2.0
#include "controller/surroundings_json.hpp"

#include "controller/json_report.hpp"
#include "controller/json_values.hpp"
#include "controller/verdict.hpp"

#include <nlohmann/json.hpp>

namespace ombt::controller {
namespace {

using json = nlohmann::ordered_json;

json percent(const std::optional<double>& fraction) {
  return fraction ? json(*fraction * 100) : json(nullptr);
}

}  // namespace

json bus_processes_of(const bus_watched& bus) {
  json out = json::array();
  for (const bus_process& process : bus.processes) {
    json samples = json::array();
    const bus_sample* before = nullptr;
    for (const bus_sample& sample : process.samples) {
      samples.push_back({{"t", sample.at},
                         {"cpu_percent", before != nullptr ? percent(cpu_between(*before, sample))
                                                           : json(nullptr)},
                         {"rss_bytes", sample.rss_bytes},
                         {"fds", optional_number(sample.descriptors)},
                         {"tcp_connections", optional_number(sample.tcp_connections)}});
      before = &sample;
    }
    out.push_back({{"pid", process.pid},
                   {"command", process.command},
                   {"ports", process.ports},
                   {"ended", optional_number(process.ended)},
                   {"summary",
                    {{"cpu_percent_mean", percent(process.cpu_mean())},
                     {"cpu_percent_max", percent(process.cpu_most)},
                     {"rss_bytes_max", process.rss_most},
                     {"fds_max", optional_number(process.descriptors_most)},
                     {"tcp_connections_max", optional_number(process.tcp_connections_most)}}},
                   {"samples", std::move(samples)}});
  }
  return out;
}

json start_of(const run_start& start) {
  if (start.processes == 0) return nullptr;
  return {{"processes", start.processes},
          {"skew_ms", static_cast<double>(start.skew()) / 1e6},
          {"late_ms", static_cast<double>(start.last - start.agreed) / 1e6}};
}

json processes_of(const std::vector<process_record>& processes) {
  json out = json::array();
  for (const process_record& one : processes) {
    const wire::control::process_hello& told = one.told;
    json agents;
    for (const auto kind : wire::control::agent_kinds) {
      agents[std::string{wire_name(kind)}] = told.agents[static_cast<std::size_t>(kind)];
    }
    out.push_back({{"host", told.host},
                   {"pid", told.pid},
                   {"boot", told.boot},
                   {"program", told.program},
                   {"agents", std::move(agents)},
                   {"standby", told.standby},
                   {"topology", told.topology},
                   {"bus", told.bus},
                   {"site", told.site.empty() ? json(nullptr) : json(told.site)}});
  }
  return out;
}

json audit_of(const outcome& found, const audit_limits& limits) {
  const verdict judged = judge(found.audits, limits);
  json out;
  const bool known = judged.limited() || (judged.threads > 0 && !judged.too_short);
  out["harness_limited"] = known ? json(judged.limited()) : json(nullptr);
  out["reasons"] = judged.reasons;
  out["limits"] = {{"core_percent", limits.core},
                   {"seconds_percent", limits.seconds},
                   {"run_delay_percent", limits.delay},
                   {"loop_lag_ms", limits.lag},
                   {"late_percent", limits.late}};
  out["threads_audited"] = judged.threads;
  json threads = json::array();
  for (const auto& [thread, audit] : found.audits) {
    if (threads.size() == json_audit_limit) break;
    const auto all = audit.total();
    const bool any = all.seconds > 0;
    const auto& delay = audit.run_delay_seconds;
    threads.push_back(
        {{"kind", std::string{wire_name(thread.kind)}},
         {"host", thread.process != 0 ? json(thread.host) : json(nullptr)},
         {"process", thread.process != 0 ? json(thread.process) : json(nullptr)},
         {"thread", thread.thread},
         {"seconds", all.seconds},
         {"busy_seconds", audit.above(limits.core).seconds},
         {"cpu_percent_mean", any ? json(100 * all.cpu_seconds / all.seconds) : json(nullptr)},
         {"cpu_percent_max", any ? json(100 * audit.cpu_most) : json(nullptr)},
         {"run_delay_percent", any && delay ? json(100 * *delay / all.seconds) : json(nullptr)},
         {"loop_lag_p99_ms", audit.lag.totals().count > 0 ? json(audit.lag_ms(99)) : json(nullptr)},
         {"late", audit.late},
         {"scheduled", audit.scheduled}});
  }
  out["threads"] = std::move(threads);
  return out;
}

json clocks_of(const clocks_summary& clocks) {
  const auto ms = [](std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; };
  json machines = json::array();
  for (const machine_clock& of : clocks.machines) {
    const auto& known = of.known;
    const bool drift = known && known->drift_error > 0;
    machines.push_back(
        {{"host", of.host},
         {"boot", of.boot},
         {"agents", of.agents},
         {"processes", of.processes},
         {"processes_not_corrected", of.processes_untold},
         {"offset_ms", known ? json(ms(known->offset)) : json(nullptr)},
         {"bound_ms", known && !known->stepped ? json(ms(known->bound)) : json(nullptr)},
         {"drift_ppm", drift ? json(known->drift) : json(nullptr)},
         {"drift_error_ppm", drift ? json(known->drift_error) : json(nullptr)},
         {"stepped", known ? json(known->stepped) : json(nullptr)}});
  }
  return {
      {"one_way_bound_ms", clocks.complete() ? json(ms(clocks.bound.value_or(0))) : json(nullptr)},
      {"machines", std::move(machines)},
      {"own_processes_not_corrected", clocks.own_untold},
      {"own_step_ms", ms(clocks.own_step)},
      {"agents_unknown", clocks.unknown_agents}};
}

}  // namespace ombt::controller
