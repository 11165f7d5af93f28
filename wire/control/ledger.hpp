// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledger of test messages: which messages a client sent and which of them failed, and which of
// each client's messages a receiver has had, once or more often. Owns the counting, its bounds, and
// how native peers tell each other; what follows from both sides is the controller's. No clock;
// plain values, one thread each.
//
// A message is known by its msgid "<hex32>:<sequence>". The first 16 digits are the run tag of the
// controller that asked (messages.hpp), the others the client's in this run; sequences begin at 0.

#include "wire/control/sequence_set.hpp"
#include "wire/json/value.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ombt::wire::control {

/// 16 lower-case hexadecimal digits; empty for anything else.
std::optional<std::uint64_t> read_hex16(std::string_view digits) noexcept;
void append_hex16(std::string& out, std::uint64_t number);

struct message_id {
  std::uint64_t tag = 0;
  std::uint64_t client = 0;
  std::uint64_t sequence = 0;
};
/// Reads a msgid; empty for anything else. Does not allocate.
std::optional<message_id> read_message_id(std::string_view msgid) noexcept;
/// The client in the first part of its msgids.
std::uint64_t client_of(const std::array<char, 32>& hex32) noexcept;

/// What arrived of one client's messages.
struct deliveries {
  sequence_set seen;
  sequence_set again;       ///< of them: what arrived more than once
  std::uint64_t extra = 0;  ///< arrivals that were not the first of their message

  std::uint64_t arrivals() const noexcept { return seen.size() + extra; }
  std::size_t bytes() const noexcept { return seen.bytes() + again.bytes(); }
  /// Counts an arrival, unless there is no room for it.
  sequence_set::inserted arrived(std::uint64_t sequence, ledger_room& room);
  /// Adds what another receiver had, or the same one at another time: what both saw arrived again.
  /// How many messages found no room.
  std::uint64_t merge(const deliveries& other, ledger_room& room);
  friend bool operator==(const deliveries&, const deliveries&) noexcept = default;
};

/// Spreads the ids of clients, which peers choose, by a number that they don't know.
struct client_hash {
  std::size_t operator()(std::uint64_t client) const noexcept;
};
using deliveries_by_client = std::unordered_map<std::uint64_t, deliveries, client_hash>;

/// What a receiver had of one controller's messages since it was last asked.
struct server_ledger {
  /// What an entry takes of a room beside its bitmaps, bytes.
  static constexpr std::size_t entry_bytes = 192;

  deliveries_by_client clients;
  std::uint64_t unidentified = 0;  ///< messages whose msgid could not be read
  std::uint64_t not_kept = 0;      ///< messages for which there was no room

  sequence_set::inserted arrived(std::uint64_t client, std::uint64_t sequence, ledger_room& room);
  /// Arrivals of all clients.
  std::uint64_t arrivals() const noexcept;
  /// What it took of its room.
  std::size_t bytes() const noexcept;
  friend bool operator==(const server_ledger&, const server_ledger&) = default;
};

/// What a client did in a run: it sent messages 0 to before `sent`, and all but the failed ones
/// succeeded.
struct client_ledger {
  /// Room for the failed ones: two whole bitmaps.
  static constexpr std::size_t room_bytes = std::size_t{4} << 20;

  std::uint64_t client = 0;
  std::uint64_t sent = 0;
  std::map<std::string, sequence_set, std::less<>> failed;  ///< by the error that results count
  std::uint64_t not_kept = 0;                               ///< failed ones that found no room

  void fail(std::string_view error, std::uint64_t sequence, ledger_room& room);
  friend bool operator==(const client_ledger&, const client_ledger&) = default;
};

/// Longest text of a ledger; entries that do not fit are left out and counted as not kept.
inline constexpr std::size_t ledger_text_limit = std::size_t{24} << 20;
/// What reading one may take.
inline constexpr std::size_t ledger_read_bytes = std::size_t{256} << 20;

/// {"client": "<hex16>", "sent": n[, "failed": {error: set}][, "not_kept": n]}
void append_ledger(std::string& out, const client_ledger& ledger);
/// {"clients": {"<hex16>": set, or [set, set of those that came again, extra copies]}
/// [, "unidentified": n][, "not_kept": n]}
void append_ledger(std::string& out, const server_ledger& ledger);

/// Read that. False with why: not what was written above, more came again than came, a message
/// failed twice or was not sent. Numbers above sequence_limit are an error (they are never kept),
/// what is more than room holds is counted as not kept.
bool read_ledger(json::value from, ledger_room& room, client_ledger& out, std::string& why);
bool read_ledger(json::value from, ledger_room& room, server_ledger& out, std::string& why);

}  // namespace ombt::wire::control
