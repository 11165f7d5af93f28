// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is behind a channel (drivers/channel.hpp, with its states): reaches the peer and proves who
// is who, or takes a stream whose peer has been proven; then frames. Lives on behind a channel that
// is destroyed after finish(). One thread.

#include "wire/control/frames.hpp"

#include "drivers/channel.hpp"
#include "drivers/io/connector.hpp"
#include "drivers/io/context.hpp"
#include "drivers/io/handshake.hpp"
#include "drivers/io/pump.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ombt::drivers::direct {

class connection final : public std::enable_shared_from_this<connection>, private timer_target {
 public:
  connection(io::context& on, channel& face, const channel_limits& limits);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  void connect(const direct_place& to, std::string_view process,
               std::shared_ptr<const token> secret);
  /// A peer's that has been proven.
  void accept(std::unique_ptr<io::stream> from, std::string peer);

  void set_handler(channel_handler& handler) { handler_ = &handler; }
  void send(std::string_view frame);
  std::size_t unsent() const noexcept { return out_.size() - written_; }
  void finish();
  void close();
  /// The channel is gone.
  void abandon();
  const std::string& peer() const noexcept { return peer_; }

  // The pump's engine and owner.
  std::span<char> read_buffer() { return splitter_.read_buffer(); }
  void read_done(std::size_t n, time_point now);
  std::span<const char> write_buffer() const { return std::span(out_).subspan(written_); }
  void write_done(std::size_t n, time_point now);
  void transport_closed(error_code why);
  void on_bytes();
  void on_written();

 private:
  enum class state : std::uint8_t { opening, open, finishing, closed };
  using engine_pump = io::pump<connection, connection>;

  void connect_local();
  void reached(std::unique_ptr<io::stream> stream);
  void secured(std::unique_ptr<io::stream> stream, error_code error);
  void opened(std::unique_ptr<io::stream> stream);
  void start(std::unique_ptr<io::stream> stream);
  void over(error_code error, std::string detail);
  void drop();
  void set_timer(duration after, std::uint64_t tag);
  void on_timer(std::uint64_t tag) override;

  io::context& context_;
  channel* face_;  ///< null once it is gone
  channel_handler* handler_ = nullptr;
  channel_limits limits_;
  state state_ = state::opening;
  direct_place to_;
  std::string route_;
  std::shared_ptr<const token> secret_;
  std::string peer_;
  std::weak_ptr<io::connector> connector_;
  std::weak_ptr<io::handshake> handshake_;
  std::shared_ptr<engine_pump> pump_;
  wire::control::frame_splitter splitter_;
  std::string out_;
  std::size_t written_ = 0;  ///< of out_
  error_code ended_;
  bool first_ = true;  ///< no frame has come yet
  bool overrun_ = false;
  loop::timer_id limit_timer_ = 0;
  loop::timer_id retry_timer_ = 0;
};

/// A channel of a peer that has been proven; its handler is set before the loop goes on.
std::unique_ptr<channel> accept_channel(io::context& on, std::unique_ptr<io::stream> from,
                                        std::string peer, const channel_limits& limits);

}  // namespace ombt::drivers::direct
