// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp10/engine.hpp"

#include <proton/codec.h>
#include <proton/connection.h>
#include <proton/logger.h>
#include <proton/transport.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace ombt::wire::amqp10 {
namespace {

/// Bytes of one read: what a spare block has room for.
constexpr std::size_t read_size = 65536;
/// More of a frame that is still arriving than this is read where it is, not into a spare block.
constexpr std::size_t small_rest = read_size / 2;
constexpr std::size_t read_ahead = 4096;
/// Ticks are never nearer to each other, whatever idle time the peer claims.
constexpr auto least_interval = std::chrono::milliseconds(10);

/// What the connections of a thread lend each other.
block_cache& blocks_of_thread() {
  thread_local block_cache blocks;
  return blocks;
}

void no_log(std::intptr_t, pn_log_subsystem_t, pn_log_level_t, const char*) {}

/// Proton prints warnings about what peers send, whatever its log levels say.
void silence(pn_transport_t* transport) {
  static const bool default_too = [] {
    pn_logger_set_log_sink(pn_default_logger(), no_log, 0);
    return true;
  }();
  (void)default_too;
  pn_logger_set_log_sink(pn_transport_logger(transport), no_log, 0);
}

pn_bytes_t to_bytes(std::string_view text) { return pn_bytes(text.size(), text.data()); }

void put_properties(pn_connection_t* on, const connection_options& options) {
  if (options.properties.empty()) return;
  pn_data_t* const data = pn_connection_properties(on);
  pn_data_put_map(data);
  pn_data_enter(data);
  for (const auto& [key, value] : options.properties) {
    pn_data_put_symbol(data, to_bytes(key));
    if (const auto* text = std::get_if<std::string>(&value)) {
      pn_data_put_string(data, to_bytes(*text));
    } else {
      pn_data_put_long(data, std::get<std::int64_t>(value));
    }
  }
  pn_data_exit(data);
}

pn_millis_t to_millis(duration d) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  return static_cast<pn_millis_t>(std::clamp<std::int64_t>(ms, 0, 0xffffffff));
}

}  // namespace

engine::engine(const connection_options& options, std::string_view container, std::string_view user,
               std::string_view password, bool encrypted, time_point now,
               std::string_view external_user)
    : options_(options),
      blocks_(blocks_of_thread()),
      out_(blocks_),
      outbox_(blocks_),
      last_received_(now),
      epoch_(now) {
  pn_connection_driver_init(&proton_, nullptr, nullptr);
  silence(proton_.transport);
  pn_connection_set_container(proton_.connection, std::string(container).c_str());
  if (!options.hostname.empty()) {
    pn_connection_set_hostname(proton_.connection, options.hostname.c_str());
  }
  put_properties(proton_.connection, options);
  pn_transport_set_channel_max(proton_.transport, options.channel_max);
  pn_transport_set_max_frame(proton_.transport, options.max_frame_size);
  pn_connection_driver_bind(&proton_);

  const bool client = options.side == role::client;
  sasl_ = !options.mechanisms.empty() || (client && !user.empty());
  if (sasl_) {
    login_ = std::make_unique<login>();
    login_->user = user;
    login_->password = password;
    login_->external_user = external_user;
    login_->mechanisms = options.mechanisms.empty() ? "PLAIN ANONYMOUS" : options.mechanisms;
    login_->encrypted = encrypted;
  }
  if (!client) return;
  if (sasl_) {
    say(sasl_header);
  } else {
    begin_open();
  }
}

engine::~engine() {
  while (sessions_.front() != nullptr) free_session(sessions_.front());
  while (delivery_state* const one = spare_.front()) {
    spare_.remove(*one);
    delete one;
  }
  pn_connection_driver_destroy(&proton_);
  blocks_.give(std::move(in_));
}

// ---- Bytes --------------------------------------------------------------------------------------

/// What is left of the input goes to the front of a block: its own, not much larger than it, so
/// that one that was lent is free again.
void engine::settle_input() {
  const std::size_t have = in_end_ - in_begin_;
  if (have == 0) {
    blocks_.give(std::move(in_));
  } else if (have <= small_rest && in_.capacity >= read_size) {
    block own = blocks_.take(have);
    std::memcpy(own.data.get(), in_.data.get() + in_begin_, have);
    blocks_.give(std::move(in_));
    in_ = std::move(own);
  } else if (in_begin_ != 0) {
    std::memmove(in_.data.get(), in_.data.get() + in_begin_, have);
  }
  in_begin_ = 0;
  in_end_ = have;
}

