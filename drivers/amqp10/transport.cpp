// SPDX-License-Identifier: Apache-2.0
#include "drivers/amqp10/transport.hpp"

#include "wire/amqp10/message.hpp"
#include "wire/configuration_error.hpp"

#include "drivers/amqp10/listener.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace ombt::drivers::amqp10 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// What an operation is called in words (the names of the Python driver's tasks).
constexpr const char* call_name = "RPC Call";
constexpr const char* cast_name = "RPC Cast";
constexpr const char* notify_name = "Notify";

}  // namespace

amqp10_transport::amqp10_transport(loop& on, std::shared_ptr<const transport_settings> with)
    : loop_(on),
      context_(on.context()),
      thread_(context_.local<thread_state>()),
      settings_(thread_.known_settings.of(std::move(with))),
      monitor_(std::make_shared<monitor>()),
      replies_(*this, settings_->options().reply_link_credit),
      sends_(context_, thread_, settings_, monitor_),
      operations_(on, *this) {}

amqp10_transport::~amqp10_transport() {
  if (!answering_.empty()) close_links();
  for (const handle which : operations_.in_flight()) forget_name(*operations_.find(which));
  context_.cancel_timer(look_);
  for (auto* l : listeners_) l->orphan();
  replies_.close();
  if (connection_) connection_->remove(*this);
}

void amqp10_transport::reach(reach_handler& told) {
  if (closing_) return;
  reaching_ = &told;
  bus()->need();
}

// --- operations -------------------------------------------------------------------------------

amqp10_transport::handle amqp10_transport::start(completion& done, std::uint64_t tag,
                                                 const char* name, time_point limit,
                                                 bool own_limit) {
  const handle made = operations_.start(done, tag, limit);
  operation& mine = *operations_.find(made);
  mine.name = name;
  mine.own_limit = own_limit;
  return made;
}

void amqp10_transport::submit(handle which, std::unique_ptr<send_op> op, const destination& to,
                              const call_options& options) {
  operation& mine = *operations_.find(which);
  const std::size_t length = to.exchange.size() + to.topic.size() + to.server.size();
  if (closing_ || length > address_limit) {
    // Told from the loop, as every completion.
    if (!closing_) mine.refused = "exchange, topic and server are above 2048 bytes";
    sends_.recycle(std::move(op));
    return operations_.set_limit(which, steady_clock::now());
  }
  op->told = this;
  op->tag = which;
  op->retry = options.retry;
  mine.sending = op.get();
  bus()->need();
  sends_.submit(std::move(op), to);
}

void amqp10_transport::call(const target& to, const request_message& request,
                            const call_options& options, completion& done, std::uint64_t tag) {
  const time_point limit = steady_clock::now() + options.timeout;
  const auto which = start(done, tag, call_name, limit, true);
  operation& mine = *operations_.find(which);
  mine.is_call = true;
  mine.monitor_seconds = options.call_monitor_timeout.value_or(0);
  if (mine.monitor_seconds > 0) {
    const std::chrono::duration<double> silence(std::min(mine.monitor_seconds, 1e6));
    operations_.watch(which, std::chrono::duration_cast<duration>(silence));
  }
  auto op = sends_.prepare();
  op->kind = message_kind::call;
  op->at_least_once = options.at_least_once;
  op->ttl = std::chrono::ceil<milliseconds>(options.timeout);
  op->limit = limit;
  wire::oslo::request r;
  r.method = request.method;
  r.args_json = request.args_json;
  r.name_space = to.name_space;
  r.version = to.version;
  r.call_monitor_timeout = options.call_monitor_timeout;
  r.context_json = request.context_json;
  append_amqp10_request(op->body, r);
  submit(which, std::move(op), {destination::kind::rpc, to.exchange, to.topic, to.server, false},
         options);
}

