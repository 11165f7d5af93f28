// SPDX-License-Identifier: Apache-2.0
#include "wire/control/ledger.hpp"

#include "wire/control/field_reader.hpp"
#include "wire/control/results.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <random>
#include <utility>
#include <vector>

namespace ombt::wire::control {
namespace {

constexpr std::size_t hex16 = 16;

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void append_count(std::string& out, std::string_view key, std::uint64_t count) {
  if (count == 0) return;
  out.append(", \"").append(key).append("\": ").append(std::to_string(count));
}

void append_set(std::string& out, const sequence_set& set) {
  out += '"';
  set.append_text(out);
  out += '"';
}

bool read_set(json::value from, ledger_room& room, sequence_set& out, std::uint64_t& not_kept) {
  const auto text = from.string();
  return text && sequence_set::read_text(*text, room, out, not_kept);
}

/// True if b has nothing that a has not.
bool within(const sequence_set& b, const sequence_set& a) {
  bool inside = true;
  each_block(
      b.words(),
      [&](std::uint32_t, std::uint32_t, std::uint64_t of_a, std::uint64_t of_b) {
        inside = inside && (of_b & ~of_a) == 0;
      },
      a, b);
  return inside;
}

bool read_deliveries(json::value from, ledger_room& room, deliveries& out,
                     std::uint64_t& not_kept) {
  if (!from.is_array()) {
    const std::uint64_t before = not_kept;
    return read_set(from, room, out.seen, not_kept) && (!out.seen.empty() || not_kept > before);
  }
  if (from.size() != 3) return false;
  std::size_t at = 0;
  bool ok = true;
  std::uint64_t seen_not_kept = 0;
  std::uint64_t again_not_kept = 0;
  from.for_each_element([&](json::value element) {
    if (at == 0) ok = read_set(element, room, out.seen, seen_not_kept);
    if (at == 1) ok = ok && read_set(element, room, out.again, again_not_kept);
    if (at == 2) {
      const auto number = element.integer();
      ok = ok && number && *number >= 0 && *number <= largest_count;
      if (ok) out.extra = static_cast<std::uint64_t>(*number);
    }
    ++at;
  });
  if (!ok || out.extra < out.again.size()) return false;
  not_kept += seen_not_kept;
  if (seen_not_kept > 0) {  // then what came again need not be among it
    not_kept += out.extra;
    out.again = {};
    out.extra = 0;
    return true;
  }
  return within(out.again, out.seen);
}

}  // namespace

std::optional<std::uint64_t> read_hex16(std::string_view digits) noexcept {
  if (digits.size() != hex16) return {};
  std::uint64_t number = 0;
  for (const char digit : digits) {
    const int value = hex_value(digit);
    if (value < 0) return {};
    number = number << 4 | static_cast<std::uint64_t>(value);
  }
  return number;
}

void append_hex16(std::string& out, std::uint64_t number) {
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[number >> shift & 15];
}

std::optional<message_id> read_message_id(std::string_view msgid) noexcept {
  if (msgid.size() < 2 * hex16 + 2 || msgid[2 * hex16] != ':') return {};
  const auto tag = read_hex16(msgid.substr(0, hex16));
  const auto client = read_hex16(msgid.substr(hex16, hex16));
  if (!tag || !client) return {};
  message_id out{*tag, *client, 0};
  const char* const end = msgid.data() + msgid.size();
  const auto [stop, error] = std::from_chars(msgid.data() + 2 * hex16 + 1, end, out.sequence);
  if (error != std::errc{} || stop != end) return {};
  return out;
}

std::uint64_t client_of(const std::array<char, 32>& hex32) noexcept {
  return read_hex16({hex32.data() + hex16, hex16}).value_or(0);
}

sequence_set::inserted deliveries::arrived(std::uint64_t sequence, ledger_room& room) {
  const auto what = seen.insert(sequence, room);
  if (what == sequence_set::inserted::again) {
    again.insert(sequence, room);
    ++extra;
  }
  return what;
}

std::uint64_t deliveries::merge(const deliveries& other, ledger_room& room) {
  std::uint64_t refused = 0;
  each_block(
      std::min(seen.words(), other.seen.words()),
      [&](std::uint32_t index, std::uint32_t count, std::uint64_t mine, std::uint64_t its) {
        const std::uint64_t both = mine & its;
        if (both == 0) return;
        const std::uint64_t copies =
            std::uint64_t{count} * static_cast<unsigned>(std::popcount(both));
        extra += copies;
        if (!again.add(index, count, both, room)) refused += copies;
      },
      seen, other.seen);
  extra += other.extra;
  refused += again.merge(other.again, room);
  return refused + seen.merge(other.seen, room);
}

std::size_t client_hash::operator()(std::uint64_t client) const noexcept {
  static const std::uint64_t secret = [] {
    std::random_device random;
    return std::uint64_t{random()} << 32 | random();
  }();
  // The finish of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
  std::uint64_t x = client + secret;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return static_cast<std::size_t>(x ^ x >> 31);
}

sequence_set::inserted server_ledger::arrived(std::uint64_t client, std::uint64_t sequence,
                                              ledger_room& room) {
  auto entry = clients.find(client);
  if (entry == clients.end()) {
    if (sequence >= sequence_limit || !room.take(entry_bytes)) {
      ++not_kept;
      return sequence_set::inserted::no_room;
    }
    entry = clients.emplace(client, deliveries{}).first;
  }
  const auto what = entry->second.arrived(sequence, room);
  if (what == sequence_set::inserted::no_room) ++not_kept;
  return what;
}

std::uint64_t server_ledger::arrivals() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& [client, had] : clients) sum += had.arrivals();
  return sum;
}