std::span<char> engine::read_buffer() {
  if (is_closed()) return {};
  settle_input();
  const std::size_t have = in_end_;
  std::size_t wanted = read_size;
  if (have > small_rest) {
    // At most twice what is there, whatever the frame claims: memory follows the bytes received.
    const std::size_t whole = split_frame({in_.data.get(), have}, SIZE_MAX).size;
    wanted = have + std::max(read_ahead, whole > have ? std::min(whole - have, have) : 0);
  }
  if (in_.capacity < wanted) {
    block larger = blocks_.take(wanted);
    if (have != 0) std::memcpy(larger.data.get(), in_.data.get(), have);
    blocks_.give(std::move(in_));
    in_ = std::move(larger);
  }
  return {in_.data.get() + have, in_.capacity - have};
}

void engine::read_done(std::size_t n, time_point now) {
  if (is_closed()) return;
  if (n == 0) return settle_input();
  last_received_ = now;
  in_end_ += n;
}

void engine::say(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(out_.reserve(bytes.size()), bytes.data(), bytes.size());
  out_.commit(bytes.size());
}

void engine::say_close(std::string_view condition, std::string_view description) {
  std::string words;
  append_close(words, condition, description);
  say(words);
}

/// Takes everything that proton has to write.
void engine::produce() {
  if (!amqp_ || close_written_) return;
  unproduced_ = 0;
  changed_ = false;
  for (;;) {
    const ssize_t pending = pn_transport_pending(proton_.transport);
    if (pending <= 0) return;
    const auto n = static_cast<std::size_t>(pending);
    const std::string_view made(pn_transport_head(proton_.transport), n);
    std::size_t said = n;
    if (outbox_.empty()) {
      say(made);
    } else {
      said = say_frames(made);  // the last one may be cut off by the buffer's end
    }
    pn_transport_pop(proton_.transport, said);
    // Its buffer only grows: what did not fill it was all.
    if (n < most_produced_) return;
    most_produced_ = n;
  }
}

/// Writes whole frames, and messages instead of their tokens; returns the bytes that those had.
std::size_t engine::say_frames(std::string_view made) {
  std::size_t said = 0;
  std::size_t passed = 0;  // and not yet written: frames that are as they should be
  for (;;) {
    const split_result one = split_frame(made.substr(said + passed), SIZE_MAX);
    if (one.what != split_result::status::complete) break;
    performative fields;
    const bool transfer = !one.found.body.empty() && fields.read(one.found.body) == nullptr &&
                          fields.code() == transfer_code;
    const std::string_view payload =
        transfer ? one.found.body.substr(fields.size()) : std::string_view();
    const bool spliced = outbox_.take(payload, [&](std::string_view message) {
      say(made.substr(said, passed));
      said += passed;
      passed = 0;
      const std::size_t before = one.size - payload.size();
      const std::size_t size = before + message.size();
      char* const to = out_.reserve(size);
      std::memcpy(to, made.data() + said, before);
      for (int i = 0; i < 4; ++i) to[i] = static_cast<char>(size >> (24 - 8 * i));
      if (!message.empty()) std::memcpy(to + before, message.data(), message.size());
      out_.commit(size);
      said += one.size;
    });
    if (!spliced) passed += one.size;
  }
  say(made.substr(said, passed));
  return said + passed;
}

std::span<const char> engine::write_buffer() {
  if (transport_gone_) return {};
  if (phase_ != phase::closed && changed_) produce();
  return out_.unsent();
}

void engine::write_done(std::size_t n, time_point) {
  out_.consume(n);
  if (out_.size() == 0) answered_ = 0;
}

void engine::transport_closed(error_code why) {
  if (is_closed()) return;
  transport_gone_ = true;
  closed_error_ = why ? why : error_code(errc::connection_lost);
}

// ---- Time ---------------------------------------------------------------------------------------

time_point engine::next_deadline() const noexcept {
  if (is_closed()) return time_point::max();
  if (options_.idle_timeout <= duration::zero()) return send_deadline_;
  return std::min(send_deadline_, last_received_ + options_.idle_timeout);
}

void engine::tick(time_point now) {
  if (is_closed()) return;
  if (options_.idle_timeout > duration::zero() && now >= last_received_ + options_.idle_timeout) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(options_.idle_timeout);
    return end(event::closed::cause::silence, errc::connection_lost, "amqp:resource-limit-exceeded",
               "nothing was received for " + std::to_string(ms.count()) + " ms");
  }
  if (now < send_deadline_) return;
  changed_ = true;
  // Proton counts in milliseconds, and takes 0 for never.
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - epoch_).count() + 1;
  const std::int64_t next = pn_transport_tick(proton_.transport, ms);
  send_deadline_ =
      next == 0 ? time_point::max()
                : std::max(epoch_ + std::chrono::milliseconds(next - 1), now + least_interval);
}

