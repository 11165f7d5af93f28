// SPDX-License-Identifier: Apache-2.0
#include "drivers/rabbit/listener.hpp"

#include "drivers/dispatcher.hpp"
#include "drivers/rabbit/body.hpp"
#include "drivers/rabbit/transport.hpp"

#include <algorithm>

namespace ombt::drivers::rabbit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr duration retry_gap = milliseconds{250};  // AMQPIncomingMessage.reply

enum timer_kind : std::uint64_t { heartbeat_timer = 0, pause_timer = 1 };
constexpr std::uint64_t resume_tag = ~std::uint64_t{0};
constexpr std::uint64_t reopen_tag = resume_tag - 1;
constexpr std::uint64_t timer_tag(timer_kind kind, request_id id) {
  return (std::uint64_t{kind} << 63) | (std::uint64_t{id.generation & 0x7fffffff} << 32) | id.slot;
}

std::uint64_t handle_of(request_id id) { return (std::uint64_t{id.generation} << 32) | id.slot; }
request_id id_of(std::uint64_t handle) {
  return {static_cast<std::uint32_t>(handle), static_cast<std::uint32_t>(handle >> 32)};
}

}  // namespace

rabbit_listener::rabbit_listener(rabbit_transport& of, const target& at,
                                 const serve_options& options, request_handler& handler)
    : transport_(&of), context_(of.context()), target_(at), options_(options), requests_(&handler) {
  const std::string exchange = of.exchange_of(at);
  const std::string named = at.topic + "." + at.server;
  sources_.push_back({exchange, at.topic, at.topic, false});
  sources_.push_back({exchange, named, named, false});
  sources_.push_back(
      {at.topic + "_fanout",
       at.topic + "_fanout_" + std::string(wire::oslo::view(wire::oslo::make_hex_id())), at.topic,
       true});
  connection_ = of.connection_for(connection::purpose::listen);
  channel_ = connection_->add(*this);
}

rabbit_listener::rabbit_listener(rabbit_transport& of, const target& at,
                                 const std::vector<std::string>& priorities, std::string_view pool,
                                 notification_handler& handler)
    : transport_(&of), context_(of.context()), target_(at), notifications_(&handler) {
  const std::string exchange = of.exchange_of(at);
  for (const auto& priority : priorities) {
    const std::string key = at.topic + "." + priority;
    sources_.push_back({exchange, pool.empty() ? key : std::string(pool), key, false});
  }
  connection_ = of.connection_for(connection::purpose::listen);
  channel_ = connection_->add(*this);
}

rabbit_listener::~rabbit_listener() {
  for (auto& s : slots_) {
    context_.cancel_timer(s.heartbeat);
    context_.cancel_timer(s.pause);
    s.at = stage::free;
  }
  context_.cancel_timer(resume_);
  context_.cancel_timer(reopen_);
  shut();
  if (transport_ == nullptr) return;
  transport_->sends().abandon_all(*this);
  transport_->forget(*this);
}

void rabbit_listener::stop() {
  if (stopped_) return;
  stopped_ = true;
  context_.cancel_timer(std::exchange(reopen_, 0));
  ++epoch_;  // nothing is settled any more on a channel that may become another's
  waiting_.clear();
  if (std::exchange(paused_, false)) connection_->pause_reading(false);  // to see close-ok
  if (connection_->is_up(channel_)) {
    auto& c = connection_->commands();
    const bool remove = transport_ != nullptr && transport_->removes_declarations();
    const bool unheard = notifications_ != nullptr && transport_ != nullptr &&
                         transport_->options()->source->own_topic;
    if (remove || unheard) {
      for (std::size_t i = 0; i < sources_.size(); ++i) {
        c.basic_cancel(channel_, std::to_string(i + 1));
      }
    }
    for (const auto& s : sources_) {
      if (s.fanout) c.queue_delete(channel_, s.queue, false, false);
    }
    if (unheard) {
      for (const auto& s : sources_) {
        if (s.queue == s.routing_key) c.queue_delete(channel_, s.queue, true, false);  // no pool's
      }
    }
    if (remove && requests_ != nullptr) {
      // The server's own queue first; the first refusal closes the channel and ends the list.
      c.queue_delete(channel_, sources_[1].queue, false, false);
      c.queue_delete(channel_, sources_[0].queue, true, false);
      c.exchange_delete(channel_, sources_[0].exchange, true);
    }
    // Before the last channel goes, and with it a connection that the answers could use.
    if (transport_ != nullptr && owes()) transport_->sends().reach();
  }
  connection_->remove(channel_);
}

