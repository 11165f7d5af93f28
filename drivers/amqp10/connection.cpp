// SPDX-License-Identifier: Apache-2.0
#include "drivers/amqp10/connection.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <random>
#include <utility>

namespace ombt::drivers::amqp10 {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

/// From the TCP connect to the peer's open; who takes longer is given up for this attempt.
constexpr duration setup_limit = seconds{10};
constexpr duration close_limit = seconds{2};
/// Bytes not yet written above which nothing is added.
constexpr std::size_t unsent_limit = std::size_t{1} << 20;

enum timer_tag : std::uint64_t {
  setup_timer,
  back_off_timer,
  close_timer,
  tick_timer,
  again_timer
};

/// RabbitMQ's AMQP 1.0 plugin, which Python's driver can't use either (controller.py reconnects to
/// it for ever).
constexpr std::string_view foreign_product = "RabbitMQ";
constexpr std::string_view foreign_words =
    "this is RabbitMQ's AMQP 1.0 plugin, which can't carry oslo.messaging's traffic: it knows "
    "neither its addresses nor dynamic reply addresses; use rabbit:// for RabbitMQ";

bool waiting_does_not_mend(error_code error) {
  return error == errc::authentication_failed || error == errc::wrong_protocol;
}

std::size_t random_below(std::size_t count) {
  static thread_local std::random_device device;
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(device);
}

/// What the peer says, its condition first.
std::string words_of(std::string_view condition, std::string_view description) {
  std::string words(condition);
  if (!words.empty() && !description.empty()) words += ": ";
  return words.append(description);
}

}  // namespace

connection::connection(io::context& on, std::shared_ptr<const settings> with,
                       std::shared_ptr<monitor> told)
    : context_(on),
      settings_(std::move(with)),
      monitor_(std::move(told)),
      container_(settings_->container()),
      refused_(settings_->hosts().size()),
      host_index_(random_below(settings_->hosts().size())),
      wait_(seconds{settings_->options().connection_retry_interval}) {}

connection::~connection() {
  context_.cancel_timer(timer_);
  context_.cancel_timer(tick_timer_);
  for (auto& m : members_) context_.cancel_timer(m.again);
  context_.pacer().release(ticket_);
  if (connector_) connector_->cancel();
  if (pump_) pump_->close();
}

connection::member* connection::member_of(const connection_user& user) {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&user](const member& m) { return m.user == &user; });
  return found != members_.end() ? &*found : nullptr;
}

std::size_t connection::count_users() const {
  return static_cast<std::size_t>(std::count_if(members_.begin(), members_.end(),
                                                [](const member& m) { return m.user != nullptr; }));
}

void connection::add(connection_user& user) {
  auto free = std::find_if(members_.begin(), members_.end(),
                           [](const member& m) { return m.user == nullptr; });
  if (free == members_.end()) free = members_.insert(members_.end(), member{});
  free->user = &user;
  if (state_ != state::open) return need();
  asio::post(context_.asio(), [self = shared_from_this(), &user] { self->tell_up(&user); });
}

void connection::remove(connection_user& user) {
  member* const gone = member_of(user);
  if (gone == nullptr) return;
  context_.cancel_timer(std::exchange(gone->again, 0));
  gone->user = nullptr;
  const user_sessions sessions = std::exchange(gone->sessions, {});
  if (count_users() == 0) return start_close();
  if (!is_up()) return;
  sessions.close();
  wake();
}

void connection::need() {
  if (state_ == state::idle) attempt();
}

bool connection::in_contact() const noexcept {
  if (state_ == state::open) return !ended_;
  return !ever_open_ && !is_ending() && state_ != state::idle &&
         failures_ < settings_->hosts().size();
}

