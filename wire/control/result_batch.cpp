// SPDX-License-Identifier: Apache-2.0
#include "wire/control/result_batch.hpp"

#include "wire/control/field_reader.hpp"
#include "wire/control/result_parts.hpp"

#include <algorithm>
#include <utility>

namespace ombt::wire::control {
namespace {

constexpr double largest_total = 1e80;  // milliseconds, as in a record
constexpr const char* not_the_sum = "the agents' counts are not those of the sum";

void append_agent(std::string& out, std::string_view name, const results& figures,
                  const result_details& details) {
  out += '[';
  json::append_string(out, name);
  for (const std::uint64_t count : {figures.msgs_ok, figures.msgs_fail, figures.latency.count}) {
    out += ", " + std::to_string(count);
  }
  out += ", ";
  json::append_number(out, figures.latency.total);
  const std::size_t at = out.size();
  if (details.cut_short) out += ", \"cut_short\": true";
  if (details.load.scheduled > 0) {
    out += ", \"scheduled\": " + std::to_string(details.load.scheduled);
  }
  std::string_view before = ", \"errors\": {";
  for (const auto& [text, times] : figures.errors) {
    out += std::exchange(before, ", ");
    json::append_string(out, text);
    out += ": " + std::to_string(times);
  }
  if (!figures.errors.empty()) out += '}';
  append_own_parts(out, details);
  if (out.size() > at) out.insert(at + 2, 1, '{') += '}';
  out += ']';
}

void append_batch(std::string& out, std::string_view agents, const results& sum,
                  const result_details& details) {
  out.append("{\"agents\": [").append(agents).append("], \"results\": ");
  append_results(out, sum, &details);
  out += '}';
}

/// Agent by agent, and whether their counts come to the sum's.
class batch_reader {
 public:
  batch_reader(result_batch& out, std::string& why) : out_{out}, why_{why} {}

  bool read(json::value agents) {
    if (!agents.is_array() || agents.size() == 0) return refuse("agents are no list, or none");
    if (agents.size() > batch_agents_limit) return refuse("more agents than a batch has");
    out_.agents.reserve(agents.size());
    bool ok = true;
    agents.for_each_element([&](json::value element) { ok = ok && read_agent(element); });
    return ok && adds_up();
  }

 private:
  bool refuse(std::string_view what) {
    why_ = "results: ";
    why_ += what;
    return false;
  }

  bool read_agent(json::value element) {
    if (!element.is_array() || element.size() < 5 || element.size() > 6) {
      return refuse("an agent has not five or six elements");
    }
    batch_agent& agent = out_.agents.emplace_back();
    std::size_t place = 0;
    bool ok = true;
    element.for_each_element([&](json::value what) {
      if (ok) ok = read_element(place++, what, agent);
    });
    if (!ok) return false;
    if (!names_.insert(agent.name).second) return refuse("an agent is there twice");
    const results& figures = agent.results;
    ok_ += figures.msgs_ok;
    failed_ += figures.msgs_fail;
    samples_ += figures.latency.count;
    scheduled_ += agent.own.load.scheduled;
    errors_ += all_errors(figures);
    // Agent by agent, so that they can't wrap.
    const auto most = static_cast<std::uint64_t>(largest_count);
    return std::max({ok_, failed_, samples_, scheduled_, errors_}) <= most || refuse(not_the_sum);
  }

  bool read_element(std::size_t place, json::value what, batch_agent& out) {
    if (place == 0) return read_text(what, "results: name", name_limit, out.name, why_);
    if (place == 5) return read_extras(what, out);
    if (place == 4) {
      const auto number = what.number();
      if (!number || !(*number >= 0 && *number <= largest_total)) {
        return refuse("an agent's latency is no plausible sum");
      }
      out.results.latency.total = *number;
      return true;
    }
    const auto number = what.integer();
    if (!number || *number < 0 || *number > largest_count) {
      return refuse("an agent has something else than counts");
    }
    results& r = out.results;
    (place == 1   ? r.msgs_ok
     : place == 2 ? r.msgs_fail
                  : r.latency.count) = static_cast<std::uint64_t>(*number);
    return true;
  }

