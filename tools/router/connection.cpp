// SPDX-License-Identifier: Apache-2.0
#include "tools/router/connection.hpp"

#include <algorithm>
#include <utility>

namespace ombt::tools::router {
namespace {

using drivers::steady_clock;

constexpr auto closing_time = std::chrono::seconds(2);
/// Bytes that wait for a socket before its peer is not read any more: it does not read either.
constexpr std::size_t most_unwritten = std::size_t{8} << 20;
/// Senders on this connection go on below this.
constexpr std::size_t little_unwritten = std::size_t{1} << 20;

enum timer_tag : std::uint64_t { limit_timer, tick_timer };

}  // namespace

connection::connection(drivers::io::context& on, core& router, const connection_settings& with,
                       std::unique_ptr<drivers::io::stream> stream, std::string from,
                       over_handler over)
    : context_(on),
      settings_(with),
      over_(std::move(over)),
      engine_(with.engine, with.container, {}, {}, false, steady_clock::now()),
      peer_(router, *this, with.limits),
      pump_(std::make_shared<engine_pump>(on, std::move(stream), *this, *this)) {
  peer_.address = std::move(from);
  peer_.since =
      std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now().time_since_epoch())
          .count();
}

connection::~connection() {
  context_.cancel_timer(limit_timer_);
  context_.cancel_timer(tick_timer_);
  pump_->close();
}

void connection::start() {
  set_limit(settings_.handshake_time);
  pump_->start();
}

void connection::close(std::string_view condition, std::string_view description) {
  if (state_ == state::over) return;
  engine_.close(condition, description);
  on_bytes();
  wake();
}

void connection::abandon() {
  over_ = nullptr;
  finish();
}

// ---- Bytes
// ---------------------------------------------------------------------------------------

std::span<const char> connection::write_buffer() {
  const auto bytes = engine_.write_buffer();
  unwritten_ = bytes.size();
  if (unwritten_ > most_unwritten) pump_->pause();
  return bytes;
}

void connection::write_done(std::size_t n, drivers::time_point now) {
  engine_.write_done(n, now);
  unwritten_ -= std::min(n, unwritten_);
  if (state_ == state::closing) {
    if (engine_.is_closed() && unwritten_ == 0) finish();
    return;
  }
  if (unwritten_ >= little_unwritten) return;
  peer_.on_writable();
  if (pump_->is_paused() && !held_) pump_->resume();
}

void connection::hold(bool now) {
  held_ = now;
  if (held_) return pump_->pause();
  if (unwritten_ <= most_unwritten) pump_->resume();
}

void connection::on_bytes() {
  if (state_ == state::over) return;
  engine_.drain(peer_);
  if (state_ != state::over) pump_->wake();
}

void connection::wake() { pump_->wake(); }

// ---- Time and the end
// ----------------------------------------------------------------------------

void connection::set_limit(drivers::duration after) {
  context_.cancel_timer(limit_timer_);
  limit_timer_ = context_.start_timer(steady_clock::now() + after, *this, limit_timer);
}

void connection::arm_tick() {
  context_.cancel_timer(tick_timer_);
  const drivers::time_point next = engine_.next_deadline();
  if (next == drivers::time_point::max()) return;
  tick_timer_ = context_.start_timer(next, *this, tick_timer);
}

void connection::on_timer(std::uint64_t tag) {
  const auto keep = shared_from_this();
  if (tag == limit_timer) {
    limit_timer_ = 0;
    return finish();
  }
  tick_timer_ = 0;
  if (state_ == state::over) return;
  engine_.tick(steady_clock::now());
  on_bytes();
  if (state_ < state::closing) arm_tick();
}

void connection::on_opened() {
  state_ = state::open;
  context_.cancel_timer(std::exchange(limit_timer_, 0));
  peer_.mechanism = engine_.mechanism();
  arm_tick();
}

void connection::on_closed(const amqp::event::closed&) {
  state_ = state::closing;
  context_.cancel_timer(std::exchange(tick_timer_, 0));
  set_limit(closing_time);
  // What is left to say (the answer to a close, an error) is written before the socket is closed.
  if (engine_.write_buffer().empty()) return finish();
  pump_->wake();
}

void connection::finish() {
  if (std::exchange(state_, state::over) == state::over) return;
  context_.cancel_timer(std::exchange(limit_timer_, 0));
  context_.cancel_timer(std::exchange(tick_timer_, 0));
  pump_->close();
  if (over_) over_(*this);
}

}  // namespace ombt::tools::router
