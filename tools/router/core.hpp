// SPDX-License-Identifier: Apache-2.0
#pragma once
// The router without sockets: addresses, the links on them, the messages in flight between them.
// Takes what peers' engines say (peer.hpp) and gives commands to other peers' engines at once; no
// message is decoded. Owns addresses, links and flights; not the peers. No clock. One thread.
//
// Credit. A sender gets credit when a receiver of its address has some. Its window is the address's
// receiving capacity divided by its senders, at least `least_window` and at most `link_capacity`;
// messages that wait at the address count against it, so no more than the windows ever waits.
// Credit is given anew when half of the window is used. Multicast and management addresses always
// give credit.
//
//   a message arrives on          and                                then
//   any                           it is empty                        rejected, or dropped if
//   settled multicast                     a receiver has credit              sent to it, settled
//                                 a receiver has none                waits in its buffer, or, if
//                                                                    that is full, dropped
//                                 always                             the sender is told accepted
//   closest, balanced             nobody receives there              released, or dropped if
//   settled
//                                 one has credit                     sent to one, as settled as it
//                                 came none has credit                    waits at the address
//   a receiver settles                                               the sender is told its outcome
//   a receiver goes                                                  unsettled ones: modified,
//                                                                    delivery-failed
//   the last receiver goes        messages wait at the address       as when nobody receives there
//   a sender goes                                                    its waiting messages are
//   dropped;
//                                                                    receivers keep what they have

#include "tools/router/links.hpp"

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
  std::size_t buffer_bytes = std::size_t{4} << 20;  ///< of the same
  std::size_t queue_bytes = std::size_t{64} << 20;  ///< of messages that wait at an address
  std::size_t unsent_bytes = std::size_t{4} << 20;  ///< that wait for a connection's socket
};

class core {
 public:
  core(std::string id, address_rules rules, core_limits limits = {});
  ~core();
  core(const core&) = delete;
  core& operator=(const core&) = delete;

  const std::string& id() const noexcept { return id_; }
  const core_limits& limits() const noexcept { return limits_; }

  // Of peers (peer.cpp)
  std::uint64_t add(peer& one);  ///< gives it a number
  void remove(peer& one);        ///< its links are gone already
  std::uint64_t next_link_id() noexcept { return ++last_link_; }
  /// The link is accepted already. The state lives until detach().
  in_link& attach_sender(peer& owner, amqp::link wire, std::string_view name);
  out_link& attach_receiver(peer& owner, amqp::link wire, std::string_view name);
  void detach(in_link& gone);
  void detach(out_link& gone);
  /// An address for a receiver that asks for one of its own.
  std::string make_address();

  void on_credit(out_link& on);
  void on_message(in_link& from, amqp::delivery what, std::string_view message);
  void on_update(flight& what, const amqp::outcome& how, bool settled);
  /// What waited for the peer's socket is written.
  void on_writable(peer& one);

  // Of management
  /// Gets each message to $management.
  void set_management(std::function<void(std::string_view message)> handler);
  /// Sends a message of the router's own, settled; false: nobody receives there.
  bool deliver(std::string_view name, std::string_view message);
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

  void set_free(out_link& on, int credit);
  out_link* choose(address& at);
  bool can_take(out_link& one);
  void stuff(out_link& one);
  void send(out_link& to, flight* what, std::string_view message, bool settled);
  void forward(in_link& from, amqp::delivery what, std::string_view message);
  void cast_out(address& at, std::string_view message);
  void empty_buffer(out_link& to);
  void wait(address& at, in_link* from, amqp::delivery what, std::string_view message,
            bool settled);
  void accept(in_link& from, amqp::delivery what);
  void refuse(in_link& from, amqp::delivery what, bool settled);
  void go_on(address& at);
  void refuse_empty(in_link& from, amqp::delivery what, bool settled);
  void drop_waiting(address& at);
  void replenish(in_link& from);
  int window_of(const address& at) const noexcept;

  flight* make_flight();
  void forget(flight* what);

  std::string id_;
  address_rules rules_;
  core_limits limits_;
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
