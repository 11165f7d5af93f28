// SPDX-License-Identifier: Apache-2.0
#pragma once
// Turns connections for this process, behind their route, into channels: over a Unix socket the
// peer's uid is looked at, over TCP it has to have the token. Who is not proven in time, or does
// wrong, is closed without a word. One thread.

#include "drivers/channel.hpp"
#include "drivers/direct/pending_peers.hpp"
#include "drivers/io/stream.hpp"

#include <functional>
#include <memory>
#include <string>

namespace ombt::drivers::direct {

class reception final : public std::enable_shared_from_this<reception> {
 public:
  using handler = std::function<void(std::unique_ptr<channel>)>;

  /// room: as pending_peers.
  reception(io::context& on, std::shared_ptr<const token> secret, std::size_t most,
            const channel_limits& limits, std::function<void()> room);

  /// Those that are not proven yet, wherever they are in this process.
  pending_peers& pending() noexcept { return pending_; }
  /// Gives the channel to `done`, maybe at once, or closes the stream. It is among pending()
  /// meanwhile, where pending().has_room() is the caller's to ask.
  void take(std::unique_ptr<io::stream> from, std::string peer, handler done);
  /// Gives nobody a channel any more.
  void close() { closed_ = true; }

 private:
  void prove(std::unique_ptr<io::stream> from, std::string peer, handler done);

  io::context& context_;
  std::shared_ptr<const token> secret_;
  channel_limits limits_;
  pending_peers pending_;
  bool closed_ = false;
};

}  // namespace ombt::drivers::direct