void rabbit_listener::shut() {
  stop();
  shut_ = true;
}

bool rabbit_listener::owes() const noexcept {
  return std::any_of(slots_.begin(), slots_.end(), [](const slot& s) {
    return s.at == stage::replying || (s.at == stage::running && s.wants_reply);
  });
}

void rabbit_listener::owes_less() {
  if (stopped_ && transport_ != nullptr) transport_->look_again();
}

// --- the channel ------------------------------------------------------------------------------

void rabbit_listener::on_up() {
  ++epoch_;
  declare_all();
}

void rabbit_listener::declare_all() {
  auto& c = connection_->commands();
  const settings& s = *transport_->options();
  consumes_answered_ = 0;
  int prefetch = s.options().rabbit_qos_prefetch_count;
  if (prefetch == 0 && !transport_->listener_is_alone()) {
    // The connection carries other links, so it must go on being read: the broker holds the rest.
    prefetch = static_cast<int>(std::min<std::size_t>(options_.waiting_limit, 65535));
  }
  prefetches_ = prefetch > 0;
  if (prefetches_) c.basic_qos(channel_, static_cast<std::uint16_t>(prefetch));
  for (const auto& one : sources_) {
    if (!one.exchange.starts_with("amq.")) {  // the broker's own may not be declared
      c.exchange_declare(channel_, one.exchange, one.fanout ? "fanout" : "topic",
                         !one.fanout && s.durable, one.fanout || s.auto_delete);
    }
    c.queue_declare(channel_, one.queue, !one.fanout && s.durable, !one.fanout && s.auto_delete,
                    one.fanout ? s.transient_arguments : s.topic_arguments);
    c.queue_bind(channel_, one.queue, one.exchange, one.routing_key);
  }
  // One consumer a queue; with a pool all bindings lead to one (declare_consumer's _active_tags).
  std::string last;
  std::size_t tag = 0;
  for (const auto& one : sources_) {
    if (one.queue == last) continue;
    last = one.queue;
    c.basic_consume(channel_, one.queue, std::to_string(++tag), s.consumer_arguments);
  }
}

void rabbit_listener::on_completed(amqp::event::command what) {
  if (what != amqp::event::command::basic_consume) return;
  const bool pooled = sources_.size() > 1 && sources_[0].queue == sources_[1].queue;
  if (++consumes_answered_ != (pooled ? 1 : sources_.size())) return;
  if (ever_listened_) ++counters_.reconnects;
  ever_listened_ = listening_ = true;
  retried_404_ = false;
  gaps_.up(steady_clock::now());
  requests_ != nullptr ? requests_->on_listening(*this) : notifications_->on_listening(*this);
}

void rabbit_listener::on_down(const trouble& why) {
  // What waited unacknowledged comes again from the broker.
  waiting_.clear();
  paused_ = false;
  const bool was_listening = std::exchange(listening_, false);
  context_.cancel_timer(std::exchange(reopen_, 0));
  if (stopped_) return;
  if (why.what == trouble::scope::channel) {
    if (why.code == 404 && !was_listening && !retried_404_) {
      retried_404_ = true;  // a race with somebody's auto-delete: once more (Consumer.declare)
      return connection_->reopen(channel_);
    }
    // A refusal such as 406 does not mend by itself, but a listener that worked once goes on
    // trying, from a second up to half a minute later.
    if (ever_listened_) come_back();
    return report(why.error, why.detail, !ever_listened_);
  }
  report(why.error, why.detail, why.final);
}

/// After its channel was closed: on a connection of its own as after a loss, else by itself.
void rabbit_listener::come_back() {
  const auto now = steady_clock::now();
  const duration gap = std::max(gaps_.closed(now), reopen_gaps::shortest);
  if (transport_->listener_is_alone()) {
    return connection_->restart(gap, "the broker closed the listener's channel");
  }
  context_.cancel_timer(reopen_);
  reopen_ = context_.start_timer(now + gap, *this, reopen_tag);
}

