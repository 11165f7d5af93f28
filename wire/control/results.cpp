// SPDX-License-Identifier: Apache-2.0
#include "wire/control/results.hpp"

#include "wire/control/field_reader.hpp"
#include "wire/control/result_parts.hpp"
#include "wire/oslo/transport_url.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace ombt::wire::control {
namespace {

constexpr std::array<double, decade_limit + 2> make_powers() {
  std::array<double, decade_limit + 2> powers{};
  double power = 1;
  for (double& p : powers) {
    p = power;
    power *= 10;
  }
  return powers;
}
constexpr auto powers_of_ten = make_powers();  // exact up to 10^22

latency_statistics::row& row_of(std::vector<latency_statistics::row>& rows, int decade) {
  const auto at =
      std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.decade >= decade; });
  if (at != rows.end() && at->decade == decade) return *at;
  latency_statistics::row fresh;
  fresh.decade = decade;
  return *rows.insert(at, fresh);
}

std::optional<double> least(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

std::optional<double> greatest(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a || !b) return a ? a : b;
  return std::max(*a, *b);
}

bool is_hex_digit(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

/// Returns the text that was counted.
std::string_view count(std::map<std::string, std::uint64_t, std::less<>>& errors,
                       std::string_view text, std::uint64_t times) {
  std::string key = error_key(text);
  if (errors.size() >= error_text_limit && errors.count(key) == 0) key = other_errors;
  // Texts that differ in what is masked only are one, and what others say adds up to anything.
  const auto counted = errors.try_emplace(std::move(key), 0).first;
  counted->second = std::min(counted->second + times, static_cast<std::uint64_t>(largest_count));
  return counted->first;
}

void append_optional(std::string& out, const std::optional<double>& number) {
  if (number) {
    json::append_number(out, *number);
  } else {
    out += "null";
  }
}

// Python's sums begin as the integer 0 and become floats with the first sample.
void append_sum(std::string& out, double sum, std::uint64_t count) {
  if (count == 0) {
    out += '0';
  } else {
    json::append_number(out, sum);
  }
}

void append_latency(std::string& out, const latency_statistics& latency) {
  out += "{\"min\": ";
  append_optional(out, latency.min);
  out += ", \"max\": ";
  append_optional(out, latency.max);
  out += ", \"total\": ";
  append_sum(out, latency.total, latency.count);
  out += ", \"count\": ";
  out += std::to_string(latency.count);
  out += ", \"sum_of_squares\": ";
  append_sum(out, latency.sum_of_squares, latency.count);
  out += ", \"distribution\": {";
  bool first_row = true;
  for (const auto& row : latency.distribution) {
    if (!first_row) out += ", ";
    first_row = false;
    out += '"';
    out += std::to_string(row.decade);
    out += "\": [";
    for (std::size_t i = 0; i < row.counts.size(); ++i) {
      if (i > 0) out += ", ";
      out += std::to_string(row.counts[i]);
    }
    out += ']';
  }
  out += "}}";
}

void append_details(std::string& out, const result_details& details) {
  out += ", \"ombt\": {\"run\": ";
  json::append_string(out, details.run);
  if (details.answer > 0) out += ", \"answer\": " + std::to_string(details.answer);
  if (details.cut_short) out += ", \"cut_short\": true";
  out += ", \"latency\": ";
  details.latency.append_json(out);
  out += ", \"negative_samples\": ";
  out += std::to_string(details.negative_samples);
  out += ", \"negative_min_ms\": ";
  json::append_number(out, details.negative_min);
  // Only what happened: most agents have nothing to say here.
  std::string_view before = ", \"links\": {";
  for (const link_count_name& name : link_count_names) {
    if (details.links.*name.count == 0) continue;
    out += std::exchange(before, ", ");
    json::append_string(out, name.key);
    out += ": ";
    out += std::to_string(details.links.*name.count);
  }
  if (details.links.any()) out += '}';
  if (!details.series.empty()) {
    out += ", \"series\": ";
    details.series.append_json(out);
  }
  if (details.load.any()) {
    out += ", \"load\": {\"scheduled\": " + std::to_string(details.load.scheduled);
    out += ", \"late\": " + std::to_string(details.load.late);
    out += ", \"dropped\": " + std::to_string(details.load.dropped) + '}';
  }
  append_own_parts(out, details);
  if (details.sites) details.sites->append_members(out += ", ");
  if (details.intervals) {
    out += ", \"intervals\": ";
    details.intervals->append_json(out);
  }
  out += '}';
}

// Far above any time or latency, far below where squares and sums stop being finite.
constexpr double largest_time = 1e12;
constexpr double largest_latency = 1e18;
constexpr double largest_sum = 1e80;

void read_distribution(json::value from, field_reader& fields, latency_statistics& out) {
  out.distribution.clear();
  if (!from) return;
  if (!from.is_object()) {
    fields.fail("distribution", " is no object");
    return;
  }
  from.for_each_member([&](std::string_view key, json::value counts) {
    if (!fields.ok()) return;
    int decade = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), decade);
    if (error != std::errc{} || end != key.data() + key.size() || decade < 0 ||
        decade > decade_limit) {
      fields.fail("distribution", " has an impossible decade");
      return;
    }
    if (!counts.is_array() || counts.size() != 10) {
      fields.fail("distribution", " has a row without ten counts");
      return;
    }
    auto& row = row_of(out.distribution, decade);
    std::size_t i = 0;
    counts.for_each_element([&](json::value element) {
      const auto number = element.integer();
      if (!number || *number < 0 || *number > largest_count) {
        fields.fail("distribution", " has something else than counts");
        return;
      }
      // A key like "01" names its decade twice: the last wins, as it does in Python.
      row.counts[i++] = static_cast<std::uint64_t>(*number);
    });
  });
}

