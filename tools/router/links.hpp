// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a core knows of links, addresses and messages in flight: plain state, joined by pointers.
// A link's state hangs on the engine's link (set_user), a message's on its two deliveries. A link
// whose peer belongs to another thread has its state with its address all the same; there a stub
// (outpost.hpp) hangs on the engine's link in its place, and what the two say to each other are
// notes (notes.hpp). Owned by the core; the rules are the core's (core.hpp). One thread.

#include "wire/amqp10/connection.hpp"
#include "wire/chain.hpp"

#include "tools/router/address.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace ombt::tools::router {

namespace amqp = wire::amqp10;
using wire::chain;
using wire::place_in_chain;

class peer;
struct address;
struct in_link;
struct out_link;
struct far_sender;  // outpost.hpp
struct far_receiver;
struct far_delivery;

/// What became of messages, as qpid-dispatch counts it.
struct message_counts {
  std::uint64_t deliveries = 0;  ///< that began
  std::uint64_t presettled = 0;
  std::uint64_t dropped_presettled = 0;  ///< nobody could take them
  std::uint64_t accepted = 0;
  std::uint64_t rejected = 0;
  std::uint64_t released = 0;
  std::uint64_t modified = 0;
};

/// What a receiver says of a message is its last word.
bool is_over(const amqp::outcome& how, bool settled) noexcept;

/// Counts an outcome; one that says nothing counts as accepted.
void count(const amqp::outcome& how, message_counts& in) noexcept;

/// A message's delivery at its sender's engine: here, or in another thread.
struct incoming {
  amqp::delivery here;
  far_delivery* there = nullptr;
  bool settled = false;  ///< by its sender, before it came
};

/// A message that waits at an address, or that a receiver has and has not settled.
struct flight {
  incoming in;              ///< empty: settled by its sender, or its sender is gone
  amqp::delivery out;       ///< empty while it waits, and where its receiver is in another thread
  in_link* from = nullptr;  ///< null: the sender is gone
  out_link* to = nullptr;   ///< null while it waits
  std::string text;         ///< of one that waits
  place_in_chain<flight> at_sender;
  place_in_chain<flight> at_receiver;  ///< or in the address's queue
};
using sent_flights = chain<flight, &flight::at_sender>;
using waiting_flights = chain<flight, &flight::at_receiver>;

/// What an engine's link points to: its state, or a stub of it.
struct attached {
  explicit attached(bool is_stub) noexcept : stub(is_stub) {}
  const bool stub;
  amqp::link wire;
  peer* owner = nullptr;
  place_in_chain<attached> among_owned;
};

/// What every attached link has. Of one whose peer is in another thread `wire` and `owner` are that
/// thread's.
struct link_base : attached {
  link_base() noexcept : attached(false) {}
  std::uint64_t id = 0;
  address* at = nullptr;
  std::size_t index = 0;  ///< among the address's links of its direction
  message_counts counts;
};

/// A link that a peer sends on.
struct in_link : link_base {
  sent_flights flights;
  int queued = 0;  ///< of its messages wait at the address
  place_in_chain<in_link> among_starved;
  far_sender* far = nullptr;  ///< its stub, if its peer is in another thread
  std::size_t thread = 0;     ///< that one
  std::int64_t given = 0;     ///< to that one: credit, in all
  std::int64_t used = 0;      ///< of it, as far as is known
};

/// A link that a peer receives from.
struct out_link : link_base {
  waiting_flights flights;  ///< sent, not settled
  int free = 0;             ///< credit that can be used
  int window = 0;           ///< credit and unsettled messages at the last word about credit
  bool stuffed = false;     ///< too many bytes wait for its connection: its credit can't be used
  bool sends_settled = false;
  std::uint32_t next_tag = 0;
  /// Multicast messages that wait for credit, shared by all receivers.
  std::deque<std::shared_ptr<const std::string>> buffer;
  std::size_t buffer_bytes = 0;
  place_in_chain<out_link> among_stuffed;
  far_receiver* far = nullptr;  ///< its stub, if its peer is in another thread
  std::size_t thread = 0;       ///< that one
  std::int64_t sent = 0;        ///< to that one: messages, in all
  std::int64_t allowed = 0;     ///< of them, in all
  std::uint64_t sent_bytes = 0;
  std::uint64_t taken_bytes = 0;  ///< by that one's engine
  std::size_t unsent = 0;         ///< what waited there for the socket, at the last word
};

struct address {
  std::string name;
  distribution how = distribution::balanced;
  bool management = false;
  std::vector<in_link*> senders;
  std::vector<out_link*> receivers;
  std::size_t turn = 0;     ///< where the next search for a receiver begins
  std::int64_t free = 0;    ///< credit of all receivers
  std::int64_t window = 0;  ///< of all receivers
  waiting_flights queue;
  std::size_t queue_bytes = 0;
  chain<in_link, &in_link::among_starved> starved;  ///< senders to be given credit
  std::uint64_t entered = 0;                        ///< messages from senders
  std::uint64_t left = 0;                           ///< messages to receivers
};

}  // namespace ombt::tools::router
