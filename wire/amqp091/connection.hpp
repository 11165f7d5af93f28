// SPDX-License-Identifier: Apache-2.0
#pragma once
// An AMQP 0-9-1 client connection without I/O: bytes in, events out; commands in, bytes out.
// Owns framing, the handshake (SASL, tune, open), heartbeats, channels and their content
// assembly. Does not own a socket, a clock (time comes in) or any meaning of messages.
// One thread. Nothing the peer sends aborts, recurses without bound or is believed before its
// length is checked; a breach of the protocol ends the connection with errc::protocol_error.
// Source: AMQP 0-9-1 specification, RabbitMQ's extensions (confirms, connection.blocked,
// consumer_cancel_notify, basic.nack).

#include "wire/error.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ombt::wire::amqp091 {

using time_point = std::chrono::steady_clock::time_point;
using channel_id = std::uint16_t;

enum class sasl_mechanism { plain, amqplain, external };

/// What all connections of a process share; held by reference, must outlive them.
struct connection_options {
  std::string virtual_host = "/";
  sasl_mechanism mechanism = sasl_mechanism::amqplain;
  std::string product = "ombt";            ///< client property
  std::string product_version;             ///< client property
  std::uint16_t heartbeat = 60;            ///< seconds; the broker's if that is smaller; 0: none
  std::uint32_t frame_max_limit = 131072;  ///< bytes; never agreed above this
  std::uint16_t channel_max = 2047;
  std::uint64_t body_limit = std::uint64_t{64} << 20;  ///< bytes of one message's body
};

/// Scratch memory of one I/O thread, shared by its connections: the codec's pool and the buffer
/// that sockets are read into. Must outlive them. Between read_buffer() and the end of drain() no
/// other connection of the thread may read or drain; commands to others may be given.
class thread_memory {
 public:
  thread_memory();
  ~thread_memory();
  thread_memory(const thread_memory&) = delete;
  thread_memory& operator=(const thread_memory&) = delete;

 private:
  friend class connection;
  struct state;
  std::unique_ptr<state> state_;
};

/// A value in a table of queue or consumer arguments; integers travel as 'I' (int32), as py-amqp
/// sends them (above that 'l'), strings as 'S'.
struct argument {
  std::string_view name;
  std::variant<bool, std::int64_t, std::string_view> value;
};
using arguments = std::span<const argument>;

/// Basic properties that this project sends and reads; unset ones are absent on the wire.
struct properties {
  std::optional<std::string_view> content_type;
  std::optional<std::string_view> content_encoding;
  bool headers = false;          ///< outgoing: an empty header table is present
  std::string_view compression;  ///< header "compression" where it is a string, else empty
  std::optional<std::uint8_t> delivery_mode;
  std::optional<std::uint8_t> priority;
  std::optional<std::string_view> expiration;  ///< decimal milliseconds as text
};

namespace event {  // views are valid in the sink's callback only

/// connection.open-ok: channels may be opened.
struct opened {
  std::string_view product;  ///< of the broker, may be empty
  std::string_view product_version;
  std::uint16_t channel_max;
  std::uint32_t frame_max;
  std::uint16_t heartbeat;
};
/// The connection is over; the last event. Errors: authentication_failed (403 in the handshake, no
/// common mechanism, or the broker hung up during login), vhost_refused (530 or 402 at open),
/// wrong_protocol, protocol_error, connection_lost (any other connection.close, or heartbeats), or
/// the transport's own.
struct closed {
  enum class cause {
    requested,  ///< our close() was answered
    by_peer,    ///< connection.close: code and text are the broker's
    protocol,   ///< the peer broke the protocol (text says how) or sent a foreign header
    heartbeat,  ///< nothing received for two heartbeat intervals
    transport,  ///< transport_closed(): error says why
  } why;
  error_code error;    ///< errc::… or the transport's; none when requested
  std::uint16_t code;  ///< reply code, 0 if none
  std::string_view text;
};
struct channel_opened {
  channel_id channel;
};
/// The channel is over: closed by the broker (code, text, class and method of the offender), or by
/// this side and answered. Then the code is 0 if close_channel() asked for it, 502 for a command
/// that cannot be encoded (a name above 255 bytes).
struct channel_closed {
  channel_id channel;
  bool by_peer;
  std::uint16_t code;
  std::string_view text;
  std::uint16_t class_id, method_id;
};
enum class command : std::uint8_t {
  exchange_declare,
  exchange_delete,
  queue_declare,
  queue_bind,
  queue_delete,
  basic_qos,
  basic_consume,
  basic_cancel,
  confirm_select
};
/// A synchronous command was answered, in the order they were given on that channel.
struct completed {
  channel_id channel;
  command what;
};
struct delivered {
  channel_id channel;
  std::string_view consumer_tag;
  std::uint64_t delivery_tag;
  bool redelivered;
  std::string_view exchange;
  std::string_view routing_key;
  const properties& header;
  std::string_view body;
};
/// A mandatory message came back; its confirm follows.
struct returned {
  channel_id channel;
  std::uint16_t code;
  std::string_view text;
  std::string_view exchange;
  std::string_view routing_key;
  std::string_view body;
};
/// basic.ack (or nack) of publishes up to (multiple) or at delivery_tag.
struct confirmed {
  channel_id channel;
  std::uint64_t delivery_tag;
  bool multiple;
  bool nack;
};
/// The broker cancelled a consumer.
struct cancelled {
  channel_id channel;
  std::string_view consumer_tag;
};
struct blocked {
  std::string_view reason;
};
struct unblocked {};
/// A message that is beyond a limit: its body above body_limit, or the tables of its header nested
/// too deeply. Given once its header is there; its body is passed over unread, and nothing else
/// happens to the channel. What was delivered is to be settled, best by reject() without requeue:
/// it would be no better the next time.
struct oversized {
  channel_id channel;
  std::uint64_t delivery_tag;  ///< 0: a mandatory message that came back; its confirm follows
  std::uint64_t body_size;
  std::string_view why;
};

}  // namespace event

