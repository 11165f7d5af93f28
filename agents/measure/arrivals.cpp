// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/arrivals.hpp"

#include "wire/control/messages.hpp"

#include <algorithm>
#include <span>

namespace ombt::agents {

namespace control = wire::control;
using control::arrival_time;

namespace {

constexpr std::size_t first_notes = 16;
constexpr std::uint32_t sign = 0x80000000;  // turned, times sort as numbers without one

std::uint64_t note_of(std::uint64_t sequence, arrival_time time) noexcept {
  return sequence << 32 | (static_cast<std::uint32_t>(time) ^ sign);
}
std::uint32_t sequence_in(std::uint64_t note) noexcept {
  return static_cast<std::uint32_t>(note >> 32);
}
arrival_time time_in(std::uint64_t note) noexcept {
  return static_cast<arrival_time>(static_cast<std::uint32_t>(note) ^ sign);
}

}  // namespace

std::size_t arrival_notes::client_notes::bytes() const noexcept {
  return entry_bytes + each.capacity() * sizeof(std::uint64_t) + ends.capacity() * sizeof(shrunk);
}

template <class Visit>
void arrival_notes::client_notes::each_message(Visit visit) {
  std::sort(each.begin(), each.end());
  std::vector<arrival_time> times;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < each.size() || j < ends.size()) {
    std::uint32_t sequence = UINT32_MAX;
    if (i < each.size()) sequence = sequence_in(each[i]);
    if (j < ends.size()) sequence = std::min(sequence, ends[j].sequence);
    times.clear();
    for (; i < each.size() && sequence_in(each[i]) == sequence; ++i) {
      times.push_back(time_in(each[i]));
    }
    std::uint64_t servers = times.size();
    if (j < ends.size() && ends[j].sequence == sequence) {
      const shrunk& before = ends[j++];
      servers += before.servers;
      const arrival_time first = times.empty() ? before.first : std::min(before.first, times[0]);
      const arrival_time last = times.empty() ? before.last : std::max(before.last, times.back());
      times.assign({first, last});
      if (servers == 1) times.pop_back();
    }
    visit(sequence, servers, std::span<const arrival_time>{times});
  }
}

arrival_notes::client_notes* arrival_notes::find_or_add(std::uint64_t client) {
  // A fanout of a client comes to all servers of the thread before the next one does.
  if (last_ < clients_.size() && clients_[last_].client == client) return &clients_[last_];
  if (const auto known = index_.find(client); known != index_.end()) {
    last_ = known->second;
    return &clients_[last_];
  }
  if (!room_.take(entry_bytes)) return nullptr;
  last_ = clients_.size();
  index_.emplace(client, last_);
  clients_.emplace_back().client = client;
  return &clients_.back();
}

bool arrival_notes::reach(client_notes& notes) {
  const auto grow = [&] {
    const std::size_t have = notes.each.capacity();
    const std::size_t next = have == 0 ? first_notes : 2 * have;
    if (!room_.take((next - have) * sizeof(std::uint64_t))) return false;
    notes.each.reserve(next);
    return true;
  };
  if (notes.each.size() < notes.each.capacity() || grow()) return true;
  if (full_) return false;
  shrink();
  return notes.each.size() < notes.each.capacity() || grow();
}

void arrival_notes::note(std::uint64_t client, std::uint64_t sequence, arrival_time time) {
  client_notes* const notes = find_or_add(client);
  if (notes == nullptr || sequence >= control::sequence_limit || !reach(*notes)) {
    ++not_kept_;
    return;
  }
  notes->each.push_back(note_of(sequence, time));
}

void arrival_notes::shrink() {
  std::size_t before = 0;
  std::size_t after = 0;
  for (client_notes& notes : clients_) {
    const std::size_t had = notes.bytes();
    before += had;
    std::vector<shrunk> ends;
    std::size_t messages = 0;
    notes.each_message([&](std::uint32_t, std::uint64_t, auto) { ++messages; });
    // Where few servers have each message, its times take less than this.
    if (entry_bytes + messages * sizeof(shrunk) < had) {
      ends.reserve(messages);
      notes.each_message([&](std::uint32_t sequence, std::uint64_t servers, auto times) {
        ends.push_back(
            {sequence, static_cast<std::uint32_t>(servers), times.front(), times.back()});
      });
      notes.ends = std::move(ends);
      notes.each = std::vector<std::uint64_t>();  // {} would keep its memory
    }
    room_.give(had - notes.bytes());
    after += notes.bytes();
  }
  shrunk_ = true;
  // Shrinking again and again for little would take all the time.
  full_ = after > before / 4 * 3;
}

