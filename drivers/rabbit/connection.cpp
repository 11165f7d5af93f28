// SPDX-License-Identifier: Apache-2.0
#include "drivers/rabbit/connection.hpp"

#include "drivers/rabbit/reconnect_wait.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace ombt::drivers::rabbit {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

/// From the TCP connect to open-ok; a peer that takes longer is given up for this attempt.
constexpr duration setup_limit = seconds{10};
constexpr duration close_limit = seconds{2};

enum timer_tag : std::uint64_t { setup_timer, back_off_timer, close_timer, tick_timer };

bool waiting_does_not_mend(error_code error) {
  return error == errc::authentication_failed || error == errc::vhost_refused ||
         error == errc::wrong_protocol;
}

/// A uuid as str(uuid.UUID) writes it.
std::string dashed(const wire::oslo::hex_id& id) {
  std::string text(wire::oslo::view(id));
  for (const std::size_t at : {20, 16, 12, 8}) text.insert(at, 1, '-');
  return text;
}

}  // namespace

connection::connection(io::context& on, amqp::thread_memory& memory,
                       std::shared_ptr<const settings> with, std::shared_ptr<monitor> told,
                       purpose why)
    : context_(on),
      memory_(memory),
      settings_(std::move(with)),
      monitor_(std::move(told)),
      id_(wire::oslo::make_hex_id()),
      hosts_(settings_->hosts().size(), settings_->options().kombu_failover_strategy == "shuffle"
                                            ? host_order::strategy::shuffle
                                            : host_order::strategy::round_robin),
      purpose_(why) {}

connection::~connection() {
  context_.cancel_timer(timer_);
  context_.cancel_timer(tick_timer_);
  context_.pacer().release(ticket_);
  if (connector_) connector_->cancel();
  if (pump_) pump_->close();
}

amqp::channel_id connection::add(channel_user& user) {
  auto free = std::find_if(channels_.begin(), channels_.end(), [](const channel& c) {
    return c.user == nullptr && c.state == channel_state::down;
  });
  if (free == channels_.end()) free = channels_.insert(channels_.end(), channel{});
  free->user = &user;
  const auto id = static_cast<amqp::channel_id>(free - channels_.begin() + 1);
  if (state_ == state::open) {
    reopen(id);
  } else {
    need(id);
  }
  return id;
}

void connection::remove(amqp::channel_id id) {
  channel& c = channels_[id - 1];
  c.user = nullptr;
  if (state_ == state::open &&
      (c.state == channel_state::up || c.state == channel_state::opening)) {
    engine_->close_channel(id);
    c.state = channel_state::closing;
    pump_->wake();
  } else if (c.state != channel_state::closing) {
    c.state = channel_state::down;
  }
  const bool used = std::any_of(channels_.begin(), channels_.end(),
                                [](const channel& one) { return one.user != nullptr; });
  if (!used) start_close();
}

void connection::reopen(amqp::channel_id id) {
  if (state_ != state::open) return;
  if (id > channel_max_) {
    // From the loop, since this is asked for by the link that is to be told.
    asio::post(context_.asio(), [self = shared_from_this(), id] {
      if (channel_user* user = self->user_of(id)) {
        const std::string words = self->too_few_channels();
        self->monitor_->last_error = words;
        user->on_down({trouble::scope::attempt, errc::limit_exceeded, words, 0, true});
      }
    });
    return;
  }
  channels_[id - 1].state = channel_state::opening;
  engine_->open_channel(id);
  pump_->wake();
}

void connection::need(amqp::channel_id id) {
  if (state_ == state::open) {
    if (id > channel_max_ || channels_[id - 1].state == channel_state::down) reopen(id);
  } else if (state_ == state::idle) {
    attempt();
  } else if (state_ == state::backing_off && purpose_ == purpose::send && failures_ == 0) {
    // It was waiting for its next look; somebody wants it now.
    const auto delay = std::chrono::duration<double>(settings_->options().kombu_reconnect_delay);
    set_timer(std::chrono::duration_cast<duration>(delay), back_off_timer);
  }
}

