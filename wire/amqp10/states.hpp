// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the handles of connection.hpp point to: sessions, links and deliveries as this side knows
// them, each beside proton's own object, which may be freed earlier. Owned by the engine.
// Internal to wire/amqp10. One thread.

#include "wire/amqp10/connection.hpp"
#include "wire/chain.hpp"

#include <proton/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ombt::wire::amqp10 {

class engine;

/// What a peer's numbers (channels, handles) stand for. Small, sorted: the numbers are the peer's
/// choice.
template <class T>
class number_table {
 public:
  T* find(std::uint32_t number) const noexcept {
    const auto at = place(number);
    return at != entries_.end() && at->first == number ? at->second : nullptr;
  }
  void insert(std::uint32_t number, T* what) {
    entries_.insert(place(number), std::pair(number, what));
  }
  void erase(std::uint32_t number) {
    const auto at = place(number);
    if (at != entries_.end() && at->first == number) entries_.erase(at);
    if (entries_.empty()) entries_.shrink_to_fit();
  }

 private:
  using entries = std::vector<std::pair<std::uint32_t, T*>>;
  typename entries::const_iterator place(std::uint32_t number) const noexcept {
    return std::lower_bound(entries_.begin(), entries_.end(), number,
                            [](const auto& entry, std::uint32_t n) { return entry.first < n; });
  }
  entries entries_;
};

struct delivery_state {
  link_state* link = nullptr;
  pn_delivery_t* raw = nullptr;  ///< null while it waits for credit
  void* user = nullptr;
  place_in_chain<delivery_state> place;
  bool settled = false;  ///< of one that waits: sent settled; of one that arrived: told of it
  std::string tag;       ///< of one that waits
  std::string message;   ///< of one that waits
};
using delivery_chain = chain<delivery_state, &delivery_state::place>;

struct link_state {
  engine* owner = nullptr;
  session_state* session = nullptr;
  pn_link_t* raw = nullptr;
  void* user = nullptr;
  place_in_chain<link_state> place;
  delivery_chain deliveries;  ///< known to proton, not settled by this side
  delivery_chain waiting;     ///< for credit
  std::size_t waiting_bytes = 0;
  std::string collected;             ///< of a message whose transfers are still arriving
  std::uint32_t handle = 0;          ///< the peer's
  std::uint32_t delivery_count = 0;  ///< the peer's, as a sender
  bool sender = false;               ///< this side sends
  bool attached = false;             ///< the peer's handle stands for it
  bool arriving = false;             ///< a message's first transfer came, not its last
  bool oversized = false;            ///< the message that is arriving is dropped
  bool detached_by_peer = false;     ///< its detach came, or its session's end
  bool for_good = false;             ///< and it said closed
  bool told = false;                 ///< link_closed was given
  bool closed = false;               ///< by this side: what arrives is dropped
};

struct session_state {
  engine* owner = nullptr;
  pn_session_t* raw = nullptr;
  void* user = nullptr;
  place_in_chain<session_state> place;
  chain<link_state, &link_state::place> links;
  number_table<link_state> handles;  ///< the peer's
  std::size_t link_count = 0;
  std::uint32_t channel = 0;   ///< the peer's
  bool mapped = false;         ///< the peer's channel stands for it
  bool ended_by_peer = false;  ///< its end came
  bool told = false;           ///< session_closed was given
  bool closed = false;         ///< by this side
};

}  // namespace ombt::wire::amqp10
