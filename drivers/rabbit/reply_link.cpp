// SPDX-License-Identifier: Apache-2.0
#include "drivers/rabbit/reply_link.hpp"

#include "wire/oslo/messages.hpp"

namespace ombt::drivers::rabbit {

reply_link::reply_link(io::context& in, std::shared_ptr<const settings> with,
                       std::shared_ptr<connection> on, reply_sink& sink)
    : context_(in),
      settings_(std::move(with)),
      connection_(std::move(on)),
      sink_(sink),
      queue_("reply_" + std::string(wire::oslo::view(wire::oslo::make_hex_id()))),
      channel_(connection_->add(*this)) {}

reply_link::~reply_link() {
  context_.cancel_timer(timer_);
  connection_->remove(channel_);
}

void reply_link::delete_queue() {
  if (connection_->is_up(channel_)) {
    connection_->commands().queue_delete(channel_, queue_, false, false);
  }
}

// --- the channel ------------------------------------------------------------------------------

void reply_link::need() {
  if (!closed_) return connection_->need(channel_);
  open_at(closed_at_ + reopen_gaps::shortest);
}

/// Opens the closed channel then, if not before.
void reply_link::open_at(time_point when) {
  if (timer_ != 0 && opens_at_ <= when) return;
  context_.cancel_timer(timer_);
  opens_at_ = when;
  timer_ = context_.start_timer(when, *this, 0);
}

void reply_link::on_timer(std::uint64_t) {
  timer_ = 0;
  closed_ = false;
  connection_->reopen(channel_);
}

/// The connection opens its channels itself when it is back.
void reply_link::leave_closed() {
  closed_ = false;
  context_.cancel_timer(std::exchange(timer_, 0));
}

void reply_link::on_up() {
  leave_closed();
  auto& c = connection_->commands();
  const int prefetch = settings_->options().rabbit_qos_prefetch_count;
  if (prefetch > 0) c.basic_qos(channel_, static_cast<std::uint16_t>(prefetch));
  c.queue_declare(channel_, queue_, false, false, settings_->transient_arguments);
  c.basic_consume(channel_, queue_, "1", settings_->consumer_arguments);
}

void reply_link::on_completed(amqp::event::command what) {
  if (what != amqp::event::command::basic_consume) return;
  ready_ = is_up_ = ever_up_ = true;
  gaps_.up(steady_clock::now());
  sink_.on_reply_queue();
}

void reply_link::on_delivered(const amqp::event::delivered& e) {
  if (!sink_.read_reply(e)) return connection_->commands().reject(channel_, e.delivery_tag, false);
  connection_->commands().ack(channel_, e.delivery_tag, false);
  sink_.on_reply();
}

void reply_link::on_oversized(const amqp::event::oversized& e) {
  connection_->commands().reject(channel_, e.delivery_tag, false);
  sink_.on_unread_reply();
}

void reply_link::on_cancelled(const amqp::event::cancelled&) {
  // The queue was deleted or its node is gone: a new connection after kombu_reconnect_delay.
  const std::chrono::duration<double> delay(settings_->options().kombu_reconnect_delay);
  connection_->restart(std::chrono::duration_cast<duration>(delay),
                       "the broker cancelled the reply consumer");
}

void reply_link::on_down(const trouble& why) {
  const bool was_up = std::exchange(is_up_, false);
  if (why.what != trouble::scope::channel) {
    leave_closed();
  } else {
    closed_ = true;
    closed_at_ = steady_clock::now();
    if (!was_up) ready_ = false;
    if (ever_up_) open_at(closed_at_ + gaps_.closed(closed_at_));
  }
  sink_.on_reply_trouble(why);  // may end this link
}

}  // namespace ombt::drivers::rabbit