bool read_latency(json::value from, latency_statistics& out, std::string& why) {
  out = {};
  if (!from || from.is_null()) return true;
  if (!from.is_object()) {
    why = "results.latency is no object";
    return false;
  }
  field_reader fields{"results.latency.", why};
  fields.optional_number(from, "min", -largest_latency, largest_latency, out.min);
  fields.optional_number(from, "max", -largest_latency, largest_latency, out.max);
  fields.number(from, "total", -largest_sum, largest_sum, out.total);
  fields.count(from, "count", out.count);
  fields.number(from, "sum_of_squares", 0, largest_sum, out.sum_of_squares);
  read_distribution(from["distribution"], fields, out);
  return fields.ok();
}

bool read_any_ledger(json::value from, ledger_room& room, result_details& out, std::string& why) {
  if (!from) return true;
  bool ok = false;
  if (from["client"]) {
    auto ledger = std::make_shared<client_ledger>();
    ok = read_ledger(from, room, *ledger, why);
    out.sent = std::move(ledger);
  } else {
    auto ledger = std::make_shared<server_ledger>();
    ok = read_ledger(from, room, *ledger, why);
    out.received = std::move(ledger);
  }
  if (!ok) why.insert(0, "results.ombt.ledger: ");
  return ok;
}

/// Reads a member that few results have; out stays empty where it is absent.
template <class Part>
bool read_part(json::value from, std::string_view key,
               bool (*read)(json::value, Part&, std::string&), std::shared_ptr<const Part>& out,
               std::string& why) {
  const json::value member = from[key];
  if (!member) return true;
  auto made = std::make_shared<Part>();
  if (!read(member, *made, why)) {
    why.insert(0, "results.ombt." + std::string{key} + ": ");
    return false;
  }
  out = std::move(made);
  return true;
}