void connection::renew(connection_user& user, std::string_view why) {
  // From the loop, since this is asked for inside the engine's drain.
  asio::post(context_.asio(), [self = shared_from_this(), &user, words = std::string(why)] {
    member* const mine = self->member_of(user);
    if (mine == nullptr || !self->is_up()) return;
    const std::string full = self->with_address(words);
    self->monitor_->last_error = full;
    if (self->count_users() == 1) {
      ++self->monitor_->counters.connection_errors;
      self->engine_->close();
      self->pump_->flush();
      return self->lost(errc::connection_lost, full);
    }
    const user_sessions sessions = std::exchange(mine->sessions, {});
    const auto index = static_cast<std::uint64_t>(mine - self->members_.data());
    const auto wait = seconds{self->settings_->options().connection_retry_interval};
    self->context_.cancel_timer(mine->again);
    mine->again =
        self->context_.start_timer(steady_clock::now() + wait, *self, again_timer + (index << 8));
    user.on_down({trouble::scope::connection, errc::connection_lost, full, false});
    if (self->is_up()) sessions.close();
    self->wake();
  });
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
      settings_->tls_name, settings_->source->bind_address(context_.pacer().turn()));
}

void connection::on_connected(std::unique_ptr<io::stream> stream, error_code error,
                              const std::string& detail) {
  const auto keep = shared_from_this();
  connector_.reset();
  if (error) {
    return attempt_failed(error == errc::wrong_protocol ? error : errc::bus_unreachable, detail);
  }
  state_ = state::handshaking;
  ended_ = foreign_ = full_ = false;
  const auto& h = host();
  engine_ = std::make_unique<amqp::connection>(settings_->engine, container_, settings_->user_at(h),
                                               h.password, settings_->tls != nullptr,
                                               steady_clock::now());
  pump_ = std::make_shared<engine_pump>(context_, std::move(stream), *engine_, *this);
  pump_->start();
  schedule_tick();
}

void connection::attempt_failed(error_code error, std::string_view detail) {
  const auto keep = shared_from_this();
  const std::string words = with_address(detail);
  end_setup();
  drop_transport();
  if (state_ == state::closing) return finish_close();
  ++monitor_->counters.connection_errors;
  monitor_->last_error = words;
  ++failures_;
  // Every host of the list refused for good: only somebody's wish starts another round.
  const bool final = every_host_refused(error) && !ever_open_;
  host_index_ = (host_index_ + 1) % settings_->hosts().size();
  if (final) {
    state_ = state::idle;
    failures_ = 0;
  } else {
    retry_later();
  }
  tell_down({trouble::scope::attempt, error, words, final});
}

/// True once no host of the list has anything better to say than what waiting does not mend.
bool connection::every_host_refused(error_code error) {
  refused_[host_index_] = waiting_does_not_mend(error);
  const bool all = std::all_of(refused_.begin(), refused_.end(), [](bool r) { return r; });
  if (all) refused_.assign(refused_.size(), false);
  return all;
}

void connection::operator()(const amqp::event::opened& e) {
  if (state_ != state::handshaking) return;
  product_ = e.product;
  foreign_ = product_ == foreign_product;
  if (foreign_) return;
  context_.pacer().release(std::exchange(ticket_, 0));
  context_.cancel_timer(std::exchange(timer_, 0));
  state_ = state::open;
  ever_open_ = true;
  failures_ = 0;
  wait_ = seconds{settings_->options().connection_retry_interval};
  refused_.assign(refused_.size(), false);
  ++monitor_->counters.connects;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].user != nullptr) members_[i].user->on_up();
  }
}

// --- open -------------------------------------------------------------------------------------

amqp::link connection::attach(connection_user& by, link_user& user, bool sender,
                              std::string_view name, const std::string& address,
                              bool source_dynamic) {
  member* const mine = member_of(by);
  if (mine == nullptr || !is_up()) return {};
  const amqp::session on =
      settings_->session_a_link ? engine_->open_session() : mine->sessions.for_link(*engine_);
  if (!on) return {};
  const amqp::terminus target{address, false, true};
  const amqp::terminus source{source_dynamic ? std::string() : address, source_dynamic, true};
  amqp::link made =
      sender ? on.open_sender(name, source, target) : on.open_receiver(name, source, target);
  if (made) made.set_user(&user);
  wake();
  return made;
}

void connection::detach(amqp::link& which) {
  amqp::link gone = std::exchange(which, {});
  if (!gone || !engine_) return;
  gone.set_user(nullptr);
  gone.close();
  wake();
}

void connection::wake() {
  if (pump_) pump_->wake();
}

