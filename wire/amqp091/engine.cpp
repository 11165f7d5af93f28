// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp091/engine.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ombt::wire::amqp091 {
namespace {

/// A partial frame up to this size is copied to the front of the shared buffer at the next read;
/// a larger one stays in its own block and is read into there.
constexpr std::size_t small_rest = 4096;
/// Room behind what completes a large partial frame.
constexpr std::size_t read_ahead = 16384;

}  // namespace

engine::engine(const connection_options& options, thread_scratch& memory, std::string name,
               std::string user, std::string password, time_point now)
    : options_(options),
      memory_(memory),
      handshake_(std::make_unique<handshake_data>()),
      out_(memory.blocks),
      current_(memory.blocks),
      last_received_(now),
      last_sent_(now) {
  handshake_->name = std::move(name);
  handshake_->user = user;
  handshake_->password = password;
  wipe(user.data(), user.size());
  wipe(password.data(), password.size());
  constexpr std::string_view header("AMQP\0\0\x09\x01", 8);
  std::memcpy(out_.reserve(header.size()), header.data(), header.size());
  out_.commit(header.size());
}

engine::~engine() { memory_.blocks.give(std::move(kept_)); }

std::span<char> engine::read_buffer() {
  if (is_closed()) return {};
  settle();
  if (kept_size_ <= small_rest) {
    return {memory_.read.get() + kept_size_, thread_scratch::read_size - kept_size_};
  }
  const std::size_t frame = split_frame({kept_.data.get(), kept_size_}, frame_max_).size;
  const std::size_t missing = frame > kept_size_ ? frame - kept_size_ : 0;
  // At most twice what is there, whatever the frame claims: memory follows the bytes received.
  const std::size_t wanted = kept_size_ + std::min(missing, kept_size_) + read_ahead;
  if (kept_.capacity < wanted) {
    block larger = memory_.blocks.take(wanted);
    std::memcpy(larger.data.get(), kept_.data.get(), kept_size_);
    memory_.blocks.give(std::move(kept_));
    kept_ = std::move(larger);
  }
  return {kept_.data.get() + kept_size_, kept_.capacity - kept_size_};
}

void engine::read_done(std::size_t n, time_point now) {
  if (n == 0 || is_closed()) return;
  last_received_ = now;
  if (kept_size_ <= small_rest) {
    if (kept_size_ != 0) std::memcpy(memory_.read.get(), kept_.data.get(), kept_size_);
    pending_ = {memory_.read.get(), kept_size_ + n};
    pending_in_kept_ = false;
    memory_.blocks.give(std::move(kept_));
    kept_size_ = 0;
  } else {
    kept_size_ += n;
    pending_ = {kept_.data.get(), kept_size_};
    pending_in_kept_ = true;
  }
}

/// Everything that must outlive the shared read buffer is copied out of it.
void engine::settle() {
  forget_given();
  if (current_channel_ != 0) suspend_current();
  if (pending_in_kept_) {
    if (!pending_.empty()) std::memmove(kept_.data.get(), pending_.data(), pending_.size());
  } else if (!pending_.empty()) {
    kept_ = memory_.blocks.take(pending_.size());
    std::memcpy(kept_.data.get(), pending_.data(), pending_.size());
  } else {
    return;
  }
  kept_size_ = pending_.size();
  pending_ = {};
  pending_in_kept_ = false;
  if (kept_size_ == 0) memory_.blocks.give(std::move(kept_));
}

std::span<const char> engine::write_buffer() const noexcept {
  if (transport_gone_) return {};
  return out_.unsent();
}

void engine::write_done(std::size_t n, time_point now) {
  if (n == 0) return;
  last_sent_ = now;
  out_.consume(n);
  if (out_.size() == 0) unsent_answers_ = 0;
}

void engine::transport_closed(error_code why) {
  if (is_closed()) return;
  transport_gone_ = true;
  closed_error_ = why ? why : error_code(errc::connection_lost);
}

time_point engine::next_deadline() const noexcept {
  if (heartbeat_ == 0 || is_closed()) return time_point::max();
  const std::chrono::seconds interval(heartbeat_);
  const time_point receive = last_received_ + 2 * interval;
  return out_.size() == 0 ? std::min(receive, last_sent_ + interval) : receive;
}

void engine::tick(time_point now) {
  if (heartbeat_ == 0 || is_closed()) return;
  const std::chrono::seconds interval(heartbeat_);
  if (now >= last_received_ + 2 * interval) {
    out_.clear();
    end(event::closed::cause::heartbeat, errc::connection_lost, 0,
        "nothing was received for " + std::to_string(2 * heartbeat_) + " s (two heartbeats)");
  } else if (out_.size() == 0 && now >= last_sent_ + interval) {
    codec::write_heartbeat(out_);
  }
}