  bool read_extras(json::value from, batch_agent& out) {
    if (!from.is_object()) return refuse("what an agent has of its own is no object");
    field_reader fields{"results: ", why_};
    fields.flag(from, "cut_short", out.own.cut_short);
    fields.count(from, "scheduled", out.own.load.scheduled);
    return fields.ok() && read_error_counts(from["errors"], out.results, why_) &&
           read_own_parts(from, room_, out.own, why_);
  }

  static std::uint64_t all_errors(const results& of) {
    std::uint64_t sum = 0;
    for (const auto& [text, times] : of.errors) sum += times;
    return sum;
  }

  bool adds_up() {
    const results& sum = out_.sum;
    if (ok_ != sum.msgs_ok || failed_ != sum.msgs_fail || samples_ != sum.latency.count ||
        scheduled_ != out_.details.load.scheduled || errors_ != all_errors(sum)) {
      return refuse(not_the_sum);
    }
    return true;
  }

  result_batch& out_;
  std::string& why_;
  ledger_room room_{ledger_read_bytes};
  std::unordered_set<std::string> names_;
  std::uint64_t ok_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t samples_ = 0;
  std::uint64_t scheduled_ = 0;
  std::uint64_t errors_ = 0;
};

}  // namespace

bool result_gatherer::takes(std::string_view name, const result_details& details) const {
  if (names_.empty()) return true;
  return names_.size() < batch_agents_limit && details.run == details_.run &&
         (!sites_ || !details.sites || sites_->own() == details.sites->own()) &&
         !names_.contains(std::string{name});
}

void result_gatherer::add(std::string_view name, const results& figures,
                          const result_details& details) {
  if (!names_.empty()) agents_ += ", ";
  names_.emplace(name);
  append_agent(agents_, name, figures, details);
  sum_.merge(figures);
  details_.run = details.run;
  details_.latency.merge(details.latency);
  if (details.negative_samples > 0) {
    details_.negative_min = std::min(details_.negative_min, details.negative_min);
    details_.negative_samples += details.negative_samples;
  }
  details_.links.merge(details.links);
  details_.series.merge(details.series);
  details_.load.merge(details.load);
  if (details.sites) {
    if (!sites_) sites_ = std::make_shared<site_counts>(details.sites->own());
    sites_->merge(*details.sites);
    details_.sites = sites_;
  }
  if (details.intervals) {
    if (!intervals_) intervals_ = std::make_shared<interval_series>();
    intervals_->merge(*details.intervals);
    details_.intervals = intervals_;
  }
}

std::size_t result_gatherer::bytes() const noexcept {
  constexpr std::size_t bucket = 14;  // "[12345, 67], "
  constexpr std::size_t record = 1024;
  std::size_t buckets = details_.latency.buckets().size();
  for (const auto& entry : details_.series.entries()) buckets += entry.values.buckets().size();
  if (sites_) {
    for (const auto& entry : sites_->entries()) buckets += entry.latency.buckets().size();
  }
  if (intervals_) {
    for (const auto& row : intervals_->rows()) buckets += 4 + row.buckets() / 4;
  }
  std::size_t errors = 0;
  for (const auto& [text, times] : sum_.errors) errors += text.size() + bucket;
  return agents_.size() + record + bucket * buckets + errors;
}

void result_gatherer::append_args(std::string& out, std::uint64_t answer) {
  details_.answer = answer;
  append_batch(out, agents_, sum_, details_);
}

void append_result_batch(std::string& out, const result_batch& batch) {
  std::string agents;
  for (const batch_agent& agent : batch.agents) {
    if (!agents.empty()) agents += ", ";
    append_agent(agents, agent.name, agent.results, agent.own);
  }
  append_batch(out, agents, batch.sum, batch.details);
}

bool read_result_batch(json::value args, result_batch& out, std::string& why) {
  out = {};
  bool with_details = false;
  if (!read_results(args["results"], out.sum, out.details, with_details, why)) return false;
  if (!with_details) {
    why = "results.ombt is missing";
    return false;
  }
  out.details.cut_short = false;
  out.details.sent.reset();
  out.details.received.reset();
  out.details.arrivals.reset();
  out.details.audit.reset();
  return batch_reader{out, why}.read(args["agents"]);
}

}  // namespace ombt::wire::control
