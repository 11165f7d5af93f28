// SPDX-License-Identifier: Apache-2.0
#include "controller/text_report.hpp"

#include "wire/format.hpp"

#include "controller/agent_places.hpp"
#include "controller/clocks_text.hpp"
#include "controller/columns.hpp"
#include "controller/fanout_text.hpp"
#include "controller/ledger_text.hpp"
#include "controller/legs_text.hpp"
#include "controller/load_options.hpp"
#include "controller/session_text.hpp"
#include "controller/topics_text.hpp"
#include "controller/verdict.hpp"
#include "controller/watch/bus_text.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace ombt::controller {
namespace {

using wire::control::agent_kind;
using wire::control::agent_kinds;
using wire::control::test_kind;
using wire::control::words;
using ull = unsigned long long;

template <class Histogram>
std::optional<double> percentile_of(const Histogram& of, double percentile) {
  const auto& totals = of.totals();
  if (!enough_samples(totals.samples(), percentile)) return {};
  return static_cast<double>(of.value_at_percentile(percentile)) / 1e6;
}

/// "50%", "99.9%"
std::string percent_text(double percentile) { return format("%g%%", percentile); }

void append_title(std::string& out, const char* title) {
  out += "\n\n";
  out += title;
  out += '\n';
  out.append(std::char_traits<char>::length(title), '-');
  out += '\n';
}

void append_percentiles_of_all(std::string& out, const char* title, const side& s) {
  out += title;
  for (const double p : reported_percentiles) {
    out += ' ' + percent_text(p) + ' ';
    out += in_words(percentile_of_all_ms(s, p));
  }
  out += '\n';
}

void append_series(std::string& out, const char* title, const side& s,
                   wire::control::series which) {
  const wire::hdr::histogram* const values = s.find(which);
  if (values == nullptr) return;
  out += title;
  for (const double p : reported_percentiles) {
    out += ' ' + percent_text(p) + ' ';
    if (const auto ms = percentile_ms(*values, p)) {
      append_format(out, "%.3f", *ms);
    } else {
      out += "n/a";
    }
  }
  append_format(out, " Max %.3f\n", static_cast<double>(values->max()) / 1e6);
}

void append_unreported(std::string& out, const side& s) {
  if (!s.unreported) {
    out += "  (without those of clients that sent no results, or ended early: not known)\n";
  } else if (*s.unreported > 0) {
    append_format(out, "  (%llu of them of clients that sent no results, or ended early)\n",
                  static_cast<ull>(*s.unreported));
  }
}

/// What an open loop adds to its clients' block.
void append_open_loop(std::string& out, const plan& what, const outcome& found) {
  const side& s = found.clients;
  const auto& load = what.parameters.load;
  if (!load || !load->open_loop()) return;
  append_series(out, "Intended (msecs):", s, wire::control::series::intended);
  append_percentiles_of_all(out, "All scheduled (msecs):", s);
  append_format(
      out, "Scheduled: %llu messages, %llu late by more than 1 ms (all causes), %llu dropped\n",
      static_cast<ull>(s.scheduled()), static_cast<ull>(s.load.late),
      static_cast<ull>(s.load.dropped));
  append_unreported(out, s);
  append_series(out, "Slip (msecs):", s, wire::control::series::slip);
  append_format(out, "Offered: %.1f msgs/sec, achieved: %.1f\n",
                offered_rate(what, found.count(wire::control::client_kind(*test_of(what.what)))),
                s.results.throughput().value_or(0));
}

void append_percentiles(std::string& out, const side& s, std::size_t reporting,
                        std::size_t with_details) {
  if (s.results.latency.count > 0) {
    if (!s.has_percentiles()) {
      append_format(out, "Latency Percentiles (msecs): n/a (%zu of %zu agents send no histogram)\n",
                    reporting - with_details, reporting);
    } else {
      out += "Latency Percentiles (msecs):";
      for (const double p : reported_percentiles) {
        out += ' ' + percent_text(p) + ' ';
        if (const auto ms = percentile_ms(s, p)) {
          append_format(out, "%.3f", *ms);
        } else {
          out += "n/a";
        }
      }
      append_format(out, " Max %.3f\n", s.results.latency.max.value_or(0));
      if (!s.load.any() && (s.infinite() + s.lost > 0 || !s.unreported)) {
        append_percentiles_of_all(out, "With failures as infinite (msecs):", s);
        append_unreported(out, s);
      }
    }
  }
  if (s.negative_samples > 0) {
    append_format(out, "Clocks apart: %llu samples below zero, the lowest %f msecs\n",
                  static_cast<ull>(s.negative_samples), s.negative_min);
  }
}

/// "Unreadable messages: 7", a line a count.
void append_links(std::string& out, const side& s) {
  for (const wire::control::link_count_name& name : wire::control::link_count_names) {
    const std::uint64_t times = s.links.*name.count;
    if (times == 0) continue;
    const std::size_t line = out.size();
    out += name.several;
    out[line] = static_cast<char>(out[line] - 'a' + 'A');
    append_format(out, ": %llu\n", static_cast<ull>(times));
  }
}

void append_errors(std::string& out, const char* who, const side& s) {
  for (const auto& [text, times] : s.results.errors) {
    append_format(out, "  %s: %llu x ", who, static_cast<ull>(times));
    out += text;
    out += '\n';
  }
}

/// "  lean, amqp://bus/vhost, site rack-1": what it said at its hello.
std::string process_words(const wire::control::process_hello& told) {
  std::string out;
  for (const std::string& part :
       {told.topology, told.bus, told.site.empty() ? "" : "site " + told.site}) {
    if (part.empty()) continue;
    out += out.empty() ? "  " : ", ";
    out += part;
  }
  return out;
}

bool has_roles(const wire::control::process_hello& told) {
  return std::any_of(told.agents.begin(), told.agents.end(), [](auto count) { return count > 0; });
}

/// Agents without a role, of which nobody answers.
void append_standby(std::string& out, const std::vector<process_record>& processes) {
  std::map<std::pair<std::string, std::int64_t>, const wire::control::process_hello*> there;
  std::size_t all = 0;
  for (const process_record& one : processes) {
    if (one.told.standby == 0) continue;
    all += one.told.standby;
    there.emplace(std::pair{one.told.host, one.told.pid}, &one.told);
  }
  if (all == 0) return;
  out += "\nStandby agents: " + std::to_string(all) + '\n';
  for (const auto& [where, told] : there) {
    out += "  host " + where.first + "  process " + std::to_string(where.second) + "  " +
           count_text(told->standby, "agent") + process_words(*told) + '\n';
  }
}

}  // namespace

