// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp091/connection.hpp"

#include "wire/amqp091/engine.hpp"

#include <utility>

namespace ombt::wire::amqp091 {

struct thread_memory::state : thread_scratch {};

thread_memory::thread_memory() : state_(std::make_unique<state>()) {}
thread_memory::~thread_memory() = default;

struct connection::state : engine {
  using engine::engine;
};

connection::connection(const connection_options& options, thread_memory& memory, std::string name,
                       std::string user, std::string password, time_point now)
    : state_(std::make_unique<state>(options, *memory.state_, std::move(name), std::move(user),
                                     std::move(password), now)) {}
connection::~connection() = default;

std::span<char> connection::read_buffer() { return state_->read_buffer(); }
void connection::read_done(std::size_t n, time_point now) { state_->read_done(n, now); }
std::span<const char> connection::write_buffer() const { return state_->write_buffer(); }
void connection::write_done(std::size_t n, time_point now) { state_->write_done(n, now); }
std::size_t connection::unsent() const noexcept { return state_->write_buffer().size(); }
void connection::transport_closed(error_code why) { state_->transport_closed(why); }
bool connection::is_closed() const noexcept { return state_->is_closed(); }
time_point connection::next_deadline() const noexcept { return state_->next_deadline(); }
void connection::tick(time_point now) { state_->tick(now); }
void connection::excuse_silence(time_point now) { state_->excuse_silence(now); }
bool connection::next_event(any_event& out) { return state_->next_event(out); }

void connection::open_channel(channel_id channel) { state_->open_channel(channel); }
void connection::close_channel(channel_id channel) { state_->close_channel(channel); }
void connection::exchange_declare(channel_id channel, std::string_view name, std::string_view type,
                                  bool durable, bool auto_delete) {
  state_->exchange_declare(channel, name, type, durable, auto_delete);
}
void connection::exchange_delete(channel_id channel, std::string_view name, bool if_unused) {
  state_->exchange_delete(channel, name, if_unused);
}
void connection::queue_declare(channel_id channel, std::string_view name, bool durable,
                               bool auto_delete, arguments args) {
  state_->queue_declare(channel, name, durable, auto_delete, args);
}
void connection::queue_bind(channel_id channel, std::string_view queue, std::string_view exchange,
                            std::string_view routing_key) {
  state_->queue_bind(channel, queue, exchange, routing_key);
}
void connection::queue_delete(channel_id channel, std::string_view name, bool if_unused,
                              bool if_empty) {
  state_->queue_delete(channel, name, if_unused, if_empty);
}
void connection::basic_qos(channel_id channel, std::uint16_t prefetch_count) {
  state_->basic_qos(channel, prefetch_count);
}
void connection::basic_consume(channel_id channel, std::string_view queue,
                               std::string_view consumer_tag, arguments args) {
  state_->basic_consume(channel, queue, consumer_tag, args);
}
void connection::basic_cancel(channel_id channel, std::string_view consumer_tag) {
  state_->basic_cancel(channel, consumer_tag);
}
void connection::confirm_select(channel_id channel) { state_->confirm_select(channel); }
std::uint64_t connection::publish(channel_id channel, std::string_view exchange,
                                  std::string_view routing_key, bool mandatory,
                                  const properties& header, std::string_view body) {
  return state_->publish(channel, exchange, routing_key, mandatory, header, body);
}
void connection::ack(channel_id channel, std::uint64_t delivery_tag, bool multiple) {
  state_->ack(channel, delivery_tag, multiple);
}
void connection::reject(channel_id channel, std::uint64_t delivery_tag, bool requeue) {
  state_->reject(channel, delivery_tag, requeue);
}
void connection::close(std::uint16_t code, std::string_view text) { state_->close(code, text); }

}  // namespace ombt::wire::amqp091
