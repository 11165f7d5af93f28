// SPDX-License-Identifier: Apache-2.0
#include "controller/live_figures.hpp"

#include "controller/text_report.hpp"

#include <algorithm>

namespace ombt::controller {

using wire::control::agent_kind;
using wire::control::agent_kinds;
using wire::control::kind_figures;
using wire::control::link_count_name;

namespace {

std::size_t number_of_kind(agent_kind kind) { return static_cast<std::size_t>(kind); }

/// A counter takes the larger of what it had and what is known now, with what was before the run.
void grow(std::uint64_t& counter, std::uint64_t before, std::uint64_t now) {
  counter = std::max(counter, before + now);
}

void grow(kind_figures& to, const kind_figures& before, const side& reported) {
  grow(to.counts.ok, before.counts.ok, reported.results.msgs_ok);
  grow(to.counts.failed, before.counts.failed, reported.results.msgs_fail);
  grow(to.counts.below_zero, before.counts.below_zero, reported.negative_samples);
  for (const link_count_name& event : wire::control::link_count_names) {
    grow(to.links.*event.count, before.links.*event.count, reported.links.*event.count);
  }
}

}  // namespace

void live_figures::add_second(const wire::control::live_report& report) {
  all_[number_of_kind(report.kind)].counts.record(report.second.latency);
}

void live_figures::see(const session& machine, const live_view::figures& now) {
  const outcome& found = machine.result();
  for (const agent_kind kind : agent_kinds) {
    kind_figures& of = all_[number_of_kind(kind)];
    of.agents = found.count(kind);
    of.present = of.present || of.agents > 0;
  }
  const auto test = test_of(machine.what().what);
  if (!test) return;
  if (machine.run_id() != run_) {
    run_ = machine.run_id();
    before_ = all_;
  }
  const std::size_t sending = number_of_kind(client_kind(*test));
  const std::size_t receiving = number_of_kind(server_kind(*test));
  kind_figures& clients = all_[sending];
  clients.running = machine.current() == phase::running;
  clients.in_flight = clients.running ? now.in_flight : 0;
  grow(clients.counts.ok, before_[sending].counts.ok, now.ok);
  grow(clients.counts.failed, before_[sending].counts.failed, now.failed);
  grow(clients, before_[sending], found.clients);
  grow(all_[receiving], before_[receiving], found.servers);
}

std::string live_figures::text(const session& machine, const live_view::figures& now) {
  see(machine, now);
  wire::metrics_text out;
  append_figures(out, all_);
  out.gauge("ombt_phase", "1 for the phase that the session is in.");
  const auto tell = [&](std::string_view words) {
    out.sample({{"phase", words}}, std::uint64_t{words == machine.phase_words() ? 1U : 0U});
  };
  for (int i = 0; i <= static_cast<int>(phase::finished); ++i) {
    if (static_cast<phase>(i) == phase::running) tell(warming_up_words);
    tell(name_of(static_cast<phase>(i)));
  }
  const auto test = test_of(machine.what().what);
  if (!test) return out.text();
  out.gauge("ombt_last_second_latency_seconds",
            "Percentiles of the last second, of clients on this machine; where there are 10/(1-p) "
            "samples.");
  for (const auto& [percentile, quantile] : {std::pair{50.0, "0.5"}, std::pair{99.0, "0.99"}}) {
    const auto ms = percentile_ms(now.latency, percentile);
    if (!ms) continue;
    out.sample({{"kind", wire_name(client_kind(*test))}, {"quantile", quantile}}, *ms / 1e3);
  }
  return out.text();
}

}  // namespace ombt::controller