using any_event =
    std::variant<event::opened, event::closed, event::channel_opened, event::channel_closed,
                 event::completed, event::delivered, event::returned, event::confirmed,
                 event::cancelled, event::blocked, event::unblocked, event::oversized>;

class connection {
 public:
  /// Starts with the protocol header in the write buffer. name is the client property
  /// connection_name. user and password are used once, in start-ok, and then forgotten.
  connection(const connection_options& options, thread_memory& memory, std::string name,
             std::string user, std::string password, time_point now);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  // Bytes. Usage per turn: read_buffer, read_done, drain, then write_buffer, write_done.
  /// Where to read to; empty when closed. Valid until read_done.
  std::span<char> read_buffer();
  void read_done(std::size_t n, time_point now);
  /// What to write; empty: nothing. Valid until the next command or write_done.
  std::span<const char> write_buffer() const;
  void write_done(std::size_t n, time_point now);
  /// Bytes waiting to be written.
  std::size_t unsent() const noexcept;
  /// The transport ended (end of file or error); the closed event follows in the next drain.
  void transport_closed(error_code why);
  /// True when the closed event has been given or is next; close the socket once written.
  bool is_closed() const noexcept;

  // Time
  /// When tick() must be called next; time_point::max() for never.
  time_point next_deadline() const noexcept;
  /// Sends a heartbeat after `heartbeat` seconds without sending, fails the connection after two
  /// intervals without receiving. Events follow in the next drain.
  void tick(time_point now);
  /// Counts the peer as heard from at `now`: for an owner that has stopped reading, whose silence
  /// is its own.
  void excuse_silence(time_point now);

  /// Gives every event of what was read to sink(event::X const&), an overload per event. The sink
  /// may give commands (they are queued); it must not read, drain or destroy the connection.
  template <class Sink>
  void drain(Sink&& sink) {
    any_event e;
    while (next_event(e)) std::visit([&](const auto& one) { sink(one); }, e);
  }

  // Commands; on a channel that is not open they are ignored. Synchronous ones may be queued one
  // after the other without waiting (their answers come in order).
  /// Opens channel 1 to opened::channel_max; ignored unless the connection is open and it is not.
  void open_channel(channel_id channel);
  void close_channel(channel_id channel);
  void exchange_declare(channel_id channel, std::string_view name, std::string_view type,
                        bool durable, bool auto_delete);
  void exchange_delete(channel_id channel, std::string_view name, bool if_unused);
  void queue_declare(channel_id channel, std::string_view name, bool durable, bool auto_delete,
                     arguments args);
  void queue_bind(channel_id channel, std::string_view queue, std::string_view exchange,
                  std::string_view routing_key);
  void queue_delete(channel_id channel, std::string_view name, bool if_unused, bool if_empty);
  void basic_qos(channel_id channel, std::uint16_t prefetch_count);
  void basic_consume(channel_id channel, std::string_view queue, std::string_view consumer_tag,
                     arguments args);
  void basic_cancel(channel_id channel, std::string_view consumer_tag);
  void confirm_select(channel_id channel);
  /// Publishes one message, its body in frames as tuned. Returns its delivery tag for confirms (1
  /// for the first publish after confirm_select() was called on that channel). 0: no confirms were
  /// asked for; or, with nothing sent, the channel is not open or a name or property is above 255
  /// bytes.
  std::uint64_t publish(channel_id channel, std::string_view exchange, std::string_view routing_key,
                        bool mandatory, const properties& header, std::string_view body);
  void ack(channel_id channel, std::uint64_t delivery_tag, bool multiple);
  void reject(channel_id channel, std::uint64_t delivery_tag, bool requeue);
  /// Sends connection.close; the closed event comes when it is answered. During the handshake it
  /// comes with the next drain, and nothing is sent.
  void close(std::uint16_t code = 200, std::string_view text = {});

 private:
  /// The next event, its views into the read buffer; false when all that was read is consumed.
  bool next_event(any_event& out);
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace ombt::wire::amqp091
