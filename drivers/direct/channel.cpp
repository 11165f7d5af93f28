// SPDX-License-Identifier: Apache-2.0
#include "drivers/channel.hpp"

#include "drivers/direct/connection.hpp"

#include <utility>

namespace ombt::drivers {
namespace {

class direct_channel final : public channel {
 public:
  direct_channel(io::context& on, const channel_limits& limits)
      : its_(std::make_shared<direct::connection>(on, *this, limits)) {}
  ~direct_channel() override { its_->abandon(); }

  void set_handler(channel_handler& handler) override { its_->set_handler(handler); }
  void send(std::string_view frame) override { its_->send(frame); }
  std::size_t unsent() const noexcept override { return its_->unsent(); }
  void finish() override { its_->finish(); }
  void close() override { its_->close(); }
  const std::string& peer() const noexcept override { return its_->peer(); }

  direct::connection& its() noexcept { return *its_; }

 private:
  std::shared_ptr<direct::connection> its_;
};

}  // namespace

std::unique_ptr<channel> connect_channel(loop& on, const direct_place& to, std::string_view process,
                                         std::shared_ptr<const token> secret,
                                         channel_handler& handler, const channel_limits& limits) {
  auto made = std::make_unique<direct_channel>(on.context(), limits);
  made->set_handler(handler);
  made->its().connect(to, process, std::move(secret));
  return made;
}

std::unique_ptr<channel> direct::accept_channel(io::context& on, std::unique_ptr<io::stream> from,
                                                std::string peer, const channel_limits& limits) {
  auto made = std::make_unique<direct_channel>(on, limits);
  made->its().accept(std::move(from), std::move(peer));
  return made;
}

}  // namespace ombt::drivers
