// SPDX-License-Identifier: Apache-2.0
#pragma once
// When each message of a fanout arrived at the servers of an I/O thread, noted while it runs and
// told with the results of one of them. Where the notes find no room they shrink to how many
// servers had a message and the times of the first and the last. Owns the notes of a thread, by the
// run tag of the controllers that ask for them; instants come in. Without such a controller it
// holds nothing. One thread.

#include "wire/control/arrivals.hpp"
#include "wire/control/ledger.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ombt::agents {

/// The notes for one controller.
class arrival_notes {
 public:
  /// What a client takes of the room beside its notes, bytes.
  static constexpr std::size_t entry_bytes = 160;

  /// The room is shared by the notes of a thread and must outlive them.
  explicit arrival_notes(wire::control::ledger_room& room) : room_{room} {}
  ~arrival_notes() { clear(); }
  arrival_notes(const arrival_notes&) = delete;
  arrival_notes& operator=(const arrival_notes&) = delete;

  /// A message, at one more server. Allocates where the notes of its client grow only, by doubling.
  void note(std::uint64_t client, std::uint64_t sequence, wire::control::arrival_time time);
  /// An arrival of which nothing is known.
  void missed() { ++not_kept_; }
  /// Hands over what was noted, in at most so many bytes, and starts anew.
  wire::control::arrival_report take(std::size_t bytes = wire::control::arrival_bytes_limit);

 private:
  /// A message of which the ends are left.
  struct shrunk {
    std::uint32_t sequence = 0;
    std::uint32_t servers = 0;
    wire::control::arrival_time first = 0;
    wire::control::arrival_time last = 0;
  };
  struct client_notes {
    std::uint64_t client = 0;
    /// Sequence above time, so that they sort by both.
    std::vector<std::uint64_t> each;
    std::vector<shrunk> ends;

    std::size_t bytes() const noexcept;
    /// Calls visit(sequence, servers, times) for each message, in order.
    template <class Visit>
    void each_message(Visit visit);
  };

  client_notes* find_or_add(std::uint64_t client);
  bool reach(client_notes& notes);
  void shrink();
  bool write(wire::control::arrival_report& out, std::size_t most);
  void clear();

  wire::control::ledger_room& room_;
  std::vector<client_notes> clients_;
  std::unordered_map<std::uint64_t, std::size_t, wire::control::client_hash> index_;
  std::size_t last_ = 0;  ///< whose message came last
  std::uint64_t not_kept_ = 0;
  bool shrunk_ = false;
  bool full_ = false;  ///< shrinking gains nothing any more
};

/// Which messages a receiver had before it was last asked: those that come again are noted once.
class earlier_arrivals {
 public:
  bool contains(std::uint64_t client, std::uint64_t sequence) const noexcept;
  /// What finds no room is left out.
  void add(const wire::control::server_ledger& told, wire::control::ledger_room& room);
  void forget(wire::control::ledger_room& room);

 private:
  std::unordered_map<std::uint64_t, wire::control::sequence_set, wire::control::client_hash> had_;
};

/// The notes of a thread.
class thread_arrivals {
 public:
  /// Room for all of them together.
  explicit thread_arrivals(std::size_t bytes) : room_{bytes} {}

  /// The notes for a controller of that server name, as long as a receiver holds them. Empty for
  /// one that does not ask for them.
  std::shared_ptr<arrival_notes> of(std::string_view controller);
  /// What a receiver's results carry for that controller: with `all` what was noted, else that this
  /// was noted elsewhere. Empty for one that does not ask.
  std::shared_ptr<const wire::control::arrival_report> answer(std::string_view controller,
                                                              bool all);

 private:
  struct entry {
    std::uint64_t tag = 0;
    std::weak_ptr<arrival_notes> notes;
  };

  wire::control::ledger_room room_;
  std::vector<entry> entries_;
};

}  // namespace ombt::agents
