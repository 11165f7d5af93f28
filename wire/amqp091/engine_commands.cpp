// SPDX-License-Identifier: Apache-2.0
// What the owner of a connection asks the broker for.
#include "wire/amqp091/engine.hpp"

#include <cstring>
#include <limits>
#include <utility>

namespace ombt::wire::amqp091 {
namespace {

/// Arguments as rabbitmq-c encodes them; views must outlive it.
class argument_table {
 public:
  explicit argument_table(arguments args) {
    entries_.reserve(args.size());
    for (const argument& one : args) {
      amqp_table_entry_t entry{};
      entry.key = to_bytes(one.name);
      bound_ += one.name.size() + 16;
      if (const auto* flag = std::get_if<bool>(&one.value)) {
        entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
        entry.value.value.boolean = *flag;
      } else if (const auto* number = std::get_if<std::int64_t>(&one.value)) {
        if (*number >= std::numeric_limits<std::int32_t>::min() &&
            *number <= std::numeric_limits<std::int32_t>::max()) {
          entry.value.kind = AMQP_FIELD_KIND_I32;
          entry.value.value.i32 = static_cast<std::int32_t>(*number);
        } else {
          entry.value.kind = AMQP_FIELD_KIND_I64;
          entry.value.value.i64 = *number;
        }
      } else {
        const auto text = std::get<std::string_view>(one.value);
        entry.value.kind = AMQP_FIELD_KIND_UTF8;
        entry.value.value.bytes = to_bytes(text);
        bound_ += text.size();
      }
      entries_.push_back(entry);
    }
  }
  amqp_table_t table() noexcept { return {static_cast<int>(entries_.size()), entries_.data()}; }
  std::size_t bound() const noexcept { return bound_; }

