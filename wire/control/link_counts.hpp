// SPDX-License-Identifier: Apache-2.0
#pragma once
// What went wrong at an agent's links to the bus beside its messages: counts that no message and no
// error stands for. Owns their names, in JSON and in words, and their sums; who counts is the
// drivers. Plain values, any thread.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ombt::wire::control {

/// Above it no count of a peer is believed, and sums stay: a double holds it exactly.
inline constexpr std::int64_t largest_count = std::int64_t{1} << 53;

struct link_counts {
  std::uint64_t unreadable = 0;           ///< messages that could not be read, and were rejected
  std::uint64_t duplicates = 0;           ///< messages seen before, dropped
  std::uint64_t late_replies = 0;         ///< replies that nobody waited for
  std::uint64_t returned = 0;             ///< messages that the broker had no queue for
  std::uint64_t refused = 0;              ///< messages that the broker did not take (nack)
  std::uint64_t replies_abandoned = 0;    ///< replies that could not be sent
  std::uint64_t sent_without_credit = 0;  ///< AMQP 1.0: counted as sent, not taken by the bus yet
  std::uint64_t lost_without_credit = 0;  ///< and those of them that it never took
  std::uint64_t connection_errors = 0;    ///< connections lost, and attempts that failed
  std::uint64_t reconnects = 0;           ///< servers and listeners set up again

  /// The growth since an earlier count of the same links.
  link_counts since(const link_counts& before) const noexcept;
  void merge(const link_counts& other) noexcept;
  bool any() const noexcept { return *this != link_counts{}; }
  friend bool operator==(const link_counts&, const link_counts&) = default;
};

/// One of the counts: its key in JSON, and what is counted, for one and for several.
struct link_count_name {
  std::uint64_t link_counts::*count;
  std::string_view key;
  std::string_view one;
  std::string_view several;
};

inline constexpr std::array<link_count_name, 10> link_count_names{{
    {&link_counts::unreadable, "unreadable_messages", "unreadable message", "unreadable messages"},
    {&link_counts::duplicates, "duplicates_dropped", "duplicate dropped", "duplicates dropped"},
    {&link_counts::late_replies, "late_replies", "late reply", "late replies"},
    {&link_counts::returned, "messages_returned", "message returned", "messages returned"},
    {&link_counts::refused, "messages_refused", "message refused", "messages refused"},
    {&link_counts::replies_abandoned, "replies_abandoned", "reply abandoned", "replies abandoned"},
    {&link_counts::sent_without_credit, "sent_without_credit", "message sent without credit",
     "messages sent without credit"},
    {&link_counts::lost_without_credit, "lost_without_credit", "message lost without credit",
     "messages lost without credit"},
    {&link_counts::connection_errors, "connection_errors", "connection error", "connection errors"},
    {&link_counts::reconnects, "reconnects", "reconnect", "reconnects"},
}};

/// "7 unreadable messages, 1 late reply"; empty if nothing was counted.
std::string in_words(const link_counts& counts);

}  // namespace ombt::wire::control
