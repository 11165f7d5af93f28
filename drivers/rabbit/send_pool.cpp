// SPDX-License-Identifier: Apache-2.0
#include "drivers/rabbit/send_pool.hpp"

#include "wire/oslo/messages.hpp"

#include <algorithm>
#include <utility>

namespace ombt::drivers::rabbit {
namespace {

/// Bodies and strings above this are given back to the allocator after their message.
constexpr std::size_t kept_body = 4096;

}  // namespace

send_pool::send_pool(std::shared_ptr<const settings> with, spare_messages<send_op>& spare,
                     connection_source source)
    : settings_(std::move(with)), spare_(spare), source_(std::move(source)) {}

send_pool::~send_pool() = default;

std::unique_ptr<send_op> send_pool::prepare() { return spare_.take(); }

void send_pool::recycle(std::unique_ptr<send_op> op) {
  if (!op || !spare_.has_room()) return;
  if (op->body.capacity() > kept_body) op->body = {};
  op->told = nullptr;
  op->exchange.clear();
  op->routing_key.clear();
  op->body.clear();
  op->expiration.clear();
  op->retry = -1;
  op->mandatory = false;
  op->at = send_op::stage::waiting;
  spare_.give(std::move(op));
}

void send_pool::submit(std::unique_ptr<send_op> op) {
  op->at = send_op::stage::waiting;
  if (!free_.empty()) {
    send_link* link = free_.back().link;
    free_.pop_back();
    expire();
    return link->start(std::move(op));
  }
  if (links_.size() < static_cast<std::size_t>(settings_->options().rpc_conn_pool_size)) {
    links_.push_back(std::make_unique<send_link>(*this, source_()));
    return links_.back()->start(std::move(op));
  }
  waiting_.push_back(std::move(op));
}

void send_pool::abandon(send_op& op) {
  op.told = nullptr;
  // A message in the queue is dropped now; one on a link when the link gets to it.
  waiting_.erase_if([&op](const auto& one) { return one.get() == &op; });
}

void send_pool::abandon_all(const send_owner& owner) {
  waiting_.erase_if([&owner](const auto& one) { return one->told == &owner; });
  for (const auto& link : links_) {
    if (link->op() != nullptr && link->op()->told == &owner) link->op()->told = nullptr;
  }
}

void send_pool::reach(reach_handler* told) {
  if (closed_) return;
  if (told != nullptr) reaching_ = told;
  if (links_.empty()) {
    links_.push_back(std::make_unique<send_link>(*this, source_()));
    free_.push_back({links_.back().get(), steady_clock::now()});
  } else if (!free_.empty()) {
    free_.back().link->reach();
  }
}

void send_pool::reached() {
  if (auto* const told = std::exchange(reaching_, nullptr)) told->on_reached();
}

void send_pool::unreached(const trouble& why) {
  // A connection that is open, but has no channel left, has been reached: who sends hears of that.
  if (why.what == trouble::scope::channel || why.error == errc::limit_exceeded) return reached();
  auto* const told = reaching_;
  if (why.final) reaching_ = nullptr;
  if (told != nullptr) told->on_unreached(why.error, why.detail, why.final);
}

bool send_pool::in_contact() const noexcept {
  return std::any_of(links_.begin(), links_.end(),
                     [](const auto& link) { return link->in_contact(); });
}

void send_pool::finished(send_link& link, std::unique_ptr<send_op> op, const send_result& result) {
  if (result.error == errc::limit_exceeded && links_.size() > 1) {
    // The connection had no channel left for this link: the others carry what it was to send.
    std::erase_if(links_, [&link](const auto& one) { return one.get() == &link; });
    if (op->told == nullptr) return recycle(std::move(op));
    if (free_.empty()) return waiting_.push_front(std::move(op));
    send_link* other = free_.back().link;
    free_.pop_back();
    return other->start(std::move(op));
  }
  // The owner first, so that a closed-loop sender's next message finds this link last used; but a
  // queued message has the earlier claim.
  send_owner* told = op->told;
  if (waiting_.empty()) {
    free_.push_back({&link, steady_clock::now()});
  } else {
    serve_next(link);
  }
  if (told != nullptr) {
    told->on_sent(std::move(op), result);
  } else {
    recycle(std::move(op));
  }
}

void send_pool::serve_next(send_link& link) { link.start(waiting_.pop_front()); }

void send_pool::expire() {
  // From the least recently used, as long as more than the minimum are free (Pool.expire).
  const auto ttl = std::chrono::seconds{settings_->options().conn_pool_ttl};
  const auto min = static_cast<std::size_t>(settings_->options().conn_pool_min_size);
  while (free_.size() > min && steady_clock::now() - free_.front().since > ttl) {
    send_link* gone = free_.front().link;
    free_.erase(free_.begin());
    std::erase_if(links_, [gone](const auto& one) { return one.get() == gone; });
  }
}

void send_pool::close() {
  if (closed_) return;
  closed_ = true;
  std::vector<std::unique_ptr<send_op>> cancelled;
  for (auto& link : links_) {
    if (settings_->source->own_topic) link->release_fanouts();
    if (auto op = link->take_op()) cancelled.push_back(std::move(op));
  }
  for (auto& op : waiting_) cancelled.push_back(std::move(op));
  waiting_.clear();
  free_.clear();
  links_.clear();
  for (auto& op : cancelled) {
    if (send_owner* told = op->told) told->on_sent(std::move(op), {errc::cancelled, "closed"});
  }
}

// --- a link -----------------------------------------------------------------------------------

send_link::send_link(send_pool& pool, std::shared_ptr<connection> on)
    : pool_(pool), connection_(std::move(on)), channel_(connection_->add(*this)) {}

send_link::~send_link() { connection_->remove(channel_); }

void send_link::start(std::unique_ptr<send_op> op) {
  op_ = std::move(op);
  failures_ = 0;
  if (connection_->is_up(channel_)) {
    publish();
  } else {
    reach();
  }
}

void send_link::reach() {
  lost_ = false;
  connection_->need(channel_);
}

bool send_link::in_contact() const noexcept {
  return !lost_ && misses_ < pool_.settings_->hosts().size();
}

void send_link::on_up() {
  lost_ = false;
  misses_ = 0;
  declared_exchanges_.clear();
  declared_queues_.clear();
  declared_fanouts_.clear();
  confirming_ = false;
  delivery_tag_ = 0;
  if (op_) publish();
  pool_.reached();
}

void send_link::on_down(const trouble& why) {
  returned_ = false;
  pool_.unreached(why);
  if (why.what == trouble::scope::channel) {
    // Opened again with the next message only: whatever closed it may do so again.
    if (op_) end(why.error, why.detail);
    return;
  }
  if (why.what == trouble::scope::connection) {
    lost_ = true;
  } else {
    ++misses_;
  }
  if (pool_.on_trouble_ && !in_contact()) pool_.on_trouble_();
  if (!op_) return;
  op_->at = send_op::stage::waiting;
  if (op_->told == nullptr) return end(errc::cancelled, {});
  if (why.final) return end(why.error, why.detail);
  ++failures_;
  if (op_->retry >= 0 && failures_ > op_->retry) {
    return end(errc::delivery_failure, "Unable to connect to AMQP server after " +
                                           std::to_string(op_->retry) +
                                           " tries: " + std::string(why.detail));
  }
  connection_->need(channel_);
}

bool send_link::declared(std::string_view name) const {
  return std::find(declared_exchanges_.begin(), declared_exchanges_.end(), name) !=
         declared_exchanges_.end();
}

void send_link::declare_for(const send_op& op) {
  if (op.what == send_op::kind::direct) return;
  auto& c = connection_->commands();
  const settings& s = *pool_.settings_;
  const bool fanout = op.what == send_op::kind::fanout;
  // The broker's own exchanges are there, and may not be declared (kombu's _can_declare).
  const bool own = op.exchange.starts_with("amq.");
  const auto declare_exchange = [&] {
    if (own) return;
    c.exchange_declare(channel_, op.exchange, fanout ? "fanout" : "topic", !fanout && s.durable,
                       fanout || s.auto_delete);
  };
  if (op.what == send_op::kind::notify &&
      std::find(declared_queues_.begin(), declared_queues_.end(), op.routing_key) ==
          declared_queues_.end()) {
    // A queue of the routing key's name, so that notifications nobody reads yet are kept
    // (_publish_and_creates_default_queue); the exchange is then declared again as on any publish.
    declare_exchange();
    c.queue_declare(channel_, op.routing_key, s.durable, s.auto_delete, s.topic_arguments);
    c.queue_bind(channel_, op.routing_key, op.exchange, op.routing_key);
    declared_queues_.push_back(op.routing_key);
  }
  if (!declared(op.exchange)) {
    declare_exchange();
    declared_exchanges_.push_back(op.exchange);
    if (fanout && pool_.settings_->source->own_topic) declared_fanouts_.push_back(op.exchange);
  }
}

void send_link::release_fanouts() {
  if (!connection_->is_up(channel_)) return;
  auto& c = connection_->commands();
  for (const std::string& exchange : declared_fanouts_) {
    // An auto-delete exchange goes with its last binding, but not before it has had one.
    const std::string queue =
        exchange + '_' + std::string(wire::oslo::view(wire::oslo::make_hex_id()));
    c.exchange_declare(channel_, exchange, "fanout", false, true);
    c.queue_declare(channel_, queue, false, false, pool_.settings_->transient_arguments);
    c.queue_bind(channel_, queue, exchange, {});
    c.queue_delete(channel_, queue, false, false);
  }
  declared_fanouts_.clear();
}

void send_link::publish() {
  if (op_->told == nullptr) {
    return end(errc::cancelled, {});  // abandoned while there was no channel
  }
  declare_for(*op_);
  auto& c = connection_->commands();
  if (!confirming_) {
    c.confirm_select(channel_);
    confirming_ = true;
  }
  amqp::properties p;
  p.content_type = "application/json";
  p.content_encoding = "utf-8";
  p.headers = true;
  p.delivery_mode = 2;
  p.priority = 0;
  if (!pool_.settings_->options().kombu_compression.empty()) p.compression = "application/x-gzip";
  if (!op_->expiration.empty()) p.expiration = op_->expiration;
  const bool mandatory = op_->mandatory || (op_->what == send_op::kind::direct &&
                                            pool_.settings_->options().direct_mandatory_flag);
  returned_ = false;
  op_->at = send_op::stage::published;
  delivery_tag_ =
      c.publish(channel_, op_->exchange, op_->what == send_op::kind::fanout ? "" : op_->routing_key,
                mandatory, p, op_->body);
}

void send_link::on_returned(const amqp::event::returned& e) {
  if (!op_) return;
  returned_ = true;
  return_detail_.assign(e.text).append(" (").append(std::to_string(e.code)).append(") ");
  return_detail_.append(e.routing_key);
}

void send_link::on_oversized(const amqp::event::oversized& e) {
  if (!op_ || e.delivery_tag != 0) return;
  returned_ = true;
  return_detail_.assign("it came back, and cannot be read: ").append(e.why);
}

void send_link::on_confirmed(const amqp::event::confirmed& e) {
  if (!op_ || op_->at != send_op::stage::published) return;
  if (e.delivery_tag != delivery_tag_ && !(e.multiple && e.delivery_tag > delivery_tag_)) return;
  if (e.nack) return end(errc::nacked, "the broker answered basic.nack");
  if (returned_) return end(errc::message_undeliverable, return_detail_);
  end({}, {});
}

void send_link::end(error_code error, std::string_view detail) {
  auto op = std::move(op_);
  pool_.finished(*this, std::move(op), {error, detail});
}

}  // namespace ombt::drivers::rabbit
