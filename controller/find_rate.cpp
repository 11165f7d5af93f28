// SPDX-License-Identifier: Apache-2.0
#include "controller/find_rate.hpp"

#include "wire/format.hpp"

#include "controller/session_text.hpp"
#include "controller/verdict.hpp"

#include <algorithm>
#include <utility>

namespace ombt::controller {
namespace {

using wire::control::words;

/// By how much a load may take longer than its schedule, as a part of that and in seconds beside.
constexpr double pace_part = 0.03;
constexpr double pace_seconds = 0.1;
/// A probe that had too few messages for its percentile is made again, longer, so often.
constexpr int most_stretches = 3;

struct sides {
  wire::control::agent_kind client;
  wire::control::agent_kind server;
};
sides sides_of(const plan& what) {
  const auto test = *test_of(what.what);
  return {wire::control::client_kind(test), wire::control::server_kind(test)};
}

const wire::control::rate_segment& segment_of(const plan& what) {
  return what.parameters.load->profile.front();
}

/// The time from a side's first message to its last, beyond what the schedule and `slack` explain;
/// empty: nothing.
std::optional<double> behind(const side& s, double seconds, double slack) {
  const auto& start = s.results.start_time;
  const auto& stop = s.results.stop_time;
  if (!start || !stop) return {};
  const double took = *stop - *start;
  if (took <= seconds * (1 + pace_part) + pace_seconds + slack) return {};
  return took;
}

class judgement {
 public:
  explicit judgement(rate_probe& of) : of_(of) {}
  void miss_by(miss why, std::string reason) {
    if (of_.why == miss::none) of_.why = why;
    of_.reasons.push_back(std::move(reason));
  }