void connection::restart(duration delay, std::string_view why) {
  // From the loop, since this is asked for inside the engine's drain; without connection.close, as
  // the Python library does it.
  asio::post(context_.asio(), [self = shared_from_this(), delay, words = std::string(why)] {
    if (self->state_ != state::open) return;
    self->lost({trouble::scope::connection, errc::connection_lost, words, 0, false});
    if (self->state_ == state::backing_off) self->set_timer(delay, back_off_timer);
  });
}

bool connection::is_up(amqp::channel_id id) const noexcept {
  return state_ == state::open && !ended_ && id > 0 && id <= channels_.size() &&
         channels_[id - 1].state == channel_state::up;
}

amqp::connection& connection::commands() {
  pump_->wake();
  return *engine_;
}

void connection::pause_reading(bool yes) {
  if (!pump_) return;
  yes ? pump_->pause() : pump_->resume();
}

// --- connecting -------------------------------------------------------------------------------

void connection::attempt() {
  state_ = state::waiting;
  ticket_ = context_.pacer().acquire([this] { connect(); });
}

void connection::connect() {
  state_ = state::connecting;
  set_timer(setup_limit, setup_timer);
  connector_ = std::make_shared<io::connector>(context_.asio());
  connector_->start(
      host().host, host().port, settings_->tls.get(),
      [this](std::unique_ptr<io::stream> stream, error_code error, const std::string& detail) {
        on_connected(std::move(stream), error, detail);
      },
      {}, settings_->source->bind_address(context_.pacer().turn()));
}

void connection::on_connected(std::unique_ptr<io::stream> stream, error_code error,
                              const std::string& detail) {
  const auto keep = shared_from_this();
  connector_.reset();
  if (error) {
    return attempt_failed(error == errc::wrong_protocol ? error : errc::bus_unreachable, detail, 0);
  }
  state_ = state::handshaking;
  ended_ = false;
  const auto& h = host();
  engine_ = std::make_unique<amqp::connection>(settings_->engine, memory_,
                                               settings_->connection_name_prefix + dashed(id_),
                                               h.user, h.password, steady_clock::now());
  pump_ = std::make_shared<engine_pump>(context_, std::move(stream), *engine_, *this);
  pump_->start();
}

void connection::attempt_failed(error_code error, std::string_view detail, std::uint16_t code) {
  const auto keep = shared_from_this();
  const std::string words = with_address(detail);
  end_setup();
  drop_transport();
  if (state_ == state::closing) return finish_close();
  ++monitor_->counters.connection_errors;
  monitor_->last_error = words;
  ++failures_;
  // Every host of the list refused for good: only somebody's wish starts another round.
  const bool final = hosts_.all_refused(waiting_does_not_mend(error)) && !ever_open_;
  hosts_.next();
  if (final) {
    state_ = state::idle;
    failures_ = 0;
  } else {
    retry_later(next_wait());
  }
  tell_users({trouble::scope::attempt, error, words, code, final});
}

void connection::operator()(const amqp::event::opened& e) {
  channel_max_ = e.channel_max;
  context_.pacer().release(std::exchange(ticket_, 0));
  context_.cancel_timer(std::exchange(timer_, 0));
  state_ = state::open;
  ever_open_ = true;
  failures_ = 0;
  hosts_.forget_refusals();
  ++monitor_->counters.connects;
  schedule_tick();
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    if (channels_[i].user != nullptr) reopen(static_cast<amqp::channel_id>(i + 1));
  }
}

// --- open -------------------------------------------------------------------------------------

void connection::on_bytes() {
  const auto keep = shared_from_this();
  read_time_ = steady_clock::now();
  draining_ = true;
  std::string words;
  amqp::event::closed end{};
  const auto sink = [&](const auto& e) {
    if constexpr (std::is_same_v<std::decay_t<decltype(e)>, amqp::event::closed>) {
      end = e;
      words = e.text;
      ended_ = true;
    } else {
      (*this)(e);
    }
  };
  engine_->drain(sink);
  draining_ = false;
  if (ended_) {
    end.text = words;
    (*this)(end);
  } else {
    pump_->wake();
  }
}

