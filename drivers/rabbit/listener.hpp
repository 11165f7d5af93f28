// SPDX-License-Identifier: Apache-2.0
#pragma once
// A server or notification listener: its queues and consumers, the executor's slots, replies with
// their retries, call-monitor heartbeats. One loop.
//
//   a slot     | on                              | next
//   -----------+---------------------------------+-----------------------------------------------
//   free       | message (RPC: acked now)        | running
//   running    | reply() / fail() of a call      | replying
//   running    | done(), acknowledge(), requeue(), reply() of a cast | free
//   replying   | confirm, or any error but these | free
//   replying   | returned, 404                   | pausing 0.25 s, or free after 60 s (queue gone)
//   pausing    | timer                           | replying
//
//   the listener | on                            | next
//   -------------+-------------------------------+-----------------------------------------------
//   consuming    | stop()                        | stopped: no channel, slots as above
//   stopped      | shut()                        | shut: slots only become free
//
// A stopped listener owes the calls that are running or replying. One that is pausing is not owed:
// its caller's queue is gone. It is sent again as long as there is something else to wait for.
//
// A message that finds no free slot waits, unacknowledged and unparsed, up to waiting_limit; then
// the connection is not read any more (oslo topology), or prefetch holds the rest at the broker.
// Source: amqpdriver.AMQPListener, RpcAMQPListener, NotificationAMQPListener, AMQPIncomingMessage,
// rpc/dispatcher.py.

#include "drivers/rabbit/gone_queues.hpp"
#include "drivers/rabbit/recent_ids.hpp"
#include "drivers/rabbit/reopen_gaps.hpp"
#include "drivers/rabbit/send_pool.hpp"
#include "drivers/transport.hpp"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace ombt::drivers::rabbit {

class rabbit_transport;

class rabbit_listener final : public drivers::listener,
                              private channel_user,
                              private send_owner,
                              private timer_target {
 public:
  rabbit_listener(rabbit_transport& of, const target& at, const serve_options& options,
                  request_handler& handler);
  rabbit_listener(rabbit_transport& of, const target& at,
                  const std::vector<std::string>& priorities, std::string_view pool,
                  notification_handler& handler);
  ~rabbit_listener() override;

  void reply(request_id id, std::string_view result_json, std::string_view note_json) override;
  void fail(request_id id, const wire::oslo::remote_exception& exception) override;
  void done(request_id id) override;
  void acknowledge(request_id id) override;
  void requeue(request_id id) override;
  const listener_counters& counters() const noexcept override { return counters_; }

  /// Ends consumption cleanly (its fanout queue is deleted). What was not acknowledged is the
  /// broker's again; calls that hold a slot may still be answered.
  void stop();
  /// Whether a stopped listener has answers to send, or to wait for.
  bool owes() const noexcept;
  /// Ends it all: stops, and sends no more answers.
  void shut();
  /// The transport is gone: nothing may be sent any more.
  void orphan() noexcept { transport_ = nullptr; }

 private:
  struct source {  ///< a queue and its binding, one consumer each
    std::string exchange;
    std::string queue;
    std::string routing_key;
    bool fanout = false;
  };
  enum class stage : std::uint8_t { free, running, replying, pausing };
  struct slot {
    stage at = stage::free;
    bool wants_reply = false;
    std::uint32_t generation = 0;
    std::uint32_t channel_epoch = 0;  ///< of the delivery, for notifications
    std::uint64_t delivery_tag = 0;
    double heartbeat_seconds = 0;  ///< interval, 0: no call monitor
    loop::timer_id heartbeat = 0;
    loop::timer_id pause = 0;
    time_point reply_started{};
    std::string msg_id;
    std::string reply_queue;
    std::string unique_id;          ///< of a notification
    std::unique_ptr<send_op> kept;  ///< a returned reply, while pausing
  };
  struct waiting_message {
    std::string text;  ///< already unpacked
    time_point received;
    std::uint64_t delivery_tag;
    std::uint32_t channel_epoch;
  };

  void on_up() override;
  void on_down(const trouble& why) override;
  void on_completed(amqp::event::command what) override;
  void on_delivered(const amqp::event::delivered& e) override;
  void on_cancelled(const amqp::event::cancelled& e) override;
  void on_oversized(const amqp::event::oversized& e) override;
  void on_sent(std::unique_ptr<send_op> op, const send_result& result) override;
  void on_timer(std::uint64_t tag) override;

  void declare_all();
  void accept(std::string_view text, std::uint64_t delivery_tag, std::uint32_t epoch,
              time_point received);
  void dispatch_request(std::uint32_t index, time_point received);
  void dispatch_notification(std::uint32_t index, time_point received);
  void settle(std::uint64_t delivery_tag, std::uint32_t epoch, bool accepted, bool requeue);
  slot* find(request_id id);
  std::uint32_t take_slot();
  void free_slot(std::uint32_t index);
  void serve_waiting();
  void end_notification(request_id id, bool accepted);
  void send_reply(std::uint32_t index, std::unique_ptr<send_op> op);
  std::unique_ptr<send_op> prepare_reply(slot& s);
  void start_heartbeat(std::uint32_t index);
  void owes_less();
  void come_back();
  void report(error_code error, std::string_view detail, bool final);

  rabbit_transport* transport_;
  io::context& context_;
  target target_;
  serve_options options_;
  request_handler* requests_ = nullptr;
  notification_handler* notifications_ = nullptr;
  std::vector<source> sources_;
  std::shared_ptr<connection> connection_;
  amqp::channel_id channel_ = 0;
  std::vector<slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::deque<waiting_message> waiting_;
  recent_ids recent_;
  gone_queues gone_;
  listener_counters counters_;
  std::uint32_t epoch_ = 0;  ///< counts channels, so that stale tags are known
  std::size_t consumes_answered_ = 0;
  reopen_gaps gaps_;
  loop::timer_id resume_ = 0;  ///< serves waiting messages once no views are live
  loop::timer_id reopen_ = 0;  ///< opens a closed channel where others share the connection
  bool prefetches_ = false;
  bool paused_ = false;
  bool serving_ = false;    ///< inside serve_waiting
  bool listening_ = false;  ///< all consumers stand
  bool ever_listened_ = false;
  bool retried_404_ = false;
  bool stopped_ = false;
  bool shut_ = false;
};

}  // namespace ombt::drivers::rabbit
