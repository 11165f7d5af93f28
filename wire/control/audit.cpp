// SPDX-License-Identifier: Apache-2.0
#include "wire/control/audit.hpp"

#include "wire/control/link_counts.hpp"

#include <algorithm>
#include <cmath>

namespace ombt::wire::control {
namespace {

constexpr double longest = 1e9;  // seconds; thirty years
constexpr double most_cores = 1e6;
constexpr std::int64_t most_threads = 1'000'000;

/// False if it is there and not in [0, most].
bool read_number(json::value from, double most, double& out) {
  out = 0;
  if (!from) return true;
  const auto number = from.number();
  if (!number || !(*number >= 0 && *number <= most)) return false;
  out = *number;
  return true;
}

template <class Count>
bool read_count(json::value from, std::int64_t most, Count& out) {
  out = 0;
  if (!from) return true;
  const auto number = from.integer();
  if (!number || *number < 0 || *number > most) return false;
  out = static_cast<Count>(*number);
  return true;
}

bool read_load(json::value from, audit_report& out) {
  if (!from) return true;
  if (!from.is_array() || from.size() > audit_report::steps) return false;
  bool ok = true;
  from.for_each_element([&](json::value row) {
    std::size_t column = 0;
    std::size_t step = 0;
    audit_report::load_row read;
    if (row.size() != 3) ok = false;
    row.for_each_element([&](json::value one) {
      if (column == 0) {
        ok = ok && read_count(one, audit_report::steps - 1, step);
      } else {
        ok = ok && read_number(one, longest, column == 1 ? read.seconds : read.cpu_seconds);
      }
      ++column;
    });
    if (ok) out.load[step] = read;
  });
  return ok;
}

}  // namespace

void audit_report::add_time(double seconds, double cpu_seconds) {
  if (seconds <= 0) return;
  const double of_a_core = std::max(0.0, cpu_seconds / seconds);
  const double step = std::min(of_a_core * 100 / step_percent, static_cast<double>(steps - 1));
  load_row& row = load[static_cast<std::size_t>(step)];
  row.seconds += seconds;
  row.cpu_seconds += cpu_seconds;
  cpu_most = std::max(cpu_most, of_a_core);
}

audit_report::load_row audit_report::above(double percent) const noexcept {
  load_row sum;
  const double first = std::ceil(percent / step_percent - 1e-9);
  for (std::size_t step = 0; step < steps; ++step) {
    if (static_cast<double>(step) < first) continue;
    sum.seconds += load[step].seconds;
    sum.cpu_seconds += load[step].cpu_seconds;
  }
  return sum;
}

double audit_report::lag_ms(double percentile) const noexcept {
  return static_cast<double>(lag.value_at_percentile(percentile)) / 1e6;
}

void audit_report::merge(const audit_report& other) {
  for (std::size_t step = 0; step < steps; ++step) {
    load[step].seconds += other.load[step].seconds;
    load[step].cpu_seconds += other.load[step].cpu_seconds;
  }
  cpu_most = std::max(cpu_most, other.cpu_most);
  if (other.run_delay_seconds) {
    run_delay_seconds = run_delay_seconds.value_or(0) + *other.run_delay_seconds;
  }
  lag.merge(other.lag);
  late = std::min(late + other.late, static_cast<std::uint64_t>(largest_count));
  scheduled = std::min(scheduled + other.scheduled, static_cast<std::uint64_t>(largest_count));
}

void append_audit(std::string& out, const audit_report& audit) {
  out += "{\"thread\": " + std::to_string(audit.thread) + ", \"load\": [";
  bool first = true;
  for (std::size_t step = 0; step < audit_report::steps; ++step) {
    const audit_report::load_row& row = audit.load[step];
    if (row.seconds <= 0) continue;
    out += first ? "[" : ", [";
    first = false;
    out += std::to_string(step) + ", ";
    json::append_number(out, row.seconds);
    out += ", ";
    json::append_number(out, row.cpu_seconds);
    out += ']';
  }
  out += "], \"cpu_max\": ";
  json::append_number(out, audit.cpu_most);
  out += ", \"run_delay\": ";
  if (audit.run_delay_seconds) {
    json::append_number(out, *audit.run_delay_seconds);
  } else {
    out += "null";
  }
  out += ", \"lag\": ";
  audit.lag.append_json(out);
  out += ", \"late\": " + std::to_string(audit.late) +
         ", \"scheduled\": " + std::to_string(audit.scheduled) + '}';
}

bool read_audit(json::value from, audit_report& out, std::string& why) {
  out = {};
  const auto fail = [&](const char* what) {
    why = what;
    return false;
  };
  if (!from.is_object()) return fail("no object");
  if (!read_count(from["thread"], most_threads, out.thread)) return fail("thread is no number");
  if (!read_load(from["load"], out)) return fail("load is none");
  if (!read_number(from["cpu_max"], most_cores, out.cpu_most)) return fail("cpu_max is no number");
  if (const json::value delay = from["run_delay"]; delay && !delay.is_null()) {
    out.run_delay_seconds = 0;
    if (!read_number(delay, longest, *out.run_delay_seconds)) return fail("run_delay is no time");
  }
  if (from["lag"] && !hdr::sparse_histogram::read_json(from["lag"], out.lag, why)) {
    why.insert(0, "lag: ");
    return false;
  }
  if (!read_count(from["scheduled"], largest_count, out.scheduled) ||
      !read_count(from["late"], static_cast<std::int64_t>(out.scheduled), out.late)) {
    return fail("late or scheduled is no count");
  }
  return true;
}

}  // namespace ombt::wire::control
