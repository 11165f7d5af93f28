// SPDX-License-Identifier: Apache-2.0
#pragma once
// An AMQP 1.0 connection without I/O, either end of it: bytes in, events out; commands in, bytes
// out. qpid-proton's C engine, wrapped once: owns framing, SASL, sessions, links, deliveries and
// idle time. Does not own a socket, a clock (time comes in) or any meaning of messages. One thread.
// Nothing the peer sends aborts or grows it without bound; a breach of the protocol ends the
// connection with errc::protocol_error.
// Source: OASIS AMQP 1.0, parts 2 (transport), 3 (messaging), 5 (security);
// proton/connection_driver.h.

#include "wire/error.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ombt::wire::amqp10 {

using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;

enum class role : std::uint8_t {
  client,  ///< opens the connection, its sessions and its links
  server,  ///< is opened: SASL's server side; the peer's sessions and links come as events
};

/// What a server's SASL layer asks. true: the login is right. Called inside read_done().
using password_check = std::function<bool(std::string_view user, std::string_view password)>;

/// What all connections of a process share; held by reference, must outlive them.
struct connection_options {
  role side = role::client;
  std::string hostname;  ///< of open; empty: absent
  /// Properties of open, in this order: symbol keys, values text or whole numbers (long).
  std::vector<std::pair<std::string, std::variant<std::string, std::int64_t>>> properties;
  std::uint16_t channel_max = 32767;  ///< sessions on a connection, less one
  /// Links that a peer may have on a session, less one; never above 16,383 (nothing tells the
  /// peer).
  std::uint32_t handle_max = 0xffffffff;
  std::uint32_t max_frame_size = 0;  ///< bytes; 0: absent from open
  /// Bytes of a frame that are read where max_frame_size is absent. A peer that was told no limit
  /// may send a whole message in one frame.
  std::uint64_t frame_limit = std::uint64_t{1} << 20;
  duration idle_timeout{};  ///< 0: absent; a peer silent for longer is dropped
  /// Bytes that one message's encoding may have; a larger one ends its link with
  /// amqp:link:message-size-exceeded and is discarded.
  std::uint64_t message_limit = std::uint64_t{64} << 20;
  /// SASL mechanisms, separated by spaces: for a client those allowed, for a server those offered.
  /// Known: ANONYMOUS PLAIN EXTERNAL. Empty: no SASL layer, unless a client has a user: then PLAIN
  /// and ANONYMOUS. A server with some also takes a peer that begins without SASL, unless
  /// `authentication_required`.
  std::string mechanisms;
  bool authentication_required = false;  ///< server
  password_check check_password;         ///< server, for PLAIN
};

/// How a delivery ended, at either side. Source: part 3, 3.4.
struct outcome {
  enum class kind : std::uint8_t {
    none,  ///< not said; a delivery may be settled without
    accepted,
    rejected,
    released,
    modified,
    other,  ///< a state that is none of these (received, transactional)
  };
  kind what = kind::none;
  bool delivery_failed = false;     ///< of modified
  bool undeliverable_here = false;  ///< of modified
  std::string_view condition;       ///< of rejected, valid in the callback only
  std::string_view description;
};

class session;
class link;
struct session_state;  // states.hpp: what the handles below point to
struct link_state;
struct delivery_state;

/// One message on a link. A handle: copies name the same delivery, which lives until it is settled
/// by this side (settle()), or its link's or session's handle ends. At the end of the connection
/// all handles stay valid, without effect, until the connection object is destroyed.
class delivery {
 public:
  delivery() = default;
  explicit operator bool() const noexcept { return state_ != nullptr; }
  friend bool operator==(const delivery&, const delivery&) = default;

  link on() const noexcept;
  std::string_view tag() const noexcept;
  /// Anything of the owner's; null at first.
  void* user() const noexcept;
  void set_user(void* data) const noexcept;
  /// The peer has settled it: it expects nothing more, and knows it no more.
  bool settled_by_peer() const noexcept;
  /// What the peer says of it.
  outcome peer_outcome() const noexcept;
  /// Says what became of it and forgets it: the handle ends. `how` none: settles without an
  /// outcome. A message that still waits for credit is never sent.
  void settle(const outcome& how = {}) const;
  /// Says it without settling (a router passes on what a receiver said).
  void update(const outcome& how) const;

 private:
  friend class engine;
  friend class link;
  explicit delivery(delivery_state* state) noexcept : state_(state) {}
  delivery_state* state_ = nullptr;
};

