// SPDX-License-Identifier: Apache-2.0
#pragma once
// The router without sockets: addresses, the links on them, the messages in flight between them.
// Takes what peers' engines say (peer.hpp) and gives commands to other peers' engines at once; no
// message is decoded. Owns addresses, links and flights; not the peers. No clock. One thread.
//
// Where a router has several threads each has a core and its own peers. An address belongs to one
// core, its home, which its name tells; that one knows all links of the address, whosever their
// peers are, and decides as if it were alone. For peers of other threads stubs do there what it
// says (outpost.hpp), a turn later.
//
// Credit. A sender gets credit when a receiver of its address has some. Its window is the address's
// receiving capacity divided by its senders, at least `least_window` and at most `link_capacity`;
// messages that wait at the address count against it, so no more than the windows ever waits.
// Credit is given anew when half of the window is used. Multicast and management addresses always
// give credit.
//
//   a message arrives on         and                           then
//   any                          it is empty                   rejected, or dropped if settled
//   multicast                    a receiver has credit         sent to it, settled
//                                a receiver has none           waits in its buffer, or, if that is
//                                                              full, dropped
//                                always                        the sender is told accepted
//   closest, balanced            nobody receives there         released, or dropped if settled
//                                one has credit                sent to one, as settled as it came
//                                none has credit               waits at the address
//
// A receiver that has `unsettled_messages` and settles none counts as one without credit.
//
//   afterwards                                                 then
//   a receiver settles                                         the sender is told its outcome
//   a receiver goes              it has unsettled ones         modified, delivery-failed
//   the last receiver goes       messages wait                 as when nobody receives there
//   a sender settles its own     a receiver has it             its outcome is nobody's
//                                it waits                      it goes on as if it came settled
//   a sender goes                messages of it wait           they are dropped
//                                a receiver has one            it keeps it

#include "tools/router/links.hpp"
#include "tools/router/notes.hpp"
#include "tools/router/outpost.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ombt::tools::router {

struct core_limits {
  int link_capacity = 250;             ///< a sender's window at most; qpid-dispatch's linkCapacity
  int least_window = 10;               ///< and at least
  std::size_t buffer_messages = 1000;  ///< of a multicast receiver without credit
  std::size_t unsettled_messages = 4096;  ///< that a receiver may have; then it gets no more
  std::size_t buffer_bytes = std::size_t{4} << 20;    ///< of the same
  std::size_t queue_bytes = std::size_t{64} << 20;    ///< of messages that wait at an address
  std::size_t unsent_bytes = std::size_t{4} << 20;    ///< that wait for a connection's socket
  std::size_t untaken_bytes = std::size_t{16} << 20;  ///< on their way to another thread
};

/// One of a router's cores.
struct core_place {
  std::size_t index = 0;
  std::size_t threads = 1;
  std::function<void()> wanted = {};  ///< there are notes to hand over (core::said)
};

class core {
 public:
  core(std::string id, address_rules rules, core_limits limits = {}, core_place place = {});
  ~core();
  core(const core&) = delete;
  core& operator=(const core&) = delete;

  const std::string& id() const noexcept { return id_; }
  const core_limits& limits() const noexcept { return limits_; }

  // Of peers (peer.cpp)
  std::uint64_t add(peer& one);  ///< gives it a number
  void remove(peer& one);        ///< its links are gone already
  /// The link is accepted already, and has its state, among the owner's, until detach().
  void attach_sender(peer& owner, amqp::link wire, std::string_view name);
  void attach_receiver(peer& owner, amqp::link wire, std::string_view name);
  void detach(attached& gone);
  /// An address for a receiver that asks for one of its own.
  std::string make_address();

  /// drain: what is not used at once is to be given back.
  void on_credit(attached& on, bool drain = false);
  void on_message(attached& from, amqp::delivery what, std::string_view message);
  /// A receiver says something of a message; `user` is its delivery's.
  void on_update(const attached& on, void* user, const amqp::outcome& how, bool settled);
  /// A sender has settled its own, and waits for no outcome.
  void on_given_up(const attached& on, void* user);
  /// What waited for the peer's socket is written.
  void on_writable(peer& one);