void amqp10_transport::cast(const target& to, const request_message& request,
                            const call_options& options, completion& done, std::uint64_t tag) {
  const duration usual = seconds{settings_->options().default_send_timeout};
  const time_point limit = steady_clock::now() + std::min(options.timeout, usual);
  const auto which = start(done, tag, cast_name, limit, options.timeout < usual);
  auto op = sends_.prepare();
  op->kind = message_kind::cast;
  op->limit = limit;
  wire::oslo::request r;
  r.method = request.method;
  r.args_json = request.args_json;
  r.name_space = to.name_space;
  r.version = to.version;
  r.context_json = request.context_json;
  append_amqp10_request(op->body, r);
  submit(which, std::move(op),
         {destination::kind::rpc, to.exchange, to.topic, to.server, to.fanout}, options);
}

void amqp10_transport::notify(const target& to, const notification_message& notification,
                              const call_options& options, completion& done, std::uint64_t tag) {
  const duration usual = seconds{settings_->options().default_notify_timeout};
  const time_point limit = steady_clock::now() + std::min(options.timeout, usual);
  const auto which = start(done, tag, notify_name, limit, options.timeout < usual);
  auto op = sends_.prepare();
  op->kind = message_kind::notification;
  op->limit = limit;
  const std::string message_id = wire::oslo::make_dashed_uuid();
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  const std::string timestamp = wire::oslo::notification_timestamp(
      std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count());
  std::string priority(notification.priority);
  std::transform(priority.begin(), priority.end(), priority.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  wire::oslo::notification n;
  n.message_id = message_id;
  n.publisher_id = notification.publisher_id;
  n.event_type = notification.event_type;
  n.priority = priority;
  n.payload_json = notification.payload_json;
  n.timestamp = timestamp;
  n.context_json = notification.context_json;
  append_amqp10_notification(op->body, n, notification.envelope);
  submit(which, std::move(op),
         {destination::kind::notification, {}, to.topic, notification.priority, false}, options);
}

void amqp10_transport::on_sending(send_op& op) {
  if (op.kind != message_kind::call) return;
  operation* mine = operations_.find(op.tag);
  if (mine == nullptr) return;
  // A reply to what was sent before, and came back, is nobody's.
  forget_name(*mine);
  mine->msg_id = op.msg_id = wire::oslo::make_hex_id();
  mine->named = true;
  thread_.calls.enter(mine->msg_id, this, op.tag);
}

void amqp10_transport::on_sent(std::unique_ptr<send_op> op) {
  const handle which = op->tag;
  const error_code error = op->error;
  const std::string words = std::move(op->detail);
  sends_.recycle(std::move(op));
  operation* mine = operations_.find(which);
  if (mine == nullptr) return;
  mine->sending = nullptr;
  if (error) return fail(which, error, words);
  if (!mine->is_call) finish(which, {});
}

void amqp10_transport::forget_name(operation& op) {
  if (std::exchange(op.named, false)) thread_.calls.forget(op.msg_id);
}

void amqp10_transport::finish(handle which, const outcome& result) {
  operation* mine = operations_.find(which);
  if (mine == nullptr) return;
  forget_name(*mine);
  if (send_op* gone = std::exchange(mine->sending, nullptr)) sends_.abandon(*gone);
  operations_.finish(which, result);
}

void amqp10_transport::fail(handle which, error_code error, std::string_view detail) {
  outcome result;
  result.error = error;
  result.detail = detail;
  finish(which, result);
}

void amqp10_transport::on_limit(handle which) {
  operation& mine = *operations_.find(which);
  if (closing_) return fail(which, errc::cancelled, "the transport is closed");
  if (!mine.refused.empty()) return fail(which, errc::limit_exceeded, mine.refused);
  const bool unsent = mine.sending != nullptr && mine.sending->at == send_op::stage::waiting;
  if (unsent && monitor_->counters.connects == 0) {
    std::string words = monitor_->last_error;
    if (words.empty()) words = settings_->source->messaging.url.masked() + " has not answered";
    return fail(which, errc::bus_unreachable, words);
  }
  std::string words = std::string(mine.name) + " message sent, but failed: timed out";
  if (unsent) {
    words = std::string(mine.name) + " message not sent: timed out";
    std::string why = sends_.why_waiting(*mine.sending);
    if (why.empty()) why = monitor_->last_error;
    if (!why.empty()) words += " (" + why + ")";
  }
  // As in Python: a time limit of the caller's, or one of the options.
  fail(which, mine.own_limit ? errc::messaging_timeout : errc::delivery_failure, words);
}

void amqp10_transport::on_silence(handle which) {
  fail(which, errc::messaging_timeout, "RPC Call message sent, but failed: call monitor timed out");
}

// --- the connection ---------------------------------------------------------------------------

const std::shared_ptr<connection>& amqp10_transport::bus() {
  if (connection_ && !connection_->is_ending()) return connection_;
  const auto& topology = settings_->source->topology;
  const auto make = [this] { return std::make_shared<connection>(context_, settings_, monitor_); };
  connection_ = topology.mode == topology::kind::shared
                    ? thread_.shared_connections.next(*settings_, topology.connections, make)
                    : make();
  connection_->add(*this);
  return connection_;
}

void amqp10_transport::on_up() {
  addresser_.emplace(settings_->source->messaging, connection_->product());
  for (auto* l : std::vector(listeners_)) l->on_up(connection_, *addresser_);
  if (closing_) return;
  if (replies_.open(connection_, *this)) return;
  on_reply_link_down("the peer allows no more sessions on a connection");
}

void amqp10_transport::on_down(const trouble& why) {
  replies_.close();
  sends_.down(why);
  addresser_.reset();
  look_again();
  auto* const told = why.final ? std::exchange(reaching_, nullptr) : reaching_;
  if (told != nullptr) told->on_unreached(why.error, why.detail, why.final);
  for (auto* l : std::vector(listeners_)) {
    if (std::find(listeners_.begin(), listeners_.end(), l) != listeners_.end()) l->on_down(why);
  }
}

void amqp10_transport::on_room() {
  sends_.go_on();
  for (auto* l : listeners_) l->on_room();
}

void amqp10_transport::on_reply_link() {
  sends_.ready(connection_, *this, *addresser_, replies_.address());
  if (auto* const told = std::exchange(reaching_, nullptr)) told->on_reached();
}

void amqp10_transport::on_reply_link_down(std::string_view words) {
  if (!closing_) connection_->renew(*this, "the reply link is down: " + std::string(words));
}

// --- replies ----------------------------------------------------------------------------------

amqp::outcome amqp10_transport::read_reply(const amqp::event::delivered& e) {
  using kind = amqp::message::body_kind;
  reply_ = reply_kind::unknown;
  amqp::outcome how = simply(amqp::outcome::kind::rejected);
  how.condition = "amqp:decode-error";
  amqp::message m;
  if (amqp::read_message(e.message, m)) {
    ++monitor_->counters.malformed;
    monitor_->last_error = connection_->with_address("a reply that is no message");
    return how;
  }
  const handle found = thread_.calls.find(m.correlation_id, this);
  if (found == 0) {
    ++monitor_->counters.late_replies;
    how = simply(amqp::outcome::kind::modified);
    how.delivery_failed = how.undeliverable_here = true;
    return how;
  }
  replied_ = found;
  if (m.kind == kind::none) {
    reply_ = reply_kind::heartbeat;
  } else if (m.kind == kind::other || thread_.reader.read(m.body)) {
    ++monitor_->counters.malformed;
    reply_ = reply_kind::unreadable;
    return how;
  } else {
    reply_ = reply_kind::answer;
  }
  return simply(amqp::outcome::kind::accepted);
}

void amqp10_transport::on_reply() {
  const views_in_use guard(thread_.views_live);
  const handle which = replied_;
  operation* mine = reply_ != reply_kind::unknown ? operations_.find(which) : nullptr;
  if (mine == nullptr) return;
  if (reply_ == reply_kind::heartbeat) {
    if (mine->monitor_seconds <= 0) return;
    const std::chrono::duration<double> silence(std::min(mine->monitor_seconds, 1e6));
    return operations_.watch(which, std::chrono::duration_cast<duration>(silence));
  }
  if (send_op* const sent = std::exchange(mine->sending, nullptr)) sends_.answered(*sent);
  if (reply_ == reply_kind::unreadable) {
    return fail(which, errc::malformed_message, "the reply cannot be read");
  }
  const auto failure = thread_.reader.failure();
  if (!failure)
    return finish(which, {{}, {}, thread_.reader.result(), nullptr, thread_.reader.note()});
  wire::oslo::remote_exception exception;
  if (read_remote_exception(thread_.exception_reader, *failure, exception)) {
    ++monitor_->counters.malformed;
    return fail(which, errc::malformed_message, "the reply's failure cannot be read");
  }
  finish(which, {errc::remote_exception, exception.message, {}, &exception});
}

// --- listeners --------------------------------------------------------------------------------

std::unique_ptr<drivers::listener> amqp10_transport::listen(const target& at,
                                                            const serve_options& options,
                                                            request_handler& handler) {
  auto made = std::make_unique<amqp10_listener>(*this, at, options, handler);
  listeners_.push_back(made.get());
  bus()->need();
  if (addresser_) made->on_up(connection_, *addresser_);
  return made;
}

std::unique_ptr<drivers::listener> amqp10_transport::listen_for_notifications(
    const target& at, const std::vector<std::string>& priorities, std::string_view pool,
    notification_handler& handler) {
  if (!pool.empty()) {
    throw configuration_error(
        "a notification pool is not implemented by this transport driver (amqp://), nor by "
        "Python's");
  }
  auto made = std::make_unique<amqp10_listener>(*this, at, priorities, handler);
  listeners_.push_back(made.get());
  bus()->need();
  if (addresser_) made->on_up(connection_, *addresser_);
  return made;
}

void amqp10_transport::forget(amqp10_listener& gone) {
  std::erase(listeners_, &gone);
  look_again();
}

// --- closing ----------------------------------------------------------------------------------

void amqp10_transport::close(duration limit, std::function<void()> done) {
  answering_.push_back(closing::start(
      loop_, limit, [this] { close_links(); }, std::move(done)));
  if (!std::exchange(closing_, true)) {
    reaching_ = nullptr;
    if (connection_) connection_->keep_sessions();
    for (auto* l : std::vector(listeners_)) l->stop();
    replies_.close();
    for (const auto which : operations_.in_flight()) {
      fail(which, errc::cancelled, "the transport was closed");
    }
  }
  if (!owes_answers()) close_links();
}

bool amqp10_transport::owes_answers() const {
  return connection_ && connection_->in_contact() &&
         std::any_of(listeners_.begin(), listeners_.end(), [](const auto* l) { return l->owes(); });
}

void amqp10_transport::look_again() {
  // From the loop: this is told inside callbacks of links, which are about to go.
  if (answering_.empty() || look_ != 0) return;
  look_ = context_.start_timer(steady_clock::now(), *this, 0);
}

void amqp10_transport::on_timer(std::uint64_t) {
  look_ = 0;
  if (!owes_answers()) close_links();
}

void amqp10_transport::close_links() {
  context_.cancel_timer(std::exchange(look_, 0));
  const auto waiting = std::exchange(answering_, {});
  // Answers that listeners still send are cancelled with the links, so the listeners go first.
  for (auto* l : std::vector(listeners_)) l->shut();
  sends_.close();
  addresser_.reset();
  if (connection_) connection_->remove(*this);
  for (const auto& one : waiting) {
    if (connection_ && connection_->is_ending()) connection_->when_closed(one->one_more());
    one->all_named();
  }
}

}  // namespace ombt::drivers::amqp10