void connection::operator()(const amqp::event::closed& e) {
  pump_->flush();  // the answer to the peer's close
  if (state_ == state::closing) return finish_close();
  std::string_view words = e.text;
  std::string spoken;
  // What TLS found wrong says more than where the handshake was.
  const bool tls = e.error.category() == io::tls_category();
  if (words.empty() || tls) {
    spoken = e.error ? e.error.message() : std::string("the connection was closed");
    words = spoken;
  }
  if (state_ == state::handshaking) {
    error_code error = e.error.category() == ombt_category() ? e.error : errc::bus_unreachable;
    if (tls) error = errc::wrong_protocol;
    return attempt_failed(error, words, e.code);
  }
  const error_code error = e.why == amqp::event::closed::cause::protocol
                               ? error_code(errc::protocol_error)
                               : error_code(errc::connection_lost);
  ++monitor_->counters.connection_errors;
  const std::string full = with_address(words);
  monitor_->last_error = full;
  lost({trouble::scope::connection, error, full, e.code, false});
}

void connection::lost(const trouble& why) {
  const auto keep = shared_from_this();
  drop_transport();
  hosts_.next();
  retry_later(purpose_ == purpose::listen ? next_wait()
                                          : wait_of_idle_sender(settings_->options()));
  tell_users(why);
}

duration connection::next_wait() const {
  const auto hosts = settings_->hosts().size();
  return ever_open_ && purpose_ == purpose::listen
             ? wait_of_listener(failures_, hosts)
             : wait_after_failures(settings_->options(), failures_, hosts);
}

void connection::retry_later(duration wait) {
  state_ = state::backing_off;
  set_timer(std::min(wait, settings_->source->longest_wait.value_or(wait)), back_off_timer);
}

void connection::tell_users(const trouble& why) {
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    if (channels_[i].user != nullptr) channels_[i].user->on_down(why);
  }
}

void connection::end_setup() {
  context_.pacer().release(std::exchange(ticket_, 0));
  context_.cancel_timer(std::exchange(timer_, 0));
  if (connector_) {
    connector_->cancel();
    connector_.reset();
  }
}

void connection::drop_transport() {
  context_.cancel_timer(std::exchange(tick_timer_, 0));
  if (pump_) {
    pump_->close();
    pump_.reset();
  }
  // Called from the engine's own drain only through ended_, after it has returned.
  engine_.reset();
  for (auto& c : channels_) c.state = channel_state::down;
}

void connection::schedule_tick() {
  const time_point when = engine_->next_deadline();
  if (when == time_point::max()) return;
  tick_timer_ = context_.start_timer(when, *this, tick_timer);
}

void connection::set_timer(duration in, std::uint64_t tag) {
  context_.cancel_timer(timer_);
  timer_ = context_.start_timer(steady_clock::now() + in, *this, tag);
}

void connection::on_timer(std::uint64_t tag) {
  const auto keep = shared_from_this();
  switch (static_cast<timer_tag>(tag)) {
    case setup_timer:
      timer_ = 0;
      return attempt_failed(errc::bus_unreachable,
                            state_ == state::connecting
                                ? settings_->tls ? "TCP and TLS were not set up within 10 s"
                                                 : "no TCP connection within 10 s"
                                : "the peer did not finish the AMQP handshake within 10 s",
                            0);
    case back_off_timer:
      timer_ = 0;
      return attempt();
    case close_timer:
      timer_ = 0;
      return finish_close();
    case tick_timer:
      tick_timer_ = 0;
      if (!engine_) return;
      // While reading is paused the silence is ours, not the broker's.
      if (pump_->is_paused()) engine_->excuse_silence(steady_clock::now());
      engine_->tick(steady_clock::now());
      on_bytes();
      if (engine_ && state_ == state::open) schedule_tick();
      return;
  }
}

