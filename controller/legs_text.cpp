// SPDX-License-Identifier: Apache-2.0
#include "controller/legs_text.hpp"

#include "wire/format.hpp"

#include "controller/text_report.hpp"

namespace ombt::controller {

using wire::control::series;

std::uint64_t calls_with_legs(const side& clients) {
  const wire::hdr::histogram* const values = clients.find(series::request_leg);
  if (values == nullptr) return 0;
  return values->totals().samples() + clients.negatives(series::request_leg).samples;
}

void append_legs_text(std::string& out, const side& clients) {
  const std::uint64_t known = calls_with_legs(clients);
  out += "Legs of " + grouped(known) + " of " + grouped(clients.results.msgs_ok) + " calls (msecs)";
  if (known == 0) {
    out += ": n/a\n";
    return;
  }
  out += ":\n         ";
  for (const double p : reported_percentiles) append_format(out, " %9g%%", p);
  append_format(out, " %10s\n", "Max");
  for (const auto& [name, which] : call_leg_names) {
    const wire::hdr::histogram* const values = clients.find(which);
    if (values == nullptr) continue;
    append_format(out, "  %-7s", std::string{name}.c_str());
    for (const double p : reported_percentiles) {
      if (const auto ms = percentile_ms(*values, p)) {
        append_format(out, " %10.3f", *ms);
      } else {
        append_format(out, " %10s", "n/a");
      }
    }
    if (values->totals().samples() > 0) {
      append_format(out, " %10.3f\n", static_cast<double>(values->max()) / 1e6);
    } else {
      append_format(out, " %10s\n", "n/a");
    }
  }
  for (const auto& [name, which] : call_leg_names) {
    const auto below = clients.negatives(which);
    if (below.samples == 0) continue;
    out.append("Clocks apart: ").append(name).append(" leg: ") += grouped(below.samples);
    append_format(out, " samples below zero, the lowest %f msecs\n",
                  static_cast<double>(below.lowest) / 1e6);
  }
}

}  // namespace ombt::controller
