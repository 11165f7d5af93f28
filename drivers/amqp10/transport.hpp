// SPDX-License-Identifier: Apache-2.0
#pragma once
// The AMQP 1.0 driver's transport: operations in flight, their time limits and their replies, over
// one connection, a reply link and the sender links. One loop, one agent.
//
//   a call     | on                           | next
//   -----------+------------------------------+--------------------------------------------------
//   sending    | sent, accepted               | waiting for its reply
//   sending    | released                     | sending, under a new message id
//   sending    | send error                   | ended
//   any        | heartbeat                    | the same, the monitor's limit anew
//   any        | reply                        | ended
//   any        | time limit, monitor's limit  | ended
//
// A cast or notification ends when it is sent (settled kinds) or accepted. A lost connection ends
// what was sent and not acknowledged; what waits to be sent goes on waiting; calls that wait for
// their reply end by their limit.
//
//   closing   | on                                      | next
//   ----------+-----------------------------------------+------------------------------------------
//   in use    | close(): operations end, listeners stop | answering, or closed if nothing is owed
//   answering | nothing is owed, or the bus is away     | closed: links and the connection
//   answering | a close()'s limit                       | closed: answers not yet out are dropped
//   closed    | connection closed, or limit             | each close()'s done has run
//
// Source: impl_amqp1.ProtonDriver, controller.Controller.

#include "drivers/amqp10/reply_link.hpp"
#include "drivers/amqp10/sender_links.hpp"
#include "drivers/amqp10/thread_state.hpp"
#include "drivers/closing.hpp"
#include "drivers/operations.hpp"
#include "drivers/transport.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ombt::drivers::amqp10 {

class amqp10_listener;

class amqp10_transport final : public drivers::transport,
                               private connection_user,
                               private send_owner,
                               private reply_sink,
                               private operations::owner,
                               private timer_target {
 public:
  amqp10_transport(loop& on, std::shared_ptr<const transport_settings> with);
  ~amqp10_transport() override;

  void reach(reach_handler& told) override;
  void call(const target& to, const request_message& request, const call_options& options,
            completion& done, std::uint64_t tag) override;
  void cast(const target& to, const request_message& request, const call_options& options,
            completion& done, std::uint64_t tag) override;
  void notify(const target& to, const notification_message& notification,
              const call_options& options, completion& done, std::uint64_t tag) override;
  std::unique_ptr<drivers::listener> listen(const target& at, const serve_options& options,
                                            request_handler& handler) override;
  /// Throws configuration_error for a pool, which this driver has none of (nor has Python's).
  std::unique_ptr<drivers::listener> listen_for_notifications(
      const target& at, const std::vector<std::string>& priorities, std::string_view pool,
      notification_handler& handler) override;
  void close(duration limit, std::function<void()> done) override;
  /// Nothing is ever declared on a router.
  void remove_declarations(bool) override {}
  bool in_contact() const noexcept override { return connection_ && connection_->in_contact(); }
  const transport_counters& counters() const noexcept override { return monitor_->counters; }
  std::string last_error() const override { return monitor_->last_error; }

  // For its listeners
  io::context& context() noexcept { return context_; }
  thread_state& thread() noexcept { return thread_; }
  const settings& options() const noexcept { return *settings_; }
  sender_links& sends() noexcept { return sends_; }
  monitor& told() noexcept { return *monitor_; }
  connection_user& as_user() noexcept { return *this; }
  void forget(amqp10_listener& gone);
  /// A stopped listener owes less, or the bus may be out of reach: closing may be able to go on.
  void look_again();

 private:
  using handle = operations::handle;
  struct operation {
    send_op* sending = nullptr;  ///< while the sender links have it
    wire::oslo::hex_id msg_id{};
    double monitor_seconds = 0;  ///< 0: none
    const char* name = "";       ///< of the kind, for words
    std::string_view refused;    ///< why it is never sent
    bool is_call = false;
    bool named = false;      ///< msg_id is in the thread's table of calls
    bool own_limit = false;  ///< the limit is the caller's, not an option's
  };

  handle start(completion& done, std::uint64_t tag, const char* name, time_point limit,
               bool own_limit);
  void submit(handle which, std::unique_ptr<send_op> op, const destination& to,
              const call_options& options);
  void finish(handle which, const outcome& result);
  void fail(handle which, error_code error, std::string_view detail);
  void forget_name(operation& op);
  const std::shared_ptr<connection>& bus();

  void on_up() override;
  void on_down(const trouble& why) override;
  void on_room() override;
  void on_sent(std::unique_ptr<send_op> op) override;
  void on_sending(send_op& op) override;
  void on_reply_link() override;
  amqp::outcome read_reply(const amqp::event::delivered& e) override;
  void on_reply() override;
  void on_reply_link_down(std::string_view words) override;
  void on_limit(handle which) override;
  void on_silence(handle which) override;
  void on_timer(std::uint64_t tag) override;
  bool owes_answers() const;
  void close_links();

  enum class reply_kind : std::uint8_t { unknown, heartbeat, unreadable, answer };

  loop& loop_;
  io::context& context_;
  thread_state& thread_;
  std::shared_ptr<const settings> settings_;
  std::shared_ptr<monitor> monitor_;
  std::shared_ptr<connection> connection_;  ///< null before the first use
  std::optional<wire::oslo::amqp10_addresser> addresser_;
  reach_handler* reaching_ = nullptr;
  reply_link replies_;
  sender_links sends_;
  operation_table<operation> operations_;
  handle replied_ = 0;  ///< whom the reply just read is for
  reply_kind reply_ = reply_kind::unknown;
  std::vector<amqp10_listener*> listeners_;
  std::vector<std::shared_ptr<closing>> answering_;  ///< close()s that wait for answers
  loop::timer_id look_ = 0;                          ///< sees whether they may go on
  bool closing_ = false;
};

}  // namespace ombt::drivers::amqp10