bool engine::next_event(any_event& out) {
  forget_given();
  if (handshake_ != nullptr && phase_ >= phase::open) handshake_.reset();
  for (;;) {
    if (phase_ == phase::closed) return give_closed(out);
    if (ready_channel_ != 0 && give_completed(out)) return true;
    if (!greeted_) {
      std::string words;
      const greeting first = judge_greeting(pending_, words);
      if (first == greeting::foreign) {
        end(event::closed::cause::protocol, errc::wrong_protocol, 0, std::move(words));
        continue;
      }
      greeted_ = first == greeting::amqp091;
    }
    split_result cut{split_status::incomplete, {}, 0, nullptr};
    if (greeted_) cut = split_frame(pending_, frame_max_);
    if (cut.status == split_status::malformed) {
      breach(AMQP_FRAME_ERROR, cut.why);
    } else if (cut.status == split_status::complete) {
      pending_.remove_prefix(cut.size);
      if (on_frame(cut.found, out)) return true;
    } else if (transport_gone_) {
      if (phase_ == phase::tune && closed_error_ != boost::system::errc::operation_canceled &&
          closed_error_ != boost::system::errc::timed_out) {
        end(event::closed::cause::transport, errc::authentication_failed, 0,
            "the broker closed the connection during login");
      } else {
        end(event::closed::cause::transport, closed_error_, 0,
            phase_ == phase::start ? "the peer closed the connection before the AMQP handshake"
                                   : "");
      }
    } else {
      settle();
      return false;
    }
  }
}

bool engine::give_closed(any_event& out) {
  pending_ = {};
  pending_in_kept_ = false;
  if (closed_given_) {
    memory_.blocks.give(std::move(kept_));
    kept_size_ = 0;
    return false;
  }
  closed_given_ = true;
  out = event::closed{closed_why_, closed_error_, closed_code_, closed_text_};
  return true;
}

bool engine::on_frame(const frame& f, any_event& out) {
  switch (f.type) {
    case frame_type::method:
      return on_method(f, out);
    case frame_type::heartbeat:
      if (phase_ == phase::start) breach(AMQP_UNEXPECTED_FRAME, "a heartbeat before the handshake");
      return false;
    case frame_type::header:
    case frame_type::body:
      break;
  }
  return on_content(f, out);
}

bool engine::on_content(const frame& f, any_event& out) {
  if (phase_ == phase::closing) return false;
  channel* const on = phase_ == phase::open ? find(f.channel) : nullptr;
  if (on == nullptr || on->phase == channel_phase::closed) {
    breach(AMQP_CHANNEL_ERROR, "content on a channel that is not open");
    return false;
  }
  if (on->phase == channel_phase::closing) return false;
  content* const message = resume(f.channel, *on);
  const bool in_order = message != nullptr &&
                        (f.type == frame_type::header ? message->phase() == content_phase::header
                                                      : message->takes_body());
  if (!in_order) {
    breach(AMQP_UNEXPECTED_FRAME, "a content frame out of order");
    return false;
  }
  if (f.type == frame_type::body) {
    if (!message->body(f.payload)) {
      breach(AMQP_FRAME_ERROR, "a body longer than its header announced");
      return false;
    }
    return message_complete(out);
  }
  const content_header header = memory_.code.decode_header(f.payload);
  if (header.beyond_limit) return refuse_message(header.body_size, header.why, out);
  if (header.why != nullptr) {
    breach(AMQP_SYNTAX_ERROR, header.why);
    return false;
  }
  if (header.body_size > options_.body_limit) {
    return refuse_message(header.body_size, "a body above the size limit", out);
  }
  message->header(header);
  return message_complete(out);
}

/// The message that is arriving is not taken. Its sender may be anybody, so neither the channel nor
/// the connection pays for it.
bool engine::refuse_message(std::uint64_t body_size, const char* why, any_event& out) {
  out = event::oversized{current_channel_, current_.delivery_tag(), body_size, why};
  current_.skip(body_size);
  current_given_ = current_.phase() == content_phase::complete;
  return true;
}

bool engine::message_complete(any_event& out) {
  if (current_.phase() != content_phase::complete) return false;
  if (current_.is_skipped()) {  // told when its header came
    current_.reset();
    current_channel_ = 0;
    return false;
  }
  current_given_ = true;
  if (current_.is_return()) {
    out.emplace<event::returned>(current_.as_returned(current_channel_));
  } else {
    out.emplace<event::delivered>(current_.as_delivered(current_channel_));
  }
  return true;
}

/// Frees the message of the event before.
void engine::forget_given() noexcept {
  if (!current_given_) return;
  current_.reset();
  current_channel_ = 0;
  current_given_ = false;
}

content* engine::resume(channel_id id, channel& on) {
  if (current_channel_ == id) return &current_;
  if (on.suspended == nullptr) return nullptr;
  if (current_channel_ != 0) suspend_current();
  current_.take_over(*on.suspended);
  on.suspended.reset();
  current_channel_ = id;
  return &current_;
}

void engine::suspend_current() {
  current_.detach();
  channel& on = channels_[current_channel_ - 1];
  on.suspended = std::make_unique<content>(memory_.blocks);
  on.suspended->take_over(current_);
  current_channel_ = 0;
}

void engine::drop_content(channel_id id, channel& on) noexcept {
  on.suspended.reset();
  if (current_channel_ == id && !current_given_) {
    current_.reset();
    current_channel_ = 0;
  }
}

void engine::breach(std::uint16_t code, std::string text) {
  fail(event::closed::cause::protocol, errc::protocol_error, code, std::move(text));
}

void engine::fail(event::closed::cause why, error_code error, std::uint16_t code,
                  std::string text) {
  if (phase_ == phase::tune || phase_ == phase::open_ok || phase_ == phase::open) {
    send_connection_close(code, text);
  }
  end(why, error, code, std::move(text));
}

void engine::end(event::closed::cause why, error_code error, std::uint16_t code, std::string text) {
  phase_ = phase::closed;
  closed_why_ = why;
  closed_error_ = error;
  closed_code_ = code;
  closed_text_ = std::move(text);
  handshake_.reset();
  if (transport_gone_) out_.clear();
}

}  // namespace ombt::wire::amqp091
