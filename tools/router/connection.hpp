// SPDX-License-Identifier: Apache-2.0
#pragma once
// One peer's connection: its socket, the pump, the protocol engine, and the time limits on it. What
// its messages mean is the peer's (peer.hpp). Ends itself and tells its owner. One thread.
//
//   state       what                                     next
//   handshake   AMQP's open came in time                 open
//   handshake   the time is over, or the peer is gone    over
//   open        too much waits for the socket            open, not read from until less does
//   open        too much waits for another thread        open, not read from until less does
//   open        close, silence, an error, the end        closing
//   closing     all is written, or 2 s are over          over

#include "drivers/io/context.hpp"
#include "drivers/io/pump.hpp"
#include "drivers/io/stream.hpp"

#include "tools/router/peer.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace ombt::tools::router {

/// What all connections of a router share; held by reference.
struct connection_settings {
  amqp::connection_options engine;
  peer_limits limits;
  std::chrono::milliseconds handshake_time{10'000};
  std::string container;
};

class connection final : public std::enable_shared_from_this<connection>,
                         private peer::host,
                         private drivers::timer_target {
 public:
  /// `over` is called once, when it has ended and holds no socket any more.
  using over_handler = std::function<void(connection& which)>;

  connection(drivers::io::context& on, core& router, const connection_settings& with,
             std::unique_ptr<drivers::io::stream> stream, std::string from, over_handler over);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  void start();
  /// Asks the peer to leave (close with an error) and ends when it has answered.
  void close(std::string_view condition, std::string_view description);
  /// Ends at once, without a word to anybody.
  void abandon();

  // The pump's engine and owner.
  std::span<char> read_buffer() { return engine_.read_buffer(); }
  void read_done(std::size_t n, drivers::time_point now) { engine_.read_done(n, now); }
  std::span<const char> write_buffer();
  void write_done(std::size_t n, drivers::time_point now);
  void transport_closed(error_code why) { engine_.transport_closed(why); }
  void on_bytes();

 private:
  enum class state : std::uint8_t { handshake, open, closing, over };
  using engine_pump = drivers::io::pump<connection, connection>;

  void wake() override;
  void on_opened() override;
  void hold(bool now) override;
  void on_closed(const amqp::event::closed& why) override;
  void on_timer(std::uint64_t tag) override;
  void set_limit(drivers::duration after);
  void arm_tick();
  void finish();

  drivers::io::context& context_;
  const connection_settings& settings_;
  over_handler over_;
  amqp::connection engine_;
  peer peer_;
  std::shared_ptr<engine_pump> pump_;
  drivers::loop::timer_id limit_timer_ = 0;
  drivers::loop::timer_id tick_timer_ = 0;
  std::size_t unwritten_ = 0;  ///< at the last look
  bool held_ = false;
  state state_ = state::handshake;
};

}  // namespace ombt::tools::router