bool read_details(json::value from, result_details& out, std::string& why) {
  out = {};
  if (!from.is_object()) {
    why = "results.ombt is no object";
    return false;
  }
  if (const json::value run = from["run"]) {
    const auto text = run.string();
    if (!text || text->size() > name_limit) {
      why = "results.ombt.run is no run";
      return false;
    }
    out.run = *text;
  }
  field_reader fields{"results.ombt.", why};
  fields.count(from, "answer", out.answer);
  fields.flag(from, "cut_short", out.cut_short);
  if (!fields.ok()) return false;
  if (!hdr::sparse_histogram::read_json(from["latency"], out.latency, why)) {
    why.insert(0, "results.ombt.latency: ");
    return false;
  }
  fields.count(from, "negative_samples", out.negative_samples);
  fields.number(from, "negative_min_ms", -largest_latency, 0, out.negative_min);
  if (const json::value links = from["links"]) {
    if (!links.is_object()) fields.fail("links", " is no object");
    for (const link_count_name& name : link_count_names) {
      fields.count(links, name.key, out.links.*name.count);
    }
  }
  if (const json::value load = from["load"]) {
    if (!load.is_object()) fields.fail("load", " is no object");
    fields.count(load, "scheduled", out.load.scheduled);
    fields.count(load, "late", out.load.late);
    fields.count(load, "dropped", out.load.dropped);
    if (out.load.late > out.load.scheduled || out.load.dropped > out.load.scheduled) {
      fields.fail("load", " has more late or dropped than scheduled");
    }
  }
  const json::value series = from["series"];
  if (fields.ok() && series && !series_set::read_json(series, out.series, why)) {
    why.insert(0, "results.ombt.");
    return false;
  }
  ledger_room room{ledger_read_bytes};
  if (!fields.ok() || !read_own_parts(from, room, out, why)) return false;
  if (from["sites"]) {
    auto sites = std::make_shared<site_counts>();
    if (!site_counts::read_members(from, *sites, why)) {
      why.insert(0, "results.ombt.");
      return false;
    }
    out.sites = std::move(sites);
  }
  return read_part(from, "intervals", interval_series::read_json, out.intervals, why);
}

}  // namespace

void append_own_parts(std::string& out, const result_details& details) {
  if (details.sent || details.received) out += ", \"ledger\": ";
  if (details.sent) {
    append_ledger(out, *details.sent);
  } else if (details.received) {
    append_ledger(out, *details.received);
  }
  if (details.arrivals) {
    out += ", \"arrivals\": ";
    append_arrivals(out, *details.arrivals);
  }
  if (details.audit) {
    out += ", \"audit\": ";
    append_audit(out, *details.audit);
  }
}

bool read_own_parts(json::value from, ledger_room& room, result_details& out, std::string& why) {
  return read_part(from, "arrivals", read_arrivals, out.arrivals, why) &&
         read_part(from, "audit", read_audit, out.audit, why) &&
         read_any_ledger(from["ledger"], room, out, why);
}

bool read_error_counts(json::value from, results& out, std::string& why) {
  out.errors.clear();
  if (!from || from.is_null()) return true;
  if (!from.is_object()) {
    why = "results.errors is no object";
    return false;
  }
  bool ok = true;
  from.for_each_member([&](std::string_view text, json::value times) {
    const auto number = times.integer();
    if (!number || *number < 0 || *number > largest_count) {
      ok = false;
      return;
    }
    if (*number > 0) out.count_error(text, static_cast<std::uint64_t>(*number));
  });
  if (!ok) why = "results.errors has something else than counts";
  return ok;
}