bool connection::is_full(const amqp::link& on) {
  if (on.unsent() < unsent_limit) return false;
  full_ = true;
  return true;
}

void connection::on_written() {
  if (!std::exchange(full_, false)) return;
  const auto keep = shared_from_this();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].user != nullptr) members_[i].user->on_room();
  }
}

void connection::on_bytes() {
  const auto keep = shared_from_this();
  read_time_ = steady_clock::now();
  std::string condition;
  std::string description;
  amqp::event::closed end{};
  engine_->drain([&](const auto& e) {
    if constexpr (std::is_same_v<std::decay_t<decltype(e)>, amqp::event::closed>) {
      end = e;
      condition = e.condition;
      description = e.description;
      ended_ = true;
    } else {
      (*this)(e);
    }
  });
  if (ended_) {
    end.condition = condition;
    end.description = description;
    return (*this)(end);
  }
  if (foreign_) {
    engine_->close();
    pump_->flush();
    return attempt_failed(errc::wrong_protocol, foreign_words);
  }
  schedule_tick();
  pump_->wake();
}

void connection::operator()(const amqp::event::closed& e) {
  pump_->flush();  // the answer to the peer's close
  if (state_ == state::closing) return finish_close();
  std::string words = words_of(e.condition, e.description);
  // What TLS found wrong says more than where the handshake was.
  const bool tls = e.error.category() == io::tls_category();
  if (words.empty() || tls) words = e.error ? e.error.message() : "the connection was closed";
  if (state_ == state::handshaking) {
    error_code error = e.error.category() == ombt_category() ? e.error : errc::bus_unreachable;
    if (error == errc::connection_lost) error = errc::bus_unreachable;
    if (tls) error = errc::wrong_protocol;
    return attempt_failed(error, words);
  }
  ++monitor_->counters.connection_errors;
  const std::string full = with_address(words);
  monitor_->last_error = full;
  lost(e.why == amqp::event::closed::cause::protocol ? errc::protocol_error : errc::connection_lost,
       full);
}

void connection::lost(error_code error, std::string_view words) {
  const auto keep = shared_from_this();
  drop_transport();
  host_index_ = (host_index_ + 1) % settings_->hosts().size();
  retry_later();
  tell_down({trouble::scope::connection, error, words, false});
}

/// Each wait is longer by a factor, though the option's own text speaks of seconds
/// (Controller._handle_connection_loss).
void connection::retry_later() {
  const auto& o = settings_->options();
  state_ = state::backing_off;
  set_timer(std::min(wait_, settings_->source->longest_wait.value_or(wait_)), back_off_timer);
  const int factor = std::max(o.connection_retry_backoff, 1);
  wait_ = std::min<duration>(std::min<duration>(wait_, std::chrono::hours{1}) * factor,
                             seconds{o.connection_retry_interval_max});
}

void connection::tell_up(connection_user* user) {
  if (is_up() && member_of(*user) != nullptr) user->on_up();
}

void connection::tell_down(const trouble& why) {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].user != nullptr) members_[i].user->on_down(why);
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
  tick_at_ = time_point::max();
  if (pump_) {
    pump_->close();
    pump_.reset();
  }
  for (auto& m : members_) {
    m.sessions = {};
    context_.cancel_timer(std::exchange(m.again, 0));
  }
  // Never inside the engine's own drain.
  engine_.reset();
}

/// The engine's deadline moves with what is read; a timer that is early is only started again.
void connection::schedule_tick() {
  if (!engine_) return;
  const time_point when = engine_->next_deadline();
  if (when == time_point::max() || (tick_timer_ != 0 && tick_at_ <= when)) return;
  context_.cancel_timer(tick_timer_);
  tick_at_ = when;
  tick_timer_ = context_.start_timer(when, *this, tick_timer);
}

void connection::set_timer(duration in, std::uint64_t tag) {
  context_.cancel_timer(timer_);
  timer_ = context_.start_timer(steady_clock::now() + in, *this, tag);
}