// ---- What was read ------------------------------------------------------------------------------

bool engine::next_event(any_event& out) {
  forget_given();
  for (;;) {
    if (phase_ == phase::closed) return give_closed(out);
    if (ended_ != nullptr && give_ended(out)) return true;
    while (pn_event_t* const raw = pn_connection_driver_next_event(&proton_)) {
      if (on_event(raw, out)) return true;
      if (phase_ == phase::closed || ended_ != nullptr) break;
    }
    if (phase_ == phase::closed || ended_ != nullptr) continue;
    if (std::exchange(fed_.credit, false) && on_credit(out)) return true;
    if (take_bytes()) continue;
    if (!transport_gone_) {
      settle_input();
      return false;
    }
    transport_over();
  }
}

/// Takes one unit of what was read: a header or a frame. False: there is none.
bool engine::take_bytes() {
  const std::string_view input(in_.data.get() + in_begin_, in_end_ - in_begin_);
  if (input.empty()) return false;
  if (phase_ == phase::greeting || phase_ == phase::header) return take_greeting();
  const std::size_t limit =
      phase_ == phase::sasl
          ? sasl_frame_limit
          : std::max<std::size_t>(
                options_.max_frame_size != 0 ? options_.max_frame_size : options_.frame_limit, 512);
  const split_result cut = split_frame(input, limit);
  switch (cut.what) {
    case split_result::status::incomplete:
      return false;
    case split_result::status::malformed:
      if (phase_ == phase::sasl) {
        end(event::closed::cause::protocol, errc::protocol_error, {}, cut.why);
      } else {
        breach("amqp:connection:framing-error", cut.why);
      }
      return true;
    case split_result::status::complete:
      break;
  }
  in_begin_ += cut.size;
  if (phase_ == phase::sasl) {
    take_sasl_frame(cut.found);
    // A response may hold a password.
    explicit_bzero(in_.data.get() + in_begin_ - cut.size, cut.size);
  } else {
    take_frame(cut.found);
  }
  return true;
}

bool engine::take_greeting() {
  const std::string_view input(in_.data.get() + in_begin_, in_end_ - in_begin_);
  const bool server = options_.side == role::server;
  std::string words;
  const greeting first = judge_greeting(input, words);
  if (first == greeting::undecided) return false;
  const bool want_sasl = sasl_ && phase_ == phase::greeting;
  if (first == greeting::foreign) {
    if (server && input.substr(0, 4) == "AMQP") say(want_sasl ? sasl_header : amqp_header);
    end(event::closed::cause::protocol, errc::wrong_protocol, {}, std::move(words));
    return true;
  }
  in_begin_ += amqp_header.size();
  if (first == greeting::sasl) {
    if (!want_sasl) {
      if (server) say(amqp_header);
      end(event::closed::cause::protocol, errc::authentication_failed, {},
          server ? "the peer wants to log in (SASL), and there is no login here"
                 : "the peer asks for a login (SASL), and none is set");
      return true;
    }
    phase_ = phase::sasl;
    if (server) {
      say(sasl_header);
      std::string offer;
      append_mechanisms(offer, options_.mechanisms);
      say(offer);
    }
    return true;
  }
  if (want_sasl && (!server || options_.authentication_required)) {
    if (server) say(sasl_header);
    end(event::closed::cause::protocol, errc::authentication_failed, {},
        server ? "the peer did not log in (SASL)" : "the peer takes no login (SASL)");
    return true;
  }
  login_.reset();
  phase_ = phase::opening;
  amqp_ = true;
  if (!push(amqp_header)) breach("amqp:connection:framing-error", "a header that is not taken");
  produce();
  return true;
}

/// Writes open (and a client's header). The idle time in it is half of what this side waits for;
/// the waiting is not left to proton, which does not count the bytes of a frame that is still
/// arriving.
void engine::begin_open() {
  amqp_ = true;
  pn_connection_open(proton_.connection);
  pn_transport_set_idle_timeout(proton_.transport, to_millis(options_.idle_timeout));
  produce();
  pn_transport_set_idle_timeout(proton_.transport, 0);
}

void engine::give_failed_login(std::string why) {
  end(event::closed::cause::protocol, errc::authentication_failed, {}, std::move(why));
}

