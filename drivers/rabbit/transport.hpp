// SPDX-License-Identifier: Apache-2.0
#pragma once
// The rabbit driver's transport: operations in flight, their time limits and their replies, over
// a send pool and a reply link. One loop, one agent.
//
//   a call     | on                          | next
//   -----------+-----------------------------+---------------------------------------------------
//   queued     | reply queue is declared     | sending (first call only; later ones start here)
//   sending    | confirm                     | waiting, or ended if the reply came first
//   sending    | send error                  | ended
//   sending    | final reply                 | sending, with the reply kept
//   waiting    | heartbeat                   | waiting, the monitor's limit anew
//   waiting    | final reply                 | ended
//   any        | time limit, monitor's limit | ended (messaging_timeout, or bus_unreachable)
//
// A cast or notification is a call that ends with its confirm.
//
//   closing   | on                                      | next
//   ----------+-----------------------------------------+------------------------------------------
//   in use    | close(): operations end, listeners stop | answering, or closed if nothing is owed
//   answering | nothing is owed, or the bus is away     | closed: links and their connections
//   answering | a close()'s limit                       | closed: answers not yet out are dropped
//   closed    | last connection closed, or limit        | each close()'s done has run
//
// Source: amqpdriver.AMQPDriverBase (_send, ReplyWaiter.wait).

#include "drivers/closing.hpp"
#include "drivers/operations.hpp"
#include "drivers/rabbit/reply_link.hpp"
#include "drivers/rabbit/send_pool.hpp"
#include "drivers/rabbit/thread_state.hpp"
#include "drivers/transport.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ombt::drivers::rabbit {

class rabbit_listener;

class rabbit_transport final : public drivers::transport,
                               private send_owner,
                               private reply_sink,
                               private operations::owner,
                               private timer_target {
 public:
  rabbit_transport(loop& on, std::shared_ptr<const transport_settings> with);
  ~rabbit_transport() override;

  void reach(reach_handler& told) override { sends_.reach(&told); }
  void call(const target& to, const request_message& request, const call_options& options,
            completion& done, std::uint64_t tag) override;
  void cast(const target& to, const request_message& request, const call_options& options,
            completion& done, std::uint64_t tag) override;
  void notify(const target& to, const notification_message& notification,
              const call_options& options, completion& done, std::uint64_t tag) override;
  std::unique_ptr<drivers::listener> listen(const target& at, const serve_options& options,
                                            request_handler& handler) override;
  std::unique_ptr<drivers::listener> listen_for_notifications(
      const target& at, const std::vector<std::string>& priorities, std::string_view pool,
      notification_handler& handler) override;
  void close(duration limit, std::function<void()> done) override;
  void remove_declarations(bool yes) override { remove_declarations_ = yes; }
  bool in_contact() const noexcept override { return sends_.in_contact(); }
  const transport_counters& counters() const noexcept override { return monitor_->counters; }
  std::string last_error() const override { return monitor_->last_error; }

  // For its listeners
  io::context& context() noexcept { return context_; }
  thread_state& thread() noexcept { return thread_; }
  const std::shared_ptr<const settings>& options() const noexcept { return settings_; }
  send_pool& sends() noexcept { return sends_; }
  monitor& told() noexcept { return *monitor_; }
  bool removes_declarations() const noexcept { return remove_declarations_; }
  /// A connection for a link, as the topology says.
  std::shared_ptr<connection> connection_for(connection::purpose why);
  /// True where a connection carries nothing but one listener, so that it may stop being read.
  bool listener_is_alone() const noexcept;
  std::string exchange_of(const target& t) const;
  void forget(rabbit_listener& gone);
  /// A stopped listener owes less, or the bus may be out of reach: closing may be able to go on.
  void look_again();

 private:
  struct operation {
    send_op* sending = nullptr;  ///< while the pool has it
    std::string early_reply;     ///< a final reply that came before the confirm
    wire::oslo::hex_id msg_id{};
    double monitor_seconds = 0;  ///< 0: none
    bool is_call = false;
    bool confirmed = false;
    bool too_long = false;  ///< its names fit no short string: ends at once
  };

  void submit(std::uint64_t handle, std::unique_ptr<send_op> op, const call_options& options);
  void finish(std::uint64_t handle, const outcome& result);
  void fail(std::uint64_t handle, error_code error, std::string_view detail);
  void finish_with_reply(std::uint64_t handle);

  void on_sent(std::unique_ptr<send_op> op, const send_result& result) override;
  void on_reply_queue() override;
  bool read_reply(const amqp::event::delivered& e) override;
  void on_unread_reply() override { ++monitor_->counters.malformed; }
  void on_reply() override;
  void on_reply_trouble(const trouble& why) override;
  void on_limit(std::uint64_t handle) override;
  void on_silence(std::uint64_t handle) override { on_limit(handle); }
  void on_timer(std::uint64_t tag) override;
  /// Waits for the call monitor's next heartbeat, if the call has one.
  void watch(std::uint64_t handle);
  bool owes_answers() const;
  void close_links();

  loop& loop_;
  io::context& context_;
  thread_state& thread_;
  std::shared_ptr<const settings> settings_;
  std::shared_ptr<monitor> monitor_;
  send_pool sends_;
  std::unique_ptr<reply_link> replies_;
  std::string_view reply_text_;  ///< of the reply just read
  operation_table<operation> operations_;
  std::vector<std::unique_ptr<send_op>> queued_;        ///< until the reply queue exists
  std::vector<std::weak_ptr<connection>> connections_;  ///< all that this transport uses
  std::weak_ptr<connection> lean_;                      ///< topology lean: the one
  std::vector<rabbit_listener*> listeners_;
  std::vector<std::shared_ptr<drivers::closing>> answering_;  ///< close()s that wait for answers
  loop::timer_id look_ = 0;                                   ///< sees whether they may go on
  bool remove_declarations_ = false;
  bool closing_ = false;
};

}  // namespace ombt::drivers::rabbit