std::string error_key(std::string_view text) {
  constexpr std::size_t id_length = 32;
  std::string masked;
  if (text.find("://") != std::string_view::npos) text = masked = oslo::mask_passwords(text);
  std::string out;
  std::size_t at = 0;
  while (at < text.size() && out.size() <= error_length_limit) {
    std::size_t digits = 0;
    while (at + digits < text.size() && is_hex_digit(text[at + digits])) ++digits;
    if (digits >= id_length) {
      out += "<id>";
    } else {
      out += text.substr(at, digits);
    }
    at += digits;
    if (at < text.size()) {
      // Control characters would reach a terminal.
      const char c = text[at++];
      out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  if (out.size() > error_length_limit) {
    std::size_t end = error_length_limit - 3;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;
    out.resize(end);
    out += "...";
  }
  return out;
}

void latency_statistics::add_sample(double milliseconds) {
  total += milliseconds;
  ++count;
  sum_of_squares += milliseconds * milliseconds;
  min = min ? std::min(*min, milliseconds) : milliseconds;
  max = max ? std::max(*max, milliseconds) : milliseconds;
  // By comparison, not by a logarithm: log10 of 999.9999999999999 rounds to 3.
  int decade = 0;
  while (decade < decade_limit &&
         milliseconds >= powers_of_ten[static_cast<std::size_t>(decade) + 1]) {
    ++decade;
  }
  const double digit = milliseconds / powers_of_ten[static_cast<std::size_t>(decade)];
  const auto index = static_cast<std::size_t>(std::clamp(digit, 0.0, 9.0));
  ++row_of(distribution, decade).counts[index];
}

void latency_statistics::merge(const latency_statistics& other) {
  min = least(min, other.min);
  max = greatest(max, other.max);
  total += other.total;
  count += other.count;
  sum_of_squares += other.sum_of_squares;
  for (const row& from : other.distribution) {
    row& to = row_of(distribution, from.decade);
    for (std::size_t i = 0; i < to.counts.size(); ++i) to.counts[i] += from.counts[i];
  }
}

double latency_statistics::average() const noexcept {
  return count == 0 ? 0 : total / static_cast<double>(count);
}

double latency_statistics::std_dev() const noexcept {
  if (count == 0) return -1;
  const double mean = average();
  // Rounding may take the difference of nearly equal numbers below zero.
  return std::sqrt(std::max(0.0, sum_of_squares / static_cast<double>(count) - mean * mean));
}

void results::count_error(std::string_view text, std::uint64_t times) {
  if (times > 0) count(errors, text, times);
}

std::string_view results::add_failure(std::string_view error) {
  ++msgs_fail;
  return count(errors, error, 1);
}

void results::add_success(double milliseconds) {
  ++msgs_ok;
  latency.add_sample(milliseconds);
}

void results::saw_time(double epoch_seconds) {
  start_time = least(start_time, epoch_seconds);
  stop_time = greatest(stop_time, epoch_seconds);
}

void results::merge(const results& other) {
  start_time = least(start_time, other.start_time);
  stop_time = greatest(stop_time, other.stop_time);
  msgs_ok += other.msgs_ok;
  msgs_fail += other.msgs_fail;
  latency.merge(other.latency);
  for (const auto& [text, times] : other.errors) count_error(text, times);
}

std::optional<double> results::throughput() const noexcept {
  if (!start_time || !stop_time || !(*stop_time > *start_time)) return {};
  return static_cast<double>(msgs_ok) / (*stop_time - *start_time);
}

void append_results(std::string& out, const results& r, const result_details* details) {
  out += "{\"start_time\": ";
  append_optional(out, r.start_time);
  out += ", \"stop_time\": ";
  append_optional(out, r.stop_time);
  out += ", \"msgs_ok\": ";
  out += std::to_string(r.msgs_ok);
  out += ", \"msgs_fail\": ";
  out += std::to_string(r.msgs_fail);
  out += ", \"latency\": ";
  append_latency(out, r.latency);
  out += ", \"errors\": {";
  bool first = true;
  for (const auto& [text, times] : r.errors) {
    if (!first) out += ", ";
    first = false;
    json::append_string(out, text);
    out += ": ";
    out += std::to_string(times);
  }
  out += '}';
  if (details != nullptr) append_details(out, *details);
  out += '}';
}

void append_client_result_args(std::string& out, std::string_view name, agent_kind kind,
                               const results& r, const result_details* details) {
  out += "{\"name\": ";
  json::append_string(out, name);
  out += ", \"kind\": \"";
  out += wire_name(kind);
  out += "\", \"results\": ";
  append_results(out, r, details);
  out += '}';
}

bool read_results(json::value record, results& out, result_details& details, bool& present,
                  std::string& why) {
  present = false;
  details = {};
  if (!record.is_object()) {
    why = record ? "results is no object" : "results is missing";
    return false;
  }
  field_reader fields{"results.", why};
  fields.optional_number(record, "start_time", 0, largest_time, out.start_time);
  fields.optional_number(record, "stop_time", 0, largest_time, out.stop_time);
  fields.count(record, "msgs_ok", out.msgs_ok);
  fields.count(record, "msgs_fail", out.msgs_fail);
  if (!fields.ok() || !read_latency(record["latency"], out.latency, why) ||
      !read_error_counts(record["errors"], out, why)) {
    return false;
  }
  if (const json::value extra = record["ombt"]) {
    if (!read_details(extra, details, why)) return false;
    present = true;
  }
  return true;
}

bool read_client_result_args(json::value args, client_result_request& out, std::string& why) {
  client_pong_request sender;
  if (!read_client_pong_args(args, sender, why)) return false;
  out.name = std::move(sender.name);
  out.kind = sender.kind;
  return read_results(args["results"], out.results, out.details, out.has_details, why);
}

}  // namespace ombt::wire::control