/// False if it takes more than that; then the rest is left out and counted.
bool arrival_notes::write(control::arrival_report& out, std::size_t most) {
  out = {};
  out.ends = shrunk_;
  std::size_t bytes = 0;
  bool all = true;
  std::vector<client_notes*> in_order;
  in_order.reserve(clients_.size());
  for (client_notes& notes : clients_) in_order.push_back(&notes);
  std::sort(in_order.begin(), in_order.end(),
            [](const auto* a, const auto* b) { return a->client < b->client; });
  for (client_notes* const notes : in_order) {
    control::client_arrivals told;
    told.client = notes->client;
    control::arrival_writer writer{told.bytes, out.ends};
    std::size_t written = 0;
    notes->each_message([&](std::uint32_t sequence, std::uint64_t servers, auto times) {
      if (all) {
        writer.add(sequence, servers, times);
        all = bytes + told.bytes.size() <= most;
      }
      if (!all) {
        told.bytes.resize(written);
        out.not_kept += servers;
        return;
      }
      written = told.bytes.size();
      ++told.messages;
      told.times += out.ends ? std::min<std::uint64_t>(servers, 2) : times.size();
    });
    bytes += told.bytes.size();
    if (told.messages > 0) out.clients.push_back(std::move(told));
  }
  return all;
}

control::arrival_report arrival_notes::take(std::size_t bytes) {
  control::arrival_report out;
  if (!write(out, bytes) && !shrunk_) {
    shrunk_ = true;
    write(out, bytes);
  }
  out.not_kept += not_kept_;
  clear();
  return out;
}

void arrival_notes::clear() {
  for (const client_notes& notes : clients_) room_.give(notes.bytes());
  clients_ = decltype(clients_)();
  index_ = decltype(index_)();
  last_ = 0;
  not_kept_ = 0;
  shrunk_ = false;
  full_ = false;
}

bool earlier_arrivals::contains(std::uint64_t client, std::uint64_t sequence) const noexcept {
  if (had_.empty()) return false;
  const auto known = had_.find(client);
  return known != had_.end() && known->second.contains(sequence);
}

void earlier_arrivals::add(const control::server_ledger& told, control::ledger_room& room) {
  for (const auto& [client, had] : told.clients) {
    auto known = had_.find(client);
    if (known == had_.end()) {
      if (!room.take(control::server_ledger::entry_bytes)) return;
      known = had_.emplace(client, control::sequence_set{}).first;
    }
    known->second.merge(had.seen, room);
  }
}

void earlier_arrivals::forget(control::ledger_room& room) {
  for (const auto& [client, had] : had_) {
    room.give(control::server_ledger::entry_bytes + had.bytes());
  }
  had_ = decltype(had_)();
}

std::shared_ptr<arrival_notes> thread_arrivals::of(std::string_view controller) {
  if (!control::asks_for_arrivals(controller)) return {};
  const auto tag = control::read_hex16(control::run_tag_of(controller));
  if (!tag) return {};
  std::erase_if(entries_, [](const entry& e) { return e.notes.expired(); });
  for (const entry& e : entries_) {
    if (e.tag == *tag) return e.notes.lock();
  }
  const auto made = std::make_shared<arrival_notes>(room_);
  entries_.push_back({*tag, made});
  return made;
}

std::shared_ptr<const control::arrival_report> thread_arrivals::answer(std::string_view controller,
                                                                       bool all) {
  static const auto elsewhere = std::make_shared<const control::arrival_report>();
  if (!control::asks_for_arrivals(controller)) return {};
  return all ? std::make_shared<const control::arrival_report>(of(controller)->take()) : elsewhere;
}

}  // namespace ombt::agents
