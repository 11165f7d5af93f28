// SPDX-License-Identifier: Apache-2.0
#include "controller/run_ledger.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace ombt::controller {
namespace {

using wire::control::deliveries;
using wire::control::deliveries_by_client;
using wire::control::each_block;
using wire::control::ledger_room;
using wire::control::sequence_set;

constexpr std::uint64_t any_number = ~std::uint64_t{0};
/// Ranges of lost messages that are told of a client.
constexpr std::size_t ranges_told = 20;

std::uint64_t sum_up(std::uint64_t a, std::uint64_t b) noexcept {
  return a > any_number - b ? any_number : a + b;
}

/// What a client sent and failed to send, against what arrived.
struct evidence {
  std::uint64_t sent;
  const sequence_set& failed;
  const sequence_set& seen;      ///< by all that should have it
  const sequence_set& again;     ///< more than once, by any
  const sequence_set& anywhere;  ///< by any
};

ledger_counts judge(const evidence& e, sequence_set* lost) {
  ledger_counts out;
  out.sent = e.sent;
  const std::uint64_t kept = std::min(e.sent, wire::control::sequence_limit);
  out.not_kept = e.sent - kept;
  ledger_room room{wire::control::sequence_limit};
  const auto count = [&](std::uint32_t index, std::uint32_t words, std::uint64_t sent,
                         std::uint64_t failed, std::uint64_t seen, std::uint64_t again,
                         std::uint64_t anywhere) {
    const auto messages = [words](std::uint64_t bits) {
      return std::uint64_t{words} * static_cast<unsigned>(std::popcount(bits));
    };
    const std::uint64_t succeeded = sent & ~failed;
    out.failed += messages(sent & failed);
    out.failed_but_delivered += messages(sent & failed & anywhere);
    out.lost += messages(succeeded & ~seen);
    out.duplicated += messages(succeeded & seen & again);
    out.delivered += messages(succeeded & seen & ~again);
    if (lost != nullptr) lost->add(index, words, succeeded & ~seen, room);
  };
  const auto whole = static_cast<std::uint32_t>(kept / 64);
  each_block(
      whole,
      [&](std::uint32_t index, std::uint32_t words, auto... bits) {
        count(index, words, any_number, bits...);
      },
      e.failed, e.seen, e.again, e.anywhere);
  if (kept % 64 != 0) {
    count(whole, 1, any_number >> (64 - kept % 64), e.failed.word(whole), e.seen.word(whole),
          e.again.word(whole), e.anywhere.word(whole));
  }
  return out;
}

const deliveries& entry_of(const deliveries_by_client& all, std::uint64_t client) {
  static const deliveries nothing;
  const auto found = all.find(client);
  return found == all.end() ? nothing : found->second;
}

sequence_set common(const sequence_set& a, const sequence_set& b, ledger_room& room) {
  sequence_set out;
  each_block(
      std::min(a.words(), b.words()),
      [&](std::uint32_t index, std::uint32_t words, std::uint64_t of_a, std::uint64_t of_b) {
        out.add(index, words, of_a & of_b, room);
      },
      a, b);
  return out;
}

/// What is lost may be among arrivals that nobody can place.
void settle(ledger_counts& counts, std::uint64_t unplaced) {
  counts.unknown = std::min(counts.lost, unplaced);
  counts.lost -= counts.unknown;
}

template <class Entry>
void keep_worst(std::vector<Entry>& entries) {
  const auto most = std::min(entries.size(), ledger_summary::lines_limit);
  std::partial_sort(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(most),
                    entries.end(), [](const Entry& a, const Entry& b) {
                      return a.counts.badness() > b.counts.badness() ||
                             (a.counts.badness() == b.counts.badness() && a.at < b.at);
                    });
  entries.resize(most);
}

struct suspect {
  std::size_t at = 0;
  ledger_counts counts;
};

}  // namespace

void ledger_counts::add(const ledger_counts& other) noexcept {
  for (const auto count : {&ledger_counts::sent, &ledger_counts::delivered,
                           &ledger_counts::duplicated, &ledger_counts::lost, &ledger_counts::failed,
                           &ledger_counts::unknown, &ledger_counts::not_kept,
                           &ledger_counts::extra_copies, &ledger_counts::failed_but_delivered}) {
    this->*count = sum_up(this->*count, other.*count);
  }
}

