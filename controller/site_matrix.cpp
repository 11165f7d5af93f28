// SPDX-License-Identifier: Apache-2.0
#include "controller/site_matrix.hpp"

#include "wire/format.hpp"

#include "controller/text_report.hpp"

#include <algorithm>

namespace ombt::controller {
namespace {

using wire::control::other_sites;

// A table of three sites of servers has 78 columns.
constexpr std::size_t table_sites = 3;
constexpr std::size_t name_width = 14;
constexpr std::size_t cell_width = 17;
constexpr std::size_t local_width = 9;
/// Lines of a list; --json has all.
constexpr std::size_t cells_told = 40;
constexpr std::size_t differences_told = 5;

/// Characters, not bytes.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

void append_left(std::string& out, std::string_view text, std::size_t width) {
  out += text;
  out.append(width - std::min(width, width_of(text)), ' ');
}

void append_right(std::string& out, std::string_view text, std::size_t width) {
  out.append(width - std::min(width, width_of(text)), ' ');
  out += text;
}

/// Of at most 7 characters.
std::string short_ms(const std::optional<double>& ms) {
  if (!ms) return "n/a";
  return format(*ms < 10 ? "%.3f" : *ms < 1000 ? "%.1f" : "%.0f", *ms);
}

/// "0.512/1.203", "n/a"
std::string latency_of(const site_matrix::cell& c) {
  const auto median = percentile_ms(c.latency, 50);
  if (!median) return "n/a";
  return short_ms(median) + '/' + short_ms(percentile_ms(c.latency, 99));
}

std::string percent_of(const site_matrix::share& s) {
  const auto percent = s.percent();
  return percent ? format("%.1f%%", *percent) : "n/a";
}

std::uint64_t messages_of(const site_matrix::cell& c, bool calls) {
  return calls ? c.calls : c.arrivals;
}

bool fits_a_table(const site_matrix& matrix) {
  const auto fits = [](const std::string& site) { return width_of(site_text(site)) <= name_width; };
  const auto clients = matrix.client_sites();
  const auto servers = matrix.server_sites();
  return servers.size() <= table_sites && std::all_of(clients.begin(), clients.end(), fits) &&
         std::all_of(servers.begin(), servers.end(), fits);
}

void append_table(std::string& out, const site_matrix& matrix, bool calls) {
  const auto servers = matrix.server_sites();
  append_left(out, "  of \\ at", 2 + name_width);
  for (const std::string& server : servers) append_right(out, site_text(server), cell_width);
  append_right(out, "local", local_width);
  out += '\n';
  for (const std::string& client : matrix.client_sites()) {
    std::string latencies(2 + name_width, ' ');
    append_left(out += "  ", site_text(client), name_width);
    for (const std::string& server : servers) {
      const auto found = matrix.cells().find({client, server});
      const bool any = found != matrix.cells().end() && messages_of(found->second, calls) > 0;
      append_right(out, grouped(any ? messages_of(found->second, calls) : 0), cell_width);
      append_right(latencies, any && calls ? latency_of(found->second) : "", cell_width);
    }
    append_right(out, percent_of(matrix.local(calls, client)), local_width);
    out += '\n';
    latencies.erase(latencies.find_last_not_of(' ') + 1);
    if (!latencies.empty()) out += latencies + '\n';
  }
  append_left(out, "  all", 2 + name_width + servers.size() * cell_width);
  append_right(out, percent_of(matrix.local(calls)), local_width);
  out += '\n';
}

void append_list(std::string& out, const site_matrix& matrix, bool calls) {
  using entry = std::pair<const site_matrix::pair, site_matrix::cell>;
  std::vector<const entry*> cells;
  for (const entry& e : matrix.cells()) {
    if (messages_of(e.second, calls) > 0) cells.push_back(&e);
  }
  std::stable_sort(cells.begin(), cells.end(), [&](const entry* a, const entry* b) {
    return messages_of(a->second, calls) > messages_of(b->second, calls);
  });
  const std::size_t told = std::min(cells.size(), cells_told);
  for (std::size_t i = 0; i < told; ++i) {
    const auto& [sites, cell] = *cells[i];
    out.append("  ").append(site_text(sites.first)).append(" -> ").append(site_text(sites.second));
    out += ": " + grouped(messages_of(cell, calls));
    if (calls) out += ", " + latency_of(cell);
    out += '\n';
  }
  if (cells.size() > told) out += "  and " + grouped(cells.size() - told) + " more pairs\n";
  const auto append_local = [&](std::string_view who, const site_matrix::share& s) {
    out.append("  local of ").append(who).append(": ") += grouped(s.local) + " of ";
    out += grouped(s.all) + ", " + percent_of(s) + '\n';
  };
  for (const std::string& client : matrix.client_sites()) {
    const auto share = matrix.local(calls, client);
    if (share.all > 0) append_local(site_text(client), share);
  }
  append_local("all", matrix.local(calls));
}

/// Both sides count on their own: what they don't agree about is told.
void append_differences(std::string& out, const site_matrix& matrix) {
  std::size_t differ = 0;
  for (const auto& [sites, cell] : matrix.cells()) {
    if (cell.calls == cell.arrivals || ++differ > differences_told) continue;
    out.append("  ").append(site_text(sites.first)).append(" -> ").append(site_text(sites.second));
    out += ": " + grouped(cell.calls) + " answered, but " + grouped(cell.arrivals) +
           " arrived at the servers\n";
  }
  if (differ > differences_told) {
    out += "  and " + grouped(differ - differences_told) + " more pairs that differ so\n";
  }
}

}  // namespace

std::string_view site_text(std::string_view site) noexcept {
  return site.empty() ? std::string_view{"-"} : site;
}

std::optional<double> site_matrix::share::percent() const noexcept {
  if (all == 0) return {};
  return 100 * static_cast<double>(local) / static_cast<double>(all);
}

site_matrix::cell& site_matrix::at(std::string_view client, std::string_view server) {
  const auto told_apart = [&](std::string_view site) {
    if (site.empty() || known_.contains(site)) return site;
    if (known_.size() >= most_sites) return other_sites;
    known_.emplace(site);
    return site;
  };
  const pair key{told_apart(client), told_apart(server)};
  const auto found = cells_.find(key);
  if (found != cells_.end()) return found->second;
  if (cells_.size() < most_cells) return cells_[key];
  return cells_[pair{other_sites, other_sites}];
}

void site_matrix::add(const wire::control::site_counts& counted, bool by_client) {
  for (const auto& e : counted.entries()) {
    cell& to = by_client ? at(counted.own(), e.site) : at(e.site, counted.own());
    (by_client ? to.calls : to.arrivals) += e.messages;
    if (by_client) to.latency.merge(e.latency);
  }
}

site_matrix::share site_matrix::local(bool calls,
                                      std::optional<std::string_view> client_site) const {
  share out;
  for (const auto& [sites, held] : cells_) {
    const auto& [client, server] = sites;
    if (client.empty() || client == other_sites || client != client_site.value_or(client)) continue;
    out.all += messages_of(held, calls);
    if (client == server) out.local += messages_of(held, calls);
  }
  return out;
}

std::vector<std::string> site_matrix::sites(bool of_clients) const {
  std::set<std::string> found;
  for (const auto& [pair_of, held] : cells_) {
    found.insert(of_clients ? pair_of.first : pair_of.second);
  }
  return {found.begin(), found.end()};
}

void append_site_text(std::string& out, const site_matrix& matrix, bool calls,
                      std::uint64_t succeeded) {
  if (fits_a_table(matrix)) {
    append_table(out, matrix, calls);
  } else {
    append_list(out, matrix, calls);
  }
  if (!calls) return;
  std::uint64_t known = 0;
  for (const auto& [sites, cell] : matrix.cells()) known += cell.calls;
  if (known != succeeded) {
    out += "  sites of " + grouped(known) + " of " + grouped(succeeded) + " calls\n";
  }
  append_differences(out, matrix);
}

}  // namespace ombt::controller
