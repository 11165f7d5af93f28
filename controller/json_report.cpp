// SPDX-License-Identifier: Apache-2.0
#include "controller/json_report.hpp"

#include "controller/agent_places.hpp"
#include "controller/fanout_json.hpp"
#include "controller/json_values.hpp"
#include "controller/legs_text.hpp"
#include "controller/load_options.hpp"
#include "controller/surroundings_json.hpp"
#include "controller/text_report.hpp"
#include "controller/topics_text.hpp"
#include "controller/verdict.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <utility>

namespace ombt::controller {
namespace {

using json = nlohmann::ordered_json;
using wire::control::agent_kind;
using wire::control::agent_kinds;

double seconds(duration d) { return std::chrono::duration<double>(d).count(); }

/// Of a histogram beside the latency; null without samples.
json series_of(const side& s, wire::control::series which) {
  const wire::hdr::histogram* const values = s.find(which);
  if (values == nullptr) return nullptr;
  json out;
  out["samples"] = values->totals().samples();
  for (const double p : reported_percentiles) {
    out[percentile_key(p)] = optional_number(percentile_ms(*values, p));
  }
  out["max_ms"] = static_cast<double>(values->max()) / 1e6;
  return out;
}

/// Of the three legs of calls.
json legs_of(const side& s) {
  json out;
  out["calls"] = calls_with_legs(s);
  for (const auto& [name, which] : call_leg_names) {
    json leg = series_of(s, which);
    if (!leg.is_null()) {
      const auto below = s.negatives(which);
      leg["negative_samples"] = below.samples;
      leg["negative_min_ms"] =
          below.samples > 0 ? json(static_cast<double>(below.lowest) / 1e6) : json(nullptr);
    }
    out[std::string{name}] = std::move(leg);
  }
  return out;
}

json share_of(const site_matrix& matrix, bool calls, std::optional<std::string_view> client) {
  const auto share = matrix.local(calls, client);
  json out;
  if (client) out["site"] = std::string{*client};
  out["messages"] = share.all;
  out["local"] = share.local;
  out["local_percent"] = optional_number(share.percent());
  return out;
}

json sites_of(const site_matrix& matrix, bool calls) {
  if (matrix.empty()) return nullptr;
  json cells = json::array();
  for (const auto& [sites, cell] : matrix.cells()) {
    json entry = {{"client", sites.first}, {"server", sites.second}, {"arrived", cell.arrivals}};
    if (calls) {
      entry["calls"] = cell.calls;
      for (const double p : reported_percentiles) {
        entry[percentile_key(p)] = optional_number(percentile_ms(cell.latency, p));
      }
      const bool any = cell.calls > 0;
      entry["max_ms"] =
          any ? json(static_cast<double>(cell.latency.totals().max) / 1e6) : json(nullptr);
    }
    cells.push_back(std::move(entry));
  }
  json clients = json::array();
  for (const std::string& site : matrix.client_sites()) {
    clients.push_back(share_of(matrix, calls, site));
  }
  return {{"cells", std::move(cells)},
          {"clients", std::move(clients)},
          {"all", share_of(matrix, calls, {})}};
}

json latency_of(const side& s) {
  const auto& latency = s.results.latency;
  json out;
  out["samples"] = latency.count;
  const bool any = latency.count > 0;
  out["average_ms"] = any ? json(latency.average()) : json(nullptr);
  out["std_dev_ms"] = any ? json(latency.std_dev()) : json(nullptr);
  out["min_ms"] = optional_number(latency.min);
  out["max_ms"] = optional_number(latency.max);
  for (const double p : reported_percentiles) {
    out[percentile_key(p)] = optional_number(percentile_ms(s, p));
  }
  json all;
  for (const double p : reported_percentiles) {
    all[percentile_key(p)] = value_of(percentile_of_all_ms(s, p));
  }
  out["with_failures_as_infinite"] = std::move(all);
  json rows = json::array();
  for (const auto& row : latency.distribution) {
    for (std::size_t i = row.decade == 0 ? 0 : 1; i < row.counts.size(); ++i) {
      if (row.counts[i] == 0) continue;
      const double unit = std::pow(10.0, row.decade);
      rows.push_back({{"from_ms", unit * static_cast<double>(i)},
                      {"to_ms", unit * static_cast<double>(i + 1)},
                      {"count", row.counts[i]}});
    }
  }
  out["distribution"] = std::move(rows);
  out["negative_samples"] = s.negative_samples;
  out["negative_min_ms"] = s.negative_samples > 0 ? json(s.negative_min) : json(nullptr);
  return out;
}

json errors_of(const wire::control::results& r) {
  json out = json::array();
  for (const auto& [text, times] : r.errors) out.push_back({{"error", text}, {"count", times}});
  return out;
}

json links_of(const wire::control::link_counts& links) {
  json out;
  for (const wire::control::link_count_name& name : wire::control::link_count_names) {
    out[std::string{name.key}] = links.*name.count;
  }
  return out;
}

json intervals_of(const wire::control::interval_series& intervals) {
  json out = json::array();
  for (const auto& row : intervals.rows()) {
    const auto& totals = row.latency.totals();
    const bool any = totals.samples() > 0;
    out.push_back({{"start", row.start},
                   {"seconds", intervals.seconds()},
                   {"ok", row.ok},
                   {"failed", row.failed},
                   {"p50_ms", optional_number(percentile_ms(row.latency, 50))},
                   {"p99_ms", optional_number(percentile_ms(row.latency, 99))},
                   {"max_ms", any ? json(static_cast<double>(totals.max) / 1e6) : json(nullptr)}});
  }
  return out;
}

json side_of(const outcome& found, agent_kind kind, const side& s) {
  const auto& r = s.results;
  json out;
  out["kind"] = std::string{wire_name(kind)};
  out["agents"] = found.count(kind);
  out["messages_ok"] = r.msgs_ok;
  out["messages_failed"] = r.msgs_fail;
  out["start_time"] = optional_number(r.start_time);
  out["stop_time"] = optional_number(r.stop_time);
  out["throughput_per_second"] = optional_number(r.throughput());
  out["latency"] = latency_of(s);
  out["intervals"] = intervals_of(s.intervals);
  out["errors"] = errors_of(r);
  out["links"] = links_of(s.links);
  return out;
}

/// Of an agent whose results did not come merged with others'.
json latency_of(const agent_record& agent) {
  const auto& latency = agent.results.latency;
  const bool any = latency.count > 0;
  json out;
  out["samples"] = latency.count;
  out["std_dev_ms"] = any ? json(latency.std_dev()) : json(nullptr);
  out["min_ms"] = optional_number(latency.min);
  out["max_ms"] = optional_number(latency.max);
  const bool whole = agent.latency && agent.latency->totals().samples() == latency.count;
  for (const double p : reported_percentiles) {
    out[percentile_key(p)] =
        whole ? optional_number(percentile_ms(*agent.latency, p)) : json(nullptr);
  }
  return out;
}

json agent_of(const plan& what, const agent_places& places, const agent_record& agent,
              bool with_results) {
  json out;
  out["kind"] = std::string{wire_name(agent.kind)};
  out["name"] = agent.name;
  out["topic"] = what.topic_at(agent.topic);
  const auto place = places.of(agent);
  out["host"] = place ? json(place->host) : json(nullptr);
  out["process"] = place ? json(place->process) : json(nullptr);
  if (!with_results) return out;
  out["answered_roll_call"] = agent.answered_roll_call;
  out["missing"] = agent.missing;
  out["messages_ok"] = agent.results.msgs_ok;
  out["messages_failed"] = agent.results.msgs_fail;
  const bool any = agent.results.latency.count > 0;
  out["average_ms"] = any ? json(agent.results.latency.average()) : json(nullptr);
  if (what.per_agent) out["latency"] = latency_of(agent);
  return out;
}

json counts_of(const ledger_counts& c) {
  return {{"sent", c.sent},
          {"delivered", c.delivered},
          {"duplicated", c.duplicated},
          {"lost", c.lost},
          {"failed", c.failed},
          {"unknown", c.unknown},
          {"not_kept", c.not_kept},
          {"extra_copies", c.extra_copies},
          {"failed_but_delivered", c.failed_but_delivered}};
}

/// The side that sends has more to say.
json clients_of(const plan& what, const outcome& found, agent_kind kind) {
  const side& s = found.clients;
  json out = side_of(found, kind, s);
  out["messages_unreported"] = optional_number(s.unreported);
  out["latency"]["intended"] = series_of(s, wire::control::series::intended);
  out["legs"] = what.parameters.legs ? legs_of(s) : json(nullptr);
  out["failed_after"] = series_of(s, wire::control::series::failed);
  const auto& load = what.parameters.load;
  if (!load || !load->open_loop()) return out;
  out["load"] = {{"offered_per_second", offered_rate(what, found.count(kind))},
                 {"scheduled", s.scheduled()},
                 {"late", s.load.late},
                 {"dropped", s.load.dropped},
                 {"slip", series_of(s, wire::control::series::slip)}};
  return out;
}

/// The load that was asked for; null: ombt's closed loop.
json load_of(const plan& what) {
  if (!what.parameters.load) return nullptr;
  const wire::control::load& load = *what.parameters.load;
  json out;
  out["loop"] = load.open_loop() ? "open" : "closed";
  out["duration"] = optional_number(load.duration);
  if (load.open_loop()) {
    out["rates_are_of"] = what.rate_per_client ? "each client" : "all clients";
    json profile = json::array();
    for (const auto& piece : load.profile) {
      const bool endless = piece.seconds >= wire::control::load_time_limit;
      profile.push_back({{"from", piece.from},
                         {"to", piece.to},
                         {"seconds", endless ? json(nullptr) : json(piece.seconds)}});
    }
    out["profile"] = std::move(profile);
    out["arrivals"] = std::string{name_of(load.arrive)};
    out["outstanding"] = load.outstanding;
    out["max_late"] = optional_number(load.max_late);
  }
  out["seed"] = load.seed;
  json sizes = json::array();
  for (const auto& range : load.sizes) {
    sizes.push_back({{"least", range.least}, {"most", range.most}, {"weight", range.weight}});
  }
  out["sizes"] = std::move(sizes);
  out["warmup"] = what.warmup > 0 ? json(what.warmup) : json(nullptr);
  return out;
}

json side_of_topic(const topic_side& s, std::uint32_t agents) {
  json out = {{"agents", agents},
              {"messages_ok", s.results.msgs_ok},
              {"messages_failed", s.results.msgs_fail},
              {"throughput_per_second", optional_number(s.results.throughput())}};
  for (const double p : reported_percentiles) {
    out[percentile_key(p)] = optional_number(percentile_ms(s, p));
  }
  out["max_ms"] = optional_number(s.results.latency.max);
  return out;
}

json topics_of(const plan& what, const outcome& found) {
  json out = json::array();
  const auto test = test_of(what.what);
  for (std::size_t i = 0; i < what.topics.size(); ++i) {
    const topic_figures& topic = found.topics[i];
    json entry = {{"topic", what.topics[i]}, {"agent_counts", json::object()}};
    for (const agent_kind kind : agent_kinds) {
      entry["agent_counts"][std::string{wire_name(kind)}] = topic.count(kind);
    }
    if (test) {
      entry["clients"] = side_of_topic(topic.clients, topic.count(client_kind(*test)));
      entry["servers"] = side_of_topic(topic.servers, topic.count(server_kind(*test)));
      entry["messages_expected"] = topic.expected;
      entry["messages_received"] = topic.received();
      entry["ledger"] = found.ledger ? counts_of(topic.ledger) : json(nullptr);
    }
    out.push_back(std::move(entry));
  }
  return out;
}

json lines_of(const std::vector<ledger_line>& lines, bool with_lost) {
  json out = json::array();
  for (const ledger_line& line : lines) {
    json entry = {{"name", line.name}};
    entry.update(counts_of(line.counts));
    if (with_lost) entry["lost_sequences"] = line.lost;
    out.push_back(std::move(entry));
  }
  return out;
}

json ledger_of(const ledger_summary& ledger) {
  json out = counts_of(ledger.all);
  out["complete"] = ledger.complete();
  out["caught_by_window"] = ledger.caught_by_window;
  out["late_replies"] = ledger.late_replies;
  json kinds = json::array();
  for (const auto& [error, count] : ledger.failed_by_kind) {
    kinds.push_back({{"error", error}, {"count", count}});
  }
  out["failed_by_kind"] = std::move(kinds);
  out["clients_concerned"] = ledger.clients_listed_of;
  out["clients"] = lines_of(ledger.clients, true);
  if (ledger.fanout) {
    out["servers_expected"] = ledger.receivers;
    out["copies_lost"] = ledger.copies_lost;
    out["servers_concerned"] = ledger.receivers_listed_of;
    out["servers"] = lines_of(ledger.receivers_wrong, false);
  }
  out["gaps"] = ledger.gaps;
  return out;
}

/// Names and texts come from peers: what is no UTF-8 is replaced, never thrown about.
std::string text_of(const json& of, int indent) {
  return of.dump(indent, ' ', false, json::error_handler_t::replace) + '\n';
}

/// Appends the agents to a report that ends with an empty list of them. One by one: as a tree they
/// would take a multiple of their text.
void append_agents(std::string& out, const plan& what, const outcome& found) {
  constexpr std::string_view end = "[]\n}\n";
  out.resize(out.size() - end.size());
  const bool with_results = test_of(what.what).has_value();
  const agent_places places{found.processes};
  char before = '[';
  for (const agent_record& agent : found.agents) {
    if (agent.left) continue;
    std::string text = text_of(agent_of(what, places, agent, with_results), 2);
    text.pop_back();
    // All are about as long as the first.
    if (before == '[') out.reserve(out.size() + found.agents.size() * (text.size() + 64));
    out.append(1, std::exchange(before, ',')).append("\n    ");
    for (const char c : text) c == '\n' ? out.append("\n    ") : out.append(1, c);
  }
  out += before == '[' ? "[]\n}\n" : "\n  ]\n}\n";
}

json options_of(const plan& what) {
  json out;
  out["topic"] = what.topic;
  out["topics"] = what.topics.empty() ? json(nullptr) : json(what.topics.size());
  out["unique"] = what.unique;
  out["timeout"] = seconds(what.timeout);
  out["idle"] = seconds(what.idle);
  json expect = json::array();
  for (const expectation& e : what.expect) {
    expect.push_back({{"kind", e.kind ? json(std::string{wire_name(*e.kind)}) : json(nullptr)},
                      {"count", e.count}});
  }
  out["expect"] = std::move(expect);
  if (!test_of(what.what)) return out;
  const auto& load = what.parameters.load;
  out["messages_per_client"] = load ? optional_number(load->count) : json(what.parameters.count);
  out["length"] = what.parameters.data.size();
  out["pause"] = what.parameters.pause;
  if (what.what != task::rpc_call) out["delay"] = seconds(what.delay);
  if (what.what == task::notify) out["severity"] = what.parameters.severity;
  out["load"] = load_of(what);
  return out;
}

}  // namespace

std::string percentile_key(double percentile) {
  std::string key = "p";
  wire::json::append_number(key, percentile);
  if (key.ends_with(".0")) key.resize(key.size() - 2);
  for (char& c : key) c = c == '.' ? '_' : c;
  return key + "_ms";
}

std::string options_json(const plan& what) { return text_of(options_of(what), -1); }

std::string json_report(const report_header& header, const plan& what, const outcome& found) {
  json out;
  out["schema_version"] = json_schema_version;
  out["program"] = header.program;
  out["version"] = OMBT_VERSION;
  out["task"] = std::string{name_of(what.what)};
  out["bus"] = header.bus.empty() ? json(nullptr) : json(header.bus);
  out["url"] = header.url;
  out["control"] = header.control_url;
  out["started"] = header.started;
  out["finished"] = header.finished;
  out["options"] = options_of(what);
  out["ok"] = succeeded(what, found);
  out["failure"] = found.failure.empty() ? json(nullptr) : json(found.failure);
  out["problems"] = found.problems;
  out["notes"] = found.notes;
  json counts;
  for (const agent_kind kind : agent_kinds) {
    counts[std::string{wire_name(kind)}] = found.count(kind);
  }
  out["agent_counts"] = std::move(counts);
  if (const auto test = test_of(what.what)) {
    out["clients"] = clients_of(what, found, client_kind(*test));
    out["servers"] = side_of(found, server_kind(*test), found.servers);
    out["warm_up_messages"] = optional_number(found.warm_up_messages);
    out["messages_expected"] = found.expected;
    out["messages_received"] = found.received;
    out["sites"] = sites_of(found.sites, what.what == task::rpc_call);
    out["ledger"] = found.ledger ? ledger_of(*found.ledger) : json(nullptr);
    const auto& start = found.clients.results.start_time;
    const auto& stop = found.servers.results.stop_time;
    if (*test == wire::control::test_kind::fanout) {
      out["fanout_propagation_seconds"] = start && stop ? json(*stop - *start) : json(nullptr);
      out["fanout"] = found.fanout ? fanout_json(*found.fanout) : json(nullptr);
    }
  }
  if (test_of(what.what)) {
    out["start"] = start_of(found.start);
    out["clocks"] = found.ledger ? clocks_of(found.clocks) : json(nullptr);
    out["audit"] = audit_of(found, what.audit);
    out["bus_processes"] = bus_processes_of(found.bus);
    out["bus_notes"] = found.bus.notes;
  }
  out["processes"] = processes_of(found.processes);
  out["topics"] = topics_of(what, found);
  out["ignored"] = {{"foreign_results", found.foreign_results},
                    {"repeated_results", found.repeated_results},
                    {"duplicate_pongs", found.duplicate_pongs},
                    {"malformed_requests", found.malformed_requests},
                    {"agents_refused", found.agents_refused}};
  out["agents"] = json::array();  // the last key
  std::string text = text_of(out, 2);
  append_agents(text, what, found);
  return text;
}

std::string agent_lines(const plan& what, const outcome& found) {
  const bool with_results = test_of(what.what).has_value();
  const agent_places places{found.processes};
  std::string out;
  for (const agent_record& agent : found.agents) {
    if (!agent.left) out += text_of(agent_of(what, places, agent, with_results), -1);
  }
  return out;
}

std::string output_lines(const plan& what, const outcome& found) {
  const auto test = test_of(what.what);
  if (!test) return {};
  std::string out;
  for (const agent_kind kind : {client_kind(*test), server_kind(*test)}) {
    out += '{';
    bool first = true;
    for (const agent_record& agent : found.agents) {
      if (agent.kind != kind || agent.reports == 0) continue;
      if (!first) out += ", ";
      first = false;
      wire::json::append_string(out, agent.name);
      out += ": ";
      append_results(out, agent.results);
    }
    out += "}\n";
  }
  return out;
}

}  // namespace ombt::controller