/// One end of a link. Source: part 2, 2.6, 2.7.3.
enum class settle_mode : std::uint8_t { unsettled, settled, mixed };

struct terminus {
  std::string address;  ///< empty: absent
  bool dynamic = false;
  bool present = true;       ///< false: null, as a refused attach has it
  bool coordinator = false;  ///< a target for transactions; read only
};

/// A link, which this side or the peer has begun. A handle. It ends when both sides have closed:
/// with the link_closed event if this side closed first (it is valid in that callback, no longer),
/// else with close(), or at the end of the callback that close() is called in. It also ends with
/// its session's handle.
class link {
 public:
  link() = default;
  explicit operator bool() const noexcept { return state_ != nullptr; }
  friend bool operator==(const link&, const link&) = default;

  bool is_sender() const noexcept;  ///< this side sends
  std::string_view name() const noexcept;
  session on() const noexcept;
  void* user() const noexcept;
  void set_user(void* data) const noexcept;

  /// What the peer's attach says; views and values are valid once it came.
  terminus peer_source() const;
  terminus peer_target() const;
  settle_mode peer_sender_mode() const noexcept;
  bool closed_by_peer() const noexcept;

  /// Answers the peer's attach. The source and target are this side's.
  void accept(const terminus& source, const terminus& target) const;
  /// Answers it with a null terminus and closes it at once with an error.
  void refuse(std::string_view condition, std::string_view description) const;
  /// Ends the link, or answers its end. With a condition: because of an error.
  void close(std::string_view condition = {}, std::string_view description = {}) const;

  // Of a sender
  /// Messages that may be sent now.
  int credit() const noexcept;
  /// Bytes of messages that wait on this link, and of everything else on this connection that is
  /// not yet written.
  std::size_t unsent() const noexcept;
  /// Sends a whole message. settled: fire and forget, the handle returned is empty. Without credit
  /// it waits inside until there is some, and is forgotten if the link is closed before. tag: 1 to
  /// 32 bytes (the rest is cut off). Nothing is sent, and the handle is empty, on a link that
  /// either side has closed.
  delivery send(std::string_view tag, std::string_view message, bool settled) const;
  /// The peer wants its credit used or given back: nothing more to send.
  void drained() const;

  // Of a receiver
  /// Lets the peer send that many more.
  void add_credit(int messages) const;
  /// Asks the peer to use its credit now or to give it back. Nothing more comes once credit_given()
  /// is 0, which the last message or a credit event says. add_credit() ends it.
  void drain() const;
  int credit_given() const noexcept;  ///< and not used up

 private:
  friend class engine;
  friend class delivery;
  friend class session;
  explicit link(link_state* state) noexcept : state_(state) {}
  link_state* state_ = nullptr;
};

/// A session, which this side or the peer has begun. A handle, which ends as a link's: when both
/// sides have closed. Its links' handles end with it.
class session {
 public:
  session() = default;
  explicit operator bool() const noexcept { return state_ != nullptr; }
  friend bool operator==(const session&, const session&) = default;

  void* user() const noexcept;
  void set_user(void* data) const noexcept;
  /// Links on it whose handles have not ended. A name is looked for among all of them when a link
  /// is attached, at both ends.
  std::size_t links() const noexcept;
  /// Answers the peer's begin.
  void accept() const;
  void close(std::string_view condition = {}, std::string_view description = {}) const;

  /// Attaches a link; `properties` none, sender mode as given, receiver mode first.
  link open_sender(std::string_view name, const terminus& source, const terminus& target,
                   settle_mode mode = settle_mode::mixed) const;
  link open_receiver(std::string_view name, const terminus& source, const terminus& target,
                     settle_mode mode = settle_mode::mixed) const;

 private:
  friend class engine;
  friend class link;
  explicit session(session_state* state) noexcept : state_(state) {}
  session_state* state_ = nullptr;
};

