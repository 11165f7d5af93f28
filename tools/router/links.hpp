// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the core knows of links, addresses and messages in flight: plain state, joined by pointers.
// A link's state hangs on the engine's link (set_user), a message's on its two deliveries. Owned by
// the core and by the peers; the rules are the core's (core.hpp). One thread.

#include "wire/amqp10/connection.hpp"

#include "tools/router/address.hpp"
#include "tools/router/chain.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace ombt::tools::router {

namespace amqp = wire::amqp10;

class peer;
struct address;
struct in_link;
struct out_link;

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

/// Counts an outcome; one that says nothing counts as accepted.
void count(const amqp::outcome& how, message_counts& in) noexcept;

/// A message that waits at an address, or that a receiver has and has not settled.
struct flight {
  amqp::delivery in;        ///< empty: settled by its sender, or its sender is gone
  amqp::delivery out;       ///< empty while it waits
  in_link* from = nullptr;  ///< null: the sender is gone
  out_link* to = nullptr;   ///< null while it waits
  bool settled = false;     ///< by its sender, of one that waits
  std::string text;         ///< of one that waits
  place_in_chain<flight> at_sender;
  place_in_chain<flight> at_receiver;  ///< or in the address's queue
};
using sent_flights = chain<flight, &flight::at_sender>;
using waiting_flights = chain<flight, &flight::at_receiver>;

/// What every attached link has.
struct link_base {
  std::uint64_t id = 0;
  amqp::link wire;
  peer* owner = nullptr;
  address* at = nullptr;
  std::size_t index = 0;  ///< among the address's links of its direction
  message_counts counts;
};

/// A link that a peer sends on.
struct in_link : link_base {
  sent_flights flights;
  int queued = 0;  ///< of its messages wait at the address
  place_in_chain<in_link> among_starved;
  place_in_chain<in_link> among_owned;
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
  place_in_chain<out_link> among_owned;
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
