// SPDX-License-Identifier: Apache-2.0
// What the broker's methods do to a connection and its channels.
#include "wire/amqp091/bytes.hpp"
#include "wire/amqp091/engine.hpp"

#include <utility>

namespace ombt::wire::amqp091 {
namespace {

/// Answers to channel.flow and basic.cancel that may wait unsent: a peer that asks for ever and
/// reads nothing must not fill our memory.
constexpr std::uint16_t most_unsent_answers = 1000;

std::string name_method(const char* what, amqp_method_number_t id) {
  const char* const name = amqp_method_name(id);
  std::string text(what);
  text += " (";
  if (name != nullptr) {
    text += name;
  } else {
    text += "class " + std::to_string(id >> 16) + ", method " + std::to_string(id & 0xffff);
  }
  return text + ")";
}

}  // namespace

bool engine::on_method(const frame& f, any_event& out) {
  if (f.channel != 0) {
    if (phase_ == phase::closing) return false;
    if (phase_ != phase::open) {
      breach(AMQP_UNEXPECTED_FRAME, "a method of a channel during the handshake");
      return false;
    }
    return on_channel_method(f.channel, f.payload, out);
  }
  if (phase_ == phase::closing) {
    const amqp_method_number_t id = f.payload.size() < 4 ? 0 : read_u32(f.payload.data());
    if (id == AMQP_CONNECTION_CLOSE_METHOD) {
      amqp_connection_close_ok_t ok{};
      send(0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok, 0);
    } else if (id != AMQP_CONNECTION_CLOSE_OK_METHOD) {
      return false;
    }
    end(event::closed::cause::requested, {}, 0, {});
    return false;
  }
  const decoded_method method = memory_.code.decode_method(f.payload);
  if (method.refusal != 0) {
    breach(method.refusal, name_method(method.why, method.id));
    return false;
  }
  return on_connection_method(method, out);
}

bool engine::on_connection_method(const decoded_method& method, any_event& out) {
  const auto in = [this](phase expected) { return phase_ == expected; };
  switch (method.id) {
    case AMQP_CONNECTION_START_METHOD:
      if (in(phase::start)) return on_start(method.as<amqp_connection_start_t>());
      break;
    case AMQP_CONNECTION_SECURE_METHOD:
      if (!in(phase::tune)) break;
      fail(event::closed::cause::protocol, errc::authentication_failed, AMQP_ACCESS_REFUSED,
           "the broker asks for a second login step (connection.secure), which " +
               std::string(name_of(options_.mechanism)) + " does not have");
      return false;
    case AMQP_CONNECTION_TUNE_METHOD:
      if (in(phase::tune)) return on_tune(method.as<amqp_connection_tune_t>());
      break;
    case AMQP_CONNECTION_OPEN_OK_METHOD:
      if (!in(phase::open_ok)) break;
      phase_ = phase::open;
      out = event::opened{handshake_->product, handshake_->product_version, channel_max_,
                          frame_max_, heartbeat_};
      return true;
    case AMQP_CONNECTION_CLOSE_METHOD:
      return on_connection_close(method.as<amqp_connection_close_t>());
    case AMQP_CONNECTION_BLOCKED_METHOD:
      if (!in(phase::open)) break;
      out = event::blocked{to_view(method.as<amqp_connection_blocked_t>().reason)};
      return true;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
      if (!in(phase::open)) break;
      out = event::unblocked{};
      return true;
    default:
      break;
  }
  breach(AMQP_COMMAND_INVALID, name_method("an unexpected method on channel 0", method.id));
  return false;
}

bool engine::on_start(const amqp_connection_start_t& start) {
  if (start.version_major != 0 || start.version_minor != 9) {
    end(event::closed::cause::protocol, errc::wrong_protocol, 0,
        "the peer speaks AMQP " + amqp_version(start.version_major, start.version_minor) +
            ", not AMQP 0-9-1");
    return false;
  }
  const std::string_view wanted = name_of(options_.mechanism);
  const std::string_view offered = to_view(start.mechanisms);
  if (!offers(offered, wanted)) {
    end(event::closed::cause::protocol, errc::authentication_failed, 0,
        "the broker does not offer the login mechanism " + std::string(wanted) +
            " (it offers: " + printable(offered) + ")");
    return false;
  }
  handshake_->product = find_string(start.server_properties, "product");
  handshake_->product_version = find_string(start.server_properties, "version");
  if (!write_start_ok(out_, options_, *handshake_)) {
    end(event::closed::cause::protocol, errc::authentication_failed, 0,
        "the login is too long for a frame of 4096 bytes");
    return false;
  }
  handshake_->forget_login();
  phase_ = phase::tune;
  return false;
}

bool engine::on_tune(const amqp_connection_tune_t& tune) {
  const tuning agreed = agree(options_, tune);
  if (agreed.frame_max < frame_min_size) {
    breach(AMQP_SYNTAX_ERROR,
           "a frame_max of " + std::to_string(agreed.frame_max) + ", which is below 4096");
    return false;
  }
  amqp_connection_tune_ok_t ok{agreed.channel_max, agreed.frame_max, agreed.heartbeat};
  send(0, AMQP_CONNECTION_TUNE_OK_METHOD, &ok, 8);
  amqp_connection_open_t open{to_bytes(options_.virtual_host), amqp_empty_bytes, 0};
  if (!send(0, AMQP_CONNECTION_OPEN_METHOD, &open, options_.virtual_host.size() + 3)) {
    fail(event::closed::cause::protocol, errc::vhost_refused, AMQP_INVALID_PATH,
         "the name of the virtual host is longer than 255 bytes");
    return false;
  }
  frame_max_ = agreed.frame_max;
  channel_max_ = agreed.channel_max;
  heartbeat_ = agreed.heartbeat;
  phase_ = phase::open_ok;
  return false;
}

bool engine::on_connection_close(const amqp_connection_close_t& close) {
  if (phase_ == phase::start) {
    breach(AMQP_COMMAND_INVALID, "connection.close before connection.start");
    return false;
  }
  amqp_connection_close_ok_t ok{};
  send(0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok, 0);
  const std::uint16_t code = close.reply_code;
  errc error = errc::connection_lost;
  if (phase_ != phase::open && code == AMQP_ACCESS_REFUSED) {
    error = errc::authentication_failed;
  } else if (phase_ == phase::open_ok && (code == AMQP_NOT_ALLOWED || code == AMQP_INVALID_PATH)) {
    error = errc::vhost_refused;
  }
  end(event::closed::cause::by_peer, error, code, std::string(to_view(close.reply_text)));
  return false;
}

bool engine::on_channel_method(channel_id id, std::string_view payload, any_event& out) {
  channel* const on = find(id);
  const amqp_method_number_t raw = payload.size() < 4 ? 0 : read_u32(payload.data());
  if (on != nullptr && on->stray_close_ok) {
    // Answers come in order: any other method of a new life means that none is to come.
    on->stray_close_ok = false;
    if (raw == AMQP_CHANNEL_CLOSE_OK_METHOD) return false;
  }
  if (on == nullptr || on->phase == channel_phase::closed) {
    breach(AMQP_CHANNEL_ERROR, name_method("a method on a channel that is not open", raw));
    return false;
  }
  if (on->phase == channel_phase::closing && raw != AMQP_CHANNEL_CLOSE_METHOD &&
      raw != AMQP_CHANNEL_CLOSE_OK_METHOD) {
    return false;
  }
  if (is_arriving(id, *on)) {
    breach(AMQP_UNEXPECTED_FRAME, name_method("a method between the frames of a message", raw));
    return false;
  }
  const decoded_method method = memory_.code.decode_method(payload);
  if (method.refusal != 0) {
    breach(method.refusal, name_method(method.why, method.id));
    return false;
  }
  if (method.id == AMQP_CHANNEL_CLOSE_METHOD) {
    return on_channel_close(id, *on, method.as<amqp_channel_close_t>(), out);
  }
  switch (on->phase) {
    case channel_phase::open:
      return on_open_channel_method(id, *on, method, out);
    case channel_phase::closing:
      out = event::channel_closed{id, false, on->close_code, on->close_text, 0, 0};
      on->forget();
      return true;
    case channel_phase::opening:
      if (method.id != AMQP_CHANNEL_OPEN_OK_METHOD) break;
      on->phase = channel_phase::open;
      out = event::channel_opened{id};
      return true;
    case channel_phase::closed:
      break;
  }
  breach(AMQP_COMMAND_INVALID, name_method("an unexpected method", method.id));
  return false;
}

bool engine::on_open_channel_method(channel_id id, channel& on, const decoded_method& method,
                                    any_event& out) {
  using what = event::command;
  switch (method.id) {
    case AMQP_BASIC_DELIVER_METHOD:
      if (current_channel_ != 0) suspend_current();
      current_.begin(method.as<amqp_basic_deliver_t>());
      current_channel_ = id;
      return false;
    case AMQP_BASIC_RETURN_METHOD:
      if (current_channel_ != 0) suspend_current();
      current_.begin(method.as<amqp_basic_return_t>());
      current_channel_ = id;
      return false;
    case AMQP_BASIC_ACK_METHOD: {
      const auto& ack = method.as<amqp_basic_ack_t>();
      return on_confirm(id, on, ack.delivery_tag, ack.multiple != 0, false, out);
    }
    case AMQP_BASIC_NACK_METHOD: {
      const auto& nack = method.as<amqp_basic_nack_t>();
      return on_confirm(id, on, nack.delivery_tag, nack.multiple != 0, true, out);
    }
    case AMQP_BASIC_CANCEL_METHOD: {
      const auto& cancel = method.as<amqp_basic_cancel_t>();
      if (cancel.nowait == 0) {
        if (!may_answer()) return false;
        amqp_basic_cancel_ok_t ok{cancel.consumer_tag};
        send(id, AMQP_BASIC_CANCEL_OK_METHOD, &ok, cancel.consumer_tag.len + 1);
      }
      out = event::cancelled{id, to_view(cancel.consumer_tag)};
      return true;
    }
    case AMQP_CHANNEL_FLOW_METHOD: {
      if (!may_answer()) return false;
      amqp_channel_flow_ok_t ok{method.as<amqp_channel_flow_t>().active};
      send(id, AMQP_CHANNEL_FLOW_OK_METHOD, &ok, 1);
      return false;
    }
    case AMQP_EXCHANGE_DECLARE_OK_METHOD:
      return answered(id, on, what::exchange_declare, out);
    case AMQP_EXCHANGE_DELETE_OK_METHOD:
      return answered(id, on, what::exchange_delete, out);
    case AMQP_QUEUE_DECLARE_OK_METHOD:
      return answered(id, on, what::queue_declare, out);
    case AMQP_QUEUE_BIND_OK_METHOD:
      return answered(id, on, what::queue_bind, out);
    case AMQP_QUEUE_DELETE_OK_METHOD:
      return answered(id, on, what::queue_delete, out);
    case AMQP_BASIC_QOS_OK_METHOD:
      return answered(id, on, what::basic_qos, out);
    case AMQP_BASIC_CONSUME_OK_METHOD:
      return answered(id, on, what::basic_consume, out);
    case AMQP_BASIC_CANCEL_OK_METHOD:
      return answered(id, on, what::basic_cancel, out);
    case AMQP_CONFIRM_SELECT_OK_METHOD:
      return answered(id, on, what::confirm_select, out);
    default:
      break;
  }
  breach(AMQP_COMMAND_INVALID, name_method("an unexpected method", method.id));
  return false;
}

bool engine::on_channel_close(channel_id id, channel& on, const amqp_channel_close_t& close,
                              any_event& out) {
  amqp_channel_close_ok_t ok{};
  send(id, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok, 0);
  const bool both = on.phase == channel_phase::closing;
  on.forget();
  on.stray_close_ok = both;
  out = event::channel_closed{
      id, true, close.reply_code, to_view(close.reply_text), close.class_id, close.method_id};
  return true;
}

bool engine::on_confirm(channel_id id, const channel& on, std::uint64_t tag, bool multiple,
                        bool nack, any_event& out) {
  if (multiple && tag == 0) tag = on.published;  // "all so far"
  if (!on.confirming || tag == 0 || tag > on.published) {
    breach(AMQP_COMMAND_INVALID, "a confirm of a message that was not published");
    return false;
  }
  out = event::confirmed{id, tag, multiple, nack};
  return true;
}

bool engine::answered(channel_id id, channel& on, event::command what, any_event& out) {
  if (!on.expected.answer(what)) {
    breach(AMQP_COMMAND_INVALID, "an answer to a command that was not given");
    return false;
  }
  ready_channel_ = id;
  return give_completed(out);
}

bool engine::give_completed(any_event& out) {
  channel* const on = find_open(ready_channel_);
  if (on == nullptr || !on->expected.ready()) {
    ready_channel_ = 0;
    return false;
  }
  out = event::completed{ready_channel_, on->expected.take()};
  return true;
}

bool engine::may_answer() {
  if (++unsent_answers_ <= most_unsent_answers) return true;
  breach(AMQP_RESOURCE_ERROR, "more requests than the peer reads answers of");
  return false;
}

}  // namespace ombt::wire::amqp091