void run_ledger::add_client(std::size_t agent, const wire::control::results& results,
                            const wire::control::result_details& details) {
  const std::uint64_t sent = results.msgs_ok + results.msgs_fail;
  if (!details.sent) {
    ++clients_without_;
    sent_without_ += sent;
    return;
  }
  const wire::control::client_ledger& told = *details.sent;
  std::uint64_t failed = told.not_kept;
  for (const auto& [error, sequences] : told.failed) failed += sequences.size();
  if (told.sent != sent || failed != results.msgs_fail || client_at_.contains(told.client)) {
    ++clients_contradicting_;
    sent_without_ += sent;
    return;
  }
  client_at_.emplace(told.client, clients_.size());
  client& c = clients_.emplace_back();
  c.agent = agent;
  c.id = told.client;
  c.sent = told.sent;
  c.failed_not_kept = told.not_kept;
  for (const auto& [error, sequences] : told.failed) {
    failed_kinds_.count_error(error, sequences.size());
    c.failed_not_kept += c.failed.merge(sequences, room_);
  }
  failed_kinds_.count_error(wire::control::other_errors, told.not_kept);
  not_kept_ += c.failed_not_kept;
}

void run_ledger::add_receiver(std::size_t agent, const wire::control::results& results,
                              const wire::control::result_details& details, bool joined) {
  receiver& r = receiver_at(agent);
  const std::uint64_t arrived = results.msgs_ok + results.msgs_fail;
  r.arrived += arrived;
  r.reported = true;
  r.timed = r.timed || (fanout_ && details.arrivals);
  if (!details.received) {
    r.without = true;
    r.unplaced += arrived;
    return;
  }
  const wire::control::server_ledger& told = *details.received;
  std::uint64_t placed = sum_up(told.unidentified, told.not_kept);
  std::uint64_t refused = 0;
  auto& all = fanout_ ? r.had : had_;
  if (all.empty()) all.reserve(told.clients.size());  // the others have the same clients, mostly
  for (const auto& [id, had] : told.clients) {
    placed = sum_up(placed, had.arrivals());
    auto entry = all.find(id);
    if (entry == all.end()) {
      if (!room_.take(wire::control::server_ledger::entry_bytes)) {
        refused += had.arrivals();
        continue;
      }
      entry = all.emplace(id, deliveries{}).first;
    }
    refused += entry->second.merge(had, room_);
  }
  if (placed > arrived) ++reports_contradicting_;
  unidentified_ = sum_up(unidentified_, told.unidentified);
  not_kept_ = sum_up(not_kept_, told.not_kept + refused);
  r.unplaced = sum_up(r.unplaced, told.unidentified + told.not_kept + refused);
  if (joined && arrived > placed) {
    r.unplaced += arrived - placed;
    joined_unplaced_ += arrived - placed;
  }
}

std::uint64_t run_ledger::unplaced() const noexcept {
  std::uint64_t sum = 0;
  bool counting = !fanout_;
  for (const auto& [agent, r] : receivers_) {
    if (fanout_ && !counts_in_fanout(r)) continue;
    counting = true;
    sum = r.missed ? any_number : sum_up(sum, r.unplaced);
    if (sum == any_number) break;
  }
  if (!counting) return any_number;
  for (const client& c : clients_) sum = sum_up(sum, c.failed_not_kept);
  return sum;
}

ledger_counts run_ledger::counts_of(const client& c, sequence_set* lost) const {
  if (!fanout_) {
    const deliveries& had = entry_of(had_, c.id);
    ledger_counts out = judge({c.sent, c.failed, had.seen, had.again, had.seen}, lost);
    out.extra_copies = had.extra;
    return out;
  }
  ledger_room room{room_bytes};
  deliveries any;
  sequence_set everywhere;
  bool first = true;
  for (const auto& [agent, r] : receivers_) {
    if (!counts_in_fanout(r)) continue;
    const deliveries& had = entry_of(r.had, c.id);
    everywhere = first ? had.seen : common(everywhere, had.seen, room);
    first = false;
    any.seen.merge(had.seen, room);
    any.again.merge(had.again, room);
    any.extra += had.extra;
  }
  ledger_counts out = judge({c.sent, c.failed, everywhere, any.again, any.seen}, lost);
  out.extra_copies = any.extra;
  return out;
}

ledger_counts run_ledger::counts() const {
  ledger_counts all;
  for (const client& c : clients_) all.add(counts_of(c));
  settle(all, unplaced());
  return all;
}

