// SPDX-License-Identifier: Apache-2.0
#include "controller/find_rate_report.hpp"
#include "controller/json_values.hpp"

#include <nlohmann/json.hpp>

namespace ombt::controller {
namespace {

using search_json = nlohmann::ordered_json;

search_json asked_of(const search_asked& asked) {
  const rate_goal& goal = asked.goal;
  const auto& load = *asked.what.parameters.load;
  search_json out = search_json::parse(options_json(asked.what));
  const search_json options = std::move(out["load"]);
  // A probe's own, which the search chooses.
  for (const char* key : {"messages_per_client", "pause", "load"}) out.erase(key);
  out["target"] = {{"percentile", goal.percentile}, {"ms", goal.ms}};
  out["from"] = goal.limits.first;
  out["min_rate"] = goal.limits.least;
  out["max_rate"] = goal.limits.most;
  out["precision_percent"] = goal.limits.precision * 100;
  out["step"] = goal.step;
  out["max_probes"] = goal.limits.probes;
  out["arrivals"] = std::string{name_of(load.arrive)};
  out["outstanding"] = load.outstanding;
  out["max_late"] = optional_number(load.max_late);
  for (const char* key : {"seed", "sizes", "warmup"}) out[key] = options[key];
  return out;
}

search_json probe_of(const rate_goal& goal, const rate_probe& probe) {
  search_json out;
  out["rate"] = probe.rate;
  out["seconds"] = probe.seconds;
  out["started"] = optional_number(probe.started);
  out["held"] = probe.held();
  out["missed_by"] = probe.held() ? search_json(nullptr)
                     : probe.why == miss::percentile
                         ? search_json("percentile")
                         : search_json(word_of(probe.why, goal.percentile));
  out["reasons"] = probe.reasons;
  out["achieved_per_second"] = optional_number(probe.achieved);
  out["scheduled"] = probe.scheduled;
  out["succeeded"] = probe.succeeded;
  out["lost"] = probe.lost;
  out["failed"] = probe.failed;
  out["dropped"] = probe.dropped;
  search_json all;
  for (std::size_t i = 0; i < reported_percentiles.size(); ++i) {
    all[percentile_key(reported_percentiles[i])] = value_of(probe.all[i]);
  }
  out["all_scheduled"] = std::move(all);
  search_json errors = search_json::array();
  for (const auto& [text, times] : probe.errors) {
    errors.push_back({{"error", text}, {"count", times}});
  }
  out["errors"] = std::move(errors);
  out["harness_limited"] = !probe.harness.empty();
  out["harness_reasons"] = probe.harness;
  return out;
}

}  // namespace

std::string find_rate_json(const search_asked& asked, const rate_curve& curve) {
  search_json out;
  out["schema_version"] = json_schema_version;
  out["program"] = asked.header.program;
  out["version"] = OMBT_VERSION;
  out["task"] = "find-rate";
  out["test"] = std::string{name_of(asked.what.what)};
  out["bus"] = asked.header.bus.empty() ? search_json(nullptr) : search_json(asked.header.bus);
  out["url"] = asked.header.url;
  out["control"] = asked.header.control_url;
  out["started"] = asked.header.started;
  out["finished"] = asked.header.finished;
  out["options"] = asked_of(asked);
  out["ok"] = succeeded(asked, curve);
  out["failure"] = curve.failure.empty() ? search_json(nullptr) : search_json(curve.failure);
  out["found"] = curve.found;
  out["rate"] = optional_number(curve.best);
  out["missed_at"] = optional_number(curve.missed);
  out["harness_limited"] = curve.harness_limited();
  out["clients"] = curve.clients;
  out["servers"] = curve.servers;
  search_json probes = search_json::array();
  for (const rate_probe& probe : curve.probes) probes.push_back(probe_of(asked.goal, probe));
  out["probes"] = std::move(probes);
  // Errors come from peers: what is no UTF-8 is replaced, never thrown about.
  return out.dump(2, ' ', false, search_json::error_handler_t::replace) + '\n';
}

}  // namespace ombt::controller