  // Of other cores
  std::size_t threads() const noexcept { return said_.threads(); }
  /// Notes for the others: to be handed over in the order they were made.
  notes& said() noexcept { return said_; }
  /// Does what those of another say.
  void take(std::vector<note> from_it, std::size_t from);

  // Of management
  /// Gets each message to $management.
  void set_management(std::function<void(std::string_view message)> handler);
  /// Sends a message of the router's own, settled; dropped where nobody receives.
  void deliver(std::string_view name, std::string_view message);
  const std::vector<peer*>& all_peers() const noexcept { return peers_; }
  const std::unordered_map<std::string_view, std::unique_ptr<address>>& addresses() const noexcept {
    return addresses_;
  }
  /// Of links that are gone, too.
  const message_counts& totals() const noexcept { return totals_; }
  std::uint64_t entered() const noexcept { return entered_; }
  std::uint64_t left() const noexcept { return left_; }
  std::size_t links() const noexcept { return links_; }
  void count_refused_connection() noexcept { ++refused_connections_; }
  std::uint64_t refused_connections() const noexcept { return refused_connections_; }

 private:
  address& find_or_make(std::string_view name);
  void leave_if_empty(address& at);
  std::string_view plain(std::string_view name) const noexcept;
  /// The index of the core that an address belongs to. The router's own is the first one's.
  std::size_t home_of(std::string_view name) const noexcept;

  template <class State>
  void attach(peer& owner, amqp::link wire, std::string_view name, std::unique_ptr<State> made);
  void put(in_link& made, std::string_view name);
  void put(out_link& made, std::string_view name);
  void take_out(in_link& gone);
  void take_out(out_link& gone);

  void set_free(out_link& on, int credit);
  void on_own_credit(out_link& on, int credit);
  bool is_laden(const out_link& one) const noexcept;
  out_link* choose(address& at);
  bool can_take(out_link& one);
  void stuff(out_link& one);
  void arrive(in_link& from, const incoming& what, std::string_view message);
  void send(out_link& to, flight* what, std::string_view message, bool settled,
            const std::shared_ptr<const std::string>& shared = {});
  void forward(in_link& from, const incoming& what, std::string_view message);
  void cast_out(address& at, std::string_view message);
  void empty_buffer(out_link& to);
  void wait(address& at, in_link* from, const incoming& what, std::string_view message);
  static flight* flight_of(const incoming& what, flight* is);
  void accept(in_link& from, const incoming& what);
  void refuse(in_link& from, const incoming& what);
  void refuse_empty(in_link& from, const incoming& what);
  void tell(in_link& from, const incoming& what, const amqp::outcome& how);
  void go_on(address& at);
  void drop_waiting(address& at);
  void give_up(flight& what);
  void update(flight& what, const amqp::outcome& how);
  void replenish(in_link& from);
  int window_of(const address& at) const noexcept;

  // Of links whose peers are in other threads (core_far.cpp)
  static int credit_given(const in_link& of) noexcept;
  static int credit_left(const out_link& of) noexcept;
  void give_credit(in_link& to, int credit);
  static std::size_t unsent(const out_link& of) noexcept;
  void take(note& said, std::size_t from);

  flight* make_flight();
  void forget(flight* what);

  std::string id_;
  address_rules rules_;
  core_limits limits_;
  std::size_t index_;
  notes said_;
  outpost outpost_;
  std::vector<std::size_t> taken_;  ///< bytes of messages, by thread, that it has not heard of
  std::unordered_map<std::string_view, std::unique_ptr<address>> addresses_;
  std::vector<peer*> peers_;
  std::vector<std::unique_ptr<flight>> spare_;
  std::function<void(std::string_view)> management_;
  message_counts totals_;
  std::uint64_t entered_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t last_peer_ = 0;
  std::uint64_t last_link_ = 0;
  std::size_t links_ = 0;
  std::uint64_t refused_connections_ = 0;
};

}  // namespace ombt::tools::router