namespace event {  // views are valid in the sink's callback only

/// The peer's open: sessions may be opened (a server has answered it already).
struct opened {
  std::string_view container;
  std::string_view hostname;
  std::string_view product;  ///< property "product" where it is text, may be empty
  std::string_view version;  ///< property "version"
  std::string_view user;     ///< server: who logged in; empty without a login
  std::uint32_t max_frame_size;
  std::uint16_t channel_max;
};
/// The connection is over; the last event. Errors: authentication_failed (SASL's outcome, no common
/// mechanism, or the peer hung up during SASL), wrong_protocol, protocol_error, connection_lost
/// (the peer closed it, or was silent), or the transport's own.
struct closed {
  enum class cause : std::uint8_t {
    requested,  ///< our close() was answered
    by_peer,    ///< close: condition and description are the peer's
    protocol,   ///< the peer broke the protocol or sent a foreign header (description says how)
    silence,    ///< nothing received for the idle time
    transport,  ///< transport_closed(): error says why
  } why;
  error_code error;
  std::string_view condition;  ///< "amqp:connection:forced", …; may be empty
  std::string_view description;
};
/// The peer began a session (answer with session::accept), or answered ours.
struct session_opened {
  amqp10::session on;
  bool by_peer;
};
struct session_closed {
  amqp10::session on;
  std::string_view condition;
  std::string_view description;
};
/// The peer attached: a link that it began (answer with accept or refuse), or its answer to ours.
/// An answer without the terminus that matters is a refusal: link_closed follows with the reason.
struct link_opened {
  amqp10::link on;
  bool by_peer;
};
/// The peer detached, closing or not: answer with close() unless this side closed first. Also given
/// when its session ended.
struct link_closed {
  amqp10::link on;
  bool for_good;  ///< detach(closed=true)
  std::string_view condition;
  std::string_view description;
};
/// A sender's credit has changed, or the peer has given back what it had of a receiver's (drain()).
struct credit {
  amqp10::link on;
  bool drain;  ///< of a sender: the peer wants drained() when nothing is left to send
};
/// A whole message has arrived. It stays this side's to settle unless settled_by_peer(), and then
/// too settle() must be called to forget it.
struct delivered {
  amqp10::link on;
  amqp10::delivery what;
  std::string_view message;  ///< its encoding, all sections
};
/// The peer has said something of a message of ours: an outcome, or that it is settled; or it has
/// settled one of its own that this side has not: it waits for no outcome any more.
struct updated {
  amqp10::delivery what;
  amqp10::outcome how;
  bool settled;
};
/// A message was above message_limit: its link is being closed by this side.
struct oversized {
  amqp10::link on;
};

}  // namespace event

using any_event = std::variant<event::opened, event::closed, event::session_opened,
                               event::session_closed, event::link_opened, event::link_closed,
                               event::credit, event::delivered, event::updated, event::oversized>;

class connection {
 public:
  /// A client's open (and protocol headers) is in the write buffer at once; a server's answers the
  /// peer's. user and password: a client's login, for PLAIN. encrypted: the stream is TLS,
  /// without which a client does not try EXTERNAL; its peer's certificate name is `external_user`
  /// (server, for EXTERNAL).
  connection(const connection_options& options, std::string_view container, std::string_view user,
             std::string_view password, bool encrypted, time_point now,
             std::string_view external_user = {});
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  // Bytes. Usage per turn: read_buffer, read_done, drain, then write_buffer, write_done.
  /// Where to read to; empty when closed. Valid until read_done.
  std::span<char> read_buffer();
  void read_done(std::size_t n, time_point now);
  /// What to write; empty: nothing. Valid until the next command or write_done.
  std::span<const char> write_buffer();
  void write_done(std::size_t n, time_point now);
  /// The transport ended (end of file or error); the closed event follows in the next drain.
  void transport_closed(error_code why);
  /// True when the closed event has been given or is next; close the socket once written.
  bool is_closed() const noexcept;

  // Time
  /// When tick() must be called next; time_point::max() for never.
  time_point next_deadline() const noexcept;
  /// Sends an empty frame before the peer's idle time is over, fails the connection when the peer
  /// was silent for ours. Events follow in the next drain.
  void tick(time_point now);

  /// Gives every event of what was read to sink(event::X const&), an overload per event. The sink
  /// may give commands to this and other connections; it must not read, drain or destroy this one.
  template <class Sink>
  void drain(Sink&& sink) {
    any_event e;
    while (next_event(e)) std::visit([&](const auto& one) { sink(one); }, e);
  }

  // Commands; after close() and once closed they are ignored.
  /// Begins a session. Empty when it would be one above what both sides' channel_max allow.
  session open_session();
  /// Sends close; the closed event comes when it is answered (the time limit for that is the
  /// owner's). Before the peer's open it comes with the next drain.
  void close(std::string_view condition = {}, std::string_view description = {});

  /// What the peer's SASL layer chose; empty before, or without one.
  std::string_view mechanism() const noexcept;

 private:
  bool next_event(any_event& out);
  std::unique_ptr<class engine> engine_;
};

}  // namespace ombt::wire::amqp10
