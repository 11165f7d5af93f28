// SPDX-License-Identifier: Apache-2.0
#pragma once
// One TCP connection to an AMQP 1.0 bus and its sessions: connects, logs in, hands links their
// events, and comes back after a loss, to the next host of the list. Does not know what links are
// for. One thread.
//
//   state       | on                          | next
//   ------------+-----------------------------+----------------------------------------------
//   idle        | add(), need()               | waiting (for a place in the set-up queue)
//   waiting     | place                       | connecting
//   connecting  | stream / error, time limit  | handshaking / backing_off or idle (final)
//   handshaking | open / closed, limit        | open / backing_off or idle (final)
//   open        | lost, or renew()            | backing_off
//   backing_off | timer                       | waiting
//   any         | no user left                | closing, then closed
//
// Source: controller.Controller (connect, _handle_connection_loss, _do_reconnect), Hosts.

#include "wire/amqp10/connection.hpp"

#include "drivers/amqp10/settings.hpp"
#include "drivers/amqp10/user_sessions.hpp"
#include "drivers/io/connector.hpp"
#include "drivers/io/context.hpp"
#include "drivers/io/pump.hpp"
#include "drivers/transport.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ombt::drivers::amqp10 {

/// Why there is no connection.
struct trouble {
  enum class scope {
    attempt,     ///< an attempt to connect failed; another follows unless final
    connection,  ///< the connection was lost; it comes back by itself
  };
  scope what;
  error_code error;
  std::string_view detail;  ///< with the address, valid in the callback only
  bool final = false;       ///< no further attempt is made until need()
};

/// What shares a connection: a transport. Callbacks may not destroy the connection.
class connection_user {
 public:
  /// Links may be attached.
  virtual void on_up() = 0;
  /// There is no connection for this user; links that there were are to be detached, which has no
  /// effect where the connection is gone.
  virtual void on_down(const trouble& why) = 0;
  /// What was too much to be written at once has been written: see is_full().
  virtual void on_room() {}

 protected:
  ~connection_user() = default;
};

/// What holds a link. Callbacks may give commands, but not destroy the connection.
class link_user {
 public:
  /// The peer has attached its end.
  virtual void on_attached() = 0;
  /// The link is over, refused or ended by the peer: its handle is invalid.
  virtual void on_detached(std::string_view words) = 0;
  virtual void on_credit() {}
  virtual void on_delivered(const amqp::event::delivered&) {}
  virtual void on_updated(const amqp::event::updated&) {}

 protected:
  ~link_user() = default;
};

/// Counters and the last error, shared by the connections of a transport.
struct monitor {
  transport_counters counters;
  std::string last_error;
};

class connection final : public std::enable_shared_from_this<connection>, private timer_target {
 public:
  connection(io::context& on, std::shared_ptr<const settings> with, std::shared_ptr<monitor> told);
  ~connection();

  /// Connects if need be; on_up comes when it is open, never inside add().
  void add(connection_user& user);
  /// Forgets a user, who has closed its links. A connection without users closes.
  void remove(connection_user& user);
  /// Connects now rather than later.
  void need();
  /// A user's replies have nowhere to go any more: for a user alone the connection is made anew;
  /// one of several has its session ended and is told on_down, then on_up a while later.
  void renew(connection_user& user, std::string_view why);

  bool is_up() const noexcept { return state_ == state::open && !ended_; }
  /// False: it was lost, or no host of the list can be reached.
  bool in_contact() const noexcept;
  /// The peer's name for itself, in its open.
  const std::string& product() const noexcept { return product_; }
  /// When the bytes that are being handled were read.
  time_point read_time() const noexcept { return read_time_; }
  /// The address of the bus and what is said about it.
  std::string with_address(std::string_view words) const;

