// SPDX-License-Identifier: Apache-2.0
#pragma once
// When each message of a fanout arrived: of each client's messages the one-way times at the servers
// of one I/O thread, or, where these are too many, of each message how many servers had it, and the
// times of the first and the last. Owns the form in which native peers tell each other, and its
// bounds; who notes times is agents/measure/arrivals.hpp, who puts those of all threads together
// controller/fanout_times.hpp. Plain values, one thread each.
//
// The times of a client are bytes: message after message, in ascending order, each
//
//   gap       from the message before (0: its successor; of the first one: its sequence)
//   servers   that had it, 1 or more
//   time      of the first, zigzag (0, -1, 1, -2, …)
//   then      how much later each further server had it than the one before it, in ascending order;
//             with `ends` the last one than the first
//
// each a number of 7 bits a byte, the lowest first, the high bit set where more follow (LEB128).

#include "wire/control/sequence_set.hpp"
#include "wire/json/value.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::control {

/// One-way time of a message at a server, microseconds. Below zero: clocks apart. What is beyond
/// its range (35 minutes) is at the end of it.
using arrival_time = std::int32_t;
inline constexpr arrival_time longest_arrival = INT32_MAX;
arrival_time arrival_time_of(double seconds) noexcept;

/// Most bytes of times that one answer carries.
inline constexpr std::size_t arrival_bytes_limit = std::size_t{18} << 20;

/// Writes the times of one client's messages.
class arrival_writer {
 public:
  /// Appends to out, which must outlive it.
  arrival_writer(std::string& out, bool ends) : out_{out}, ends_{ends} {}
  /// A message that so many servers had, at these times in ascending order: one for each server;
  /// where ends are written the first and the last one will do. Sequences ascend, below
  /// sequence_limit.
  void add(std::uint64_t sequence, std::uint64_t servers, std::span<const arrival_time> times);

 private:
  std::string& out_;
  bool ends_;
  std::uint64_t next_ = 0;
};

/// Reads what arrival_writer wrote, message by message.
class arrival_reader {
 public:
  arrival_reader(std::string_view bytes, bool ends) : left_{bytes}, ends_{ends} {}
  /// Goes to the next message. False at the end, or where the bytes are none of arrival_writer's.
  bool next();
  bool ok() const noexcept { return ok_; }

  std::uint64_t sequence() const noexcept { return next_ - 1; }
  std::uint64_t servers() const noexcept { return servers_; }
  /// In ascending order; fewer than servers where only the first and the last are told.
  std::span<const arrival_time> times() const noexcept { return times_; }

 private:
  bool take(std::uint64_t most, std::uint64_t& out);

  std::string_view left_;
  bool ends_;
  bool ok_ = true;
  std::uint64_t next_ = 0;
  std::uint64_t servers_ = 0;
  std::vector<arrival_time> times_;
};

struct client_arrivals {
  std::uint64_t client = 0;
  std::string bytes;
  std::uint64_t messages = 0;
  std::uint64_t times = 0;  ///< that are told

  friend bool operator==(const client_arrivals&, const client_arrivals&) = default;
};

/// What the servers of a thread had since they were last asked.
struct arrival_report {
  bool ends = false;
  std::vector<client_arrivals> clients;  ///< by ascending id
  std::uint64_t not_kept = 0;            ///< arrivals for which there was no room

  friend bool operator==(const arrival_report&, const arrival_report&) = default;
};

/// Appends {["clients": {"<hex16>": "<base64>", …}][, "ends": true][, "not_kept": n]}.
void append_arrivals(std::string& out, const arrival_report& told);
/// Reads that. False with why for what no thread can have told: clients twice or out of order,
/// numbers of sequence_limit or more, times out of range, more than arrival_bytes_limit.
bool read_arrivals(json::value from, arrival_report& out, std::string& why);

}  // namespace ombt::wire::control
