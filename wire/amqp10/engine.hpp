// SPDX-License-Identifier: Apache-2.0
#pragma once
// What connection hides: the connection's state machine around proton's engine. Proton keeps the
// state of sessions, links and deliveries and writes all frames but SASL's and the last close; this
// side splits what arrives into frames, judges each (frame.hpp, engine_frames.cpp), hands it to
// proton without its payload, and takes proton's events before the next frame. A message is thus
// never copied where it comes in one frame, and proton never sees what it would stumble over. Nor
// does proton get the messages that fit one frame on their way out: outbox.hpp.
// Internal to wire/amqp10; see connection.hpp for the rules of use. One thread.
//
//   phase      from the peer or the owner      next        what happens
//   greeting   SASL's header, SASL wanted      sasl        server: its header and mechanisms sent
//   greeting   AMQP's header, no SASL wanted   opening     server: its header is sent
//   greeting   the other of these two          closed      authentication_failed
//   greeting   another protocol's bytes        closed      wrong_protocol, with its name
//   sasl       mechanisms (client)             sasl        init is sent
//   sasl       init (server)                   header      outcome ok is sent
//   sasl       outcome ok (client)             header      AMQP's header and open are sent
//   sasl       anything that fails the login   closed      authentication_failed
//   header     AMQP's header                   opening     server: its header is sent
//   opening    open                            open        event opened; server: open is sent
//   open       begin, attach, … transfer       open        events of sessions, links, deliveries
//   open       close                           closed      by_peer; close is sent
//   open       close()                         closing     close is sent
//   earlier    close()                         closed      requested, at once
//   closing    close                           closed      requested
//   closing    any other frame                 closing     dropped
//   all        a breach of the protocol        closed      close with its condition is sent
//   all        silence for the idle time       closed      close is sent
//   all        end of the transport            closed      after the events of what was read
//   closed                                                 event closed, once, the last
//
// A client without SASL sends AMQP's header and open at once.

#include "wire/amqp10/connection.hpp"
#include "wire/amqp10/frame.hpp"
#include "wire/amqp10/handshake.hpp"
#include "wire/amqp10/outbox.hpp"
#include "wire/amqp10/states.hpp"
#include "wire/blocks.hpp"

#include <proton/connection_driver.h>
#include <proton/disposition.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::amqp10 {

/// What a disposition says; views into it.
outcome read_outcome(pn_disposition_t* said);

class engine {
 public:
  engine(const connection_options& options, std::string_view container, std::string_view user,
         std::string_view password, bool encrypted, time_point now, std::string_view external_user);
  ~engine();
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;

  std::span<char> read_buffer();
  void read_done(std::size_t n, time_point now);
  std::span<const char> write_buffer();
  void write_done(std::size_t n, time_point now);
  void transport_closed(error_code why);
  bool is_closed() const noexcept { return phase_ == phase::closed || transport_gone_; }
  time_point next_deadline() const noexcept;
  void tick(time_point now);
  bool next_event(any_event& out);

  session open_session();
  void close(std::string_view condition, std::string_view description);
  std::string_view mechanism() const noexcept { return mechanism_; }

  // Commands of sessions, links and deliveries (engine_commands.cpp).
  /// False once commands have no effect.
  bool works() const noexcept { return phase_ < phase::closing && !transport_gone_; }
  /// Likewise; asked by what has something for proton to write.
  bool command() noexcept {
    changed_ = true;
    return works();
  }
  void accept(session_state& on);
  void close(session_state& on, std::string_view condition, std::string_view description);
  link open(session_state& on, bool sender, std::string_view name, const terminus& source,
            const terminus& target, settle_mode mode);
  void accept(link_state& on, const terminus& source, const terminus& target);
  void close(link_state& on, std::string_view condition, std::string_view description);
  int credit(const link_state& on) const noexcept;
  std::size_t unsent(const link_state& on) const noexcept;
  delivery send(link_state& on, std::string_view tag, std::string_view message, bool settled);
  void settle(delivery_state& what, const outcome& how);
  void update(delivery_state& what, const outcome& how);

 private:
  enum class phase : std::uint8_t { greeting, sasl, header, opening, open, closing, closed };
  /// The frame that proton was given last, for the events that it makes of it.
  struct fed_frame {
    std::uint16_t channel = 0;
    std::uint32_t handle = 0;
    std::uint32_t delivery_count = 0;
    session_state* session = nullptr;
    link_state* link = nullptr;
    std::string_view payload;  ///< of a transfer
    bool answer = false;       ///< begin: to one of ours
    bool credit = false;       ///< flow: for a sender, or what drain() asked for: to be told
  };

