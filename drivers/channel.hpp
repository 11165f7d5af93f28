// SPDX-License-Identifier: Apache-2.0
#pragma once
// The direct control plane's connections: whole frames (wire/control/frames.hpp) between a
// controller and a process of agents, over a Unix socket or over TLS 1.3 with a key that both have
// (token.hpp). Who is at the other end is known before the first frame. One thread, its loop's.
//
// state        event                              what happens                       next state
// opening      connected, proven (5 s, 4 KiB)     on_open                            open
//              refused, silent, foreign           on_closed                          closed
// open         a frame                            on_frame                           open
//              peer ended, broke, a bad frame,    on_closed                          closed
//              64 MiB that it does not read
//              finish()                           what is queued is written          finishing
// finishing    written, and the peer ended;       no event                           closed
//              5 s
// any          close(), destroyed (but for one    no event                           closed
//              that is finishing, which goes on)

#include "wire/error.hpp"

#include "drivers/loop.hpp"
#include "drivers/token.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ombt::drivers {

class channel;

/// Told what happens to channels. A channel may be destroyed in any of these.
class channel_handler {
 public:
  /// It may be sent to from now on; of accepted ones not called: they come open.
  virtual void on_open(channel& which) = 0;
  /// A whole frame's text, valid in the call only.
  virtual void on_frame(channel& from, std::string_view frame) = 0;
  /// It is over, not by close(); `detail` is one line, empty where the peer just ended it.
  ///   authentication_failed  another token, or another user's process
  ///   wrong_protocol         it speaks something else
  ///   messaging_timeout      it did not answer in the time for opening
  ///   connection_lost        it ended, with a detail where in the middle of a frame
  ///   protocol_error, limit_exceeded
  ///   the kernel's           a host or socket that is not there, refuses, or is lost
  virtual void on_closed(channel& which, error_code error, std::string_view detail) = 0;
  /// All that waited has been written: for who has more than unsent_limit to say.
  virtual void on_written(channel&) {}

 protected:
  ~channel_handler() = default;
};

class channel {
 public:
  /// Most bytes that may wait for a peer when one more frame is sent.
  static constexpr std::size_t unsent_limit = std::size_t{64} << 20;
  /// Longest frame of a peer that has proven who it is, bytes.
  static constexpr std::size_t frame_limit = std::size_t{96} << 20;
  /// Longest first frame of who connected.
  static constexpr std::size_t first_frame_limit = 4096;
  static constexpr duration opening_limit = std::chrono::seconds{5};

  virtual ~channel() = default;
  channel() = default;
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;

  /// Who is told; before the loop goes on, for an accepted one.
  virtual void set_handler(channel_handler& handler) = 0;
  /// Queues a frame with this text; written at the end of the turn. Nothing once it is closed.
  virtual void send(std::string_view frame) = 0;
  /// Bytes that wait.
  virtual std::size_t unsent() const noexcept = 0;
  /// Ends it when what is queued has been written; no event follows. It may be destroyed at once.
  /// Before it is open: as close().
  virtual void finish() = 0;
  virtual void close() = 0;
  /// "10.0.0.3:41234", or "process 4711": for messages. Of one that we opened: "host:port", or the
  /// path of the socket.
  virtual const std::string& peer() const noexcept = 0;
};

/// Where agents are reached.
struct direct_place {
  std::string host;  ///< empty: `socket` counts
  std::uint16_t port = 0;
  std::string socket;  ///< path of a Unix socket
};

struct channel_limits {
  duration opening = channel::opening_limit;
  std::size_t unsent = channel::unsent_limit;
  std::size_t frame = channel::frame_limit;
};

/// Connects to the agents' process of that key (wire/control/direct.hpp), empty: to whoever owns
/// the port. The secret is for TCP, and may be empty for a Unix socket, whose peer must be a
/// process of this user or root.
std::unique_ptr<channel> connect_channel(loop& on, const direct_place& to, std::string_view process,
                                         std::shared_ptr<const token> secret,
                                         channel_handler& handler,
                                         const channel_limits& limits = {});

}  // namespace ombt::drivers