double samples_needed(double percentile) noexcept { return 10 / (1 - percentile / 100); }

bool enough_samples(std::uint64_t samples, double percentile) noexcept {
  return static_cast<double>(samples) + 1e-6 >= samples_needed(percentile);
}

std::optional<double> percentile_ms(const wire::hdr::histogram& of, double percentile) {
  return percentile_of(of, percentile);
}

std::optional<double> percentile_ms(const wire::hdr::sparse_histogram& of, double percentile) {
  return percentile_of(of, percentile);
}

std::optional<double> percentile_ms(const side& s, double percentile) {
  if (!s.has_percentiles()) return {};
  return percentile_ms(s.latency, percentile);
}

percentile_of_all percentile_of_all_ms(const side& s, double percentile) {
  const wire::hdr::histogram* const values =
      s.load.any() ? s.find(wire::control::series::intended) : &s.latency;
  const std::uint64_t succeeded = values == nullptr ? 0 : values->totals().samples();
  const bool complete = s.has_percentiles() ? succeeded == s.results.latency.count
                                            : succeeded == 0 && s.results.msgs_ok == 0;
  if (!complete) return {};
  return percentile_of_all_ms(values, s.infinite(), s.lost, percentile);
}

percentile_of_all percentile_of_all_ms(const wire::hdr::histogram* values, std::uint64_t infinite,
                                       std::uint64_t lost, double percentile) {
  percentile_of_all out;
  const std::uint64_t succeeded = values == nullptr ? 0 : values->totals().samples();
  const std::uint64_t all = succeeded + infinite;
  if (!enough_samples(all, percentile)) return out;
  out.known = true;
  const auto rank = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(
             std::ceil(percentile / 100 * static_cast<double>(all) * (1 - 1e-12))));
  lost = std::min(lost, succeeded);
  out.infinite = rank > succeeded - lost;
  if (!out.infinite) out.ms = static_cast<double>(values->value_at_rank(rank + lost)) / 1e6;
  return out;
}