 private:
  std::vector<amqp_table_entry_t> entries_;
  std::size_t bound_ = 16;
};

/// What fixed fields and the lengths of short strings take at most.
constexpr std::size_t fixed_fields = 32;

}  // namespace

bool engine::send(channel_id id, amqp_method_number_t method, void* values, std::size_t bound) {
  return codec::write_method(out_, id, method, values, bound, frame_max_);
}

void engine::command(channel_id id, event::command what, amqp_method_number_t method, void* values,
                     std::size_t bound) {
  channel* const on = find_open(id);
  if (on == nullptr) return;
  if (send(id, method, values, bound + fixed_fields)) {
    on->expected.push(what);
  } else {
    begin_close(id, *on, AMQP_SYNTAX_ERROR, "a name above 255 bytes or arguments above a frame");
  }
}

void engine::open_channel(channel_id id) {
  if (phase_ != phase::open || id == 0 || id > channel_max_) return;
  if (id > channels_.size()) channels_.resize(id);
  channel& on = channels_[id - 1];
  if (on.phase != channel_phase::closed) return;
  amqp_channel_open_t open{amqp_empty_bytes};
  send(id, AMQP_CHANNEL_OPEN_METHOD, &open, fixed_fields);
  on.phase = channel_phase::opening;
}

void engine::close_channel(channel_id id) {
  if (channel* const on = find_open(id)) begin_close(id, *on, 0, "");
}

void engine::begin_close(channel_id id, channel& on, std::uint16_t code, const char* text) {
  drop_content(id, on);
  on.expected.clear();
  on.phase = channel_phase::closing;
  on.close_code = code;
  on.close_text = text;
  amqp_channel_close_t close{};
  close.reply_code = code;  // 0 when asked to, as py-amqp
  close.reply_text = amqp_cstring_bytes(text);
  send(id, AMQP_CHANNEL_CLOSE_METHOD, &close, std::strlen(text) + fixed_fields);
}

void engine::exchange_declare(channel_id id, std::string_view name, std::string_view type,
                              bool durable, bool auto_delete) {
  amqp_exchange_declare_t method{};
  method.exchange = to_bytes(name);
  method.type = to_bytes(type);
  method.durable = durable;
  method.auto_delete = auto_delete;
  command(id, event::command::exchange_declare, AMQP_EXCHANGE_DECLARE_METHOD, &method,
          name.size() + type.size());
}

void engine::exchange_delete(channel_id id, std::string_view name, bool if_unused) {
  amqp_exchange_delete_t method{};
  method.exchange = to_bytes(name);
  method.if_unused = if_unused;
  command(id, event::command::exchange_delete, AMQP_EXCHANGE_DELETE_METHOD, &method, name.size());
}

void engine::queue_declare(channel_id id, std::string_view name, bool durable, bool auto_delete,
                           arguments args) {
  argument_table table(args);
  amqp_queue_declare_t method{};
  method.queue = to_bytes(name);
  method.durable = durable;
  method.auto_delete = auto_delete;
  method.arguments = table.table();
  command(id, event::command::queue_declare, AMQP_QUEUE_DECLARE_METHOD, &method,
          name.size() + table.bound());
}

void engine::queue_bind(channel_id id, std::string_view queue, std::string_view exchange,
                        std::string_view routing_key) {
  amqp_queue_bind_t method{};
  method.queue = to_bytes(queue);
  method.exchange = to_bytes(exchange);
  method.routing_key = to_bytes(routing_key);
  command(id, event::command::queue_bind, AMQP_QUEUE_BIND_METHOD, &method,
          queue.size() + exchange.size() + routing_key.size());
}

void engine::queue_delete(channel_id id, std::string_view name, bool if_unused, bool if_empty) {
  amqp_queue_delete_t method{};
  method.queue = to_bytes(name);
  method.if_unused = if_unused;
  method.if_empty = if_empty;
  command(id, event::command::queue_delete, AMQP_QUEUE_DELETE_METHOD, &method, name.size());
}

void engine::basic_qos(channel_id id, std::uint16_t prefetch_count) {
  amqp_basic_qos_t method{};
  method.prefetch_count = prefetch_count;
  command(id, event::command::basic_qos, AMQP_BASIC_QOS_METHOD, &method, 0);
}

void engine::basic_consume(channel_id id, std::string_view queue, std::string_view consumer_tag,
                           arguments args) {
  argument_table table(args);
  amqp_basic_consume_t method{};
  method.queue = to_bytes(queue);
  method.consumer_tag = to_bytes(consumer_tag);
  method.arguments = table.table();
  command(id, event::command::basic_consume, AMQP_BASIC_CONSUME_METHOD, &method,
          queue.size() + consumer_tag.size() + table.bound());
}

void engine::basic_cancel(channel_id id, std::string_view consumer_tag) {
  amqp_basic_cancel_t method{};
  method.consumer_tag = to_bytes(consumer_tag);
  command(id, event::command::basic_cancel, AMQP_BASIC_CANCEL_METHOD, &method, consumer_tag.size());
}

void engine::confirm_select(channel_id id) {
  amqp_confirm_select_t method{};
  command(id, event::command::confirm_select, AMQP_CONFIRM_SELECT_METHOD, &method, 0);
  if (channel* const on = find_open(id)) on->confirming = true;
}

std::uint64_t engine::publish(channel_id id, std::string_view exchange,
                              std::string_view routing_key, bool mandatory,
                              const properties& header, std::string_view body) {
  channel* const on = find_open(id);
  if (on == nullptr ||
      !codec::write_publish(out_, id, exchange, routing_key, mandatory, header, body, frame_max_)) {
    return 0;
  }
  return on->confirming ? ++on->published : 0;
}

void engine::ack(channel_id id, std::uint64_t tag, bool multiple) {
  if (find_open(id) != nullptr) codec::write_ack(out_, id, tag, multiple);
}

void engine::reject(channel_id id, std::uint64_t tag, bool requeue) {
  if (find_open(id) == nullptr) return;
  amqp_basic_reject_t method{tag, requeue};
  send(id, AMQP_BASIC_REJECT_METHOD, &method, fixed_fields);
}

void engine::close(std::uint16_t code, std::string_view text) {
  if (phase_ == phase::open) {
    send_connection_close(code, text);
    phase_ = phase::closing;
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      drop_content(static_cast<channel_id>(i + 1), channels_[i]);
    }
  } else if (phase_ < phase::open) {
    out_.clear();
    end(event::closed::cause::requested, {}, 0, {});
  }
}

void engine::send_connection_close(std::uint16_t code, std::string_view text) {
  constexpr std::size_t short_string_max = 255;
  amqp_connection_close_t close{};
  close.reply_code = code;
  close.reply_text = to_bytes(text.substr(0, short_string_max));
  send(0, AMQP_CONNECTION_CLOSE_METHOD, &close, close.reply_text.len + fixed_fields);
}

}  // namespace ombt::wire::amqp091
