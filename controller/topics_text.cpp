// SPDX-License-Identifier: Apache-2.0
#include "controller/topics_text.hpp"

#include "wire/format.hpp"

#include "controller/session_text.hpp"
#include "controller/text_report.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace ombt::controller {
namespace {

using wire::control::agent_kind;
using wire::control::agent_kinds;
using wire::control::words;
using ull = unsigned long long;

std::uint64_t messages_of_topic(const topic_figures& topic) noexcept {
  return topic.clients.results.msgs_ok + topic.clients.results.msgs_fail;
}

/// Right-aligned in a column.
void append_cell(std::string& out, const std::optional<double>& value, const char* how) {
  append_format(out, " %9s", value ? format(how, *value).c_str() : "n/a");
}

void append_rest(std::string& out, std::size_t topics, const char* which) {
  if (topics <= topic_lines) return;
  out += "  and " + count_text(topics - topic_lines, "more topic") + which + '\n';
}

}  // namespace

std::optional<double> percentile_ms(const topic_side& s, double percentile) {
  if (!s.has_percentiles()) return {};
  return percentile_ms(s.latency, percentile);
}

std::uint64_t lost_of(task what, const topic_figures& topic) noexcept {
  if (what == task::rpc_call) return topic.ledger.lost;
  const std::uint64_t had = std::min(topic.received(), topic.expected);
  return std::max({topic.ledger.lost, topic.expected - had, topic.unaccounted});
}

void append_topics_text(std::string& out, const plan& what, const outcome& found) {
  std::vector<std::size_t> order(what.topics.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (order.size() > topic_lines) {
    const auto wrong = [&](std::size_t i) {
      return lost_of(what.what, found.topics[i]) + found.topics[i].clients.results.msgs_fail;
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return wrong(a) > wrong(b); });
    order.resize(topic_lines);
  }
  std::size_t width = 5;
  for (const std::size_t i : order) width = std::max(width, what.topics[i].size());
  append_format(out, "  %-*s  messages    failed      lost  msgs/sec  50%% msecs  99%% msecs\n",
                static_cast<int>(width), "topic");
  for (const std::size_t i : order) {
    const topic_figures& topic = found.topics[i];
    append_format(out, "  %-*s %9llu %9llu %9llu", static_cast<int>(width), what.topics[i].c_str(),
                  static_cast<ull>(messages_of_topic(topic)),
                  static_cast<ull>(topic.clients.results.msgs_fail),
                  static_cast<ull>(lost_of(what.what, topic)));
    append_cell(out, topic.clients.results.throughput(), "%.1f");
    append_cell(out, percentile_ms(topic.clients, 50), "%.3f");
    append_cell(out, percentile_ms(topic.clients, 99), "%.3f");
    out += '\n';
  }
  append_rest(out, what.topics.size(), ", with no more lost or failed; --json has all");
}

void append_topic_agents(std::string& out, const plan& what, const outcome& found, bool all) {
  const std::size_t lines = all ? what.topics.size() : std::min(what.topics.size(), topic_lines);
  for (std::size_t i = 0; i < lines; ++i) {
    out += "  " + what.topics[i] + ": ";
    std::string agents;
    for (const agent_kind kind : agent_kinds) {
      const auto count = found.topics[i].count(kind);
      if (count == 0) continue;
      if (!agents.empty()) agents += ", ";
      agents += count_text(count, words(kind));
    }
    out += agents.empty() ? "nobody\n" : agents + '\n';
  }
  if (!all) append_rest(out, what.topics.size(), "; --verbose lists all");
}

}  // namespace ombt::controller
