// SPDX-License-Identifier: Apache-2.0
#include "drivers/amqp10/listener.hpp"

#include "wire/amqp10/message.hpp"

#include "drivers/amqp10/transport.hpp"
#include "drivers/dispatcher.hpp"

#include <algorithm>
#include <utility>

namespace ombt::drivers::amqp10 {
namespace {

using std::chrono::seconds;

/// Timers: a kind in the upper bits, then the generation and the slot.
enum timer_kind : std::uint64_t { heartbeat_timer = 0, limit_timer = 1 };
constexpr std::uint64_t resume_tag = ~std::uint64_t{0};
constexpr std::uint64_t reopen_tag = resume_tag - 1;
std::uint64_t handle_of(request_id id) { return (std::uint64_t{id.generation} << 32) | id.slot; }
constexpr std::uint64_t timer_tag(timer_kind kind, request_id id) {
  return (std::uint64_t{kind} << 63) | (std::uint64_t{id.generation} << 32) | id.slot;
}

const amqp::outcome accepted = simply(amqp::outcome::kind::accepted);
const amqp::outcome released = simply(amqp::outcome::kind::released);
amqp::outcome unreadable() {
  amqp::outcome how = simply(amqp::outcome::kind::rejected);
  how.condition = "amqp:decode-error";
  how.description = "no message of oslo.messaging";
  return how;
}

}  // namespace

amqp10_listener::amqp10_listener(amqp10_transport& of, const target& at,
                                 const serve_options& options, request_handler& handler)
    : transport_(&of),
      context_(of.context()),
      target_(at),
      options_(options),
      requests_(&handler),
      credit_(of.options().options().rpc_server_credit) {
  make_receivers(3);
}

amqp10_listener::amqp10_listener(amqp10_transport& of, const target& at,
                                 const std::vector<std::string>& priorities,
                                 notification_handler& handler)
    : transport_(&of),
      context_(of.context()),
      target_(at),
      notifications_(&handler),
      credit_(of.options().options().notify_server_credit) {
  make_receivers(priorities.size());
  for (std::size_t i = 0; i < priorities.size(); ++i) receivers_[i]->priority = priorities[i];
}

amqp10_listener::~amqp10_listener() {
  for (auto& s : slots_) {
    context_.cancel_timer(s.heartbeat);
    context_.cancel_timer(s.limit);
    s.at = stage::free;
  }
  shut();
  context_.cancel_timer(resume_);
  if (transport_ == nullptr) return;
  transport_->sends().abandon_all(*this);
  transport_->forget(*this);
}

void amqp10_listener::make_receivers(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    receivers_.push_back(std::make_unique<receiver>(*this, static_cast<std::uint32_t>(i)));
  }
}

void amqp10_listener::stop() {
  if (stopped_) return;
  stopped_ = true;
  context_.cancel_timer(std::exchange(reopen_, 0));
  for (auto& r : receivers_) {
    if (!r->link) continue;
    if (r->attached) {
      r->link.drain();
    } else {
      connection_->detach(r->link);
    }
  }
  if (connection_) connection_->wake();
  go_on_leaving();
}

/// Leaves once nothing more comes and nothing waits.
void amqp10_listener::go_on_leaving() {
  if (!is_leaving() || !waiting_.empty()) return;
  const bool expects = std::any_of(receivers_.begin(), receivers_.end(), [](const auto& r) {
    return r->link && r->link.credit_given() > 0;
  });
  // A notification is settled on its link.
  const bool holds =
      notifications_ != nullptr &&
      std::any_of(slots_.begin(), slots_.end(), [](const slot& s) { return s.at != stage::free; });
  if (expects || holds) return;
  leave();
  if (transport_ != nullptr) transport_->look_again();
}

void amqp10_listener::leave() {
  if (std::exchange(left_, true)) return;
  for (const auto& m : std::exchange(waiting_, {})) settle(m.from, released);
  for (auto& r : receivers_) {
    ++r->epoch;
    r->attached = false;
    if (r->link && connection_) connection_->detach(r->link);
    r->link = {};
  }
  connection_.reset();
}

void amqp10_listener::shut() {
  stop();
  leave();
  shut_ = true;
}

void amqp10_listener::orphan() noexcept {
  for (auto& s : slots_) {
    context_.cancel_timer(std::exchange(s.limit, 0));
    context_.cancel_timer(std::exchange(s.heartbeat, 0));
    s.sending = nullptr;
  }
  shut();
  transport_ = nullptr;
}

bool amqp10_listener::owes() const noexcept {
  return is_leaving() || std::any_of(slots_.begin(), slots_.end(), [](const slot& s) {
           return s.at == stage::replying || (s.at == stage::running && s.wants_reply);
         });
}