std::size_t server_ledger::bytes() const noexcept {
  std::size_t sum = clients.size() * entry_bytes;
  for (const auto& [client, had] : clients) sum += had.bytes();
  return sum;
}

void client_ledger::fail(std::string_view error, std::uint64_t sequence, ledger_room& room) {
  auto kind = failed.find(error);
  if (kind == failed.end()) kind = failed.emplace(error, sequence_set{}).first;
  if (kind->second.insert(sequence, room) != sequence_set::inserted::fresh) ++not_kept;
}

void append_ledger(std::string& out, const client_ledger& ledger) {
  const std::size_t start = out.size();
  out += "{\"client\": \"";
  append_hex16(out, ledger.client);
  out += "\", \"sent\": ";
  out += std::to_string(ledger.sent);
  std::uint64_t not_kept = ledger.not_kept;
  std::string_view before = ", \"failed\": {";
  bool any = false;
  for (const auto& [error, sequences] : ledger.failed) {
    if (sequences.empty()) continue;
    const std::size_t entry = out.size();
    out += before;
    json::append_string(out, error);
    out += ": ";
    append_set(out, sequences);
    if (out.size() - start > ledger_text_limit) {
      out.resize(entry);
      not_kept += sequences.size();
      continue;
    }
    before = ", ";
    any = true;
  }
  if (any) out += '}';
  append_count(out, "not_kept", not_kept);
  out += '}';
}

void append_ledger(std::string& out, const server_ledger& ledger) {
  const std::size_t start = out.size();
  // In order, so that equal ledgers have equal texts.
  std::vector<const deliveries_by_client::value_type*> entries;
  entries.reserve(ledger.clients.size());
  for (const auto& entry : ledger.clients) {
    if (!entry.second.seen.empty()) entries.push_back(&entry);
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  out += "{\"clients\": {";
  std::uint64_t not_kept = ledger.not_kept;
  std::string_view before = "\"";
  for (const auto* entry : entries) {
    const std::size_t begin = out.size();
    const deliveries& had = entry->second;
    out += before;
    append_hex16(out, entry->first);
    out += "\": ";
    if (had.extra == 0) {
      append_set(out, had.seen);
    } else {
      out += '[';
      append_set(out, had.seen);
      out += ", ";
      append_set(out, had.again);
      out.append(", ").append(std::to_string(had.extra)) += ']';
    }
    if (out.size() - start > ledger_text_limit) {
      out.resize(begin);
      not_kept += had.arrivals();
      continue;
    }
    before = ", \"";
  }
  out += '}';
  append_count(out, "unidentified", ledger.unidentified);
  append_count(out, "not_kept", not_kept);
  out += '}';
}

bool read_ledger(json::value from, ledger_room& room, client_ledger& out, std::string& why) {
  out = {};
  const auto digits = from["client"].string();
  const auto client = digits ? read_hex16(*digits) : std::nullopt;
  if (!client) {
    why = "client is none";
    return false;
  }
  out.client = *client;
  field_reader fields{"", why};
  fields.count(from, "sent", out.sent);
  fields.count(from, "not_kept", out.not_kept);
  if (!fields.ok()) return false;
  const json::value failed = from["failed"];
  if (!failed) return true;
  if (!failed.is_object()) {
    why = "failed is no object";
    return false;
  }
  bool ok = true;
  sequence_set all;
  ledger_room scratch{2 * sequence_limit / 8};
  failed.for_each_member([&](std::string_view error, json::value set) {
    if (!ok) return;
    std::string key = error_key(error);
    if (out.failed.size() >= error_text_limit && !out.failed.contains(key)) key = other_errors;
    sequence_set read;
    ok = read_set(set, room, read, out.not_kept);
    // Of what texts say that become one by the bounds on them, all counts.
    const std::uint64_t before = all.size();
    all.merge(read, scratch);
    ok = ok && all.size() - before == read.size();
    if (ok) out.not_kept += out.failed[std::move(key)].merge(read, room);
  });
  const auto last = static_cast<std::uint32_t>(std::min(out.sent, sequence_limit) / 64);
  const std::uint64_t beyond = ~std::uint64_t{0} << out.sent % 64;
  ok = ok && (out.sent >= sequence_limit || all.words() <= last ||
              (all.words() == last + 1 && (all.word(last) & beyond) == 0));
  if (!ok) why = "failed has something else than messages that were sent, each once";
  return ok;
}

bool read_ledger(json::value from, ledger_room& room, server_ledger& out, std::string& why) {
  out = {};
  const json::value clients = from["clients"];
  if (!clients.is_object()) {
    why = "clients is no object";
    return false;
  }
  field_reader fields{"", why};
  fields.count(from, "unidentified", out.unidentified);
  fields.count(from, "not_kept", out.not_kept);
  if (!fields.ok()) return false;
  bool ok = true;
  out.clients.reserve(std::min(clients.size(), room.left() / server_ledger::entry_bytes));
  clients.for_each_member([&](std::string_view digits, json::value had) {
    if (!ok) return;
    const auto client = read_hex16(digits);
    ok = client.has_value();
    if (!ok) return;
    const auto [entry, is_new] = out.clients.try_emplace(*client);
    deliveries& read = entry->second;
    ok = is_new && read_deliveries(had, room, read, out.not_kept);
    if (!ok || room.take(server_ledger::entry_bytes)) return;
    room.give(read.bytes());
    out.not_kept += read.arrivals();
    out.clients.erase(entry);
  });
  if (!ok) why = "clients has something else than one set of messages a client";
  return ok;
}

}  // namespace ombt::wire::control