 private:
  rate_probe& of_;
};

std::string part_of(std::uint64_t number, std::uint64_t all, const char* what) {
  return grouped(number) + " of " + grouped(all) + " messages " + what;
}

/// Why a run is no probe: it says nothing of the rate, and those after it would not either.
std::string no_probe(const plan& what, const outcome& found, const rate_curve& curve) {
  if (!found.failure.empty()) return found.failure;
  const bool missing = std::any_of(found.agents.begin(), found.agents.end(),
                                   [](const auto& a) { return a.missing; });
  const bool other_agents = missing || !found.same_names.empty() || found.processes_gone_before > 0;
  if (other_agents && !found.problems.empty()) {
    return found.problems.front();
  }
  if (curve.probes.empty()) return {};
  const sides kinds = sides_of(what);
  for (const auto& [kind, before] :
       {std::pair{kinds.client, curve.clients}, std::pair{kinds.server, curve.servers}}) {
    if (found.count(kind) == before) continue;
    return "the agents changed: " + count_text(before, words(kind)) + " at first, now " +
           std::to_string(found.count(kind));
  }
  return {};
}

/// Nothing succeeded twice, one after the other, at the same rate: that is no matter of the rate.
std::string nothing_succeeds(const std::vector<rate_probe>& probes) {
  if (probes.size() < 2) return {};
  const rate_probe& last = probes.back();
  const rate_probe& before = probes[probes.size() - 2];
  if (last.succeeded + before.succeeded > 0 || last.rate != before.rate) return {};
  const auto worst =
      std::max_element(last.errors.begin(), last.errors.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return "no message succeeded at " + rate_text(last.rate) + " messages/s, twice" +
         (worst == last.errors.end() ? "" : ": " + worst->first);
}

/// The agents of the first probe: those after it wait for as many, and no longer.
void expect_the_same(plan& base, const outcome& found, rate_curve& curve) {
  const sides kinds = sides_of(base);
  curve.clients = found.count(kinds.client);
  curve.servers = found.count(kinds.server);
  base.expect = {{kinds.client, curve.clients}, {kinds.server, curve.servers}};
}

}  // namespace

std::string word_of(miss why, double percentile) {
  switch (why) {
    case miss::none:
      return {};
    case miss::lost:
      return "lost";
    case miss::failed:
      return "failed";
    case miss::dropped:
      return "dropped";
    case miss::trouble:
      return "trouble";
    case miss::percentile:
      return percentile_name(percentile);
    case miss::pace:
      return "pace";
  }
  return {};
}

bool rate_curve::harness_limited(const std::optional<double>& rate) const noexcept {
  return rate && std::any_of(probes.begin(), probes.end(), [&](const rate_probe& p) {
           return p.rate == *rate && !p.harness.empty();
         });
}

plan probe_plan(const plan& base, double rate, double seconds) {
  plan out = base;
  out.parameters.load->profile = {{rate, rate, seconds}};
  return out;
}

rate_probe judge_probe(const rate_goal& goal, const plan& what, const outcome& found) {
  const side& clients = found.clients;
  rate_probe out;
  out.rate = segment_of(what).from;
  out.seconds = segment_of(what).seconds;
  out.started = clients.results.start_time;
  out.succeeded = clients.results.msgs_ok;
  out.failed = clients.results.msgs_fail;
  out.dropped = clients.load.dropped;
  out.lost = clients.lost;
  out.scheduled = std::max(clients.scheduled(), out.succeeded + out.failed + out.dropped);
  out.achieved = clients.results.throughput();
  for (std::size_t i = 0; i < reported_percentiles.size(); ++i) {
    out.all[i] = percentile_of_all_ms(clients, reported_percentiles[i]);
  }
  out.target = percentile_of_all_ms(clients, goal.percentile);
  out.errors.insert(clients.results.errors.begin(), clients.results.errors.end());
  out.harness = judge(found.audits, what.audit).reasons;

  judgement judged(out);
  if (out.lost > 0) judged.miss_by(miss::lost, part_of(out.lost, out.succeeded, "are lost"));
  if (out.failed > 0) {
    judged.miss_by(miss::failed, part_of(out.failed, out.succeeded + out.failed, "failed"));
  }
  if (out.dropped > 0) {
    judged.miss_by(miss::dropped, part_of(out.dropped, out.scheduled, "were too late to be sent"));
  }
  if (out.held()) {
    for (const std::string& problem : found.problems) judged.miss_by(miss::trouble, problem);
  }
  const std::string percentile = percentile_name(goal.percentile);
  if (!out.target.known) {
    judged.miss_by(miss::percentile, percentile + " is not known");
  } else if (out.target.infinite) {
    judged.miss_by(miss::percentile, percentile + " is among those that are not there");
  } else if (out.target.ms > goal.ms) {
    judged.miss_by(miss::percentile, percentile + format(" is %.3f ms", out.target.ms));
  }
  const wire::hdr::histogram* const intended = clients.find(wire::control::series::intended);
  const double slack =
      std::max(goal.ms / 1e3, intended == nullptr ? 0 : static_cast<double>(intended->max()) / 1e9);
  const std::string schedule = format(" s for what was to take %g s", out.seconds);
  if (const auto took = behind(clients, out.seconds, slack)) {
    judged.miss_by(miss::pace, format("the clients took %.1f", *took) + schedule);
  }
  if (const auto took = behind(found.servers, out.seconds, slack)) {
    judged.miss_by(miss::pace, format("the servers took %.1f", *took) + schedule);
  }
  return out;
}

rate_curve find_rate(const rate_goal& goal, plan base, const run_probe& run,
                     const probe_told& told) {
  rate_curve out;
  rate_search search(goal.limits);
  const bool random = base.parameters.load->arrive == wire::control::arrivals::poisson;
  double stretched = 1;
  int stretches = 0;
  while (const auto rate = search.next()) {
    const double seconds = stretched * goal.seconds_at(*rate, random);
    const plan what = probe_plan(base, *rate, seconds);
    const outcome found = run(what);
    out.failure = no_probe(what, found, out);
    if (!out.failure.empty()) break;
    if (out.probes.empty()) expect_the_same(base, found, out);
    rate_probe probe = judge_probe(goal, what, found);
    // Many clients round what each has to send, and random arrivals may be few.
    const auto needed = goal.messages_needed() * (1 - 1e-9);
    if (static_cast<double>(probe.scheduled) < needed && stretches < most_stretches) {
      const auto had = std::max<double>(1, static_cast<double>(probe.scheduled));
      stretched = std::min(stretched * 1.1 * needed / had, stretched * 10);
      ++stretches;
      continue;
    }
    stretched = 1;
    stretches = 0;
    out.probes.push_back(std::move(probe));
    told(out.probes.back(), what, found);
    search.add(out.probes.back().held());
    out.failure = nothing_succeeds(out.probes);
    if (!out.failure.empty()) break;
  }
  out.best = search.best();
  out.missed = search.missed();
  out.found = search.found() && out.failure.empty();
  return out;
}

}  // namespace ombt::controller