void amqp10_listener::owes_less() {
  if (!stopped_) return;
  go_on_leaving();
  if (transport_ != nullptr) transport_->look_again();
}

// --- receivers --------------------------------------------------------------------------------

void amqp10_listener::on_up(std::shared_ptr<connection> on,
                            const wire::oslo::amqp10_addresser& addresser) {
  if (stopped_) return;
  connection_ = std::move(on);
  if (requests_ != nullptr) {
    const auto addresses =
        addresser.rpc_server({target_.exchange, target_.topic, target_.server, false});
    for (std::size_t i = 0; i < addresses.size(); ++i) receivers_[i]->address = addresses[i];
  } else {
    for (auto& r : receivers_) r->address = addresser.notification(target_.topic, r->priority);
  }
  for (auto& r : receivers_) {
    r->name = "openstack.org/om/receiver/[" + r->address + "]/" +
              std::string(wire::oslo::view(wire::oslo::make_hex_id()));
    attach(*r);
  }
}

void amqp10_listener::attach(receiver& r) {
  r.link = connection_->attach(transport_->as_user(), r, false, r.name, r.address);
  if (r.link) return r.link.add_credit(credit_);
  if (!connection_->is_up()) return;
  const std::string words =
      connection_->with_address("the peer allows no more sessions on a connection");
  transport_->told().last_error = words;
  report(errc::limit_exceeded, words, false);
}

void amqp10_listener::on_attached(receiver& r) {
  r.attached = true;
  const bool all = std::all_of(receivers_.begin(), receivers_.end(),
                               [](const auto& one) { return one->attached; });
  if (!all) return;
  if (std::exchange(ever_listened_, true)) ++counters_.reconnects;
  requests_ != nullptr ? requests_->on_listening(*this) : notifications_->on_listening(*this);
}

void amqp10_listener::on_detached(receiver& r, std::string_view words) {
  // What waited unaccepted is the bus's again.
  std::erase_if(waiting_, [&r](const auto& m) { return m.from.receiver == r.index; });
  ++r.epoch;
  r.attached = false;
  r.link = {};
  if (stopped_) return go_on_leaving();
  if (reopen_ == 0) {
    const auto delay = seconds{transport_->options().options().link_retry_delay};
    reopen_ = context_.start_timer(steady_clock::now() + delay, *this, reopen_tag);
  }
  report(errc::channel_refused, words, false);
}

void amqp10_listener::on_down(const trouble& why) {
  context_.cancel_timer(std::exchange(reopen_, 0));
  waiting_.clear();
  for (auto& r : receivers_) {
    ++r->epoch;
    r->attached = false;
    if (r->link) connection_->detach(r->link);
  }
  connection_.reset();
  if (stopped_) return go_on_leaving();
  report(why.error, why.detail, why.final);
}

void amqp10_listener::report(error_code error, std::string_view detail, bool final) {
  if (requests_ != nullptr) {
    requests_->on_listener_error(*this, error, detail, final);
  } else {
    notifications_->on_listener_error(*this, error, detail, final);
  }
}

void amqp10_listener::on_room() {
  if (connection_) top_up();
}

/// Credit for receivers that have little left, unless too much waits here, or the peer does not
/// read what it is told.
void amqp10_listener::top_up() {
  if (stopped_) return;
  std::size_t expected = waiting_.size();
  for (const auto& r : receivers_) {
    if (r->link) expected += static_cast<std::size_t>(r->link.credit_given());
  }
  for (auto& r : receivers_) {
    if (!r->link || r->link.credit_given() > (credit_ + 1) / 2) continue;
    if (expected >= options_.waiting_limit || connection_->is_full(r->link)) return;
    const auto most = static_cast<int>(
        std::min<std::size_t>(options_.waiting_limit - expected, static_cast<unsigned>(credit_)));
    const int more = std::min(credit_ - r->link.credit_given(), most);
    r->link.add_credit(more);
    expected += static_cast<std::size_t>(more);
  }
}

void amqp10_listener::settle(const claim& which, const amqp::outcome& how) {
  const receiver& r = *receivers_[which.receiver];
  if (which.epoch != r.epoch || !connection_) return;
  amqp::delivery what = which.what;
  what.settle(how);
  top_up();
  connection_->wake();
}

// --- messages in ------------------------------------------------------------------------------