void connection::on_timer(std::uint64_t tag) {
  const auto keep = shared_from_this();
  switch (static_cast<timer_tag>(tag & 0xff)) {
    case setup_timer:
      timer_ = 0;
      return attempt_failed(errc::bus_unreachable,
                            state_ == state::connecting
                                ? settings_->tls ? "TCP and TLS were not set up within 10 s"
                                                 : "no TCP connection within 10 s"
                                : "the peer did not finish the AMQP handshake within 10 s");
    case back_off_timer:
      timer_ = 0;
      return attempt();
    case close_timer:
      timer_ = 0;
      return finish_close();
    case tick_timer:
      tick_timer_ = 0;
      if (!engine_) return;
      engine_->tick(steady_clock::now());
      return on_bytes();
    case again_timer: {
      member& m = members_[tag >> 8];
      m.again = 0;
      if (m.user != nullptr) tell_up(m.user);
      return;
    }
  }
}

// --- closing ----------------------------------------------------------------------------------

void connection::when_closed(std::function<void()> then) {
  if (state_ == state::closed) return then();
  closed_handlers_.push_back(std::move(then));
  start_close();
}

void connection::start_close() {
  if (is_ending()) return;
  const bool was_open = is_up();
  end_setup();
  state_ = state::closing;
  context_.keep(shared_from_this());
  if (!was_open) {
    // Nothing to say goodbye to; told from the loop, never from inside the caller.
    set_timer(duration{0}, close_timer);
    return;
  }
  engine_->close();
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

// --- events of sessions and links -------------------------------------------------------------

void connection::operator()(const amqp::event::session_opened& e) {
  if (!e.by_peer) return;
  amqp::session on = e.on;
  on.accept();
  on.close("amqp:not-allowed", "no sessions are taken here");
}

void connection::operator()(const amqp::event::session_closed& e) {
  for (auto& m : members_) m.sessions.forget(e.on);
  amqp::session on = e.on;
  on.close();
}

void connection::operator()(const amqp::event::link_opened& e) {
  amqp::link on = e.on;
  if (e.by_peer) return on.refuse("amqp:not-allowed", "no links are taken here");
  // A null terminus is a refusal, whose reason follows.
  const bool present = on.is_sender() ? on.peer_target().present : on.peer_source().present;
  auto* const user = static_cast<link_user*>(on.user());
  if (present && user != nullptr) user->on_attached();
}

void connection::end_of(amqp::link which, std::string_view words) {
  auto* const user = static_cast<link_user*>(which.user());
  if (user == nullptr) return;
  which.set_user(nullptr);
  const std::string full = with_address(words);
  monitor_->last_error = full;
  user->on_detached(full);
}

void connection::operator()(const amqp::event::link_closed& e) {
  amqp::session on = e.on.on();
  std::string words = words_of(e.condition, e.description);
  if (words.empty()) words = "the peer has detached the link";
  end_of(e.on, words);
  amqp::link which = e.on;
  which.close();
  if (settings_->session_a_link && !is_ending() && !keeps_sessions_) on.close();
}

void connection::operator()(const amqp::event::oversized& e) {
  // The engine has closed it, and the peer's answer is of no interest.
  ++monitor_->counters.malformed;
  end_of(e.on, "a message above the size limit was refused");
}

void connection::operator()(const amqp::event::credit& e) {
  auto* const user = static_cast<link_user*>(e.on.user());
  if (user != nullptr) user->on_credit();
  amqp::link on = e.on;
  if (e.drain && on.credit() > 0) on.drained();
}

void connection::operator()(const amqp::event::delivered& e) {
  if (auto* const user = static_cast<link_user*>(e.on.user())) return user->on_delivered(e);
  amqp::delivery what = e.what;
  what.settle(simply(amqp::outcome::kind::released));
}

void connection::operator()(const amqp::event::updated& e) {
  if (auto* const user = static_cast<link_user*>(e.what.on().user())) return user->on_updated(e);
  amqp::delivery what = e.what;
  if (e.settled) what.settle();
}

const wire::oslo::host_address& connection::host() const { return settings_->hosts()[host_index_]; }

std::string connection::with_address(std::string_view words) const {
  return address_text(host()) + ": " + std::string(words);
}

}  // namespace ombt::drivers::amqp10
