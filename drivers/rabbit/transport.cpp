// SPDX-License-Identifier: Apache-2.0
#include "drivers/rabbit/transport.hpp"

#include "drivers/rabbit/body.hpp"
#include "drivers/rabbit/listener.hpp"

#include <algorithm>
#include <charconv>

namespace ombt::drivers::rabbit {
namespace {

/// Bytes of a short string, which exchanges and routing keys are.
constexpr std::size_t name_limit = 255;

void append_milliseconds(std::string& out, duration time) {
  char text[24];
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  const auto end = std::to_chars(text, text + sizeof text, ms).ptr;
  out.append(text, end);
}

}  // namespace

rabbit_transport::rabbit_transport(loop& on, std::shared_ptr<const transport_settings> with)
    : loop_(on),
      context_(on.context()),
      thread_(context_.local<thread_state>()),
      settings_(thread_.known_settings.of(std::move(with))),
      monitor_(std::make_shared<monitor>()),
      sends_(settings_, context_.local<spare_messages<send_op>>(),
             [this] { return connection_for(connection::purpose::send); }),
      operations_(on, *this) {}

rabbit_transport::~rabbit_transport() {
  if (!answering_.empty()) close_links();
  for (const auto handle : operations_.in_flight()) {
    const operation& mine = *operations_.find(handle);
    if (mine.is_call) thread_.calls.forget(mine.msg_id);
  }
  for (auto* l : listeners_) l->orphan();
}

// --- operations -------------------------------------------------------------------------------

void rabbit_transport::submit(std::uint64_t handle, std::unique_ptr<send_op> op,
                              const call_options& options) {
  op->told = this;
  op->tag = handle;
  op->retry = options.retry;
  if (!settings_->options().kombu_compression.empty()) compress(op->body);
  operation& mine = *operations_.find(handle);
  mine.sending = op.get();
  mine.too_long = op->exchange.size() > name_limit || op->routing_key.size() > name_limit;
  if (closing_ || mine.too_long) {
    // Told from the loop, as every completion.
    mine.sending = nullptr;
    sends_.recycle(std::move(op));
    operations_.set_limit(handle, steady_clock::now());
    return;
  }
  if (!mine.is_call || (replies_ && replies_->is_ready())) return sends_.submit(std::move(op));
  queued_.push_back(std::move(op));
  replies_->need();
}

void rabbit_transport::call(const target& to, const request_message& request,
                            const call_options& options, completion& done, std::uint64_t tag) {
  const auto handle = operations_.start(done, tag, steady_clock::now() + options.timeout);
  operation& mine = *operations_.find(handle);
  mine.is_call = true;
  mine.msg_id = wire::oslo::make_hex_id();
  mine.monitor_seconds = options.call_monitor_timeout.value_or(0);
  thread_.calls.enter(mine.msg_id, this, handle);
  if (!replies_ && !closing_) {
    replies_ = std::make_unique<reply_link>(context_, settings_,
                                            connection_for(connection::purpose::listen),
                                            static_cast<reply_sink&>(*this));
  }

  auto op = sends_.prepare();
  op->what = send_op::kind::topic;
  op->exchange = exchange_of(to);
  op->routing_key.assign(to.topic);
  if (!to.server.empty()) op->routing_key.append(".").append(to.server);
  append_milliseconds(op->expiration, options.timeout);
  op->mandatory = options.at_least_once;
  const auto unique = wire::oslo::make_hex_id();
  wire::oslo::request r;
  r.method = request.method;
  r.args_json = request.args_json;
  r.name_space = to.name_space;
  r.version = to.version;
  r.msg_id = wire::oslo::view(mine.msg_id);
  r.reply_queue = replies_ ? std::string_view(replies_->queue()) : std::string_view();
  r.call_monitor_timeout = options.call_monitor_timeout;
  r.unique_id = wire::oslo::view(unique);
  r.context_json = request.context_json;
  append_request(op->body, r);
  submit(handle, std::move(op), options);
}

void rabbit_transport::cast(const target& to, const request_message& request,
                            const call_options& options, completion& done, std::uint64_t tag) {
  const auto handle = operations_.start(done, tag, steady_clock::now() + options.timeout);
  auto op = sends_.prepare();
  op->what = to.fanout ? send_op::kind::fanout : send_op::kind::topic;
  if (to.fanout) {
    op->exchange.assign(to.topic).append("_fanout");
  } else {
    op->exchange = exchange_of(to);
    op->routing_key.assign(to.topic);
    if (!to.server.empty()) op->routing_key.append(".").append(to.server);
  }
  const auto unique = wire::oslo::make_hex_id();
  wire::oslo::request r;
  r.method = request.method;
  r.args_json = request.args_json;
  r.name_space = to.name_space;
  r.version = to.version;
  r.unique_id = wire::oslo::view(unique);
  r.context_json = request.context_json;
  append_request(op->body, r);
  submit(handle, std::move(op), options);
}

void rabbit_transport::notify(const target& to, const notification_message& notification,
                              const call_options& options, completion& done, std::uint64_t tag) {
  const auto handle = operations_.start(done, tag, steady_clock::now() + options.timeout);
  auto op = sends_.prepare();
  op->what = send_op::kind::notify;
  op->exchange = exchange_of(to);
  op->routing_key.assign(to.topic).append(".").append(notification.priority);
  const auto unique = wire::oslo::make_hex_id();
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
  n.unique_id = wire::oslo::view(unique);
  n.context_json = notification.context_json;
  append_notification(op->body, n, notification.envelope);
  submit(handle, std::move(op), options);
}

void rabbit_transport::on_sent(std::unique_ptr<send_op> op, const send_result& result) {
  const auto handle = op->tag;
  sends_.recycle(std::move(op));
  operation* mine = operations_.find(handle);
  if (mine == nullptr) return;
  mine->sending = nullptr;
  if (result.error) return fail(handle, result.error, result.detail);
  if (!mine->is_call) return finish(handle, {});
  mine->confirmed = true;
  if (!mine->early_reply.empty()) {
    // Read again what was kept; it was readable when it came.
    thread_.reader.read(mine->early_reply);
    return finish_with_reply(handle);
  }
  watch(handle);
}

void rabbit_transport::watch(std::uint64_t handle) {
  const std::chrono::duration<double> silence(operations_.find(handle)->monitor_seconds);
  if (silence.count() > 0) {
    operations_.watch(handle, std::chrono::duration_cast<duration>(silence));
  }
}

void rabbit_transport::finish(std::uint64_t handle, const outcome& result) {
  operation* mine = operations_.find(handle);
  if (mine == nullptr) return;
  if (mine->is_call) thread_.calls.forget(mine->msg_id);
  if (mine->sending != nullptr) {
    send_op* gone = std::exchange(mine->sending, nullptr);
    const bool was_queued =
        std::erase_if(queued_, [gone](const auto& one) { return one.get() == gone; }) > 0;
    if (!was_queued) sends_.abandon(*gone);
  }
  mine->early_reply = {};
  operations_.finish(handle, result);
}

void rabbit_transport::fail(std::uint64_t handle, error_code error, std::string_view detail) {
  outcome result;
  result.error = error;
  result.detail = detail;
  finish(handle, result);
}

void rabbit_transport::on_limit(std::uint64_t handle) {
  operation* mine = operations_.find(handle);
  if (closing_) return fail(handle, errc::cancelled, "the transport is closed");
  if (mine->too_long) {
    return fail(handle, errc::limit_exceeded, "exchange, topic and server are above 255 bytes");
  }
  std::string words;
  error_code error = errc::messaging_timeout;
  const bool unsent = mine->sending != nullptr && mine->sending->at == send_op::stage::waiting;
  if (unsent && monitor_->counters.connects == 0) {
    error = errc::bus_unreachable;
    words = monitor_->last_error;
    if (words.empty()) words = settings_->source->messaging.url.masked() + " has not answered";
  } else if (mine->is_call) {
    words = "Timed out waiting for a reply to message ID " +
            std::string(wire::oslo::view(mine->msg_id));
  } else {
    words = "Timed out waiting for the broker to confirm the message";
  }
  if (unsent && error != errc::bus_unreachable && !monitor_->last_error.empty()) {
    words += " (" + monitor_->last_error + ")";
  }
  fail(handle, error, words);
}

// --- replies ----------------------------------------------------------------------------------

void rabbit_transport::on_reply_queue() {
  for (auto& op : std::exchange(queued_, {})) sends_.submit(std::move(op));
}

void rabbit_transport::on_reply_trouble(const trouble& why) {
  if (!why.final && why.what != trouble::scope::channel) {
    // Calls that may not wait for a connection: retry counts attempts, as for sends.
    return;
  }
  if (replies_->is_ready()) return;
  for (auto& op : std::exchange(queued_, {})) {
    const auto handle = op->tag;
    if (operation* mine = operations_.find(handle)) mine->sending = nullptr;
    sends_.recycle(std::move(op));
    fail(handle, why.error, why.detail);
  }
}

bool rabbit_transport::read_reply(const amqp::event::delivered& e) {
  auto error = readable_text(e.header, e.body, settings_->source->messaging.body_limit,
                             thread_.inflated, reply_text_);
  if (!error) error = thread_.reader.read(reply_text_);
  if (!error) return true;
  ++monitor_->counters.malformed;
  monitor_->last_error = "a reply that cannot be read: " + error.message();
  return false;
}

void rabbit_transport::on_reply() {
  const auto& reader = thread_.reader;
  const auto handle = thread_.calls.find(reader.msg_id(), this);
  if (handle == 0) {
    ++monitor_->counters.late_replies;
    return;
  }
  operation& mine = *operations_.find(handle);
  if (!reader.ending()) {
    if (mine.confirmed) watch(handle);
    return;
  }
  if (!mine.confirmed) {
    mine.early_reply.assign(reply_text_);
    return;
  }
  finish_with_reply(handle);
}

void rabbit_transport::finish_with_reply(std::uint64_t handle) {
  const views_in_use guard(thread_.views_live);
  const auto failure = thread_.reader.failure();
  if (!failure)
    return finish(handle, {{}, {}, thread_.reader.result(), nullptr, thread_.reader.note()});
  wire::oslo::remote_exception exception;
  if (read_remote_exception(thread_.exception_reader, *failure, exception)) {
    ++monitor_->counters.malformed;
    return fail(handle, errc::malformed_message, "the reply's failure cannot be read");
  }
  finish(handle, {errc::remote_exception, exception.message, {}, &exception});
}

// --- connections ------------------------------------------------------------------------------

std::shared_ptr<connection> rabbit_transport::connection_for(connection::purpose why) {
  std::shared_ptr<connection> made;
  const auto& topology = settings_->source->topology;
  switch (topology.mode) {
    case topology::kind::oslo:
      made = std::make_shared<connection>(context_, thread_.memory, settings_, monitor_, why);
      break;
    case topology::kind::lean:
      made = lean_.lock();
      if (made && !made->is_ending()) return made;
      made = std::make_shared<connection>(context_, thread_.memory, settings_, monitor_,
                                          connection::purpose::listen);
      lean_ = made;
      break;
    case topology::kind::shared:
      made = thread_.shared_connections.next(*settings_, topology.connections, [this] {
        return std::make_shared<connection>(context_, thread_.memory, settings_, monitor_,
                                            connection::purpose::listen);
      });
      break;
  }
  std::erase_if(connections_, [](const auto& c) { return c.expired(); });
  connections_.push_back(made);
  return made;
}

bool rabbit_transport::listener_is_alone() const noexcept {
  return settings_->source->topology.mode == topology::kind::oslo;
}

std::string rabbit_transport::exchange_of(const target& t) const {
  return t.exchange.empty() ? settings_->source->messaging.defaults.control_exchange : t.exchange;
}

std::unique_ptr<drivers::listener> rabbit_transport::listen(const target& at,
                                                            const serve_options& options,
                                                            request_handler& handler) {
  auto made = std::make_unique<rabbit_listener>(*this, at, options, handler);
  listeners_.push_back(made.get());
  return made;
}

std::unique_ptr<drivers::listener> rabbit_transport::listen_for_notifications(
    const target& at, const std::vector<std::string>& priorities, std::string_view pool,
    notification_handler& handler) {
  auto made = std::make_unique<rabbit_listener>(*this, at, priorities, pool, handler);
  listeners_.push_back(made.get());
  return made;
}

void rabbit_transport::forget(rabbit_listener& gone) {
  std::erase(listeners_, &gone);
  look_again();
}

// --- closing ----------------------------------------------------------------------------------

void rabbit_transport::close(duration limit, std::function<void()> done) {
  answering_.push_back(drivers::closing::start(
      loop_, limit, [this] { close_links(); }, std::move(done)));
  if (!std::exchange(closing_, true)) {
    sends_.on_trouble([this] { look_again(); });
    sends_.forget_reach();
    for (auto* l : std::vector(listeners_)) l->stop();
    if (replies_) {
      if (remove_declarations_) replies_->delete_queue();
      replies_.reset();
    }
    for (const auto handle : operations_.in_flight()) {
      fail(handle, errc::cancelled, "the transport was closed");
    }
  }
  if (!owes_answers()) close_links();
}

bool rabbit_transport::owes_answers() const {
  return sends_.in_contact() &&
         std::any_of(listeners_.begin(), listeners_.end(), [](const auto* l) { return l->owes(); });
}

void rabbit_transport::look_again() {
  // From the loop: this is told inside callbacks of links, which are about to go.
  if (answering_.empty() || look_ != 0) return;
  look_ = context_.start_timer(steady_clock::now(), *this, 0);
}

void rabbit_transport::on_timer(std::uint64_t) {
  look_ = 0;
  if (!owes_answers()) close_links();
}

void rabbit_transport::close_links() {
  context_.cancel_timer(std::exchange(look_, 0));
  const auto waiting = std::exchange(answering_, {});
  // Answers that listeners still send are cancelled with the pool, so the listeners go first.
  for (auto* l : std::vector(listeners_)) l->shut();
  sends_.close();
  for (const auto& one : waiting) {
    for (const auto& weak : connections_) {
      const auto c = weak.lock();
      if (c && c->is_ending())
        c->when_closed(one->one_more());  // a shared one that others still use goes on
    }
    one->all_named();
  }
}

}  // namespace ombt::drivers::rabbit
