// SPDX-License-Identifier: Apache-2.0
#include "wire/control/site_counts.hpp"

#include "wire/control/field_reader.hpp"

#include <algorithm>

namespace ombt::wire::control {

bool is_site(std::string_view name) noexcept {
  return name.size() <= site_limit && json::is_utf8(name) && is_printable(name);
}

site_counts::entry& site_counts::at(std::string_view site) {
  for (entry& e : entries_) {
    if (e.site == site) return e;
  }
  if (entries_.size() >= most_sites && site != own_ && site != other_sites) return at(other_sites);
  entry& added = entries_.emplace_back();
  added.site = site;
  return added;
}

void site_counts::answered(std::string_view site, std::uint64_t nanoseconds) {
  entry& e = at(site);
  ++e.messages;
  e.latency.record(nanoseconds);
}

void site_counts::merge(const site_counts& other) {
  for (const entry& e : other.entries_) {
    entry& to = at(e.site);
    to.messages += e.messages;
    to.latency.merge(e.latency);
  }
}

void site_counts::append_members(std::string& out) const {
  out += "\"site\": ";
  json::append_string(out, own_);
  out += ", \"sites\": {";
  bool first = true;
  for (const entry& e : entries_) {
    if (!first) out += ", ";
    first = false;
    json::append_string(out, e.site);
    out += ": ";
    const hdr::summary& sum = e.latency.totals();
    if (e.messages > 0 && sum.samples() == e.messages) {
      e.latency.append_json(out);
    } else {
      out += std::to_string(e.messages);
    }
  }
  out += '}';
}

bool site_counts::read_members(json::value from, site_counts& out, std::string& why) {
  out = {};
  const auto own = from["site"].string();
  const json::value sites = from["sites"];
  if (!own || !is_site(*own)) {
    why = "site is no site";
    return false;
  }
  if (!sites.is_object()) {
    why = "sites is no object";
    return false;
  }
  // Beside those that are told apart its own, and the others.
  if (sites.size() > most_sites + 2) {
    why = "sites has more than there can be";
    return false;
  }
  out.own_ = *own;
  bool ok = true;
  sites.for_each_member([&](std::string_view site, json::value what) {
    if (!ok) return;
    entry read;
    read.site = site;
    if (!is_site(site)) {
      ok = false;
      why = "sites has a name that is no site";
    } else if (what.is_object()) {
      ok = hdr::sparse_histogram::read_json(what, read.latency, why);
      if (!ok) why.insert(0, "sites: ");
      read.messages = read.latency.totals().samples();
    } else {
      const auto number = what.integer();
      ok = number && *number >= 0 && *number <= largest_count;
      if (!ok) why = "sites has something else than histograms and counts";
      read.messages = static_cast<std::uint64_t>(number.value_or(0));
    }
    // Of a repeated name the last counts, as in Python.
    std::erase_if(out.entries_, [&](const entry& e) { return e.site == read.site; });
    out.entries_.push_back(std::move(read));
  });
  const auto told_apart =
      std::count_if(out.entries_.begin(), out.entries_.end(),
                    [&](const entry& e) { return e.site != out.own_ && e.site != other_sites; });
  if (ok && told_apart > static_cast<std::ptrdiff_t>(most_sites)) {
    ok = false;
    why = "sites has more than there can be";
  }
  return ok;
}

}  // namespace ombt::wire::control
