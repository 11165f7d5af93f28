// SPDX-License-Identifier: Apache-2.0
#pragma once
// The reply link of a transport: a receiver whose source the bus names (a dynamic address), opened
// on each connection as soon as it is up. Gives credit, settles every reply, passes it on. Does not
// know calls. One thread.
//
//   the link | on                          | next
//   ---------+-----------------------------+----------------------------------------------
//   away     | open()                      | attaching
//   attaching| the peer's attach           | ready: requests may name the address
//   any      | detached by the peer        | away; told, for calls in flight have lost their way
//   back any      | forget(), close()           | away
//
// Source: controller.Replies.

#include "drivers/amqp10/connection.hpp"

#include <memory>
#include <string>

namespace ombt::drivers::amqp10 {

class reply_sink {
 public:
  /// The address is there.
  virtual void on_reply_link() = 0;
  /// Reads a reply and says what becomes of it. What was read is handled in on_reply().
  virtual amqp::outcome read_reply(const amqp::event::delivered& e) = 0;
  /// The reply just read is settled. May close the transport, and with it the link.
  virtual void on_reply() = 0;
  virtual void on_reply_link_down(std::string_view words) = 0;

 protected:
  ~reply_sink() = default;
};

class reply_link final : private link_user {
 public:
  /// credit: replies that may be on their way; topped up when at most half is left.
  reply_link(reply_sink& sink, int credit) : sink_(sink), credit_(credit) {}
  ~reply_link() { close(); }

  /// Attaches on a connection that is up. False: the peer allows no more sessions.
  bool open(std::shared_ptr<connection> on, connection_user& by);
  /// The connection is gone.
  void forget() noexcept;
  void close();
  bool is_ready() const noexcept { return ready_; }
  /// Where replies are to go; empty unless ready.
  const std::string& address() const noexcept { return address_; }

 private:
  void on_attached() override;
  void on_detached(std::string_view words) override;
  void on_delivered(const amqp::event::delivered& e) override;

  reply_sink& sink_;
  std::shared_ptr<connection> connection_;
  amqp::link link_;
  std::string address_;
  int credit_;
  bool ready_ = false;
};

}  // namespace ombt::drivers::amqp10