std::string in_words(const percentile_of_all& value) {
  if (!value.known) return "n/a";
  return value.infinite ? ">timeout" : format("%.3f", value.ms);
}

std::string test_report(const plan& what, const outcome& found, std::string_view bus) {
  const test_kind test = *test_of(what.what);
  const bool notify = test == test_kind::notify;
  const agent_kind client = client_kind(test);
  const agent_kind server = server_kind(test);
  const verdict audit = judge(found.audits, what.audit);
  std::string out;
  for (const std::string& reason : audit.reasons) out += wrapped(reason) + '\n';
  switch (test) {
    case test_kind::call:
      out += "RPC call test results\n";
      break;
    case test_kind::cast:
      out += "RPC cast test results\n";
      break;
    case test_kind::fanout:
      out += "RPC fanout test results\n";
      break;
    case test_kind::notify:
      out += "Notification test results\n";
      break;
  }
  const auto clients = found.count(client);
  const auto servers = found.count(server);
  append_format(out,
                notify ? "%u Notifiers, %u Listeners (%u total)\n"
                       : "%u RPC clients, %u RPC Servers (%u total)\n",
                clients, servers, clients + servers);
  if (!what.topics.empty()) out += wire::control::topics_in_words(what.topics) + '\n';
  if (!bus.empty()) out.append("bus: ").append(bus) += '\n';
  if (what.parameters.load) out += wrapped(load_words(what, clients)) + '\n';
  if (found.start.processes > 1) {
    append_format(out, "%u processes started within %g ms of each other\n", found.start.processes,
                  static_cast<double>(found.start.skew() / 1000) / 1e3);
  }
  if (found.warm_up_messages) {
    append_format(out, "warm-up: %g s before it, %llu messages, in no figure\n", what.warmup,
                  static_cast<ull>(*found.warm_up_messages));
  }

  const auto append_side = [&](const char* title, agent_kind kind, const side& s) {
    std::size_t reporting = 0;
    std::size_t with_details = 0;
    for (const agent_record& agent : found.agents) {
      if (agent.kind != kind || agent.results.latency.count == 0) continue;
      ++reporting;
      if (agent.reports == agent.reports_with_details) ++with_details;
    }
    append_title(out, title);
    append_results_text(out, s.results);
    append_percentiles(out, s, reporting, with_details);
    if (&s == &found.clients) append_open_loop(out, what, found);
    if (&s == &found.clients && what.parameters.legs) append_legs_text(out, s);
    append_links(out, s);
  };
  append_side(notify ? "Aggregated Notifier (Client) results:" : "Aggregated RPC Client results:",
              client, found.clients);
  append_side(notify ? "Aggregated Listener (Server) results:" : "Aggregated RPC Server results:",
              server, found.servers);

  const auto& start = found.clients.results.start_time;
  const auto& stop = found.servers.results.stop_time;
  if (test == test_kind::fanout && start && stop) {
    append_title(out, "Fanout propagation delay:");
    append_format(out, "  First client transmit time: %f\n", *start);
    append_format(out, "  Last server receive time: %f\n", *stop);
    append_format(out, "  Duration (secs): %f\n", *stop - *start);
    if (found.fanout) append_fanout_text(out, *found.fanout);
  }
  if (!what.topics.empty()) {
    append_title(out, "Topics, latency at the clients:");
    append_topics_text(out, what, found);
  }
  if (!found.sites.empty()) {
    const bool calls = test == test_kind::call;
    append_title(out, calls ? "Sites (calls of clients at servers, and p50/p99 in msecs):"
                            : "Sites (messages of clients at servers):");
    append_site_text(out, found.sites, calls, found.clients.results.msgs_ok);
  }
  if (found.ledger) append_ledger_text(out, *found.ledger, words(client), words(server));
  if (!found.clocks.alone()) {
    append_title(out, "Clocks:");
    append_clocks_text(out, found.clocks);
  }
  if (audit.threads > 0) {
    append_title(out, "Self-audit:");
    append_audit_text(out, audit);
  }
  if (!found.bus.processes.empty() || !found.bus.notes.empty()) {
    append_title(out, "Bus processes on this machine:");
    append_bus_text(out, found.bus);
  }
  if (!found.clients.results.errors.empty() || !found.servers.results.errors.empty()) {
    append_title(out, "Errors:");
    append_errors(out, notify ? "Notifiers" : "RPC clients", found.clients);
    append_errors(out, notify ? "Listeners" : "RPC servers", found.servers);
  }
  if (!found.problems.empty()) {
    append_title(out, "Fell short:");
    for (const std::string& problem : found.problems) {
      out += wrapped("  " + problem, "    ") + '\n';
    }
  }
  return out;
}