void rabbit_listener::report(error_code error, std::string_view detail, bool final) {
  if (requests_ != nullptr) {
    requests_->on_listener_error(*this, error, detail, final);
  } else {
    notifications_->on_listener_error(*this, error, detail, final);
  }
}

void rabbit_listener::on_cancelled(const amqp::event::cancelled&) {
  const std::chrono::duration<double> delay(transport_->options()->options().kombu_reconnect_delay);
  connection_->restart(std::chrono::duration_cast<duration>(delay),
                       "the broker cancelled a consumer");
}

// --- messages in ------------------------------------------------------------------------------

void rabbit_listener::on_delivered(const amqp::event::delivered& e) {
  if (stopped_) return;
  ++counters_.received;
  auto& thread = transport_->thread();
  std::string_view text;
  if (readable_text(e.header, e.body, transport_->options()->source->messaging.body_limit,
                    thread.inflated, text)) {
    ++counters_.malformed;
    return settle(e.delivery_tag, epoch_, false, false);
  }
  const bool busy =
      free_slots_.empty() && slots_.size() >= static_cast<std::size_t>(options_.executor_slots);
  if (!busy && waiting_.empty()) {
    return accept(text, e.delivery_tag, epoch_, connection_->read_time());
  }
  waiting_.push_back({std::string(text), connection_->read_time(), e.delivery_tag, epoch_});
  if (!prefetches_ && waiting_.size() >= options_.waiting_limit && !paused_) {
    paused_ = true;
    connection_->pause_reading(true);
  }
}

void rabbit_listener::on_oversized(const amqp::event::oversized& e) {
  if (stopped_) return;
  ++counters_.received;
  ++counters_.malformed;
  settle(e.delivery_tag, epoch_, false, false);
}

void rabbit_listener::accept(std::string_view text, std::uint64_t delivery_tag, std::uint32_t epoch,
                             time_point received) {
  auto& reader = transport_->thread().reader;
  if (reader.read(text)) {
    // Unreadable for good: rejected, not requeued (Consumer._callback).
    ++counters_.malformed;
    return settle(delivery_tag, epoch, false, false);
  }
  const bool duplicate = recent_.contains(reader.unique_id());
  if (requests_ != nullptr || duplicate) settle(delivery_tag, epoch, true, false);
  if (duplicate) {
    ++counters_.duplicates;
    return;
  }
  const views_in_use guard(transport_->thread().views_live);
  const std::uint32_t index = take_slot();
  slot& s = slots_[index];
  s.channel_epoch = epoch;
  s.delivery_tag = delivery_tag;
  if (requests_ != nullptr) {
    recent_.add(reader.unique_id());
    dispatch_request(index, received);
  } else {
    s.unique_id.assign(reader.unique_id());
    dispatch_notification(index, received);
  }
}

void rabbit_listener::dispatch_request(std::uint32_t index, time_point received) {
  const auto& reader = transport_->thread().reader;
  slot& s = slots_[index];
  s.msg_id.assign(reader.msg_id());
  s.reply_queue.assign(reader.reply_queue());
  s.wants_reply = !s.msg_id.empty() && !s.reply_queue.empty();
  if (s.reply_queue.size() > 255) {  // no queue has such a name, and no frame carries it
    ++counters_.malformed;
    s.wants_reply = false;
  }
  const request_id id{index, s.generation};
  // Nothing is awaited by a method that the dispatcher refuses, so no heartbeats for it either.
  const auto refusal =
      refusal_of(target_, options_, {reader.method(), reader.name_space(), reader.version()});
  if (refusal) return fail(id, *refusal);
  const double monitor = reader.call_monitor_timeout().value_or(0);
  if (s.wants_reply && monitor >= 1) {
    s.heartbeat_seconds = static_cast<double>(static_cast<long>(std::min(monitor, 1e9))) / 2;
    if (s.heartbeat_seconds >= 1) start_heartbeat(index);
  }
  if (is_ping(options_, reader.method())) return reply(id, "\"pong\"", {});
  requests_->on_request(
      *this, {id, reader.method(), reader.args(), reader.message(), s.wants_reply, received});
}

