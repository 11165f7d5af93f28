// SPDX-License-Identifier: Apache-2.0
#include "controller/latency_log.hpp"

#include "wire/hdr/interval_log.hpp"

#include <algorithm>

namespace ombt::controller {
namespace {

void append_side(std::string& out, double base, wire::control::agent_kind kind, const side& s) {
  const auto& totals = s.latency.totals();
  if (totals.count + totals.overflow == 0) return;
  const double start = s.results.start_time.value_or(base);
  const double stop = s.results.stop_time.value_or(start);
  // Agents' clocks may be anywhere: a series that no log can hold is left out.
  (void)wire::hdr::append_interval(out, wire_name(kind), start - base, std::max(0.0, stop - start),
                                   s.latency);
}

}  // namespace

std::string latency_log(const report_header& header, const plan& what, const outcome& found) {
  const std::string comment =
      header.program + " " OMBT_VERSION ", " + std::string{name_of(what.what)} + ", nanoseconds";
  std::string out;
  if (!wire::hdr::append_log_head(out, comment, header.started, header.started)) return out;
  const auto test = test_of(what.what);
  if (!test) return out;
  append_side(out, header.started, client_kind(*test), found.clients);
  append_side(out, header.started, server_kind(*test), found.servers);
  return out;
}

}  // namespace ombt::controller
