// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sending with oslo.messaging's guarantees: a last-in-first-out pool of send links, each one
// channel with publisher confirms that carries one message at a time; what a message needs
// declared is declared once a channel; a message whose connection is lost is sent again on the
// next. Knows no RPC. One thread.
//
//   a link  | on                            | next
//   --------+-------------------------------+---------------------------------------------------
//   free    | a message                     | declaring and publishing at once if its channel is up
//   busy    | confirm                       | free (or the next waiting message)
//   busy    | return, then confirm          | free; the message ends as message_undeliverable
//   busy    | nack, channel closed          | free; the message ends with that error; a closed
//           |                               | channel is opened again for the next message
//   busy    | connection lost               | busy, published again when the channel is up
//   busy    | no channel for it             | gone; another link sends its message (the last fails)
//
// A pool is in contact with the bus while one link is: from its start or its channel's opening,
// until its connection is lost or has failed at every host of the URL. A lost link counts again
// once it has a message to send.
//
// Source: _drivers/pool.py, impl_rabbit._ensure_publishing, _publish*, *_send.

#include "drivers/rabbit/connection.hpp"
#include "drivers/shared_by_thread.hpp"
#include "drivers/short_queue.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ombt::drivers::rabbit {

class send_link;

/// One message on its way. Objects are reused; strings keep their capacity.
struct send_op {
  enum class kind : std::uint8_t { topic, fanout, direct, notify };
  enum class stage : std::uint8_t { waiting, published };

  /// Who is told; null once abandoned.
  class send_owner* told = nullptr;
  std::uint64_t tag = 0;
  std::string exchange;
  std::string routing_key;
  std::string body;
  std::string expiration;  ///< decimal milliseconds, empty: none
  int retry = -1;          ///< connection attempts that may fail; -1: any number
  kind what = kind::topic;
  bool mandatory = false;  ///< it comes back if no queue takes it; of a reply the options say so
  stage at = stage::waiting;
};

struct send_result {
  error_code error;
  std::string_view detail;
};

/// Who sends. on_sent() runs exactly once for a message that was not abandoned, never inside
/// submit().
class send_owner {
 public:
  /// The message comes back: recycle() it, or keep it and submit() it again.
  virtual void on_sent(std::unique_ptr<send_op> op, const send_result& result) = 0;

 protected:
  ~send_owner() = default;
};

class send_pool {
 public:
  /// Makes the connection that a new link is to use.
  using connection_source = std::function<std::shared_ptr<connection>()>;

  /// `spare` is the thread's, and must outlive the pool.
  send_pool(std::shared_ptr<const settings> with, spare_messages<send_op>& spare,
            connection_source source);
  ~send_pool();

  /// Whom to tell when a link loses contact with the bus, inside its callback.
  void on_trouble(std::function<void()> told) { on_trouble_ = std::move(told); }

  /// An empty message to fill.
  std::unique_ptr<send_op> prepare();
  /// Sends it. op.told is told, unless abandon()ed.
  void submit(std::unique_ptr<send_op> op);
  void recycle(std::unique_ptr<send_op> op);
  /// The owner is no longer interested: an unpublished message is not sent any more.
  void abandon(send_op& op);
  /// The same for all messages of an owner.
  void abandon_all(const send_owner& owner);
  /// Has a link connected before there is a message to send, and `told` how it goes.
  void reach(reach_handler* told = nullptr);
  /// Nobody waits for that any more.
  void forget_reach() noexcept { reaching_ = nullptr; }
  /// Fails all messages with errc::cancelled (told at once) and removes the links from their
  /// connections.
  void close();

  /// False: no link is in contact with the bus.
  bool in_contact() const noexcept;
  std::size_t link_count() const noexcept { return links_.size(); }
  std::size_t waiting_count() const noexcept { return waiting_.size(); }

 private:
  friend class send_link;
  void finished(send_link& link, std::unique_ptr<send_op> op, const send_result& result);
  void reached();
  void unreached(const trouble& why);
  void serve_next(send_link& link);
  void expire();

  std::shared_ptr<const settings> settings_;
  spare_messages<send_op>& spare_;
  connection_source source_;
  std::function<void()> on_trouble_;
  reach_handler* reaching_ = nullptr;
  struct idle {
    send_link* link;
    time_point since;
  };
  std::vector<std::unique_ptr<send_link>> links_;
  std::vector<idle> free_;  ///< the back was used last
  short_queue<std::unique_ptr<send_op>> waiting_;
  bool closed_ = false;
};

/// One channel of the pool.
class send_link final : private channel_user {
 public:
  send_link(send_pool& pool, std::shared_ptr<connection> on);
  ~send_link();

  void start(std::unique_ptr<send_op> op);
  /// Connects now rather than later.
  void reach();
  bool in_contact() const noexcept;
  std::unique_ptr<send_op> take_op() { return std::move(op_); }
  send_op* op() noexcept { return op_.get(); }
  /// Has the broker delete the fanout exchanges that it declared and nobody has bound.
  void release_fanouts();

 private:
  void on_up() override;
  void on_down(const trouble& why) override;
  void on_returned(const amqp::event::returned& e) override;
  void on_oversized(const amqp::event::oversized& e) override;
  void on_confirmed(const amqp::event::confirmed& e) override;

  void publish();
  void declare_for(const send_op& op);
  bool declared(std::string_view name) const;
  void end(error_code error, std::string_view detail);

  send_pool& pool_;
  std::shared_ptr<connection> connection_;
  amqp::channel_id channel_;
  std::unique_ptr<send_op> op_;
  std::vector<std::string> declared_exchanges_;  ///< on the channel as it is now
  std::vector<std::string> declared_queues_;     ///< by routing key
  std::vector<std::string> declared_fanouts_;    ///< exchanges of a topic that is nobody else's
  std::uint64_t delivery_tag_ = 0;
  int failures_ = 0;          ///< attempts failed with this message
  std::uint32_t misses_ = 0;  ///< attempts failed since the channel was up
  bool lost_ = false;         ///< the connection was, and nobody has wanted it since
  bool confirming_ = false;   ///< confirm.select was sent on the channel
  bool returned_ = false;
  std::string return_detail_;
};

}  // namespace ombt::drivers::rabbit