void engine::take_sasl_frame(const frame& f) {
  const auto wrong = [&](const char* why) {
    end(event::closed::cause::protocol, errc::protocol_error, {}, why);
  };
  performative fields;
  if (f.type != 1) return wrong("a frame that is not SASL's during the login");
  if (const char* const why = fields.read(f.body)) return wrong(why);
  if (options_.side == role::server) {
    if (fields.code() != sasl_init_code) return wrong("a SASL frame out of order");
    const auto name = fields.text(0);
    const auto response = fields.text(1);
    if (fields.wrong() || !name) return wrong("a sasl-init that is malformed");
    const bool right =
        judge_init(options_, *login_, *name, response.value_or(std::string_view{}), user_);
    std::string verdict;
    append_outcome(verdict, right ? 0 : 1);
    say(verdict);
    if (!right) return give_failed_login("a login by " + printable(*name) + " was refused");
    mechanism_ = *name;
    login_.reset();
    phase_ = phase::header;
    return;
  }
  if (fields.code() == sasl_mechanisms_code && !login_->used) {
    std::string offered;
    symbol_list names(fields.raw(0));
    while (const auto one = names.next()) {
      if (!offered.empty()) offered += ' ';
      offered += *one;
    }
    std::string init;
    const std::string_view chosen = choose_mechanism(init, *login_, offered);
    if (chosen.empty()) {
      return give_failed_login("no common login mechanism; the peer offers: " + printable(offered));
    }
    mechanism_ = chosen;
    out_.wipe_when_empty();
    say(init);
    wipe(init);
    wipe(login_->password);
    login_->used = true;
  } else if (fields.code() == sasl_outcome_code && login_->used) {
    const auto code = fields.number(0);
    if (fields.wrong() || !code) return wrong("a sasl-outcome that is malformed");
    if (*code != 0) {
      return give_failed_login("the peer refused the login (SASL outcome " + std::to_string(*code) +
                               ")");
    }
    login_.reset();
    phase_ = phase::header;
    begin_open();
  } else if (fields.code() == sasl_challenge_code && login_->used) {
    give_failed_login("the peer's login mechanism has a second step");
  } else {
    wrong("a SASL frame out of order");
  }
}

// ---- The end ------------------------------------------------------------------------------------

void engine::close(std::string_view condition, std::string_view description) {
  if (!works()) return;
  if (phase_ != phase::open) return end(event::closed::cause::requested, {}, {}, {});
  produce();
  say_close(condition, description);
  close_written_ = true;
  phase_ = phase::closing;
}

/// Ends the connection because of what the peer sent.
void engine::breach(std::string_view condition, std::string text) {
  end(event::closed::cause::protocol, errc::protocol_error, std::string(condition),
      std::move(text));
}

void engine::end(event::closed::cause why, error_code error, std::string condition,
                 std::string description) {
  if (phase_ == phase::closed) return;
  using cause = event::closed::cause;
  if (phase_ >= phase::opening && why != cause::transport) {
    // Proton writes its own close when it is what has found the error.
    const bool proton_did = pn_condition_is_set(pn_transport_condition(proton_.transport));
    produce();
    const bool open_sent = options_.side == role::client || phase_ >= phase::open;
    if (!close_written_ && !proton_did && open_sent) {
      // To a close of the peer's the answer says nothing of its own.
      const bool answer = why == cause::by_peer || why == cause::requested;
      say_close(answer ? std::string_view() : condition,
                answer ? std::string_view() : printable(description));
    }
    close_written_ = true;
  }
  phase_ = phase::closed;
  closed_why_ = why;
  closed_error_ = error;
  closed_condition_ = std::move(condition);
  closed_description_ = std::move(description);
  login_.reset();
  if (transport_gone_) {
    out_.clear();
  }
}

void engine::transport_over() {
  namespace system = boost::system::errc;
  using cause = event::closed::cause;
  if (phase_ == phase::sasl && closed_error_ != system::operation_canceled &&
      closed_error_ != system::timed_out) {
    end(cause::transport, errc::authentication_failed, {},
        "the peer closed the connection during the login");
  } else {
    end(cause::transport, closed_error_, {},
        phase_ <= phase::header ? "the peer closed the connection before the AMQP handshake" : "");
  }
}

bool engine::give_closed(any_event& out) {
  blocks_.give(std::move(in_));
  in_begin_ = in_end_ = 0;
  if (closed_given_) return false;
  closed_given_ = true;
  out = event::closed{closed_why_, closed_error_, closed_condition_, closed_description_};
  return true;
}

/// Frees what ended with the event before.
void engine::forget_given() {
  if (given_link_ != nullptr) {
    collected_ -= given_link_->collected.size();
    std::string().swap(given_link_->collected);
    given_link_ = nullptr;
  }
  if (!dead_links_.empty() || !dead_sessions_.empty()) free_dead();
}

}  // namespace ombt::wire::amqp10