  /// Attaches a link for a user, both ends at the address; source_dynamic: the peer is to name the
  /// source. Empty where the peer allows no more sessions, or there is no connection.
  amqp::link attach(connection_user& by, link_user& user, bool sender, std::string_view name,
                    const std::string& address, bool source_dynamic = false);
  /// Detaches it for good. Its user is told nothing more, and `which` is empty. After a loss, and
  /// until the next connection is up, it only empties `which`.
  void detach(amqp::link& which);
  /// Links that end from now on leave their sessions to the end of the connection, which is near.
  /// (So does Python.)
  void keep_sessions() noexcept { keeps_sessions_ = true; }
  /// To be called after commands: output is written at the end of the turn.
  void wake();
  /// True if so much waits to be written that nothing should be added: on_room() comes later.
  bool is_full(const amqp::link& on);

  /// Closes cleanly; then runs once closed, at most 2 s later.
  void when_closed(std::function<void()> then);
  bool is_ending() const noexcept { return state_ == state::closing || state_ == state::closed; }

  // Of the pump
  void on_bytes();
  void on_written();

  // Of the engine's drain
  void operator()(const amqp::event::opened& e);
  void operator()(const amqp::event::closed& e);
  void operator()(const amqp::event::session_opened& e);
  void operator()(const amqp::event::session_closed& e);
  void operator()(const amqp::event::link_opened& e);
  void operator()(const amqp::event::link_closed& e);
  void operator()(const amqp::event::credit& e);
  void operator()(const amqp::event::delivered& e);
  void operator()(const amqp::event::updated& e);
  void operator()(const amqp::event::oversized& e);

 private:
  enum class state { idle, waiting, connecting, handshaking, open, backing_off, closing, closed };
  struct member {
    connection_user* user = nullptr;
    user_sessions sessions;    ///< but in topology oslo
    loop::timer_id again = 0;  ///< after renew(): on_up then
  };
  using engine_pump = io::pump<amqp::connection, connection>;

  void attempt();
  void connect();
  void on_connected(std::unique_ptr<io::stream> stream, error_code error,
                    const std::string& detail);
  void attempt_failed(error_code error, std::string_view detail);
  bool every_host_refused(error_code error);
  void end_of(amqp::link which, std::string_view words);
  void lost(error_code error, std::string_view words);
  void tell_up(connection_user* user);
  void tell_down(const trouble& why);
  void retry_later();
  void drop_transport();
  void end_setup();
  void start_close();
  void finish_close();
  void schedule_tick();
  void set_timer(duration in, std::uint64_t tag);
  void on_timer(std::uint64_t tag) override;
  member* member_of(const connection_user& user);
  std::size_t count_users() const;
  const wire::oslo::host_address& host() const;

  io::context& context_;
  std::shared_ptr<const settings> settings_;
  std::shared_ptr<monitor> monitor_;
  std::vector<member> members_;
  std::unique_ptr<amqp::connection> engine_;
  std::string container_;  ///< kept over reconnects
  std::string product_;
  std::shared_ptr<engine_pump> pump_;
  std::shared_ptr<io::connector> connector_;
  std::vector<std::function<void()>> closed_handlers_;
  std::vector<bool> refused_;  ///< hosts whose last attempt met what waiting does not mend
  time_point read_time_{};
  loop::timer_id timer_ = 0;  ///< set-up limit, back-off or close limit
  loop::timer_id tick_timer_ = 0;
  time_point tick_at_ = time_point::max();
  io::setup_pacer::ticket ticket_ = 0;
  std::size_t host_index_ = 0;
  std::size_t failures_ = 0;  ///< attempts failed since the last open
  duration wait_;             ///< before the next attempt
  state state_ = state::idle;
  bool ever_open_ = false;
  bool ended_ = false;    ///< the engine gave its closed event
  bool foreign_ = false;  ///< the peer is one that can't carry this traffic
  bool keeps_sessions_ = false;
  bool full_ = false;  ///< somebody waits for on_room()
};

}  // namespace ombt::drivers::amqp10