std::string status_report(const plan& what, const outcome& found, bool names) {
  struct process {
    std::size_t agents = 0;
    std::vector<const std::string*> names;
  };
  std::map<std::pair<std::string, std::int64_t>, std::string> told;
  for (const process_record& one : found.processes) {
    told.emplace(std::pair{one.told.host, one.told.pid}, process_words(one.told));
  }
  const agent_places places{found.processes};
  std::string out;
  std::size_t total = 0;
  for (const agent_record& agent : found.agents) total += agent.answered_roll_call ? 1 : 0;
  out +=
      count_text(total, "agent") + " on " +
      wire::control::topics_in_words(what.topics.empty() ? std::vector{what.topic} : what.topics);
  if (what.unique) out += " (unique)";
  if (total == 0) {
    out += other_topics_text(what, found.processes, {agent_kinds.begin(), agent_kinds.end()});
  }
  out += '\n';
  for (const agent_kind kind : agent_kinds) {
    // By host, then process id; on the bus, names chosen by hand tell neither and come last.
    std::map<std::tuple<bool, std::string, std::int64_t>, process> processes;
    for (const agent_record& agent : found.agents) {
      if (agent.kind != kind || !agent.answered_roll_call) continue;
      const auto place = places.of(agent);
      auto& p = place ? processes[{false, place->host, place->process}]
                      : processes[{true, agent.name, 0}];
      ++p.agents;
      p.names.push_back(&agent.name);
    }
    out += '\n';
    out += words(kind);
    append_format(out, "s: %u\n", found.count(kind));
    for (const auto& [where, p] : processes) {
      const auto& [by_hand, host, pid] = where;
      if (by_hand) {
        out += "  " + host + '\n';
        continue;
      }
      out += "  host " + host;
      append_format(out, "  process %lld  %s", static_cast<long long>(pid),
                    count_text(p.agents, "agent").c_str());
      const auto itself = told.find({host, pid});
      out += (itself == told.end() ? "" : itself->second) + '\n';
      if (!names) continue;
      for (const std::string* name : p.names) out += "    " + *name + '\n';
    }
  }
  append_standby(out, found.processes);
  if (!what.topics.empty()) {
    out += "\nTopics:\n";
    append_topic_agents(out, what, found, names);
  }
  return out;
}

std::string shutdown_report(const plan& what, const outcome& found) {
  // Those without a role leave with their process, unless others there have one.
  std::size_t standby = 0;
  for (const process_record& one : found.processes) {
    if (!has_roles(one.told)) standby += one.told.standby;
  }
  const std::size_t all = found.agents.size() + standby;
  return count_text(all, "agent") + " told to leave" +
         (all > 0 ? ""
                  : other_topics_text(what, found.processes,
                                      {agent_kinds.begin(), agent_kinds.end()})) +
         '\n';
}

}  // namespace ombt::controller
