// SPDX-License-Identifier: Apache-2.0
#pragma once
// What connection hides: the connection's state machine over frames, channels and buffers.
// Internal to wire/amqp091; see connection.hpp for the rules of use. One thread.
//
//   phase       from the broker or the owner   next        what happens
//   start       connection.start               tune        start-ok is sent
//   start       another protocol's bytes       closed      wrong_protocol, with its name
//   tune        connection.tune                open_ok     tune-ok and connection.open are sent
//   tune        connection.secure              closed      no mechanism here has a second step
//   tune        connection.close 403, or end   closed      authentication_failed
//   open_ok     connection.open-ok             open        event opened
//   open_ok     connection.close 530, 402      closed      vhost_refused
//   open        frames of channels             open        channel.hpp, content.hpp
//   open        a message beyond a limit       open        event oversized, its body is passed over
//   open        connection.close               closed      close-ok is sent
//   open        close()                        closing     connection.close is sent
//   start...    close()                        closed      at once: nothing to say goodbye to
//   closing     connection.close-ok, .close    closed      as requested
//   closing     any other frame                closing     dropped
//   all         a breach of the protocol       closed      connection.close with its code is sent
//   all         end of the transport           closed      after the events of what was read
//   tune-ok on  two heartbeats without a byte  closed
//   closed                                                 event closed, once, the last

#include "wire/amqp091/channel.hpp"
#include "wire/amqp091/content.hpp"
#include "wire/amqp091/frame_splitter.hpp"
#include "wire/amqp091/handshake.hpp"
#include "wire/amqp091/memory.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::amqp091 {

class engine {
 public:
  engine(const connection_options& options, thread_scratch& memory, std::string name,
         std::string user, std::string password, time_point now);
  ~engine();
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;

  std::span<char> read_buffer();
  void read_done(std::size_t n, time_point now);
  std::span<const char> write_buffer() const noexcept;
  void write_done(std::size_t n, time_point now);
  void transport_closed(error_code why);
  bool is_closed() const noexcept { return phase_ == phase::closed || transport_gone_; }
  time_point next_deadline() const noexcept;
  void tick(time_point now);
  void excuse_silence(time_point now) noexcept { last_received_ = now; }
  bool next_event(any_event& out);

  void open_channel(channel_id id);
  void close_channel(channel_id id);
  void exchange_declare(channel_id id, std::string_view name, std::string_view type, bool durable,
                        bool auto_delete);
  void exchange_delete(channel_id id, std::string_view name, bool if_unused);
  void queue_declare(channel_id id, std::string_view name, bool durable, bool auto_delete,
                     arguments args);
  void queue_bind(channel_id id, std::string_view queue, std::string_view exchange,
                  std::string_view routing_key);
  void queue_delete(channel_id id, std::string_view name, bool if_unused, bool if_empty);
  void basic_qos(channel_id id, std::uint16_t prefetch_count);
  void basic_consume(channel_id id, std::string_view queue, std::string_view consumer_tag,
                     arguments args);
  void basic_cancel(channel_id id, std::string_view consumer_tag);
  void confirm_select(channel_id id);
  std::uint64_t publish(channel_id id, std::string_view exchange, std::string_view routing_key,
                        bool mandatory, const properties& header, std::string_view body);
  void ack(channel_id id, std::uint64_t tag, bool multiple);
  void reject(channel_id id, std::uint64_t tag, bool requeue);
  void close(std::uint16_t code, std::string_view text);

 private:
  enum class phase : std::uint8_t { start, tune, open_ok, open, closing, closed };

  // engine.cpp: bytes, time, frames. Each on_... is true when it set out to an event.
  bool on_frame(const frame& f, any_event& out);
  bool on_content(const frame& f, any_event& out);
  bool refuse_message(std::uint64_t body_size, const char* why, any_event& out);
  bool message_complete(any_event& out);
  bool give_closed(any_event& out);
  void settle();
  void fail(event::closed::cause why, error_code error, std::uint16_t code, std::string text);
  void breach(std::uint16_t code, std::string text);
  void end(event::closed::cause why, error_code error, std::uint16_t code, std::string text);

  // engine_methods.cpp: what the broker's methods do.
  bool on_method(const frame& f, any_event& out);
  bool on_connection_method(const decoded_method& method, any_event& out);
  bool on_start(const amqp_connection_start_t& start);
  bool on_tune(const amqp_connection_tune_t& tune);
  bool on_connection_close(const amqp_connection_close_t& close);
  bool on_channel_method(channel_id id, std::string_view payload, any_event& out);
  bool on_open_channel_method(channel_id id, channel& on, const decoded_method& method,
                              any_event& out);
  bool on_channel_close(channel_id id, channel& on, const amqp_channel_close_t& close,
                        any_event& out);
  bool on_confirm(channel_id id, const channel& on, std::uint64_t tag, bool multiple, bool nack,
                  any_event& out);
  bool answered(channel_id id, channel& on, event::command what, any_event& out);
  bool give_completed(any_event& out);
  bool may_answer();

  // engine_commands.cpp
  bool send(channel_id id, amqp_method_number_t method, void* values, std::size_t bound);
  void command(channel_id id, event::command what, amqp_method_number_t method, void* values,
               std::size_t bound);
  void begin_close(channel_id id, channel& on, std::uint16_t code, const char* text);
  void send_connection_close(std::uint16_t code, std::string_view text);

  channel* find(channel_id id) noexcept {
    return id != 0 && id <= channels_.size() ? &channels_[id - 1] : nullptr;
  }
  channel* find_open(channel_id id) noexcept {
    channel* const found = phase_ == phase::open ? find(id) : nullptr;
    return found != nullptr && found->phase == channel_phase::open ? found : nullptr;
  }
  /// The message that is arriving on that channel, made current_; null if none.
  content* resume(channel_id id, channel& on);
  bool is_arriving(channel_id id, const channel& on) const noexcept {
    return on.suspended != nullptr || (current_channel_ == id && !current_given_);
  }
  void forget_given() noexcept;
  void suspend_current();
  void drop_content(channel_id id, channel& on) noexcept;

  const connection_options& options_;
  thread_scratch& memory_;
  std::unique_ptr<handshake_data> handshake_;  ///< until opened was given
  std::vector<channel> channels_;              ///< channel n at n - 1, as far as ever opened

  std::string_view pending_;  ///< read and not yet consumed: in memory_.read or in kept_
  block kept_;                ///< a partial frame between two reads
  std::size_t kept_size_ = 0;
  bool pending_in_kept_ = false;
  out_buffer out_;

  content current_;  ///< the message whose frames are in the read buffer
  channel_id current_channel_ = 0;
  bool current_given_ = false;  ///< its event was given: to be reset

  channel_id ready_channel_ = 0;  ///< more than one of its commands may be reported

  time_point last_received_;
  time_point last_sent_;
  std::uint32_t frame_max_ = frame_min_size;
  std::uint16_t channel_max_ = 0;
  std::uint16_t heartbeat_ = 0;
  std::uint16_t unsent_answers_ = 0;  ///< to methods that a peer may repeat for ever

  phase phase_ = phase::start;
  bool greeted_ = false;  ///< the first bytes were a frame's
  bool transport_gone_ = false;
  bool closed_given_ = false;
  event::closed::cause closed_why_ = event::closed::cause::requested;
  std::uint16_t closed_code_ = 0;
  error_code closed_error_;  ///< the transport's before the end, then the event's
  std::string closed_text_;
};

}  // namespace ombt::wire::amqp091
