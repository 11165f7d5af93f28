// SPDX-License-Identifier: Apache-2.0
#include "drivers/rabbit/reply_link.hpp"

#include "wire/oslo/messages.hpp"

namespace ombt::drivers::rabbit {

reply_link::reply_link(std::shared_ptr<const settings> with, std::shared_ptr<connection> on,
                       reply_sink& sink)
    : settings_(std::move(with)),
      connection_(std::move(on)),
      sink_(sink),
      queue_("reply_" + std::string(wire::oslo::view(wire::oslo::make_hex_id()))),
      channel_(connection_->add(*this)) {}

reply_link::~reply_link() { connection_->remove(channel_); }

void reply_link::delete_queue() {
  if (connection_->is_up(channel_)) {
    connection_->commands().queue_delete(channel_, queue_, false, false);
  }
}

void reply_link::on_up() {
  auto& c = connection_->commands();
  const int prefetch = settings_->options().rabbit_qos_prefetch_count;
  if (prefetch > 0) c.basic_qos(channel_, static_cast<std::uint16_t>(prefetch));
  c.queue_declare(channel_, queue_, false, false, settings_->transient_arguments);
  c.basic_consume(channel_, queue_, "1", settings_->consumer_arguments);
}

void reply_link::on_completed(amqp::event::command what) {
  if (what != amqp::event::command::basic_consume) return;
  ready_ = true;
  sink_.on_reply_queue();
}

void reply_link::on_delivered(const amqp::event::delivered& e) {
  if (!sink_.read_reply(e)) return connection_->commands().reject(channel_, e.delivery_tag, false);
  connection_->commands().ack(channel_, e.delivery_tag, false);
  sink_.on_reply();
}

void reply_link::on_cancelled(const amqp::event::cancelled&) {
  // The queue was deleted or its node is gone: a new connection after kombu_reconnect_delay.
  const std::chrono::duration<double> delay(settings_->options().kombu_reconnect_delay);
  connection_->restart(std::chrono::duration_cast<duration>(delay),
                       "the broker cancelled the reply consumer");
}

void reply_link::on_down(const trouble& why) {
  if (why.what == trouble::scope::channel) connection_->reopen(channel_);
  sink_.on_reply_trouble(why);
}

}  // namespace ombt::drivers::rabbit
