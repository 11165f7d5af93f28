// SPDX-License-Identifier: Apache-2.0
#pragma once
// One connected peer as the router sees it: takes its engine's events, answers its sessions and
// attaches within the limits, and tells the core. Owns the states of its links, not the engine and
// no socket. One thread.

#include "tools/router/core.hpp"
#include "tools/router/outpost.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ombt::tools::router {

struct peer_limits {
  std::size_t links = 65536;  ///< a connection
};

class peer {
 public:
  /// Who has the engine and its socket.
  class host {
   public:
    /// The engine has something to write.
    virtual void wake() = 0;
    virtual void on_opened() = 0;
    /// true: what the peer says is too much for now, it is not to be read; false: it may again.
    virtual void hold(bool now) = 0;
    /// The engine's last event.
    virtual void on_closed(const amqp::event::closed& why) = 0;

   protected:
    ~host() = default;
  };

  /// All are held by reference and must outlive it.
  peer(core& on, host& owner, const peer_limits& limits);
  ~peer();
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;

  void wake() { host_.wake(); }
  void hold(bool now) {
    held_ = now;
    host_.hold(now);
  }
  bool is_held() const noexcept { return held_; }
  /// What waited for the socket is written.
  void on_writable() { core_.on_writable(*this); }

  // The sink of the engine's events.
  void operator()(const amqp::event::opened& e);
  void operator()(const amqp::event::closed& e);
  void operator()(const amqp::event::session_opened& e);
  void operator()(const amqp::event::session_closed& e);
  void operator()(const amqp::event::link_opened& e);
  void operator()(const amqp::event::link_closed& e);
  void operator()(const amqp::event::credit& e);
  void operator()(const amqp::event::delivered& e);
  void operator()(const amqp::event::updated& e);
  void operator()(const amqp::event::oversized& e);

  /// A link's state, which hangs on its engine's link from then on.
  void add(attached& one);
  void remove(attached& one);

  // What management tells
  std::uint64_t number() const noexcept { return number_; }
  bool is_open() const noexcept { return open_; }
  const std::string& container() const noexcept { return container_; }
  const std::string& user() const noexcept { return user_; }
  std::string address;     ///< "127.0.0.1:40000", set by the owner
  std::string mechanism;   ///< likewise, once opened
  std::int64_t since = 0;  ///< when it connected, seconds of a steady clock

  chain<attached, &attached::among_owned> senders;
  chain<attached, &attached::among_owned> receivers;
  chain<out_link, &out_link::among_stuffed> stuffed;    ///< the core's
  chain<far_receiver, &far_receiver::among_slow> slow;  ///< the outpost's

 private:
  void open_receiver(amqp::link on);
  void open_sender(amqp::link on);
  bool has_room(amqp::link on);
  void drop(amqp::link on);
  void drop_all();

  core& core_;
  host& host_;
  const peer_limits& limits_;
  std::uint64_t number_;
  std::string container_;
  std::string user_;
  bool open_ = false;
  bool held_ = false;
};

}  // namespace ombt::tools::router