void amqp10_listener::on_delivered(receiver& r, const amqp::event::delivered& e) {
  ++counters_.received;
  const claim from{e.what, r.index, r.epoch};
  amqp::message m;
  using kind = amqp::message::body_kind;
  if (amqp::read_message(e.message, m) || (m.kind != kind::text && m.kind != kind::binary)) {
    ++counters_.malformed;
    settle(from, unreadable());
    return go_on_leaving();
  }
  const bool busy =
      free_slots_.empty() && slots_.size() >= static_cast<std::size_t>(options_.executor_slots);
  const time_point now = connection_->read_time();
  if (is_leaving()) resume_soon();
  if (!busy && waiting_.empty()) return accept({m.body, m.id, m.reply_to, from, now});
  waiting_.push_back({std::string(m.body), std::string(m.id), std::string(m.reply_to), from, now});
}

void amqp10_listener::accept(const message_view& m) {
  thread_state& thread = transport_->thread();
  if (thread.reader.read(m.body)) {
    ++counters_.malformed;
    return settle(m.from, unreadable());
  }
  if (requests_ != nullptr) settle(m.from, accepted);
  const views_in_use guard(thread.views_live);
  const std::uint32_t index = take_slot();
  if (requests_ != nullptr) {
    dispatch_request(index, m);
  } else {
    slots_[index].notification = m.from;
    dispatch_notification(index, m.received);
  }
}

void amqp10_listener::dispatch_request(std::uint32_t index, const message_view& m) {
  const auto& reader = transport_->thread().reader;
  slot& s = slots_[index];
  s.message_id.assign(m.message_id);
  s.reply_to.assign(m.reply_to);
  s.wants_reply = !s.reply_to.empty();
  if (s.reply_to.size() > address_limit) {
    ++counters_.malformed;
    s.wants_reply = false;
  }
  const request_id id{index, s.generation};
  const auto refusal =
      refusal_of(target_, options_, {reader.method(), reader.name_space(), reader.version()});
  if (refusal) return fail(id, *refusal);
  const double monitor = reader.call_monitor_timeout().value_or(0);
  if (s.wants_reply && monitor >= 1) {
    s.monitor_seconds = std::min(monitor, 1e6);
    s.heartbeat_seconds = static_cast<double>(static_cast<long>(s.monitor_seconds)) / 2;
    if (s.heartbeat_seconds >= 1) start_heartbeat(index);
  }
  if (is_ping(options_, reader.method())) return reply(id, "\"pong\"", {});
  requests_->on_request(*this, {id, reader.method(), reader.args(), reader.message(), s.wants_reply,
                                m.received, reader.context()});
}

