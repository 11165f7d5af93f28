// SPDX-License-Identifier: Apache-2.0
#pragma once
// One TCP connection to RabbitMQ and the channels that links hold on it: connects, logs in, opens
// the channels, hands each its events, and comes back after a loss, to the next host of the list.
// Does not know what channels are for. One thread.
//
//   state       | on                          | next
//   ------------+-----------------------------+----------------------------------------------
//   idle        | need()                      | waiting (for a place in the set-up queue)
//   waiting     | place                       | connecting
//   connecting  | stream / error, time limit  | handshaking / backing_off or idle (final)
//   handshaking | open-ok / closed, limit     | open / backing_off or idle (final)
//   open        | lost                        | backing_off
//   backing_off | timer, or need() when lazy  | waiting
//   any         | close()                     | closing, then closed
//
// Source: impl_rabbit.Connection (ensure_connection, ensure), kombu's retry_over_time.

#include "wire/amqp091/connection.hpp"
#include "wire/oslo/messages.hpp"

#include "drivers/io/connector.hpp"
#include "drivers/io/context.hpp"
#include "drivers/io/pump.hpp"
#include "drivers/rabbit/host_order.hpp"
#include "drivers/rabbit/settings.hpp"
#include "drivers/transport.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ombt::drivers::rabbit {

/// Why a channel is not up.
struct trouble {
  enum class scope {
    attempt,     ///< a connection attempt failed; another follows unless final
    connection,  ///< the connection was lost; it comes back by itself
    channel,     ///< only this channel was closed: reopen() it
  };
  scope what;
  error_code error;
  std::string_view detail;  ///< with the address, valid in the callback only
  std::uint16_t code = 0;   ///< AMQP reply code where the broker said one
  bool final = false;       ///< no further attempt is made until need()
};

/// What holds a channel. Callbacks may give commands, but not destroy the connection.
class channel_user {
 public:
  virtual void on_up() = 0;
  virtual void on_down(const trouble& why) = 0;
  virtual void on_completed(amqp::event::command) {}
  virtual void on_delivered(const amqp::event::delivered&) {}
  virtual void on_returned(const amqp::event::returned&) {}
  virtual void on_confirmed(const amqp::event::confirmed&) {}
  virtual void on_cancelled(const amqp::event::cancelled&) {}
  /// A message that was not read because of its size, or its header's; to be settled.
  virtual void on_oversized(const amqp::event::oversized&) {}

 protected:
  ~channel_user() = default;
};

/// Counters and the last error, shared by the connections of a transport.
struct monitor {
  transport_counters counters;
  std::string last_error;
};

class connection final : public std::enable_shared_from_this<connection>, private timer_target {
 public:
  enum class purpose {
    listen,  ///< comes back at once after a loss: gaps of 1, 2, 4 s
    send,    ///< comes back when needed, or at the next look after 15 s
  };

  connection(io::context& on, amqp::thread_memory& memory, std::shared_ptr<const settings> with,
             std::shared_ptr<monitor> told, purpose why);
  ~connection();

  /// Takes a free channel number for user and connects if need be; on_up comes when it is open.
  amqp::channel_id add(channel_user& user);
  /// Closes a channel and forgets its user. A connection without channels closes.
  void remove(amqp::channel_id channel);
  /// Opens a channel again that the broker closed.
  void reopen(amqp::channel_id channel);
  /// Connects now rather than later; opens the channel again if the broker closed it; tells again
  /// what keeps this channel from ever being up.
  void need(amqp::channel_id channel);
  /// Drops the connection and makes a new one after delay (a consumer was cancelled by the broker).
  void restart(duration delay, std::string_view why);

  bool is_up(amqp::channel_id channel) const noexcept;
  /// The engine, to give commands to; only while a channel is up. Output goes out at the turn's
  /// end.
  amqp::connection& commands();
  /// When the bytes that are being handled were read.
  time_point read_time() const noexcept { return read_time_; }
  /// Back-pressure: stops or resumes reading from the socket.
  void pause_reading(bool yes);

  /// Closes cleanly; then runs once closed, at most 2 s later.
  void when_closed(std::function<void()> then);
  bool is_ending() const noexcept { return state_ == state::closing || state_ == state::closed; }

  // Of the pump
  void on_bytes();

  // Of the engine's drain
  void operator()(const amqp::event::opened& e);
  void operator()(const amqp::event::closed& e);
  void operator()(const amqp::event::channel_opened& e);
  void operator()(const amqp::event::channel_closed& e);
  void operator()(const amqp::event::completed& e);
  void operator()(const amqp::event::delivered& e);
  void operator()(const amqp::event::returned& e);
  void operator()(const amqp::event::confirmed& e);
  void operator()(const amqp::event::cancelled& e);
  void operator()(const amqp::event::blocked& e);
  void operator()(const amqp::event::unblocked& e);
  void operator()(const amqp::event::oversized& e);

 private:
  enum class state { idle, waiting, connecting, handshaking, open, backing_off, closing, closed };
  enum class channel_state : std::uint8_t { down, opening, up, closing };
  struct channel {
    channel_user* user = nullptr;
    channel_state state = channel_state::down;
  };
  using engine_pump = io::pump<amqp::connection, connection>;

  void attempt();
  void connect();
  void on_connected(std::unique_ptr<io::stream> stream, error_code error,
                    const std::string& detail);
  void attempt_failed(error_code error, std::string_view detail, std::uint16_t code);
  void lost(const trouble& why);
  void tell_users(const trouble& why);
  void retry_later(duration wait);
  duration next_wait() const;
  void drop_transport();
  void end_setup();
  void finish_close();
  void start_close();
  void schedule_tick();
  void set_timer(duration in, std::uint64_t tag);
  void on_timer(std::uint64_t tag) override;
  channel_user* user_of(amqp::channel_id id);
  const wire::oslo::host_address& host() const;
  std::string with_address(std::string_view words) const;
  std::string too_few_channels() const;

  io::context& context_;
  amqp::thread_memory& memory_;
  std::shared_ptr<const settings> settings_;
  std::shared_ptr<monitor> monitor_;
  std::vector<channel> channels_;
  std::unique_ptr<amqp::connection> engine_;
  wire::oslo::hex_id id_;  ///< in connection_name, kept over reconnects
  std::shared_ptr<engine_pump> pump_;
  std::shared_ptr<io::connector> connector_;
  std::vector<std::function<void()>> closed_handlers_;
  host_order hosts_;
  time_point read_time_{};
  loop::timer_id timer_ = 0;  ///< set-up limit, back-off or close limit
  loop::timer_id tick_timer_ = 0;
  io::setup_pacer::ticket ticket_ = 0;
  std::uint16_t failures_ = 0;     ///< attempts failed since the last open
  std::uint16_t channel_max_ = 0;  ///< as tuned
  state state_ = state::idle;
  purpose purpose_;
  bool ever_open_ = false;
  bool draining_ = false;
  bool ended_ = false;  ///< the engine gave its closed event
};

}  // namespace ombt::drivers::rabbit
