// SPDX-License-Identifier: Apache-2.0
#include "controller/fanout_json.hpp"

#include "controller/fanout_text.hpp"
#include "controller/json_report.hpp"
#include "controller/json_values.hpp"

#include <nlohmann/json.hpp>

namespace ombt::controller {

using nlohmann::ordered_json;

namespace {

ordered_json figure_of(const fanout_summary& of, const fanout_figure& figure) {
  const auto& totals = figure.times.totals();
  ordered_json out = {{"samples", totals.samples()}, {"never", figure.never}};
  for (const double p : reported_percentiles) {
    out[percentile_key(p)] = value_of(percentile_of_fanout(of, figure, p));
  }
  out["max_ms"] = value_of(percentile_of_fanout(of, figure, 100));
  out["negative_samples"] = figure.below_zero;
  out["negative_min_ms"] =
      figure.below_zero > 0 ? ordered_json(figure.lowest_ms) : ordered_json(nullptr);
  return out;
}

}  // namespace

ordered_json fanout_json(const fanout_summary& found) {
  return {{"messages", found.messages},
          {"servers", found.servers},
          {"servers_without_times", found.servers_without},
          {"first", figure_of(found, found.first)},
          {"median", found.ends_only ? ordered_json(nullptr) : figure_of(found, found.median)},
          {"last", figure_of(found, found.last)},
          {"first_and_last_only", found.ends_only},
          {"contradicting_messages", found.contradicting},
          {"arrivals_not_kept", found.not_kept}};
}

}  // namespace ombt::controller