void amqp10_listener::dispatch_notification(std::uint32_t index, time_point received) {
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

// --- slots ------------------------------------------------------------------------------------

std::uint32_t amqp10_listener::take_slot() {
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

amqp10_listener::slot* amqp10_listener::find(request_id id) {
  if (id.slot >= slots_.size()) return nullptr;
  slot& s = slots_[id.slot];
  return s.at == stage::running && s.generation == id.generation ? &s : nullptr;
}

void amqp10_listener::free_slot(std::uint32_t index) {
  slot& s = slots_[index];
  context_.cancel_timer(std::exchange(s.heartbeat, 0));
  context_.cancel_timer(std::exchange(s.limit, 0));
  s.heartbeat_seconds = s.monitor_seconds = 0;
  s.sending = nullptr;
  s.wants_reply = false;
  s.at = stage::free;
  free_slots_.push_back(index);
  owes_less();
  if (!waiting_.empty()) serve_waiting();
}

void amqp10_listener::resume_soon() {
  if (resume_ == 0) resume_ = context_.start_timer(steady_clock::now(), *this, resume_tag);
}

void amqp10_listener::serve_waiting() {
  if (serving_ || left_ || transport_ == nullptr) return;
  // Inside somebody's callback, whose views a new message would overwrite: from the loop.
  if (transport_->thread().views_live) return resume_soon();
  serving_ = true;
  const auto limit = static_cast<std::size_t>(options_.executor_slots);
  while (!waiting_.empty() && !left_ && (!free_slots_.empty() || slots_.size() < limit)) {
    const waiting_message m = std::move(waiting_.front());
    waiting_.pop_front();
    accept({m.body, m.message_id, m.reply_to, m.from, m.received});
  }
  serving_ = false;
  go_on_leaving();
}

// --- answers ----------------------------------------------------------------------------------

void amqp10_listener::done(request_id id) {
  if (find(id) != nullptr) free_slot(id.slot);
}

void amqp10_listener::end_notification(request_id id, bool yes) {
  slot* s = find(id);
  if (s == nullptr) return;
  settle(s->notification, yes ? accepted : released);
  free_slot(id.slot);
}

void amqp10_listener::acknowledge(request_id id) { end_notification(id, true); }
void amqp10_listener::requeue(request_id id) { end_notification(id, false); }

std::unique_ptr<send_op> amqp10_listener::prepare_reply(const slot& s, message_kind kind) {
  auto op = transport_->sends().prepare();
  op->kind = kind;
  op->correlation_id.assign(s.message_id);
  return op;
}

void amqp10_listener::reply(request_id id, std::string_view result_json,
                            std::string_view note_json) {
  slot* s = find(id);
  if (s == nullptr) return;
  if (!s->wants_reply || transport_ == nullptr || shut_) return free_slot(id.slot);
  auto op = prepare_reply(*s, message_kind::reply);
  wire::oslo::append_amqp10_reply(op->body, result_json, note_json);
  send_reply(id.slot, std::move(op));
}

void amqp10_listener::fail(request_id id, const wire::oslo::remote_exception& exception) {
  slot* s = find(id);
  if (s == nullptr) return;
  if (!s->wants_reply || transport_ == nullptr || shut_) return free_slot(id.slot);
  auto op = prepare_reply(*s, message_kind::reply);
  std::string failure;
  wire::oslo::append_remote_exception(failure, exception);
  wire::oslo::append_amqp10_failure(op->body, failure);
  send_reply(id.slot, std::move(op));
}

void amqp10_listener::send_reply(std::uint32_t index, std::unique_ptr<send_op> op) {
  slot& s = slots_[index];
  const auto& o = transport_->options().options();
  context_.cancel_timer(std::exchange(s.heartbeat, 0));
  const request_id id{index, s.generation};
  const time_point limit = steady_clock::now() + seconds{o.default_reply_timeout};
  s.at = stage::replying;
  s.sending = op.get();
  s.limit = context_.start_timer(limit, *this, timer_tag(limit_timer, id));
  op->told = this;
  op->tag = handle_of(id);
  op->limit = limit;
  op->retry = o.default_reply_retry;
  transport_->sends().submit(std::move(op),
                             {destination::kind::address, {}, s.reply_to, {}, false});
}

void amqp10_listener::on_sent(std::unique_ptr<send_op> op) {
  const request_id id{static_cast<std::uint32_t>(op->tag),
                      static_cast<std::uint32_t>(op->tag >> 32)};
  const bool failed = static_cast<bool>(op->error);
  if (transport_ != nullptr) transport_->sends().recycle(std::move(op));
  if (id.slot >= slots_.size()) return;
  slot& s = slots_[id.slot];
  if (s.at != stage::replying || s.generation != id.generation) return;
  if (failed) ++counters_.replies_abandoned;
  free_slot(id.slot);
}

void amqp10_listener::start_heartbeat(std::uint32_t index) {
  slot& s = slots_[index];
  const std::chrono::duration<double> interval(s.heartbeat_seconds);
  s.heartbeat =
      context_.start_timer(steady_clock::now() + std::chrono::duration_cast<duration>(interval),
                           *this, timer_tag(heartbeat_timer, {index, s.generation}));
}

/// Best effort: nobody waits for it, and one that is late is of no use.
void amqp10_listener::send_heartbeat(std::uint32_t index) {
  const slot& s = slots_[index];
  auto op = prepare_reply(s, message_kind::heartbeat);
  const std::chrono::duration<double> lifetime(s.monitor_seconds);
  op->ttl = std::chrono::duration_cast<std::chrono::milliseconds>(lifetime);
  op->limit = steady_clock::now() + *op->ttl;
  op->retry = 0;
  transport_->sends().submit(std::move(op),
                             {destination::kind::address, {}, s.reply_to, {}, false});
}

void amqp10_listener::on_timer(std::uint64_t tag) {
  if (tag == resume_tag) {
    resume_ = 0;
    return serve_waiting();
  }
  if (tag == reopen_tag) {
    reopen_ = 0;
    for (auto& r : receivers_) {
      if (!r->link && connection_ && !stopped_) attach(*r);
    }
    return;
  }
  const request_id id{static_cast<std::uint32_t>(tag),
                      static_cast<std::uint32_t>(tag >> 32) & 0x7fffffff};
  if (id.slot >= slots_.size()) return;
  slot& s = slots_[id.slot];
  if (s.generation != id.generation || transport_ == nullptr || shut_) return;
  if (tag >> 63 == limit_timer) {
    s.limit = 0;
    if (s.at != stage::replying) return;
    if (s.sending != nullptr) transport_->sends().abandon(*s.sending);
    ++counters_.replies_abandoned;
    return free_slot(id.slot);
  }
  s.heartbeat = 0;
  if (s.at != stage::running) return;
  send_heartbeat(id.slot);
  start_heartbeat(id.slot);
}

}  // namespace ombt::drivers::amqp10