// --- closing ----------------------------------------------------------------------------------

void connection::when_closed(std::function<void()> then) {
  if (state_ == state::closed) return then();
  closed_handlers_.push_back(std::move(then));
  start_close();
}

void connection::start_close() {
  if (state_ == state::closing || state_ == state::closed) return;
  const bool was_open = state_ == state::open;
  end_setup();
  state_ = state::closing;
  context_.keep(shared_from_this());
  if (!was_open) {
    // Nothing to say goodbye to; told from the loop, never from inside the caller.
    drop_transport();
    set_timer(duration{0}, close_timer);
    return;
  }
  engine_->close(0, "");
  pump_->wake();
  set_timer(close_limit, close_timer);
}

void connection::finish_close() {
  const auto keep = shared_from_this();
  end_setup();
  drop_transport();
  state_ = state::closed;
  context_.drop(keep);
  for (auto& handler : std::exchange(closed_handlers_, {})) handler();
}

// --- events of channels -----------------------------------------------------------------------

channel_user* connection::user_of(amqp::channel_id id) {
  return id > 0 && id <= channels_.size() ? channels_[id - 1].user : nullptr;
}

void connection::operator()(const amqp::event::channel_opened& e) {
  if (user_of(e.channel) == nullptr) {
    // Removed while it was being opened, when a close could not be sent yet.
    engine_->close_channel(e.channel);
    return;
  }
  channels_[e.channel - 1].state = channel_state::up;
  user_of(e.channel)->on_up();
}

void connection::operator()(const amqp::event::channel_closed& e) {
  if (e.channel == 0 || e.channel > channels_.size()) return;
  channels_[e.channel - 1].state = channel_state::down;
  channel_user* user = user_of(e.channel);
  if (user == nullptr) return;
  const std::string words = with_address(e.text);
  if (e.by_peer) monitor_->last_error = words;
  user->on_down({trouble::scope::channel, errc::channel_refused, words, e.code, false});
}

void connection::operator()(const amqp::event::completed& e) {
  if (auto* user = user_of(e.channel)) user->on_completed(e.what);
}
void connection::operator()(const amqp::event::delivered& e) {
  if (auto* user = user_of(e.channel)) user->on_delivered(e);
}
void connection::operator()(const amqp::event::returned& e) {
  ++monitor_->counters.returned;
  if (auto* user = user_of(e.channel)) user->on_returned(e);
}
void connection::operator()(const amqp::event::confirmed& e) {
  if (e.nack) ++monitor_->counters.nacked;
  if (auto* user = user_of(e.channel)) user->on_confirmed(e);
}
void connection::operator()(const amqp::event::cancelled& e) {
  if (auto* user = user_of(e.channel)) user->on_cancelled(e);
}
void connection::operator()(const amqp::event::blocked& e) {
  monitor_->last_error =
      with_address("the broker has blocked the connection: " + std::string(e.reason));
}
void connection::operator()(const amqp::event::unblocked&) { monitor_->last_error.clear(); }
void connection::operator()(const amqp::event::oversized& e) {
  monitor_->last_error = with_address("a message of " + std::to_string(e.body_size) +
                                      " bytes was refused: " + std::string(e.why));
  if (e.delivery_tag == 0) ++monitor_->counters.returned;
  if (auto* user = user_of(e.channel)) user->on_oversized(e);
}

const wire::oslo::host_address& connection::host() const {
  return settings_->hosts()[hosts_.current()];
}

std::string connection::with_address(std::string_view words) const {
  return address_text(host()) + ": " + std::string(words);
}

std::string connection::too_few_channels() const {
  const topology& mine = settings_->source->topology;
  return with_address("the broker allows " + std::to_string(channel_max_) +
                      " channels on a connection: too few for topology " + mine.to_string() +
                      (mine.mode == topology::kind::shared ? ", which needs a larger N" : ""));
}

}  // namespace ombt::drivers::rabbit
