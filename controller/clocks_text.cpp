// SPDX-License-Identifier: Apache-2.0
#include "controller/clocks_text.hpp"

#include "wire/format.hpp"

#include "controller/session_text.hpp"

#include <algorithm>
#include <cmath>

namespace ombt::controller {
namespace {

constexpr std::size_t machines_listed = 20;

double clock_ms(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; }

void append_machine(std::string& out, const machine_clock& of) {
  out += "  host " + of.host + " (" + count_text(of.agents, "agent") + "): ";
  if (!of.known) {
    out += "said nothing of its clock; its one-way times are not corrected\n";
    return;
  }
  append_format(out, "clock %.3f ms %s, corrected; ", clock_ms(std::abs(of.known->offset)),
                of.known->offset < 0 ? "behind" : "ahead");
  if (of.known->stepped) {
    out += "a clock was set during the run: its one-way times are not to be believed\n";
    return;
  }
  append_format(out, "right within %.3f ms", clock_ms(of.known->bound));
  // A short run says nothing of a drift that clocks can have.
  if (of.known->drift_error > 0 && of.known->drift_error < most_drift) {
    append_format(out, "; drift %.1f ppm, give or take %.1f", of.known->drift,
                  of.known->drift_error);
  }
  out += '\n';
  if (of.processes_untold > 0) {
    append_format(
        out, "    %u of its %s did not hear of it: not corrected\n", of.processes_untold,
        of.processes == 1 ? "1 process" : (std::to_string(of.processes) + " processes").c_str());
  }
}

}  // namespace

void append_clocks_text(std::string& out, const clocks_summary& clocks) {
  const std::size_t listed = std::min(machines_listed, clocks.machines.size());
  for (std::size_t i = 0; i < listed; ++i) append_machine(out, clocks.machines[i]);
  if (listed < clocks.machines.size()) {
    out += "  and " + count_text(clocks.machines.size() - listed, "more host") + '\n';
  }
  if (clocks.own_untold > 0) {
    append_format(out,
                  "  processes on the controller's host that another controller has corrected and "
                  "that did not answer: %u\n",
                  clocks.own_untold);
  }
  if (clocks.own_step != 0) {
    append_format(out,
                  "  the clock of the controller's host was set by %.3f ms during the run: one-way "
                  "times are not to be believed\n",
                  clock_ms(clocks.own_step));
  }
  if (clocks.unknown_agents > 0) {
    out += "  " + count_text(clocks.unknown_agents, "agent") +
           " of unknown clocks (Python, or came during the run): one-way times not corrected\n";
  }
  if (clocks.bound) {
    append_format(out, "  one-way times between hosts%s: right within %.3f ms\n",
                  clocks.complete() ? "" : " whose clocks are known", clock_ms(*clocks.bound));
  }
}

}  // namespace ombt::controller
