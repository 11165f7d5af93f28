// SPDX-License-Identifier: Apache-2.0
#include "drivers/amqp10/sender_links.hpp"

#include <algorithm>
#include <utility>

namespace ombt::drivers::amqp10 {
namespace {

using std::chrono::seconds;

/// The largest body of a message that is kept for reuse.
constexpr std::size_t spare_body = 4096;
/// Messages of a link whose outcomes are waited for; above, those that were answered are settled
/// without, for a bus that never says any.
constexpr std::size_t most_awaited = 1000;

}  // namespace

sender_links::sender_links(io::context& in, thread_state& thread,
                           std::shared_ptr<const settings> with, std::shared_ptr<monitor> told)
    : context_(in),
      thread_(thread),
      settings_(std::move(with)),
      monitor_(std::move(told)),
      spare_(in.local<spare_messages<send_op>>()) {}

sender_links::~sender_links() {
  context_.forget(*this);
  context_.cancel_timer(purge_);
}

std::unique_ptr<send_op> sender_links::prepare() { return spare_.take(); }

void sender_links::recycle(std::unique_ptr<send_op> op) {
  if (!op || !spare_.has_room()) return;
  if (op->body.capacity() > spare_body) op->body = {};
  op->told = nullptr;
  op->body.clear();
  op->correlation_id.clear();
  op->ttl.reset();
  op->limit = time_point::max();
  op->retry = -1;
  op->at_least_once = false;
  op->at = send_op::stage::prepared;
  op->on = nullptr;
  op->error = {};
  op->detail.clear();
  spare_.give(std::move(op));
}

void sender_links::submit(std::unique_ptr<send_op> op, const destination& to) {
  key_.assign(1, static_cast<char>(to.what));
  key_.append(to.fanout ? "*" : "-").append(to.exchange).push_back('\0');
  key_.append(to.topic).push_back('\0');
  key_.append(to.server);
  auto found = links_.find(key_);
  if (found == links_.end()) {
    found = links_.emplace(key_, std::make_unique<sender_link>(*this, to)).first;
    if (connection_) found->second->attach();
  }
  found->second->used = true;
  found->second->send(std::move(op));
}

void sender_links::abandon(send_op& op) {
  op.told = nullptr;
  if (op.at == send_op::stage::waiting || op.at == send_op::stage::sent) op.on->take_back(op);
}

void sender_links::answered(send_op& op) {
  const bool may_wait = op.at == send_op::stage::sent && op.on->sent_.size() <= most_awaited;
  if (!may_wait) return abandon(op);
  op.told = nullptr;
}

void sender_links::abandon_all(const send_owner& owner) {
  std::vector<send_op*> theirs;
  for (const auto& [key, link] : links_) {
    for (const auto& op : link->waiting_) {
      if (op->told == &owner) theirs.push_back(op.get());
    }
    for (const auto& op : link->sent_) {
      if (op->told == &owner) theirs.push_back(op.get());
    }
  }
  for (send_op* op : theirs) abandon(*op);
  for (const auto& op : over_) {
    if (op->told == &owner) op->told = nullptr;
  }
}

std::string sender_links::why_waiting(const send_op& op) const {
  return op.at == send_op::stage::waiting ? op.on->why_waiting() : std::string();
}

std::string sender_links::address_of(const sender_link& link) const {
  switch (link.kind_) {
    case destination::kind::rpc:
      return addresser_->rpc({link.exchange_, link.topic_, link.server_, link.fanout_});
    case destination::kind::notification:
      return addresser_->notification(link.topic_, link.server_);
    case destination::kind::address:
      break;
  }
  return link.topic_;
}

// --- the connection ---------------------------------------------------------------------------

void sender_links::ready(std::shared_ptr<connection> on, connection_user& by,
                         const wire::oslo::amqp10_addresser& addresser,
                         std::string_view reply_address) {
  connection_ = std::move(on);
  by_ = &by;
  addresser_ = &addresser;
  reply_address_ = reply_address;
  for (const auto& [key, link] : links_) link->attach();
  const auto idle = seconds{settings_->options().default_sender_link_timeout};
  context_.cancel_timer(purge_);
  purge_ = context_.start_timer(steady_clock::now() + idle, *this, 0);
}

void sender_links::down(const trouble& why) {
  context_.cancel_timer(std::exchange(purge_, 0));
  const std::string words = "Message send failed: " + std::string(why.detail);
  for (const auto& [key, link] : links_) {
    link->reset(why.final ? why.error : errc::delivery_failure,
                why.final ? why.detail : std::string_view(words), why.final);
  }
  connection_.reset();
  // Links without anything to send are not attached again.
  std::erase_if(links_, [](const auto& entry) { return entry.second->is_idle(); });
}

void sender_links::go_on() {
  for (const auto& [key, link] : links_) link->go_on();
}

/// Closes links that were not used since the last look.
void sender_links::on_timer(std::uint64_t) {
  std::erase_if(links_, [](const auto& entry) {
    return !std::exchange(entry.second->used, false) && entry.second->is_idle();
  });
  const auto idle = seconds{settings_->options().default_sender_link_timeout};
  purge_ = context_.start_timer(steady_clock::now() + idle, *this, 0);
}

void sender_links::close() {
  context_.cancel_timer(std::exchange(purge_, 0));
  std::vector<std::unique_ptr<send_op>> left = std::exchange(over_, {});
  for (const auto& [key, link] : links_) link->collect_all(left);
  links_.clear();
  connection_.reset();
  for (auto& op : left) {
    if (op->at != send_op::stage::over) {
      op->at = send_op::stage::over;
      op->error = errc::cancelled;
      op->detail = "closed";
    }
    if (send_owner* told = op->told) told->on_sent(std::move(op));
  }
}

// --- endings ----------------------------------------------------------------------------------

/// Told at the end of the turn, so that nobody is called back by what he called, and no link is
/// changed while it works.
void sender_links::over(std::unique_ptr<send_op> op, error_code error, std::string_view detail) {
  op->at = send_op::stage::over;
  op->error = error;
  op->detail = detail;
  if (op->told == nullptr) return recycle(std::move(op));
  over_.push_back(std::move(op));
  context_.flush_soon(*this);
}

void sender_links::flush() {
  const std::weak_ptr<int> alive = alive_;
  auto batch = std::exchange(over_, std::move(told_));
  for (auto& op : batch) {
    if (send_owner* told = op->told) {
      told->on_sent(std::move(op));
      if (alive.expired()) return;
    } else {
      recycle(std::move(op));
    }
  }
  batch.clear();
  told_ = std::move(batch);
}

}  // namespace ombt::drivers::amqp10
