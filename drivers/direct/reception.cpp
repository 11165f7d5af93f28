// SPDX-License-Identifier: Apache-2.0
#include "drivers/direct/reception.hpp"

#include "drivers/direct/connection.hpp"
#include "drivers/io/handshake.hpp"
#include "drivers/io/peer.hpp"
#include "drivers/token.hpp"

#include <utility>

namespace ombt::drivers::direct {

reception::reception(io::context& on, std::shared_ptr<const token> secret, std::size_t most,
                     const channel_limits& limits, std::function<void()> room)
    : context_(on),
      secret_(std::move(secret)),
      limits_(limits),
      pending_(on, most, limits.opening, std::move(room)) {}

void reception::take(std::unique_ptr<io::stream> from, std::string peer, handler done) {
  if (closed_) return;
  if (!io::is_local(*from)) return prove(std::move(from), std::move(peer), std::move(done));
  const auto who = io::peer_of(*from);
  if (!who || !who->is_friend()) return;
  done(accept_channel(context_, std::move(from), std::move(peer), limits_));
}

void reception::prove(std::unique_ptr<io::stream> from, std::string peer, handler done) {
  if (!secret_) return;
  io::watch_peer(*from);
  from->start_tls(secret_->tls(), true);
  const auto its = std::make_shared<io::handshake>(std::move(from));
  const auto place = pending_.enter([weak = std::weak_ptr(its)] {
    if (const auto late = weak.lock()) late->cancel();
  });
  its->start([self = shared_from_this(), place, peer = std::move(peer), done = std::move(done)](
                 std::unique_ptr<io::stream> proven, const error_code& error) mutable {
    self->pending_.leave(place);
    if (error || self->closed_) return;
    done(accept_channel(self->context_, std::move(proven), std::move(peer), self->limits_));
  });
}

}  // namespace ombt::drivers::direct