void run_ledger::list_clients(ledger_summary& out, const name_of_agent& name_of) const {
  std::vector<suspect> wrong;
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    const ledger_counts counts = counts_of(clients_[i]);
    out.all.add(counts);
    if (!counts.clean()) wrong.push_back({i, counts});
  }
  // Of one client nobody knows either: what may be at any receiver may be its.
  const std::uint64_t nobody_knows = unplaced();
  const bool none_is_lost = out.all.lost <= nobody_knows;
  settle(out.all, nobody_knows);
  out.clients_listed_of = wrong.size();
  keep_worst(wrong);
  for (suspect& s : wrong) {
    sequence_set lost;
    counts_of(clients_[s.at], &lost);
    if (none_is_lost) settle(s.counts, any_number);
    ledger_line& line = out.clients.emplace_back();
    line.name = name_of(clients_[s.at].agent);
    line.counts = s.counts;
    lost.append_ranges(line.lost, ranges_told);
  }
}

/// Of a receiver of a fanout.
ledger_counts run_ledger::counts_at(const receiver& r) const {
  ledger_counts out;
  for (const client& c : clients_) {
    const deliveries& had = entry_of(r.had, c.id);
    out.add(judge({c.sent, c.failed, had.seen, had.again, had.seen}, nullptr));
    out.extra_copies += had.extra;
  }
  settle(out, r.missed ? any_number : r.unplaced);
  return out;
}

std::uint64_t run_ledger::copies_missing() const {
  std::uint64_t sum = 0;
  for (const auto& [agent, r] : receivers_) {
    if (!counts_in_fanout(r)) continue;
    const ledger_counts counts = counts_at(r);
    sum = sum_up(sum, sum_up(counts.lost, counts.unknown));
  }
  return sum;
}

void run_ledger::list_receivers(ledger_summary& out, const name_of_agent& name_of) const {
  std::vector<suspect> wrong;
  for (const auto& [agent, r] : receivers_) {
    if (!counts_in_fanout(r)) continue;
    ++out.receivers;
    suspect s{agent, counts_at(r)};
    out.copies_lost += s.counts.lost;
    if (s.counts.lost + s.counts.unknown + s.counts.extra_copies > 0) wrong.push_back(s);
  }
  out.receivers_listed_of = wrong.size();
  keep_worst(wrong);
  for (const suspect& s : wrong) out.receivers_wrong.push_back({name_of(s.at), s.counts, {}});
}

ledger_gaps run_ledger::gaps() const {
  ledger_gaps out;
  out.clients_missed = clients_missed_;
  out.clients_without = clients_without_;
  out.clients_contradicting = clients_contradicting_;
  out.sent_without = sent_without_;
  out.reports_contradicting = reports_contradicting_;
  out.unidentified = unidentified_;
  out.not_kept = not_kept_;
  out.joined_unplaced = joined_unplaced_;
  const auto count_strangers = [&](const deliveries_by_client& all) {
    for (const auto& [id, had] : all) {
      if (client_at_.contains(id)) continue;
      ++out.strangers;
      out.of_strangers += had.arrivals();
    }
  };
  count_strangers(had_);
  for (const auto& [agent, r] : receivers_) {
    out.receivers_without += r.without ? 1 : 0;
    out.arrived_there += r.without ? r.arrived : 0;
    out.receivers_missed += r.missed && !r.without ? 1 : 0;
    count_strangers(r.had);
  }
  return out;
}

std::optional<fanout_summary> run_ledger::fanout_figures(const fanout_times& times) const {
  std::uint64_t timed = 0;
  std::uint64_t silent = 0;
  std::uint64_t without = 0;
  for (const auto& [agent, r] : receivers_) {
    if (!r.expected) continue;
    (!r.reported ? silent : r.timed ? timed : without) += 1;
  }
  if (timed == 0) return {};
  std::vector<fanout_times::sender> senders;
  senders.reserve(clients_.size());
  for (const client& c : clients_) senders.push_back({c.id, c.sent});
  // Who is silent may be one that notes them: what it had, nobody had in time.
  fanout_summary out = times.summary(timed + silent, senders);
  out.servers_without = without;
  return out;
}

ledger_summary run_ledger::summary(const name_of_agent& name_of) const {
  ledger_summary out;
  out.fanout = fanout_;
  list_clients(out, name_of);
  if (fanout_) list_receivers(out, name_of);
  out.failed_by_kind.insert(failed_kinds_.errors.begin(), failed_kinds_.errors.end());
  out.gaps = gaps().texts();
  return out;
}

}  // namespace ombt::controller
