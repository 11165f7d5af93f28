// SPDX-License-Identifier: Apache-2.0
#pragma once
// The links of a thread's peers whose addresses belong to other threads: a stub each, which passes
// on what its engine says and does what the address's core tells it (notes.hpp). Decides nothing.
// Owns the stubs; one lives until the other thread has forgotten its link. One thread.

#include "tools/router/notes.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace ombt::tools::router {

/// A message that its sender has not settled.
struct far_delivery {
  far_sender* on = nullptr;
  amqp::delivery in;        ///< empty: its link is gone, or its sender has given it up
  bool given_up = false;    ///< the other thread has been told, and will say that it knows it
  flight* there = nullptr;  ///< the other thread's; null: it names this one no more
  place_in_chain<far_delivery> among_kept;
};

/// A message that its receiver has not settled.
struct far_flight {
  far_receiver* on = nullptr;
  flight* there = nullptr;  ///< the other thread's
  amqp::delivery out;
  place_in_chain<far_flight> among_kept;
};

struct stub : attached {
  stub() noexcept : attached(true) {}
  std::size_t home = 0;  ///< the thread of its address
  place_in_chain<stub> among_all;
};

/// A link that a peer sends on.
struct far_sender : stub {
  in_link* there = nullptr;
  std::int64_t given = 0;  ///< credit, in all
  chain<far_delivery, &far_delivery::among_kept> kept;
};

/// A link that a peer receives from.
struct far_receiver : stub {
  out_link* there = nullptr;
  chain<far_flight, &far_flight::among_kept> kept;
  std::int64_t sent = 0;
  std::uint64_t taken = 0;      ///< bytes of messages
  std::uint64_t told = 0;       ///< of them
  std::size_t unsent_told = 0;  ///< what waits for the socket
  std::uint32_t next_tag = 0;
  place_in_chain<far_receiver> among_slow;
};

/// The core's (core.hpp).
struct outpost_limits {
  std::size_t unsent_bytes;
  std::size_t untaken_bytes;
};

class outpost {
 public:
  outpost(notes& say, outpost_limits limits);
  ~outpost();
  outpost(const outpost&) = delete;
  outpost& operator=(const outpost&) = delete;

  // Of peers. The states are handed over to the thread `home`, which owns them from then on.
  void attach(std::unique_ptr<in_link> state, std::size_t home, std::string_view name);
  void attach(std::unique_ptr<out_link> state, std::size_t home, std::string_view name);
  void detach(attached& gone);  ///< a stub
  void on_credit(far_receiver& on, bool drain);
  void on_message(far_sender& from, amqp::delivery what, std::string_view message);
  void on_update(far_flight& what, const amqp::outcome& how, bool settled);
  void on_given_up(far_delivery& what);
  void on_writable(peer& one);
  void forget(peer& one);

  /// Does what a note from the thread of an address says.
  void take(note& said, std::size_t from);

 private:
  using stubs = chain<stub, &stub::among_all>;

  template <class Stub, class State>
  Stub& add(State& of, stubs& to, std::size_t home);
  void send(far_receiver& to, note& said);
  void settle(far_delivery& what, const amqp::outcome& how);
  void tell(far_receiver& of, bool drain = false);
  void drop(far_delivery& what);
  void drop(far_flight& what);
  void free_stub(far_sender& gone);
  void free_stub(far_receiver& gone);

  notes& say_;
  outpost_limits limits_;
  stubs senders_;
  stubs receivers_;
  std::vector<std::size_t> untaken_;  ///< bytes of messages on their way, by thread
  std::vector<peer*> held_;           ///< not read from until those are fewer
};

}  // namespace ombt::tools::router
