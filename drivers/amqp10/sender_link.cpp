// SPDX-License-Identifier: Apache-2.0
// One link of the cache: waiting, sending, outcomes.
#include "wire/amqp10/message.hpp"

#include "drivers/amqp10/sender_links.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iterator>
#include <string>
#include <utility>

namespace ombt::drivers::amqp10 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A settled message waits that long for credit: a receiver that is only busy gives some sooner.
constexpr duration credit_patience = seconds{1};
/// Of the messages that have been told as sent without: above, the oldest are dropped.
constexpr std::size_t most_kept = 1000;
constexpr std::size_t most_kept_bytes = std::size_t{4} << 20;

enum sender_timer : std::uint64_t { attach_again, resend, no_credit, kept_expiry };

std::string_view name_of(amqp::outcome::kind what) {
  switch (what) {
    case amqp::outcome::kind::rejected:
      return "rejected";
    case amqp::outcome::kind::released:
      return "released";
    case amqp::outcome::kind::modified:
      return "modified";
    default:
      return "settled without an outcome";
  }
}

}  // namespace

sender_link::sender_link(sender_links& of, const destination& to)
    : all_(of),
      exchange_(to.exchange),
      topic_(to.topic),
      server_(to.server),
      kind_(to.what),
      fanout_(to.fanout) {}

sender_link::~sender_link() {
  for (const auto timer : {attach_timer_, resend_timer_, credit_timer_, kept_timer_}) {
    all_.context_.cancel_timer(timer);
  }
  drop_kept();
  if (link_ && all_.connection_) all_.connection_->detach(link_);
}

void sender_link::set(loop::timer_id& timer, duration in, std::uint64_t tag) {
  all_.context_.cancel_timer(timer);
  timer = all_.context_.start_timer(steady_clock::now() + in, *this, tag);
}

void sender_link::on_timer(std::uint64_t tag) {
  switch (static_cast<sender_timer>(tag)) {
    case attach_again:
      attach_timer_ = 0;
      return attach();
    case resend:
      resend_timer_ = 0;
      return go_on();
    case no_credit:
      credit_timer_ = 0;
      return without_credit();
    case kept_expiry: {
      kept_timer_ = 0;
      const auto now = steady_clock::now();
      while (!kept_.empty() && kept_.front().limit <= now) {
        kept_bytes_ -= kept_.front().encoded.size();
        kept_.pop_front();
        ++all_.monitor_->counters.lost_without_credit;
      }
      if (!kept_.empty()) set(kept_timer_, kept_.front().limit - now, kept_expiry);
      return;
    }
  }
}

// --- the link ---------------------------------------------------------------------------------

void sender_link::attach() {
  if (!all_.connection_ || link_) return;
  address_ = all_.address_of(*this);
  const std::string name = "openstack.org/om/sender/[" + address_ + "]/" +
                           std::string(wire::oslo::view(wire::oslo::make_hex_id()));
  link_ = all_.connection_->attach(*all_.by_, *this, true, name, address_);
  tags_ = 0;
  if (link_ || !all_.connection_->is_up()) return;
  trouble_ = all_.connection_->with_address("the peer allows no more sessions on a connection");
  all_.monitor_->last_error = trouble_;
  for (auto& op : std::exchange(waiting_, {})) {
    all_.over(std::move(op), errc::limit_exceeded, trouble_);
  }
  try_again_later();
}

void sender_link::try_again_later() {
  set(attach_timer_, seconds{all_.settings_->options().link_retry_delay}, attach_again);
}

void sender_link::on_attached() {
  attached_ = true;
  trouble_.clear();
  go_on();
}

void sender_link::on_detached(std::string_view words) {
  link_ = {};
  attached_ = false;
  trouble_ = words;
  const std::string full = "Message send failed: " + trouble_;
  fail_sent(full);
  use_retries(full);
  try_again_later();
}

void sender_link::reset(error_code error, std::string_view words, bool final) {
  if (link_) all_.connection_->detach(link_);
  attached_ = starved_ = false;
  trouble_.clear();
  for (auto* timer : {&attach_timer_, &resend_timer_, &credit_timer_}) {
    all_.context_.cancel_timer(std::exchange(*timer, 0));
  }
  drop_kept();
  fail_sent(words);
  if (!final) return use_retries(words);
  for (auto& op : std::exchange(waiting_, {})) all_.over(std::move(op), error, words);
}

void sender_link::fail_sent(std::string_view words) {
  for (auto& op : std::exchange(sent_, {})) {
    op->handle = {};
    all_.over(std::move(op), errc::delivery_failure, words);
  }
}

