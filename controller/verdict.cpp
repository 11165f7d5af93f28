// SPDX-License-Identifier: Apache-2.0
#include "controller/verdict.hpp"

#include "wire/configuration_error.hpp"
#include "wire/format.hpp"

#include "controller/session_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <string_view>
#include <tuple>

namespace ombt::controller {
namespace {

using wire::control::audit_report;

/// Most threads that are kept apart: as many as agents that are listened to would be absurd.
constexpr std::size_t thread_limit = 20'000;

/// "97", "0.3"
std::string number(double value) { return format(value < 9.95 ? "%.2g" : "%.0f", value); }

std::string words(const audited_thread& who) {
  if (who.process == 0) return "I/O thread of agent " + who.host;
  return "I/O thread of agent process " + std::to_string(who.process) + " on " + who.host;
}

/// One that has agents of two kinds, in one process, is one. What process it is of is not known of
/// agents whose name was chosen by hand.
std::size_t threads_of(const std::map<audited_thread, audit_report>& audits) {
  std::set<std::tuple<std::string_view, std::int64_t, std::uint32_t>> known;
  std::size_t others = 0;
  for (const auto& [who, audit] : audits) {
    if (who.process != 0) {
      known.emplace(who.host, who.process, who.thread);
    } else {
      ++others;
    }
  }
  return known.size() + others;
}

/// The thread that is beyond a limit furthest.
struct worst {
  double figure = 0;
  const audited_thread* who = nullptr;
  const audit_report* audit = nullptr;

  void see(double value, bool beyond, const audited_thread& of, const audit_report& its) {
    if (!beyond || (who != nullptr && value <= figure)) return;
    figure = value;
    who = &of;
    audit = &its;
  }
};

}  // namespace

void audit_limits::set(std::string_view text) {
  struct key {
    std::string_view name;
    double audit_limits::*value;
    double least;
    double most;
  };
  static constexpr key keys[] = {{"core", &audit_limits::core, 5, 100},
                                 {"seconds", &audit_limits::seconds, 0.1, 100},
                                 {"delay", &audit_limits::delay, 0, 100},
                                 {"lag", &audit_limits::lag, 0, 3'600'000},
                                 {"late", &audit_limits::late, 0, 100}};
  const auto fail = [&](const std::string& what) {
    throw configuration_error("--audit " + std::string{text.substr(0, 60)} + ": expected " + what);
  };
  const std::size_t equals = std::min(text.find('='), text.size());
  const auto found = std::find_if(std::begin(keys), std::end(keys),
                                  [&](const key& k) { return k.name == text.substr(0, equals); });
  if (found == std::end(keys) || equals == text.size()) {
    fail("core, seconds, delay, lag or late, = and a number");
  }
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + equals + 1, end, value);
  const std::string range = number(found->least) + " to " + format("%.0f", found->most);
  if (error != std::errc{} || rest != end || !(value >= found->least && value <= found->most)) {
    fail("a number from " + range);
  }
  if (found->name == "core" && std::fmod(value, audit_report::step_percent) != 0) {
    fail("a multiple of 5");
  }
  this->*found->value = value;
}

void outcome::add_audit(const agent_record& from, const audit_report& audit) {
  audited_thread who{from.kind, from.name, 0, audit.thread};
  if (const auto parsed = wire::control::parse_agent_name(from.name)) {
    who.host = parsed->host;
    who.process = parsed->pid;
  }
  const auto known = audits.find(who);
  if (known != audits.end()) {
    known->second.merge(audit);
  } else if (audits.size() < thread_limit) {
    audits.emplace(std::move(who), audit);
  }
}

verdict judge(const std::map<audited_thread, audit_report>& audits, const audit_limits& limits) {
  verdict out;
  out.threads = threads_of(audits);
  worst busy;
  worst delay;
  worst lag;
  worst late;
  for (const auto& [who, audit] : audits) {
    out.late += audit.late;
    out.scheduled += audit.scheduled;
    if (audit.scheduled > 0) {
      const double share =
          100 * static_cast<double>(audit.late) / static_cast<double>(audit.scheduled);
      late.see(share, share > limits.late, who, audit);
    }
    const auto all = audit.total();
    out.seconds = std::max(out.seconds, all.seconds);
    if (all.seconds < verdict::shortest) continue;
    out.too_short = false;
    out.cpu_percent = std::max(out.cpu_percent, 100 * all.cpu_seconds / all.seconds);
    const double share = 100 * audit.above(limits.core).seconds / all.seconds;
    busy.see(share, share >= limits.seconds, who, audit);
    if (audit.run_delay_seconds) {
      const double waited = 100 * *audit.run_delay_seconds / all.seconds;
      out.delay_percent = std::max(out.delay_percent.value_or(0), waited);
      delay.see(waited, waited > limits.delay, who, audit);
    }
    const double p99 = audit.lag_ms(99);
    out.lag_ms = std::max(out.lag_ms, p99);
    lag.see(p99, p99 > limits.lag, who, audit);
  }
  const auto add = [&](const worst& found, const std::string& how) {
    out.reasons.push_back("harness-limited: " + words(*found.who) + how);
  };
  if (busy.who != nullptr) {
    const auto row = busy.audit->above(limits.core);
    add(busy, " at " + number(100 * row.cpu_seconds / row.seconds) + " % of a core in " +
                  number(busy.figure) + " % of the seconds");
  }
  if (delay.who != nullptr) {
    add(delay, " waited for a CPU " + number(delay.figure) + " % of the time");
  }
  if (lag.who != nullptr) add(lag, ": timers " + number(lag.figure) + " ms late (p99)");
  if (late.who != nullptr) {
    add(late, " was itself too late for " + number(late.figure) + " % of its messages");
  }
  return out;
}

bool succeeded(const plan& what, const outcome& found) {
  return found.ok() && !(what.strict && judge(found.audits, what.audit).limited());
}

void append_audit_text(std::string& out, const verdict& audit) {
  const std::string threads = count_text(audit.threads, "I/O thread");
  if (audit.too_short) {
    out += threads + ": too short to say (" + format("%.2f", audit.seconds) + " s; " +
           format("%.0f", verdict::shortest) + " s is needed)\n";
  } else {
    out += threads + ", the worst figures: CPU " + number(audit.cpu_percent) + " % of a core,\n  " +
           "run delay " + (audit.delay_percent ? number(*audit.delay_percent) + " %" : "n/a") +
           ", loop lag " + number(audit.lag_ms) + " ms (p99)\n";
  }
  if (audit.scheduled > 0) {
    out += format("Late by the agents, not by --outstanding: %llu of %llu messages\n",
                  static_cast<unsigned long long>(audit.late),
                  static_cast<unsigned long long>(audit.scheduled));
  }
}

}  // namespace ombt::controller
