// SPDX-License-Identifier: Apache-2.0
// find-rate on a bus: a session a probe, all on one loop.
#include "wire/format.hpp"

#include "controller/find_rate.hpp"
#include "controller/find_rate_report.hpp"
#include "controller/run_session.hpp"

#include <cstdio>
#include <unistd.h>

namespace ombt::controller {
namespace {

/// Keeps each probe's own report in the folder, and says how it went where somebody looks on.
class onlooker {
 public:
  explicit onlooker(const checked_settings& checked)
      : checked_(checked), terminal_(::isatty(STDERR_FILENO) == 1) {}

  void see(const rate_probe& probe, const plan& what, const outcome& found,
           const report_header& header) {
    ++number_;
    if (terminal_) {
      std::fprintf(stderr, "probe %zu: %s\n", number_, probe_text(*checked_.goal, probe).c_str());
    }
    std::string why;
    if (!checked_.out) return;
    const std::string name = format("probe-%02zu.json", number_);
    if (checked_.out->put(name, json_report(header, what, found), why)) return;
    say_error(checked_.given.program, why);
  }
  std::size_t seen() const noexcept { return number_; }

 private:
  const checked_settings& checked_;
  bool terminal_;
  std::size_t number_ = 0;
};

}  // namespace

int run_find_rate(const checked_settings& checked) {
  const settings& given = checked.given;
  search_asked asked{header_of(checked), checked.what, *checked.goal};
  session_loop loop{checked};
  onlooker looking(checked);
  report_header of_probe;
  bool noted = false;  // what is to be known of the agents is so of all probes
  rate_curve curve = find_rate(
      *checked.goal, checked.what,
      [&](const plan& what) {
        of_probe = header_of(checked);
        const double rate = what.parameters.load->profile.front().from;
        loop.looks.set_heading("probe " + std::to_string(looking.seen() + 1) + " at " +
                               rate_text(rate) + "/s, ");
        outcome found = run_session(checked, what, loop);
        if (!std::exchange(noted, true)) {
          for (const std::string& note : found.notes) say_error(given.program, note);
        }
        finish_header(of_probe, found);
        if (asked.header.url.empty()) asked.header.url = of_probe.url;
        return found;
      },
      [&](const rate_probe& probe, const plan& what, const outcome& found) {
        looking.see(probe, what, found, of_probe);
      });
  asked.header.finished = epoch_seconds();

  bool ok = succeeded(asked, curve);
  if (!curve.failure.empty()) say_error(given.program, curve.failure);
  if (given.strict && curve.harness_limited()) {
    say_error(given.program, "harness-limited: the agents, not the bus, may be the limit");
  }
  if (given.json != "-" && !(curve.probes.empty() && !curve.failure.empty())) {
    const std::string text = find_rate_text(asked, curve);
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  std::string why;
  std::string report;
  if (checked.json || checked.out) report = find_rate_json(asked, curve);
  if (checked.json && !checked.json.commit(report, why)) {
    say_error(given.program, why);
    ok = false;
  }
  if (checked.out && !checked.out->put("find-rate.json", report, why)) {
    say_error(given.program, why);
  }
  if (checked.out && !checked.out->finish(why)) {
    say_error(given.program, why);
    ok = false;
  }
  if (!flush_output(given.program)) ok = false;
  return ok ? exit_ok : exit_incomplete;
}

}  // namespace ombt::controller
