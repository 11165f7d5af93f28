// SPDX-License-Identifier: Apache-2.0
// Proton's events, made those of connection.hpp. Between two frames all of them are taken, so that
// fed_ says which frame they are of.
#include "wire/amqp10/engine.hpp"

#include <proton/codec.h>
#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/event.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/transport.h>

#include <algorithm>
#include <utility>

namespace ombt::wire::amqp10 {
namespace {

/// proton has other limits above it, and looks for a name among all links of a session.
constexpr std::size_t most_links = 16384;

std::string_view view(const char* text) noexcept { return text != nullptr ? text : ""; }
std::string_view view(pn_bytes_t bytes) noexcept {
  return bytes.size != 0 ? std::string_view(bytes.start, bytes.size) : std::string_view();
}
std::string_view name_of(pn_condition_t* what) noexcept {
  return view(what != nullptr ? pn_condition_get_name(what) : nullptr);
}
std::string_view text_of(pn_condition_t* what) noexcept {
  return view(what != nullptr ? pn_condition_get_description(what) : nullptr);
}

bool is_text(pn_type_t type) noexcept { return type == PN_STRING || type == PN_SYMBOL; }

/// A property of the peer's open, where it is text.
std::string_view property(pn_data_t* data, std::string_view name) {
  std::string_view found;
  pn_data_rewind(data);
  if (!pn_data_next(data) || pn_data_type(data) != PN_MAP) return {};
  pn_data_enter(data);
  while (pn_data_next(data)) {
    const bool wanted = is_text(pn_data_type(data)) && view(pn_data_get_bytes(data)) == name;
    if (!pn_data_next(data)) break;
    if (wanted && is_text(pn_data_type(data))) found = view(pn_data_get_bytes(data));
  }
  pn_data_exit(data);
  return found;
}

link_state* state_of(pn_link_t* raw) { return static_cast<link_state*>(pn_link_get_context(raw)); }
session_state* state_of(pn_session_t* raw) {
  return static_cast<session_state*>(pn_session_get_context(raw));
}

}  // namespace

outcome read_outcome(pn_disposition_t* said) {
  outcome how;
  switch (pn_disposition_type(said)) {
    case 0:
      break;
    case PN_ACCEPTED:
      how.what = outcome::kind::accepted;
      break;
    case PN_REJECTED:
      how.what = outcome::kind::rejected;
      how.condition = name_of(pn_disposition_condition(said));
      how.description = text_of(pn_disposition_condition(said));
      break;
    case PN_RELEASED:
      how.what = outcome::kind::released;
      break;
    case PN_MODIFIED:
      how.what = outcome::kind::modified;
      how.delivery_failed = pn_disposition_is_failed(said);
      how.undeliverable_here = pn_disposition_is_undeliverable(said);
      break;
    default:
      how.what = outcome::kind::other;
      break;
  }
  return how;
}

bool engine::on_event(pn_event_t* raw, any_event& out) {
  switch (pn_event_type(raw)) {
    case PN_CONNECTION_REMOTE_OPEN:
      return on_open(out);
    case PN_CONNECTION_REMOTE_CLOSE:
      on_close();
      return false;
    case PN_SESSION_REMOTE_OPEN:
      return on_session_open(pn_event_session(raw), out);
    case PN_SESSION_REMOTE_CLOSE:
      on_session_close(pn_event_session(raw));
      return false;
    case PN_LINK_REMOTE_OPEN:
      return on_link_open(pn_event_link(raw), out);
    case PN_LINK_REMOTE_CLOSE:
      return on_link_close(pn_event_link(raw), true, out);
    case PN_LINK_REMOTE_DETACH:
      return on_link_close(pn_event_link(raw), false, out);
    case PN_DELIVERY:
      return on_delivery(pn_event_delivery(raw), out);
    default:
      return false;  // of what this side has done itself; errors are asked for after each frame
  }
}

bool engine::on_open(any_event& out) {
  phase_ = phase::open;
  if (options_.side == role::server) begin_open();
  if (pn_transport_get_remote_idle_timeout(proton_.transport) != 0) send_deadline_ = last_received_;
  pn_data_t* const properties = pn_connection_remote_properties(proton_.connection);
  out = event::opened{view(pn_connection_remote_container(proton_.connection)),
                      view(pn_connection_remote_hostname(proton_.connection)),
                      property(properties, "product"),
                      property(properties, "version"),
                      user_,
                      pn_transport_get_remote_max_frame(proton_.transport),
                      pn_transport_remote_channel_max(proton_.transport)};
  return true;
}

void engine::on_close() {
  using cause = event::closed::cause;
  if (phase_ == phase::closing) return end(cause::requested, {}, {}, {});
  pn_condition_t* const why = pn_connection_remote_condition(proton_.connection);
  end(cause::by_peer, errc::connection_lost, std::string(name_of(why)), std::string(text_of(why)));
}

// ---- Sessions -----------------------------------------------------------------------------------

bool engine::on_session_open(pn_session_t* raw, any_event& out) {
  session_state* on = state_of(raw);
  const bool by_peer = on == nullptr;
  const bool answered = on != nullptr && (on->mapped || on->ended_by_peer);
  if (by_peer == fed_.answer || answered) {
    breach("amqp:not-allowed", "a begin that answers none of ours");
    return false;
  }
  if (by_peer) on = add_session(raw);
  on->channel = fed_.channel;
  on->mapped = true;
  channels_.insert(on->channel, on);
  if (on->closed) return false;
  out = event::session_opened{session(on), by_peer};
  return true;
}

void engine::on_session_close(pn_session_t* raw) {
  session_state* const on = state_of(raw);
  if (on == nullptr) return;
  channels_.erase(on->channel);
  on->mapped = false;
  on->ended_by_peer = true;
  ended_ = on;
  ended_left_ = on->link_count;
}

/// The end of a session's links, one at each call, and then its own.
bool engine::give_ended(any_event& out) {
  session_state* const on = ended_;
  for (; ended_left_ != 0 && !on->links.empty(); --ended_left_) {
    link_state* const one = on->links.front();
    on->links.remove(*one);
    on->links.push_back(*one);
    if (one->told) continue;
    one->attached = false;
    give_link_closed(*one, false, out);
    return true;
  }
  ended_ = nullptr;
  on->told = true;
  if (on->closed) dead_sessions_.push_back(on);
  pn_condition_t* const why = pn_session_remote_condition(on->raw);
  out = event::session_closed{session(on), name_of(why), text_of(why)};
  return true;
}

// ---- Links --------------------------------------------------------------------------------------

bool engine::on_link_open(pn_link_t* raw, any_event& out) {
  link_state* on = state_of(raw);
  const bool by_peer = on == nullptr;
  if (by_peer) {
    on = add_link(*fed_.session, raw);
    if (fed_.session->link_count > std::min<std::size_t>(most_links - 1, options_.handle_max) + 1) {
      breach("amqp:resource-limit-exceeded", "more links on a session than allowed");
      return false;
    }
  }
  on->handle = fed_.handle;
  on->attached = true;
  on->delivery_count = fed_.delivery_count;
  fed_.session->handles.insert(on->handle, on);
  if (on->closed) return false;
  out = event::link_opened{link(on), by_peer};
  return true;
}

bool engine::on_link_close(pn_link_t* raw, bool for_good, any_event& out) {
  link_state* const on = state_of(raw);
  if (on == nullptr || on->told) return false;
  if (on->attached) on->session->handles.erase(on->handle);
  on->attached = false;
  give_link_closed(*on, for_good, out);
  return true;
}

void engine::give_link_closed(link_state& on, bool for_good, any_event& out) {
  on.detached_by_peer = true;
  on.for_good = for_good;
  on.told = true;
  if (on.closed) dead_links_.push_back(&on);
  pn_condition_t* const why = pn_link_remote_condition(on.raw);
  out = event::link_closed{link(&on), for_good, name_of(why), text_of(why)};
}

bool engine::on_credit(any_event& out) {
  link_state& on = *fed_.link;
  if (on.closed) return false;
  send_waiting(on);
  out = event::credit{link(&on), on.sender && pn_link_get_drain(on.raw)};
  return true;
}

// ---- Deliveries ---------------------------------------------------------------------------------

bool engine::on_delivery(pn_delivery_t* raw, any_event& out) {
  link_state* const on = state_of(pn_delivery_link(raw));
  if (on == nullptr) return false;
  return on->sender ? on_update(*on, raw, out) : on_arrival(*on, raw, out);
}

bool engine::on_update(link_state& on, pn_delivery_t* raw, any_event& out) {
  if (!pn_delivery_updated(raw)) return false;
  pn_delivery_clear(raw);
  if (--dispositions_ < 0) {
    breach("amqp:resource-limit-exceeded", "the same deliveries over and over in dispositions");
    return false;
  }
  auto* const what = static_cast<delivery_state*>(pn_delivery_get_context(raw));
  if (what == nullptr || on.closed) return false;
  out = event::updated{delivery(what), read_outcome(pn_delivery_remote(raw)),
                       pn_delivery_settled(raw)};
  return true;
}

/// The peer says something of a message of its own that came before.
bool engine::on_settled(const link_state& on, pn_delivery_t* raw, any_event& out) {
  pn_delivery_clear(raw);
  auto* const what = static_cast<delivery_state*>(pn_delivery_get_context(raw));
  if (what == nullptr || on.closed || !pn_delivery_settled(raw)) return false;
  if (std::exchange(what->settled, true)) return false;
  out = event::updated{delivery(what), read_outcome(pn_delivery_remote(raw)), true};
  return true;
}

bool engine::on_arrival(link_state& on, pn_delivery_t* raw, any_event& out) {
  if (fed_.link != &on) return on_settled(on, raw, out);
  const bool aborted = pn_delivery_aborted(raw);
  const bool partial = pn_delivery_partial(raw) && !aborted;
  if (aborted || on.closed) {
    collected_ -= on.collected.size();
    std::string().swap(on.collected);
    if (partial) return false;
    // What was too large would be too large again.
    pn_delivery_update(raw, std::exchange(on.oversized, false) ? PN_REJECTED : PN_RELEASED);
    pn_delivery_settle(raw);
    return false;
  }
  std::string_view message = fed_.payload;
  if (is_too_large(on)) {
    give_oversized(on, out);
    if (partial) {
      on.oversized = true;
    } else {
      pn_delivery_update(raw, PN_REJECTED);
      pn_delivery_settle(raw);
    }
    return true;
  }
  if (partial || !on.collected.empty()) {
    on.collected += fed_.payload;
    collected_ += fed_.payload.size();
    if (partial) return false;
    message = on.collected;
    given_link_ = &on;
  }
  pn_link_advance(on.raw);
  delivery_state* const what = add_delivery(on, raw);
  out = event::delivered{link(&on), delivery(what), message};
  return true;
}

/// A message, or all those together that arrive in pieces on this connection.
bool engine::is_too_large(const link_state& on) const noexcept {
  const std::uint64_t more = fed_.payload.size();
  return on.collected.size() + more > options_.message_limit ||
         (collected_ + more) / 4 > options_.message_limit;
}

void engine::give_oversized(link_state& on, any_event& out) {
  collected_ -= on.collected.size();
  std::string().swap(on.collected);
  close(on, "amqp:link:message-size-exceeded", "a message above the size limit");
  out = event::oversized{link(&on)};
}

}  // namespace ombt::wire::amqp10
