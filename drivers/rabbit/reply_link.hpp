// SPDX-License-Identifier: Apache-2.0
#pragma once
// The reply queue of a transport: declares `reply_<hex32>` and consumes from it, again after each
// reconnect under the same name; acknowledges every reply and passes it on. Does not know calls.
// Source: amqpdriver.ReplyWaiter, impl_rabbit.declare_direct_consumer.

#include "drivers/rabbit/connection.hpp"

#include <memory>
#include <string>

namespace ombt::drivers::rabbit {

class reply_sink {
 public:
  /// The queue exists and is consumed from, for the first time or again.
  virtual void on_reply_queue() = 0;
  /// Reads a reply's body; false refuses it (basic.reject). What was read is handled in on_reply().
  virtual bool read_reply(const amqp::event::delivered& e) = 0;
  /// The reply just read, acknowledged. May close the transport, and with it the link.
  virtual void on_reply() = 0;
  virtual void on_reply_trouble(const trouble& why) = 0;

 protected:
  ~reply_sink() = default;
};

class reply_link final : private channel_user {
 public:
  reply_link(std::shared_ptr<const settings> with, std::shared_ptr<connection> on,
             reply_sink& sink);
  ~reply_link();

  const std::string& queue() const noexcept { return queue_; }
  /// True once the queue was declared: calls may name it, even while the connection is away.
  bool is_ready() const noexcept { return ready_; }
  /// Deletes the queue; to be called before the destructor.
  void delete_queue();
  /// Tries again after a final trouble.
  void need() { connection_->need(channel_); }

 private:
  void on_up() override;
  void on_down(const trouble& why) override;
  void on_completed(amqp::event::command what) override;
  void on_delivered(const amqp::event::delivered& e) override;
  void on_cancelled(const amqp::event::cancelled& e) override;

  std::shared_ptr<const settings> settings_;
  std::shared_ptr<connection> connection_;
  reply_sink& sink_;
  std::string queue_;
  amqp::channel_id channel_;
  bool ready_ = false;
};

}  // namespace ombt::drivers::rabbit