/// One attempt has failed: what waits and has no retry left ends.
void sender_link::use_retries(std::string_view words) {
  for (auto& op : std::exchange(waiting_, {})) {
    if (op->retry == 0) {
      all_.over(std::move(op), errc::delivery_failure, words);
      continue;
    }
    if (op->retry > 0) --op->retry;
    waiting_.push_back(std::move(op));
  }
}

void sender_link::collect_all(std::vector<std::unique_ptr<send_op>>& into) {
  for (auto& op : std::exchange(sent_, {})) into.push_back(std::move(op));
  for (auto& op : std::exchange(waiting_, {})) into.push_back(std::move(op));
}

std::string sender_link::why_waiting() const {
  if (!trouble_.empty()) return trouble_;
  if (attached_ && link_.credit() <= 0) return "no credit: nobody receives at " + address_;
  if (link_ && !attached_) return "the peer has not answered the attach of " + address_;
  return {};
}

// --- sending ----------------------------------------------------------------------------------

void sender_link::send(std::unique_ptr<send_op> op) {
  if (starved_ && counts_as_sent(*op)) return keep(std::move(op));
  op->at = send_op::stage::waiting;
  op->on = this;
  waiting_.push_back(std::move(op));
  go_on();
}

void sender_link::take_back(send_op& op) {
  if (op.at == send_op::stage::sent) {
    if (op.handle) op.handle.settle();
    if (all_.connection_) all_.connection_->wake();
    return all_.recycle(take_sent(op));
  }
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&op](const auto& one) { return one.get() == &op; });
  if (found == waiting_.end()) return;
  auto gone = std::move(*found);
  waiting_.erase_if([](const auto& one) { return one == nullptr; });
  all_.recycle(std::move(gone));
}

void sender_link::go_on() {
  if (!attached_ || resend_timer_ != 0 || !all_.connection_ || !all_.connection_->is_up()) return;
  if (!send_kept()) return;
  while (!waiting_.empty()) {
    if (link_.credit() <= 0) {
      if (!starved_ && credit_timer_ == 0) set(credit_timer_, credit_patience, no_credit);
      return;
    }
    if (all_.connection_->is_full(link_)) return;
    transmit(waiting_.pop_front());
  }
}

void sender_link::on_credit() {
  if (link_.credit() <= 0) return;
  starved_ = false;
  all_.context_.cancel_timer(std::exchange(credit_timer_, 0));
  go_on();
}

void sender_link::transmit(std::unique_ptr<send_op> op) {
  if (op->told == nullptr && op->kind != message_kind::heartbeat)
    return all_.recycle(std::move(op));
  if (op->limit <= steady_clock::now()) {
    return all_.over(std::move(op), errc::messaging_timeout, "timed out");
  }
  trouble_.clear();
  encode(*op);
  const bool settled = all_.settings_->is_settled(op->kind);
  const amqp::delivery handle = give(all_.thread_.encoded, settled);
  all_.connection_->wake();
  if (settled) return all_.over(std::move(op), {}, {});
  op->handle = handle;
  op->handle.set_user(op.get());
  op->at = send_op::stage::sent;
  op->place = sent_.size();
  sent_.push_back(std::move(op));
}

void sender_link::encode(send_op& op) {
  if (op.told != nullptr) op.told->on_sending(op);
  amqp::message m;
  m.ttl = op.ttl;
  m.to = address_;
  if (op.kind == message_kind::call) {
    m.id = wire::oslo::view(op.msg_id);
    m.reply_to = all_.reply_address_;
    if (op.ttl) {
      const auto expiry = std::chrono::system_clock::now().time_since_epoch() + *op.ttl;
      m.absolute_expiry_time = std::chrono::duration_cast<milliseconds>(expiry).count();
    }
  }
  m.correlation_id = op.correlation_id;
  m.kind = op.kind == message_kind::heartbeat ? amqp::message::body_kind::none
                                              : amqp::message::body_kind::text;
  m.body = op.body;
  all_.thread_.encoded.clear();
  amqp::append_message(all_.thread_.encoded, m);
}

/// Tags are as the Python driver's library numbers them, from the link's first message on.
amqp::delivery sender_link::give(std::string_view message, bool settled) {
  char tag[32] = "pyngus-tag-";
  const char* const end =
      std::to_chars(tag + std::char_traits<char>::length(tag), std::end(tag), tags_++).ptr;
  return link_.send({tag, static_cast<std::size_t>(end - tag)}, message, settled);
}

