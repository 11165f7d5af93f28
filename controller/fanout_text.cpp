// SPDX-License-Identifier: Apache-2.0
#include "controller/fanout_text.hpp"

#include "wire/format.hpp"

namespace ombt::controller {
namespace {

void append_figure(std::string& out, const char* title, const fanout_summary& of,
                   const fanout_figure& figure) {
  out += title;
  for (const double p : reported_percentiles) {
    append_format(out, " %g%% ", p);
    out += in_words(percentile_of_fanout(of, figure, p));
  }
  out += " Max " + in_words(percentile_of_fanout(of, figure, 100)) + '\n';
}

void append_below_zero(std::string& out, const char* which, const fanout_figure& figure) {
  if (figure.below_zero == 0) return;
  out += "  Clocks apart: " + grouped(figure.below_zero) + " of the times until the " + which;
  append_format(out, " server below zero, the lowest %f msecs\n", figure.lowest_ms);
}

}  // namespace

percentile_of_all percentile_of_fanout(const fanout_summary& of, const fanout_figure& figure,
                                       double percentile) {
  if (of.not_kept > 0) return {};
  if (percentile < 100) return percentile_of_all_ms(&figure.times, figure.never, 0, percentile);
  const auto& totals = figure.times.totals();
  percentile_of_all out;
  out.known = totals.samples() + figure.never > 0;
  out.infinite = figure.never > 0;
  if (!out.infinite) out.ms = static_cast<double>(figure.times.max()) / 1e6;
  return out;
}

void append_fanout_text(std::string& out, const fanout_summary& found) {
  append_figure(out, "  Until the first server (msecs):", found, found.first);
  if (found.ends_only) {
    out +=
        "  Until the median server: n/a (too many arrivals to keep: only the first and the last of "
        "each message)\n";
  } else {
    append_figure(out, "  Until the median server (msecs):", found, found.median);
  }
  append_figure(out, "  Until the last server (msecs):", found, found.last);
  out += "  (" + grouped(found.messages) + " messages of native clients, at " +
         grouped(found.servers) + " native servers" +
         (found.topics > 1 ? ", each at those of its topic" : "");
  if (found.servers_without > 0) {
    out += "; " + grouped(found.servers_without) +
           " more that can't say when a message arrived, as Python ones: the last is of the others";
  }
  out += ")\n";
  append_below_zero(out, "first", found.first);
  append_below_zero(out, "median", found.median);
  append_below_zero(out, "last", found.last);
  if (found.contradicting > 0) {
    out += "  Incomplete: " + grouped(found.contradicting) +
           " messages with more arrivals than servers, in none of these\n";
  }
  if (found.not_kept > 0) {
    out += "  Incomplete: " + grouped(found.not_kept) + " arrivals found no room\n";
  }
}

}  // namespace ombt::controller
