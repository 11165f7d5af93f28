// SPDX-License-Identifier: Apache-2.0
#include "controller/fanout_times.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace ombt::controller {
namespace {

using wire::control::arrival_reader;
using wire::control::arrival_time;
using wire::control::arrival_writer;

/// A message as all parts together have it.
struct joined_message {
  std::uint64_t sequence = 0;
  std::uint64_t servers = 0;
  bool whole = true;                ///< times has one for each server
  std::vector<arrival_time> times;  ///< in no order

  void add(const arrival_reader& from) {
    servers += from.servers();
    whole = whole && from.times().size() == from.servers();
    times.insert(times.end(), from.times().begin(), from.times().end());
  }
};

/// Calls visit(message) for each message of all parts, by ascending sequence.
template <class Parts, class Visit>
void each_message(const Parts& all, Visit visit) {
  std::vector<arrival_reader> readers;
  readers.reserve(all.size());
  // A heap of what each part has next, the lowest sequence on top.
  using head = std::pair<std::uint64_t, std::size_t>;
  std::vector<head> heads;
  const auto later = std::greater<>{};
  const auto go_on = [&](std::size_t i) {
    if (!readers[i].next()) return;
    heads.emplace_back(readers[i].sequence(), i);
    std::push_heap(heads.begin(), heads.end(), later);
  };
  for (const auto& part : all) {
    readers.emplace_back(part.bytes, part.ends);
    go_on(readers.size() - 1);
  }
  joined_message message;
  while (!heads.empty()) {
    message.sequence = heads.front().first;
    message.servers = 0;
    message.whole = true;
    message.times.clear();
    while (!heads.empty() && heads.front().first == message.sequence) {
      const std::size_t i = heads.front().second;
      std::pop_heap(heads.begin(), heads.end(), later);
      heads.pop_back();
      message.add(readers[i]);
      go_on(i);
    }
    visit(message);
  }
}

std::uint64_t arrivals_in(const wire::control::client_arrivals& told, bool ends) {
  if (!ends) return told.times;
  std::uint64_t sum = 0;
  arrival_reader reader{told.bytes, ends};
  while (reader.next()) sum += reader.servers();
  return sum;
}

}  // namespace

void fanout_figure::add(arrival_time time) {
  if (time < 0) {
    const double ms = time / 1e3;
    lowest_ms = below_zero == 0 ? ms : std::min(lowest_ms, ms);
    ++below_zero;
  } else if (time == wire::control::longest_arrival) {
    times.record(wire::hdr::highest + 1);
  } else {
    times.record(static_cast<std::uint64_t>(time) * 1000);
  }
}

void fanout_figure::add(const fanout_figure& other) {
  times.merge(other.times);
  if (other.below_zero > 0) {
    lowest_ms = below_zero == 0 ? other.lowest_ms : std::min(lowest_ms, other.lowest_ms);
  }
  below_zero += other.below_zero;
  never += other.never;
}

void fanout_summary::add(const fanout_summary& other) {
  topics += other.topics;
  messages += other.messages;
  servers += other.servers;
  servers_without += other.servers_without;
  contradicting += other.contradicting;
  first.add(other.first);
  median.add(other.median);
  last.add(other.last);
  ends_only = ends_only || other.ends_only;
  if (ends_only) median = {};
}

void fanout_times::add(const wire::control::arrival_report& told) {
  not_kept_ += told.not_kept;
  for (const wire::control::client_arrivals& client : told.clients) {
    if (!ends_only_ && client.times > times_left_) keep_ends_only();
    parts added{{client.bytes, told.ends}};
    if (ends_only_) join(added);
    const auto fits = [&] { return added[0].bytes.size() + part_bytes <= bytes_ - taken_; };
    if (!fits() && !ends_only_) {
      keep_ends_only();
      join(added);
    }
    // What several threads have of a message becomes one, as long as that gains something.
    if (!fits() && taken_ / 2 > joined_) keep_ends_only();
    if (!fits()) {
      not_kept_ += arrivals_in(client, told.ends);
      continue;
    }
    taken_ += added[0].bytes.size() + part_bytes;
    if (!ends_only_) times_left_ -= client.times;
    clients_[client.client].push_back(std::move(added[0]));
  }
}

/// Makes one part of all, in which each message has its ends only.
void fanout_times::join(parts& all) {
  part ends;
  ends.ends = true;
  arrival_writer writer{ends.bytes, true};
  each_message(all, [&](joined_message& message) {
    const auto [first, last] = std::minmax_element(message.times.begin(), message.times.end());
    const arrival_time both[] = {*first, *last};
    writer.add(message.sequence, message.servers, both);
  });
  ends.bytes.shrink_to_fit();
  all = parts();
  all.push_back(std::move(ends));
}

void fanout_times::keep_ends_only() {
  ends_only_ = true;
  taken_ = 0;
  for (auto& [client, all] : clients_) {
    join(all);
    taken_ += all[0].bytes.size() + part_bytes;
  }
  joined_ = taken_;
}

fanout_summary fanout_times::summary(std::uint64_t servers,
                                     const std::vector<sender>& clients) const {
  fanout_summary out;
  out.servers = servers;
  out.not_kept = not_kept_;
  const std::uint64_t middle = (servers + 1) / 2;
  for (const sender& of : clients) {
    out.messages += of.sent;
    std::uint64_t arrived = 0;
    std::uint64_t halfway = 0;
    std::uint64_t everywhere = 0;
    std::uint64_t too_many = 0;
    const auto known = clients_.find(of.client);
    if (known != clients_.end()) {
      each_message(known->second, [&](joined_message& message) {
        if (message.sequence >= of.sent) return;
        auto& times = message.times;
        if (message.servers > servers) {
          ++too_many;
          return;
        }
        ++arrived;
        const auto [first, last] = std::minmax_element(times.begin(), times.end());
        out.first.add(*first);
        if (message.servers == servers) {
          ++everywhere;
          out.last.add(*last);
        }
        out.ends_only = out.ends_only || !message.whole;
        if (message.servers < middle || out.ends_only) return;
        ++halfway;
        const auto median = times.begin() + static_cast<std::ptrdiff_t>(middle - 1);
        std::nth_element(times.begin(), median, times.end());
        out.median.add(*median);
      });
    }
    out.contradicting += too_many;
    const std::uint64_t counted = of.sent - too_many;
    out.first.never += counted - arrived;
    out.median.never += counted - halfway;
    out.last.never += counted - everywhere;
  }
  if (out.ends_only) out.median = {};
  return out;
}

}  // namespace ombt::controller
