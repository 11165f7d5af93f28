// SPDX-License-Identifier: Apache-2.0
#pragma once
// A server or notification listener: its receivers and their credit, the executor's slots, replies,
// call-monitor heartbeats. One loop.
//
//   a slot     | on                              | next
//   -----------+---------------------------------+-----------------------------------------------
//   free       | message (RPC: accepted now)     | running
//   running    | reply() / fail() of a call      | replying
//   running    | done(), acknowledge(), requeue(), reply() of a cast | free
//   replying   | the reply is done, or its limit | free
//
//   the listener | on                            | next
//   -------------+-------------------------------+-----------------------------------------------
//   listening    | stop()                        | leaving: credit is asked back, messages that are
//                |                               | on their way are served as before
//   leaving      | no credit is left, no message   | left: receivers are detached, slots as above
//                | waits, no notification is held  |
//   leaving      | the connection is lost        | left
//   leaving, left | shut()                       | shut: what waits is released, receivers are
//                |                               | detached, slots only become free
//
// A message that finds no free slot waits, unsettled and unparsed. Credit is topped up at a
// settlement, when at most half is left, as far as the messages waiting and on their way are not
// above waiting_limit. A receiver that the peer detaches is attached again link_retry_delay later.
// Source: controller.Server (RPCServer, NotificationServer), impl_amqp1.ProtonListener,
// ProtonIncomingMessage, rpc/dispatcher.py, rpc/server.py.

#include "drivers/amqp10/sender_links.hpp"
#include "drivers/transport.hpp"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace ombt::drivers::amqp10 {

class amqp10_transport;

class amqp10_listener final : public drivers::listener, private send_owner, private timer_target {
 public:
  amqp10_listener(amqp10_transport& of, const target& at, const serve_options& options,
                  request_handler& handler);
  amqp10_listener(amqp10_transport& of, const target& at,
                  const std::vector<std::string>& priorities, notification_handler& handler);
  ~amqp10_listener() override;

  void reply(request_id id, std::string_view result_json, std::string_view note_json) override;
  void fail(request_id id, const wire::oslo::remote_exception& exception) override;
  void done(request_id id) override;
  void acknowledge(request_id id) override;
  void requeue(request_id id) override;
  const listener_counters& counters() const noexcept override { return counters_; }

  // Of its transport
  void on_up(std::shared_ptr<connection> on, const wire::oslo::amqp10_addresser& addresser);
  void on_down(const trouble& why);
  void on_room();
  /// Takes no more than what is on its way, then detaches the receivers. (Python's detaches at
  /// once, and what was on its way is lost to its senders.)
  void stop();
  /// Whether a stopped listener has answers to send, or to wait for.
  bool owes() const noexcept;
  /// Ends it all: stops, and sends no more answers.
  void shut();
  /// The transport is gone: nothing may be sent any more.
  void orphan() noexcept;

 private:
  /// One address and its receiver.
  struct receiver final : link_user {
    receiver(amqp10_listener& o, std::uint32_t i) : of(o), index(i) {}
    void on_attached() override { of.on_attached(*this); }
    void on_detached(std::string_view words) override { of.on_detached(*this, words); }
    void on_delivered(const amqp::event::delivered& e) override { of.on_delivered(*this, e); }
    void on_credit() override { of.go_on_leaving(); }

    amqp10_listener& of;
    std::string address;  ///< on this connection
    std::string name;     ///< of the link, the same when it is attached again
    std::string priority;
    amqp::link link;
    std::uint32_t index;
    std::uint32_t epoch = 0;  ///< counts its links, so that stale deliveries are known
    bool attached = false;
  };
  /// A delivery, which is nobody's once its link has ended.
  struct claim {
    amqp::delivery what;
    std::uint32_t receiver = 0;
    std::uint32_t epoch = 0;
  };
  enum class stage : std::uint8_t { free, running, replying };
  struct slot {
    stage at = stage::free;
    bool wants_reply = false;
    std::uint32_t generation = 0;
    claim notification;            ///< of a notification
    double heartbeat_seconds = 0;  ///< interval, 0: no call monitor
    double monitor_seconds = 0;    ///< what the caller asked for: the ttl of heartbeats
    loop::timer_id heartbeat = 0;
    loop::timer_id limit = 0;    ///< of a reply
    send_op* sending = nullptr;  ///< the reply
    std::string message_id;
    std::string reply_to;
  };
  struct waiting_message {
    std::string body;
    std::string message_id;
    std::string reply_to;
    claim from;
    time_point received;
  };
  struct message_view {
    std::string_view body;
    std::string_view message_id;
    std::string_view reply_to;
    claim from;
    time_point received;
  };

  void make_receivers(std::size_t count);
  void attach(receiver& r);
  void on_attached(receiver& r);
  void on_detached(receiver& r, std::string_view words);
  void on_delivered(receiver& r, const amqp::event::delivered& e);
  void accept(const message_view& m);
  void dispatch_request(std::uint32_t index, const message_view& m);
  void dispatch_notification(std::uint32_t index, time_point received);
  void settle(const claim& which, const amqp::outcome& how);
  void top_up();
  slot* find(request_id id);
  std::uint32_t take_slot();
  void free_slot(std::uint32_t index);
  void resume_soon();
  void serve_waiting();
  void end_notification(request_id id, bool accepted);
  std::unique_ptr<send_op> prepare_reply(const slot& s, message_kind kind);
  void send_reply(std::uint32_t index, std::unique_ptr<send_op> op);
  void on_sent(std::unique_ptr<send_op> op) override;
  void on_timer(std::uint64_t tag) override;
  void start_heartbeat(std::uint32_t index);
  void send_heartbeat(std::uint32_t index);
  bool is_leaving() const noexcept { return stopped_ && !left_; }
  void go_on_leaving();
  void leave();
  void owes_less();
  void report(error_code error, std::string_view detail, bool final);

  amqp10_transport* transport_;
  io::context& context_;
  target target_;
  serve_options options_;
  request_handler* requests_ = nullptr;
  notification_handler* notifications_ = nullptr;
  std::vector<std::unique_ptr<receiver>> receivers_;
  std::shared_ptr<connection> connection_;  ///< while it is up
  int credit_;                              ///< of each receiver
  std::vector<slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::deque<waiting_message> waiting_;
  listener_counters counters_;
  loop::timer_id resume_ = 0;  ///< serves waiting messages once no views are live, and leaves
  loop::timer_id reopen_ = 0;  ///< attaches what the peer has detached
  bool serving_ = false;       ///< inside serve_waiting
  bool ever_listened_ = false;
  bool stopped_ = false;
  bool left_ = false;
  bool shut_ = false;
};

}  // namespace ombt::drivers::amqp10
