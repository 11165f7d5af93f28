// SPDX-License-Identifier: Apache-2.0
#include "wire/format.hpp"

#include "controller/columns.hpp"
#include "controller/find_rate_report.hpp"
#include "controller/session_text.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace ombt::controller {
namespace {

using wire::control::words;

constexpr std::size_t errors_of_a_probe = 3;
/// A count that is wider than its column; the exact one is in the reasons and in the JSON.
constexpr std::uint64_t widest_count = 9'999'999;

std::string ms_text(const percentile_of_all& value) {
  if (!value.known) return "n/a";
  if (value.infinite) return ">timeout";
  return format(value.ms < 10'000 ? "%.3f" : "%.0f", value.ms);
}

std::string rate_here(double rate) { return rate_text(rate) + "/s"; }

std::string count_here(std::uint64_t count) {
  return count <= widest_count ? std::to_string(count) : ">" + std::to_string(widest_count);
}

std::string verdict_text(const rate_goal& goal, const rate_probe& probe) {
  return probe.held() ? "held" : "missed (" + word_of(probe.why, goal.percentile) + ")";
}

/// Ordered by rate; of the same rate the earlier one first.
std::vector<const rate_probe*> by_rate(const rate_curve& curve) {
  std::vector<const rate_probe*> out;
  for (const rate_probe& probe : curve.probes) out.push_back(&probe);
  std::stable_sort(out.begin(), out.end(),
                   [](const auto* a, const auto* b) { return a->rate < b->rate; });
  return out;
}

/// The two of reported_percentiles that the curve has: the goal's and p99, or p50 where that is the
/// goal's.
std::pair<std::size_t, std::size_t> columns_of(const rate_goal& goal) {
  const auto place = [](double percentile) {
    const auto& all = reported_percentiles;
    return static_cast<std::size_t>(std::find(all.begin(), all.end(), percentile) - all.begin());
  };
  return std::minmax(place(goal.percentile), place(goal.percentile == 99 ? 50 : 99));
}

void append_curve(std::string& out, const rate_goal& goal, const rate_curve& curve) {
  const auto [first, second] = columns_of(goal);
  const auto title = [](std::size_t of) {
    return percentile_name(reported_percentiles[of]) + " ms";
  };
  append_format(out, "%9s %9s %5s %9s %9s %6s %7s %7s  %s\n", "asked/s", "achieved", "secs",
                title(first).c_str(), title(second).c_str(), "lost", "failed", "dropped", "goal");
  for (const rate_probe* probe : by_rate(curve)) {
    const std::string word = probe->held() ? "held" : "! " + word_of(probe->why, goal.percentile);
    append_format(out, "%9s %9s %5g %9s %9s %6s %7s %7s  %s%s\n", rate_text(probe->rate).c_str(),
                  probe->achieved ? rate_text(*probe->achieved).c_str() : "n/a", probe->seconds,
                  ms_text(probe->all[first]).c_str(), ms_text(probe->all[second]).c_str(),
                  count_here(probe->lost).c_str(), count_here(probe->failed).c_str(),
                  count_here(probe->dropped).c_str(), word.c_str(),
                  probe->harness.empty() ? "" : "*");
  }
}

/// A block of lines with the probes' rates before them.
class rate_lines {
 public:
  explicit rate_lines(const char* title) : title_(title) {}
  void add(double rate, const std::string& line) {
    lines_ += wrapped("  at " + rate_here(rate) + ": " + line, "    ") + '\n';
  }
  void append_to(std::string& out) const {
    if (!lines_.empty()) out.append("\n").append(title_).append("\n") += lines_;
  }

 private:
  const char* title_;
  std::string lines_;
};

void add_errors_of(rate_lines& to, const rate_probe& probe) {
  std::vector<std::pair<std::string_view, std::uint64_t>> all(probe.errors.begin(),
                                                              probe.errors.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (all.size() > errors_of_a_probe) all.resize(errors_of_a_probe);
  for (const auto& [text, times] : all) {
    to.add(probe.rate, grouped(times) + " x " + std::string{text});
  }
}

}  // namespace

bool succeeded(const search_asked& asked, const rate_curve& curve) {
  return curve.ok() && !(asked.what.strict && curve.harness_limited());
}

std::string answer_text(const rate_goal& goal, const rate_curve& curve) {
  const std::string target = goal_text(goal);
  const std::string best = curve.best ? rate_text(*curve.best) + " messages/s" : "";
  if (curve.found && curve.best) {
    return "Highest rate that holds " + target + ": " + best +
           (curve.missed ? " (missed at " + rate_text(*curve.missed) + ")"
                         : ", the highest allowed");
  }
  if (curve.found) {
    return "No rate holds " + target + ": missed at " +
           rate_text(curve.missed.value_or(goal.limits.least)) + " messages/s, the lowest allowed";
  }
  std::string out = "Not found: " + target;
  out += curve.best ? " holds at " + best : " has held at no rate yet";
  if (curve.missed) out += ", missed at " + rate_text(*curve.missed);
  return out;
}

std::string probe_text(const rate_goal& goal, const rate_probe& probe) {
  return rate_text(probe.rate) + " messages/s for " + format("%g s: ", probe.seconds) +
         percentile_name(goal.percentile) + ' ' + ms_text(probe.target) +
         (probe.target.known && !probe.target.infinite ? " ms, " : ", ") +
         verdict_text(goal, probe) + (probe.harness.empty() ? "" : ", harness-limited");
}

std::string find_rate_text(const search_asked& asked, const rate_curve& curve) {
  const rate_goal& goal = asked.goal;
  std::string out = answer_text(goal, curve) + '\n';
  if (!curve.failure.empty()) {
    out += "Cut short: " + curve.failure + '\n';
  } else if (!curve.found) {
    out += "Cut short: " + count_text(curve.probes.size(), "probe") + " made, --max-probes\n";
  }
  for (const auto& rate : {curve.best, curve.missed}) {
    if (!curve.harness_limited(rate)) continue;
    out += "harness-limited at " + rate_here(*rate) +
           ": the agents, not the bus, may be the limit there\n";
  }
  if (curve.probes.empty()) return out;

  const auto test = *test_of(asked.what.what);
  const auto& load = *asked.what.parameters.load;
  out += std::string{name_of(asked.what.what)} + ": " +
         count_text(curve.clients, words(wire::control::client_kind(test))) + ", " +
         count_text(curve.servers, words(wire::control::server_kind(test))) + "; " +
         count_text(curve.probes.size(), "probe") + '\n';
  if (!asked.header.bus.empty()) out += "bus: " + asked.header.bus + '\n';
  append_format(out, "open loop, %s arrivals, %u outstanding a client at most,\n",
                std::string{name_of(load.arrive)}.c_str(), load.outstanding);
  append_format(out, "  not sent when %g s late; percentiles are over all scheduled messages\n",
                load.max_late.value_or(0));
  if (asked.what.warmup > 0) {
    append_format(out, "warm-up: %g s before each probe, in no figure\n", asked.what.warmup);
  }
  const bool longer = std::any_of(curve.probes.begin(), curve.probes.end(),
                                  [&](const rate_probe& p) { return p.seconds > goal.step; });
  if (longer) {
    append_format(out,
                  "Probes of %g s are too short for %s at low rates, which needs %s messages:\n",
                  goal.step, percentile_name(goal.percentile).c_str(),
                  rate_text(goal.messages_needed()).c_str());
    out += "  those are longer\n";
  }
  out += '\n';
  append_curve(out, goal, curve);

  rate_lines harness("* harness-limited: the agents, not the bus, may be the limit there");
  rate_lines missed("Missed:");
  rate_lines errors("Errors:");
  constexpr std::string_view said = "harness-limited: ";
  for (const rate_probe* probe : by_rate(curve)) {
    if (!probe->harness.empty()) {
      const std::string& reason = probe->harness.front();
      harness.add(probe->rate, reason.starts_with(said) ? reason.substr(said.size()) : reason);
    }
    // Percentile and counts are in the table.
    if (probe->why == miss::trouble || probe->why == miss::pace) {
      for (const std::string& reason : probe->reasons) missed.add(probe->rate, reason);
    }
    add_errors_of(errors, *probe);
  }
  harness.append_to(out);
  missed.append_to(out);
  errors.append_to(out);
  return out;
}

}  // namespace ombt::controller
