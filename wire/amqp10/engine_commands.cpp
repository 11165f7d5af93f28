// SPDX-License-Identifier: Apache-2.0
// Commands, and the objects behind the handles.
#include "wire/amqp10/engine.hpp"

#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/terminus.h>
#include <proton/transport.h>

#include <algorithm>
#include <utility>

namespace ombt::wire::amqp10 {
namespace {

constexpr std::size_t most_spare = 64;
/// Dispositions that a peer may make of one message.
constexpr std::int64_t updates_of_one = 8;
constexpr std::size_t largest_tag = 32;
/// What a frame has beside a message, at most.
constexpr std::size_t around_message = 512;
/// What proton keeps for a message beside its bytes, roughly.
constexpr std::size_t size_of_delivery = 512;
/// Bytes of messages that a peer had credit but no window for, and whose links it has ended.
constexpr std::size_t stuck_limit = std::size_t{4} << 20;

void set(pn_condition_t* what, std::string_view name, std::string_view text) {
  pn_condition_clear(what);
  if (name.empty()) return;
  pn_condition_set_name(what, std::string(name).c_str());
  if (!text.empty()) pn_condition_set_description(what, std::string(text).c_str());
}

void set(pn_terminus_t* what, pn_terminus_type_t type, const terminus& from) {
  pn_terminus_set_type(what, from.present ? type : PN_UNSPECIFIED);
  if (!from.present) return;
  if (!from.address.empty()) pn_terminus_set_address(what, from.address.c_str());
  pn_terminus_set_dynamic(what, from.dynamic);
}

void set(pn_delivery_t* raw, const outcome& how) {
  pn_disposition_t* const said = pn_delivery_local(raw);
  std::uint64_t type = 0;
  switch (how.what) {
    case outcome::kind::none:
    case outcome::kind::other:
      return;
    case outcome::kind::accepted:
      type = PN_ACCEPTED;
      break;
    case outcome::kind::rejected:
      type = PN_REJECTED;
      set(pn_disposition_condition(said), how.condition, how.description);
      break;
    case outcome::kind::released:
      type = PN_RELEASED;
      break;
    case outcome::kind::modified:
      type = PN_MODIFIED;
      pn_disposition_set_failed(said, how.delivery_failed);
      pn_disposition_set_undeliverable(said, how.undeliverable_here);
      break;
  }
  pn_delivery_update(raw, type);
}

bool is_new(pn_state_t state) noexcept { return (state & PN_LOCAL_UNINIT) != 0; }

}  // namespace

// ---- Sessions -----------------------------------------------------------------------------------

session engine::open_session() {
  if (!command() || session_count_ > pn_transport_get_channel_max(proton_.transport)) return {};
  session_state* const on = add_session(pn_session(proton_.connection));
  pn_session_open(on->raw);
  return session(on);
}

void engine::accept(session_state& on) {
  if (command() && !on.closed && is_new(pn_session_state(on.raw))) pn_session_open(on.raw);
}

void engine::close(session_state& on, std::string_view condition, std::string_view description) {
  if (!command() || on.closed) return;
  on.closed = true;
  for (link_state* one = on.links.front(); one != nullptr; one = on.links.after(*one)) {
    if (std::exchange(one->closed, true)) continue;
    while (!one->waiting.empty()) drop(one->waiting.front());
    if (one->told) dead_links_.push_back(one);
  }
  set(pn_session_condition(on.raw), condition, description);
  pn_session_close(on.raw);
  if (on.told) dead_sessions_.push_back(&on);
}

// ---- Links --------------------------------------------------------------------------------------

link engine::open(session_state& on, bool sender, std::string_view name, const terminus& source,
                  const terminus& target, settle_mode mode) {
  if (!command() || on.closed || on.ended_by_peer) return {};
  const std::string text(name);
  link_state* const made =
      add_link(on, sender ? pn_sender(on.raw, text.c_str()) : pn_receiver(on.raw, text.c_str()));
  pn_link_set_snd_settle_mode(made->raw, static_cast<pn_snd_settle_mode_t>(mode));
  accept(*made, source, target);
  return link(made);
}

void engine::accept(link_state& on, const terminus& source, const terminus& target) {
  if (!command() || on.closed || !is_new(pn_link_state(on.raw))) return;
  set(pn_link_source(on.raw), PN_SOURCE, source);
  set(pn_link_target(on.raw), PN_TARGET, target);
  if (on.attached) {
    pn_link_set_snd_settle_mode(on.raw, pn_link_remote_snd_settle_mode(on.raw));
  }
  pn_link_open(on.raw);
}

void engine::close(link_state& on, std::string_view condition, std::string_view description) {
  if (!command() || on.closed) return;
  on.closed = true;
  while (!on.waiting.empty()) drop(on.waiting.front());
  set(pn_link_condition(on.raw), condition, description);
  if (on.told && !on.for_good && condition.empty() && !is_new(pn_link_state(on.raw))) {
    pn_link_detach(on.raw);
  } else {
    pn_link_close(on.raw);
  }
  if (on.told) dead_links_.push_back(&on);
}

int engine::credit(const link_state& on) const noexcept {
  if (on.closed || on.detached_by_peer || !on.waiting.empty()) return 0;
  return std::max(0, pn_link_credit(on.raw));
}

std::size_t engine::unsent(const link_state& on) const noexcept {
  return on.waiting_bytes + pn_session_outgoing_bytes(on.session->raw) +
         static_cast<std::size_t>(pn_link_queued(on.raw)) * size_of_delivery + outbox_.size() +
         out_.size();
}

// ---- Deliveries ---------------------------------------------------------------------------------

delivery engine::send(link_state& on, std::string_view tag, std::string_view message,
                      bool settled) {
  if (!command() || !on.sender || on.closed || on.detached_by_peer) return {};
  tag = tag.substr(0, largest_tag);
  if (credit(on) > 0) {
    pn_delivery_t* const raw = send_now(on, tag, message, settled);
    return settled ? delivery() : delivery(add_delivery(on, raw));
  }
  delivery_state* const what = add_delivery(on, nullptr);
  what->settled = settled;
  what->tag = tag;
  what->message = message;
  on.waiting_bytes += message.size();
  return settled ? delivery() : delivery(what);
}

pn_delivery_t* engine::send_now(link_state& on, std::string_view tag, std::string_view message,
                                bool settled) {
  pn_delivery_t* const raw = pn_delivery(on.raw, pn_dtag(tag.data(), tag.size()));
  if (fits_one_frame(message)) {
    const outbox::token instead = outbox_.put(message, &on);
    pn_link_send(on.raw, instead.data(), instead.size());
  } else {
    pn_link_send(on.raw, message.data(), message.size());
  }
  dispositions_ += updates_of_one;
  if (settled) {
    pn_delivery_settle(raw);
  } else {
    pn_link_advance(on.raw);
  }
  return raw;
}

bool engine::fits_one_frame(std::string_view message) const noexcept {
  std::uint32_t limit = pn_transport_get_remote_max_frame(proton_.transport);
  if (limit == 0) limit = 0xffffffff;
  return limit > around_message && message.size() <= limit - around_message;
}

/// Sends what waits, as far as there is credit.
void engine::send_waiting(link_state& on) {
  while (!on.waiting.empty() && pn_link_credit(on.raw) > 0) {
    delivery_state* const what = on.waiting.front();
    pn_delivery_t* const raw = send_now(on, what->tag, what->message, what->settled);
    if (what->settled) {
      drop(what);
      continue;
    }
    on.waiting.remove(*what);
    on.waiting_bytes -= what->message.size();
    std::string().swap(what->message);
    what->raw = raw;
    pn_delivery_set_context(raw, what);
    on.deliveries.push_back(*what);
  }
}

void engine::update(delivery_state& what, const outcome& how) {
  if (command() && what.raw != nullptr) set(what.raw, how);
}

void engine::settle(delivery_state& what, const outcome& how) {
  if (!command()) return;
  if (what.raw != nullptr) {
    set(what.raw, how);
    pn_delivery_set_context(what.raw, nullptr);
    pn_delivery_settle(what.raw);
  }
  drop(&what);
}

// ---- Objects ------------------------------------------------------------------------------------

session_state* engine::add_session(pn_session_t* raw) {
  auto* const made = new session_state;
  made->owner = this;
  made->raw = raw;
  sessions_.push_back(*made);
  ++session_count_;
  pn_session_set_context(raw, made);
  return made;
}

link_state* engine::add_link(session_state& on, pn_link_t* raw) {
  auto* const made = new link_state;
  made->owner = this;
  made->session = &on;
  made->raw = raw;
  made->sender = pn_link_is_sender(raw);
  on.links.push_back(*made);
  ++on.link_count;
  pn_link_set_context(raw, made);
  return made;
}

/// raw null: one that waits.
delivery_state* engine::add_delivery(link_state& on, pn_delivery_t* raw) {
  delivery_state* made = spare_.front();
  if (made != nullptr) {
    spare_.remove(*made);
  } else {
    made = new delivery_state;
  }
  made->link = &on;
  made->raw = raw;
  made->user = nullptr;
  made->settled = false;
  if (raw != nullptr) {
    pn_delivery_set_context(raw, made);
    on.deliveries.push_back(*made);
  } else {
    on.waiting.push_back(*made);
  }
  return made;
}

/// Takes it off its link and keeps it for the next one.
void engine::drop(delivery_state* what) {
  link_state& on = *what->link;
  if (what->raw != nullptr) {
    on.deliveries.remove(*what);
  } else {
    on.waiting.remove(*what);
    on.waiting_bytes -= what->message.size();
    std::string().swap(what->message);
  }
  if (spare_.size() >= most_spare) {
    delete what;
    return;
  }
  spare_.push_back(*what);
}

/// Proton keeps what it could not send until the connection's end, whatever becomes of the link.
void engine::give_up_unsent(link_state& on) {
  if (phase_ != phase::open || pn_link_queued(on.raw) == 0) return;
  produce();
  const auto queued = static_cast<std::size_t>(pn_link_queued(on.raw));
  if (queued == 0) return;
  stuck_ +=
      pn_session_outgoing_bytes(on.session->raw) + queued * size_of_delivery + outbox_.disown(&on);
  if (stuck_ <= stuck_limit) return;
  breach("amqp:resource-limit-exceeded", "links that end again and again with messages unread");
}

void engine::free_link(link_state* gone) {
  if (gone->sender) give_up_unsent(*gone);
  while (!gone->waiting.empty()) drop(gone->waiting.front());
  while (!gone->deliveries.empty()) {
    pn_delivery_set_context(gone->deliveries.front()->raw, nullptr);
    drop(gone->deliveries.front());
  }
  if (gone->attached) gone->session->handles.erase(gone->handle);
  if (given_link_ == gone) given_link_ = nullptr;
  collected_ -= gone->collected.size();
  gone->session->links.remove(*gone);
  --gone->session->link_count;
  pn_link_set_context(gone->raw, nullptr);
  pn_link_free(gone->raw);
  delete gone;
}

void engine::free_session(session_state* gone) {
  while (!gone->links.empty()) free_link(gone->links.front());
  if (gone->mapped) channels_.erase(gone->channel);
  sessions_.remove(*gone);
  --session_count_;
  pn_session_set_context(gone->raw, nullptr);
  pn_session_free(gone->raw);
  delete gone;
}

/// Frees what both sides have closed.
void engine::free_dead() {
  changed_ = true;
  for (link_state* const one : dead_links_) free_link(one);
  dead_links_.clear();
  for (session_state* const one : dead_sessions_) free_session(one);
  dead_sessions_.clear();
}

}  // namespace ombt::wire::amqp10