// --- without credit ---------------------------------------------------------------------------

/// A call that is sent settled still waits for its reply.
bool sender_link::counts_as_sent(const send_op& op) const {
  return all_.settings_->is_settled(op.kind) && op.kind != message_kind::call;
}

/// There was no credit for a while: settled messages count as sent, as oslo.messaging has it, and
/// are kept for the case that credit comes while they are worth something.
void sender_link::without_credit() {
  if (!attached_ || link_.credit() > 0) return;
  starved_ = true;
  for (auto& op : std::exchange(waiting_, {})) {
    if (counts_as_sent(*op)) {
      keep(std::move(op));
    } else {
      waiting_.push_back(std::move(op));
    }
  }
}

void sender_link::keep(std::unique_ptr<send_op> op) {
  encode(*op);
  auto& counters = all_.monitor_->counters;
  ++counters.sent_without_credit;
  kept_bytes_ += all_.thread_.encoded.size();
  kept_.push_back({all_.thread_.encoded, op->limit});
  while (kept_.size() > most_kept || kept_bytes_ > most_kept_bytes) {
    kept_bytes_ -= kept_.front().encoded.size();
    kept_.pop_front();
    ++counters.lost_without_credit;
  }
  if (kept_timer_ == 0 && !kept_.empty() && kept_.front().limit != time_point::max()) {
    set(kept_timer_, kept_.front().limit - steady_clock::now(), kept_expiry);
  }
  all_.over(std::move(op), {}, {});
}

void sender_link::drop_kept() {
  all_.monitor_->counters.lost_without_credit += kept_.size();
  kept_.clear();
  kept_bytes_ = 0;
}

/// True if none is left.
bool sender_link::send_kept() {
  while (!kept_.empty()) {
    if (link_.credit() <= 0 || all_.connection_->is_full(link_)) return false;
    give(kept_.front().encoded, true);
    all_.connection_->wake();
    kept_bytes_ -= kept_.front().encoded.size();
    kept_.pop_front();
  }
  return true;
}

// --- outcomes ---------------------------------------------------------------------------------

std::unique_ptr<send_op> sender_link::take_sent(send_op& op) {
  const std::size_t place = op.place;
  auto mine = std::move(sent_[place]);
  if (place + 1 != sent_.size()) {
    sent_[place] = std::move(sent_.back());
    sent_[place]->place = place;
  }
  sent_.pop_back();
  mine->handle = {};
  return mine;
}

void sender_link::on_updated(const amqp::event::updated& e) {
  using kind = amqp::outcome::kind;
  amqp::delivery what = e.what;
  auto* const op = static_cast<send_op*>(what.user());
  const bool said = e.how.what != kind::none && e.how.what != kind::other;
  if (!said && !e.settled) return;
  if (op == nullptr) return what.settle();
  if (e.how.what == kind::accepted || op->told == nullptr) {
    what.settle();
    return all_.over(take_sent(*op), {}, {});
  }
  std::string words = "remote disposition: " + std::string(name_of(e.how.what));
  if (!e.how.condition.empty()) words.append(" ").append(e.how.condition);
  if (!e.how.description.empty()) words.append(": ").append(e.how.description);
  const amqp::outcome how = e.how;
  what.settle();
  auto mine = take_sent(*op);
  const bool again =
      how.what == kind::released ||
      (how.what == kind::modified && !how.delivery_failed && !how.undeliverable_here);
  if (again && mine->at_least_once) {
    return all_.over(std::move(mine), errc::message_undeliverable, words);
  }
  if (again) return retry_later(std::move(mine), words);
  if (how.what == kind::modified) {
    words += how.delivery_failed ? " (delivery failed)" : "";
    words += how.undeliverable_here ? " (undeliverable here)" : "";
  }
  all_.over(std::move(mine), errc::delivery_failure, words);
}

/// The bus could not pass it on: everything to this destination waits a while.
void sender_link::retry_later(std::unique_ptr<send_op> op, std::string_view words) {
  if (op->retry == 0) {
    return all_.over(std::move(op), errc::delivery_failure,
                     "Send retries exhausted: " + std::string(words));
  }
  if (op->retry > 0) --op->retry;
  op->at = send_op::stage::waiting;
  trouble_ = words;
  waiting_.push_back(std::move(op));
  if (resend_timer_ == 0) {
    set(resend_timer_, seconds{all_.settings_->options().link_retry_delay}, resend);
  }
}

}  // namespace ombt::drivers::amqp10