  // engine.cpp: bytes, time, the end.
  void settle_input();
  void say(std::string_view bytes);
  void say_close(std::string_view condition, std::string_view description);
  void produce();
  std::size_t say_frames(std::string_view made);
  void begin_open();
  bool take_bytes();
  bool take_greeting();
  void give_failed_login(std::string why);
  void take_sasl_frame(const frame& f);
  bool give_closed(any_event& out);
  void transport_over();
  void forget_given();
  void breach(std::string_view condition, std::string text);
  void end(event::closed::cause why, error_code error, std::string condition,
           std::string description);

  // engine_frames.cpp: judging a frame, giving it to proton. Each judge says what is wrong, or
  // null.
  void take_frame(const frame& f);
  const char* judge(const frame& f, performative& fields);
  const char* judge_begin(const performative& fields);
  const char* judge_attach(performative& fields);
  const char* judge_flow(performative& fields);
  void lower_credit(std::string_view encoded);
  const char* judge_transfer(performative& fields);
  const char* judge_detach(performative& fields);
  void feed(const frame& f, std::size_t size, bool is_close);
  bool push(std::string_view bytes);
  bool push(std::string_view first, std::string_view second);

  // engine_events.cpp: proton's events. True: `out` was set.
  bool on_event(pn_event_t* raw, any_event& out);
  bool on_open(any_event& out);
  void on_close();
  bool on_session_open(pn_session_t* raw, any_event& out);
  void on_session_close(pn_session_t* raw);
  bool on_link_open(pn_link_t* raw, any_event& out);
  bool on_link_close(pn_link_t* raw, bool for_good, any_event& out);
  bool on_delivery(pn_delivery_t* raw, any_event& out);
  bool on_arrival(link_state& on, pn_delivery_t* raw, any_event& out);
  bool on_settled(const link_state& on, pn_delivery_t* raw, any_event& out);
  bool on_update(link_state& on, pn_delivery_t* raw, any_event& out);
  bool on_credit(any_event& out);
  bool is_too_large(const link_state& on) const noexcept;
  void give_oversized(link_state& on, any_event& out);
  bool give_ended(any_event& out);
  void give_link_closed(link_state& on, bool for_good, any_event& out);

  // engine_commands.cpp: objects.
  session_state* add_session(pn_session_t* raw);
  link_state* add_link(session_state& on, pn_link_t* raw);
  delivery_state* add_delivery(link_state& on, pn_delivery_t* raw);
  void drop(delivery_state* what);
  void free_link(link_state* gone);
  void give_up_unsent(link_state& on);
  void free_session(session_state* gone);
  void free_dead();
  pn_delivery_t* send_now(link_state& on, std::string_view tag, std::string_view message,
                          bool settled);
  bool fits_one_frame(std::string_view message) const noexcept;
  void send_waiting(link_state& on);

  const connection_options& options_;
  pn_connection_driver_t proton_{};
  std::unique_ptr<login> login_;  ///< until SASL is over
  std::string mechanism_;
  std::string user_;  ///< of a server: who logged in

  block_cache& blocks_;  ///< of this thread
  block in_;             ///< what was read; none while nothing is
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  out_buffer out_;                 ///< waits to be written
  outbox outbox_;                  ///< messages that proton has not written
  std::size_t most_produced_ = 0;  ///< bytes that proton gave at once
  std::size_t unproduced_ = 0;     ///< as answered_, since proton's output was taken
  std::size_t answered_ = 0;       ///< bytes of frames that ask for answers, since all was written

  chain<session_state, &session_state::place> sessions_;
  std::size_t session_count_ = 0;
  number_table<session_state> channels_;  ///< the peer's
  std::vector<link_state*> dead_links_;
  std::vector<session_state*> dead_sessions_;
  session_state* ended_ = nullptr;    ///< its links' ends, then its own, are to be told
  std::size_t ended_left_ = 0;        ///< links of it still to be looked at
  link_state* given_link_ = nullptr;  ///< whose message was given from `collected`
  delivery_chain spare_;              ///< unused ones
  std::size_t stuck_ = 0;             ///< bytes of links that are gone, kept by proton
  std::size_t collected_ = 0;         ///< bytes of messages that are arriving
  std::int64_t dispositions_ = 1024;  ///< that the peer may still make
  fed_frame fed_;

  time_point last_received_;
  time_point send_deadline_ = time_point::max();
  time_point epoch_;

  phase phase_ = phase::greeting;
  bool sasl_ = false;
  bool amqp_ = false;     ///< proton may write
  bool changed_ = false;  ///< it may have something to write
  bool transport_gone_ = false;
  bool close_written_ = false;
  bool closed_given_ = false;
  event::closed::cause closed_why_ = event::closed::cause::requested;
  error_code closed_error_;  ///< the transport's before the end, then the event's
  std::string closed_condition_;
  std::string closed_description_;
};

}  // namespace ombt::wire::amqp10
