// SPDX-License-Identifier: Apache-2.0
#include "drivers/loop.hpp"

#include "drivers/io/context.hpp"

#include <boost/asio/post.hpp>

namespace ombt::drivers {

loop::loop() : context_(std::make_unique<io::context>()) {}
loop::~loop() = default;

void loop::run() {
  context_->asio().restart();
  context_->asio().run();
}

bool loop::run_for(duration limit) {
  context_->asio().restart();
  context_->asio().run_for(limit);
  return context_->asio().stopped();
}

void loop::stop() { context_->asio().stop(); }

void loop::post(std::function<void()> work) { io::asio::post(context_->asio(), std::move(work)); }

void loop::on_termination(std::function<void(int)> handler) {
  context_->on_termination(std::move(handler));
}

loop::timer_id loop::start_timer(time_point when, timer_target& target, std::uint64_t tag) {
  return context_->start_timer(when, target, tag);
}

void loop::cancel_timer(timer_id id) { context_->cancel_timer(id); }

}  // namespace ombt::drivers
