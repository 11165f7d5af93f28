// SPDX-License-Identifier: Apache-2.0
#pragma once
// The reply queue of a transport: declares `reply_<hex32>` and consumes from it, again after each
// reconnect under the same name; acknowledges every reply and passes it on. Does not know calls.
//
//   the link | on                            | next
//   ---------+-------------------------------+---------------------------------------------------
//   away     | the connection's channel      | setting up
//   setting  | consume-ok                    | up
//   up       | channel closed by the broker  | closed; comes back by itself (reopen_gaps.hpp)
//   setting  | channel closed by the broker  | closed; comes back by itself if it was ever up
//   closed   | its time, or need() but 1 s at least after it was closed | setting up
//   any      | connection lost               | away
//
// Refused while it is set up it is not ready: calls wait for it and fail with the broker's words.
//
// Source: amqpdriver.ReplyWaiter, impl_rabbit.declare_direct_consumer.

#include "drivers/io/context.hpp"
#include "drivers/rabbit/connection.hpp"
#include "drivers/rabbit/reopen_gaps.hpp"

#include <memory>
#include <string>

namespace ombt::drivers::rabbit {

class reply_sink {
 public:
  /// The queue exists and is consumed from, for the first time or again.
  virtual void on_reply_queue() = 0;
  /// Reads a reply's body; false refuses it (basic.reject). What was read is handled in on_reply().
  virtual bool read_reply(const amqp::event::delivered& e) = 0;
  /// A reply was refused unread.
  virtual void on_unread_reply() = 0;
  /// The reply just read, acknowledged. May close the transport, and with it the link.
  virtual void on_reply() = 0;
  virtual void on_reply_trouble(const trouble& why) = 0;

 protected:
  ~reply_sink() = default;
};

class reply_link final : private channel_user, private timer_target {
 public:
  reply_link(io::context& in, std::shared_ptr<const settings> with, std::shared_ptr<connection> on,
             reply_sink& sink);
  ~reply_link();

  const std::string& queue() const noexcept { return queue_; }
  /// True once the queue was declared, and until the broker refuses to set it up again: calls may
  /// name it, even while the connection is away.
  bool is_ready() const noexcept { return ready_; }
  /// Deletes the queue; to be called before the destructor.
  void delete_queue();
  /// Somebody waits for it: tries again after a final trouble.
  void need();

 private:
  void on_up() override;
  void on_down(const trouble& why) override;
  void on_completed(amqp::event::command what) override;
  void on_delivered(const amqp::event::delivered& e) override;
  void on_cancelled(const amqp::event::cancelled& e) override;
  void on_oversized(const amqp::event::oversized& e) override;
  void on_timer(std::uint64_t tag) override;
  void open_at(time_point when);
  void leave_closed();

  io::context& context_;
  std::shared_ptr<const settings> settings_;
  std::shared_ptr<connection> connection_;
  reply_sink& sink_;
  std::string queue_;
  reopen_gaps gaps_;
  time_point closed_at_{};    ///< last; it is not tried again within a second because of need()
  time_point opens_at_{};     ///< where timer_ is set
  loop::timer_id timer_ = 0;  ///< opens a closed channel
  amqp::channel_id channel_;
  bool closed_ = false;  ///< by the broker, and not opened again
  bool is_up_ = false;   ///< consumes
  bool ever_up_ = false;
  bool ready_ = false;
};

}  // namespace ombt::drivers::rabbit