void rabbit_listener::dispatch_notification(std::uint32_t index, time_point received) {
  const auto message = transport_->thread().reader.message();
  const auto text = [&message](std::string_view key) {
    return message[key].string().value_or(std::string_view{});
  };
  notifications_->on_notification(*this, {{index, slots_[index].generation},
                                          text("publisher_id"),
                                          text("event_type"),
                                          text("message_id"),
                                          text("priority"),
                                          text("timestamp"),
                                          message["payload"],
                                          received});
}

void rabbit_listener::settle(std::uint64_t delivery_tag, std::uint32_t epoch, bool accepted,
                             bool requeue) {
  if (epoch != epoch_ || !connection_->is_up(channel_)) return;
  auto& c = connection_->commands();
  if (accepted) {
    c.ack(channel_, delivery_tag, false);
  } else {
    c.reject(channel_, delivery_tag, requeue);
  }
}

// --- slots ------------------------------------------------------------------------------------

std::uint32_t rabbit_listener::take_slot() {
  std::uint32_t index;
  if (free_slots_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  slot& s = slots_[index];
  s.generation = (s.generation + 1) & 0x7fffffff;
  s.at = stage::running;
  return index;
}

rabbit_listener::slot* rabbit_listener::find(request_id id) {
  if (id.slot >= slots_.size()) return nullptr;
  slot& s = slots_[id.slot];
  return s.at == stage::running && s.generation == id.generation ? &s : nullptr;
}

void rabbit_listener::free_slot(std::uint32_t index) {
  slot& s = slots_[index];
  context_.cancel_timer(std::exchange(s.heartbeat, 0));
  context_.cancel_timer(std::exchange(s.pause, 0));
  s.heartbeat_seconds = 0;
  s.at = stage::free;
  free_slots_.push_back(index);
  owes_less();
  if (!waiting_.empty()) serve_waiting();
}

void rabbit_listener::serve_waiting() {
  if (serving_ || stopped_ || transport_ == nullptr) return;
  if (transport_->thread().views_live) {
    // Inside somebody's callback, whose views a new message would overwrite: from the loop.
    if (resume_ == 0) resume_ = context_.start_timer(steady_clock::now(), *this, resume_tag);
    return;
  }
  serving_ = true;
  const auto limit = static_cast<std::size_t>(options_.executor_slots);
  while (!waiting_.empty() && !stopped_ && (!free_slots_.empty() || slots_.size() < limit)) {
    waiting_message m = std::move(waiting_.front());
    waiting_.pop_front();
    accept(m.text, m.delivery_tag, m.channel_epoch, m.received);
  }
  serving_ = false;
  if (paused_ && waiting_.size() <= options_.waiting_limit / 2) {
    paused_ = false;
    connection_->pause_reading(false);
  }
}

// --- answers ----------------------------------------------------------------------------------

void rabbit_listener::done(request_id id) {
  if (find(id) != nullptr) free_slot(id.slot);
}

void rabbit_listener::end_notification(request_id id, bool accepted) {
  slot* s = find(id);
  if (s == nullptr) return;
  if (accepted) recent_.add(s->unique_id);
  settle(s->delivery_tag, s->channel_epoch, accepted, true);
  free_slot(id.slot);
}

void rabbit_listener::acknowledge(request_id id) { end_notification(id, true); }
void rabbit_listener::requeue(request_id id) { end_notification(id, false); }

std::unique_ptr<send_op> rabbit_listener::prepare_reply(slot& s) {
  auto op = transport_->sends().prepare();
  op->what = send_op::kind::direct;
  op->routing_key.assign(s.reply_queue);
  return op;
}

void rabbit_listener::reply(request_id id, std::string_view result_json,
                            std::string_view note_json) {
  slot* s = find(id);
  if (s == nullptr) return;
  if (!s->wants_reply || transport_ == nullptr || shut_) return free_slot(id.slot);
  auto op = prepare_reply(*s);
  const auto unique = wire::oslo::make_hex_id();
  wire::oslo::append_reply(op->body, result_json, s->msg_id, wire::oslo::view(unique), note_json);
  send_reply(id.slot, std::move(op));
}

void rabbit_listener::fail(request_id id, const wire::oslo::remote_exception& exception) {
  slot* s = find(id);
  if (s == nullptr) return;
  if (!s->wants_reply || transport_ == nullptr || shut_) return free_slot(id.slot);
  auto op = prepare_reply(*s);
  const auto unique = wire::oslo::make_hex_id();
  std::string failure;
  wire::oslo::append_remote_exception(failure, exception);
  wire::oslo::append_failure(op->body, failure, s->msg_id, wire::oslo::view(unique));
  send_reply(id.slot, std::move(op));
}

void rabbit_listener::send_reply(std::uint32_t index, std::unique_ptr<send_op> op) {
  slot& s = slots_[index];
  context_.cancel_timer(std::exchange(s.heartbeat, 0));
  if (gone_.contains(s.reply_queue, steady_clock::now())) {
    ++counters_.replies_abandoned;
    transport_->sends().recycle(std::move(op));
    return free_slot(index);
  }
  if (!transport_->options()->options().kombu_compression.empty()) compress(op->body);
  s.at = stage::replying;
  s.reply_started = steady_clock::now();
  op->told = this;
  op->tag = handle_of({index, s.generation});
  transport_->sends().submit(std::move(op));
}

void rabbit_listener::on_sent(std::unique_ptr<send_op> op, const send_result& result) {
  const request_id id = id_of(op->tag);
  slot* s = id.slot < slots_.size() && slots_[id.slot].generation == id.generation &&
                    slots_[id.slot].at == stage::replying
                ? &slots_[id.slot]
                : nullptr;
  const bool missing = result.error == errc::message_undeliverable ||
                       (result.error == errc::channel_refused && !shut_);
  if (s != nullptr && missing && !shut_) {
    const auto limit =
        seconds{transport_->options()->options().kombu_missing_consumer_retry_timeout};
    const auto now = steady_clock::now();
    if (now - s->reply_started < limit) {
      s->at = stage::pausing;
      s->kept = std::move(op);
      s->pause = context_.start_timer(now + retry_gap, *this, timer_tag(pause_timer, id));
      return owes_less();
    }
    gone_.add(s->reply_queue, now);
  }
  if (result.error && s != nullptr) ++counters_.replies_abandoned;
  if (transport_ != nullptr) transport_->sends().recycle(std::move(op));
  if (s != nullptr) free_slot(id.slot);
}

void rabbit_listener::start_heartbeat(std::uint32_t index) {
  slot& s = slots_[index];
  const std::chrono::duration<double> interval(s.heartbeat_seconds);
  s.heartbeat =
      context_.start_timer(steady_clock::now() + std::chrono::duration_cast<duration>(interval),
                           *this, timer_tag(heartbeat_timer, {index, s.generation}));
}

void rabbit_listener::on_timer(std::uint64_t tag) {
  if (tag == resume_tag) {
    resume_ = 0;
    return serve_waiting();
  }
  if (tag == reopen_tag) {
    reopen_ = 0;
    return connection_->reopen(channel_);
  }
  const request_id id{static_cast<std::uint32_t>(tag),
                      static_cast<std::uint32_t>(tag >> 32) & 0x7fffffff};
  if (id.slot >= slots_.size()) return;
  slot& s = slots_[id.slot];
  if (s.generation != id.generation || transport_ == nullptr || shut_) return;
  if (tag >> 63 == pause_timer) {
    s.pause = 0;
    if (s.at != stage::pausing) return;
    s.at = stage::replying;
    return transport_->sends().submit(std::move(s.kept));
  }
  s.heartbeat = 0;
  if (s.at != stage::running) return;
  auto op = prepare_reply(s);
  const auto unique = wire::oslo::make_hex_id();
  wire::oslo::append_heartbeat(op->body, s.msg_id, wire::oslo::view(unique));
  if (!transport_->options()->options().kombu_compression.empty()) compress(op->body);
  op->told = this;  // the answer is ignored: its generation is no slot's
  op->tag = handle_of({id.slot, id.generation | 0x80000000U});
  transport_->sends().submit(std::move(op));
  start_heartbeat(id.slot);
}

}  // namespace ombt::drivers::rabbit
