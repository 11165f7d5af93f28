// SPDX-License-Identifier: Apache-2.0
#pragma once
// Of each message of a fanout the time until the first, the median and the last server had it: puts
// together what the I/O threads of agents noted, message by message, and makes a histogram of each.
// Owns what they told, within two bounds: above the first one only how many servers had a message,
// and the times of the first and the last, are kept. No clock, one thread.

#include "wire/control/arrivals.hpp"
#include "wire/control/ledger.hpp"
#include "wire/hdr/histogram.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace ombt::controller {

/// One of the three figures.
struct fanout_figure {
  wire::hdr::histogram times;    ///< nanoseconds
  std::uint64_t below_zero = 0;  ///< times that are: clocks apart
  double lowest_ms = 0;          ///< of these
  std::uint64_t never = 0;       ///< messages of which so many servers have had none

  void add(wire::control::arrival_time time);
  void add(const fanout_figure& other);
};

struct fanout_summary {
  std::size_t topics = 1;             ///< whose messages and servers these are
  std::uint64_t messages = 0;         ///< of native clients, as they were asked for
  std::uint64_t servers = 0;          ///< that note when messages arrive
  std::uint64_t servers_without = 0;  ///< that don't, as Python ones
  bool ends_only = false;             ///< the times in between were too many, so no median
  fanout_figure first;
  fanout_figure median;
  fanout_figure last;
  std::uint64_t contradicting = 0;  ///< messages with more times than servers, in no figure
  std::uint64_t not_kept = 0;       ///< arrivals without a time, so that nobody knows the figures

  /// Adds what was found in another topic, by the same fanout_times.
  void add(const fanout_summary& other);
};

class fanout_times {
 public:
  /// Times that are kept, all together, before only the ends of each message are.
  static constexpr std::uint64_t times_limit = 16'000'000;
  /// What they may take after that, bytes.
  static constexpr std::size_t room_bytes = std::size_t{512} << 20;

  explicit fanout_times(std::uint64_t times = times_limit, std::size_t bytes = room_bytes)
      : times_left_{times}, bytes_{bytes} {}

  /// What a thread told of the time since it was last asked.
  void add(const wire::control::arrival_report& told);

  /// A client of which it is known how many messages it sent.
  struct sender {
    std::uint64_t client = 0;
    std::uint64_t sent = 0;
  };
  /// The figures, over all messages of these clients. The last server is the one with that number;
  /// the median one the lower of the two in the middle, where there are two.
  fanout_summary summary(std::uint64_t servers, const std::vector<sender>& clients) const;

 private:
  /// What one thread told of one client, at one time.
  struct part {
    std::string bytes;
    bool ends = false;
  };
  using parts = std::vector<part>;
  static constexpr std::size_t part_bytes = 64;

  static void join(parts& all);
  void keep_ends_only();

  std::unordered_map<std::uint64_t, parts, wire::control::client_hash> clients_;
  std::uint64_t times_left_;
  std::size_t bytes_;
  std::size_t taken_ = 0;
  std::size_t joined_ = 0;  ///< of these, when the parts were last joined
  std::uint64_t not_kept_ = 0;
  bool ends_only_ = false;
};

}  // namespace ombt::controller
