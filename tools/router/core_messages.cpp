// SPDX-License-Identifier: Apache-2.0
// What becomes of a message: who gets it, what its sender is told. The table is core.hpp's.
#include "tools/router/core.hpp"
#include "tools/router/peer.hpp"

namespace ombt::tools::router {

void core::on_message(attached& from, amqp::delivery what, std::string_view message) {
  if (from.stub) return outpost_.on_message(static_cast<far_sender&>(from), what, message);
  arrive(static_cast<in_link&>(from), {what, nullptr, what.settled_by_peer()}, message);
}

void core::arrive(in_link& from, const incoming& what, std::string_view message) {
  address& at = *from.at;
  ++at.entered;
  ++entered_;
  ++from.counts.deliveries;
  ++totals_.deliveries;
  if (what.settled) {
    ++from.counts.presettled;
    ++totals_.presettled;
    if (what.here) what.here.settle();
  }
  if (message.empty()) {
    refuse_empty(from, what);
  } else if (at.management || at.how == distribution::multicast) {
    if (at.management) {
      if (management_) management_(message);
    } else {
      if (at.receivers.empty()) {
        ++from.counts.dropped_presettled;
        ++totals_.dropped_presettled;
      }
      cast_out(at, message);
    }
    if (!what.settled) accept(from, what);
  } else {
    forward(from, what, message);
  }
  replenish(from);
}

void core::forward(in_link& from, const incoming& what, std::string_view message) {
  address& at = *from.at;
  if (at.receivers.empty()) return refuse(from, what);
  out_link* const to = at.queue.empty() ? choose(at) : nullptr;
  if (to == nullptr) {
    if (at.queue_bytes + message.size() > limits_.queue_bytes) return refuse(from, what);
    return wait(at, &from, what, message);
  }
  if (what.settled || to->sends_settled) {
    send(*to, nullptr, message, true);
    if (!what.settled) accept(from, what);
    return;
  }
  flight* const one = flight_of(what, make_flight());
  one->in = what;
  one->from = &from;
  from.flights.push_back(*one);
  send(*to, one, message, false);
}

void core::wait(address& at, in_link* from, const incoming& what, std::string_view message) {
  flight* const one = make_flight();
  if (!what.settled) flight_of(what, one);
  one->in = what;
  one->text = message;
  if (from != nullptr) {
    one->from = from;
    from->flights.push_back(*one);
    ++from->queued;
  }
  at.queue.push_back(*one);
  at.queue_bytes += message.size();
}

/// What a delivery is of, for when its sender settles it.
flight* core::flight_of(const incoming& what, flight* is) {
  if (what.there != nullptr) {
    what.there->there = is;
  } else if (what.here) {
    what.here.set_user(is);
  }
  return is;
}

/// The sender of a message is told what became of it.
void core::tell(in_link& from, const incoming& what, const amqp::outcome& how) {
  count(how, from.counts);
  count(how, totals_);
  if (what.there != nullptr) {
    what.there->there = nullptr;
    note& said = said_.add(from.thread, note::kind::settle);
    said.delivery = what.there;
    return said.set(how);
  }
  what.here.settle(how);
  from.owner->wake();
}

/// The router settles it itself.
void core::accept(in_link& from, const incoming& what) {
  tell(from, what, {amqp::outcome::kind::accepted, false, false, {}, {}});
}

/// Nobody can take it.
void core::refuse(in_link& from, const incoming& what) {
  if (what.settled) {
    ++from.counts.dropped_presettled;
    ++totals_.dropped_presettled;
    return;
  }
  tell(from, what, {amqp::outcome::kind::released, false, false, {}, {}});
}

/// A message without a section is none. Proton sends one, settled, for a delivery that was given up
/// before there was credit for it, as oslo.messaging's driver does with a call that has timed out;
/// its receivers fail over it.
void core::refuse_empty(in_link& from, const incoming& what) {
  if (what.settled) return refuse(from, what);
  tell(from, what,
       {amqp::outcome::kind::rejected, false, false, "amqp:decode-error",
        "a message without a section"});
}

/// The last receiver of an address is gone.
void core::drop_waiting(address& at) {
  while (!at.queue.empty()) {
    flight* const one = at.queue.front();
    at.queue.remove(*one);
    at.queue_bytes -= one->text.size();
    if (one->from != nullptr) {
      in_link& from = *one->from;
      from.flights.remove(*one);
      --from.queued;
      refuse(from, one->in);
      replenish(from);
    }
    forget(one);
  }
}

out_link* core::choose(address& at) {
  for (;;) {
    if (at.free <= 0) return nullptr;
    out_link* best = nullptr;
    if (at.how == distribution::closest) {
      for (out_link* const one : at.receivers) {
        if (one->free <= 0) continue;
        best = one;
        break;
      }
    } else {
      const std::size_t all = at.receivers.size();
      if (at.turn >= all) at.turn = 0;
      for (std::size_t i = 0, place = at.turn; i < all; ++i) {
        out_link* const one = at.receivers[place];
        if (++place == all) place = 0;
        if (one->free <= 0) continue;
        if (best != nullptr) {
          const std::size_t mine = one->flights.size();
          const std::size_t least = best->flights.size();
          if (mine > least || (mine == least && one->free <= best->free)) continue;
        }
        best = one;
      }
      if (best != nullptr) at.turn = best->index + 1;
    }
    if (best == nullptr) return nullptr;
    if (can_take(*best)) return best;
  }
}

/// what: null for one that is settled. shared: the message, where others get it too.
void core::send(out_link& to, flight* what, std::string_view message, bool settled,
                const std::shared_ptr<const std::string>& shared) {
  set_free(to, to.free - 1);
  ++to.counts.deliveries;
  ++to.at->left;
  ++left_;
  if (settled) ++to.counts.presettled;
  if (what != nullptr) {
    what->to = &to;
    to.flights.push_back(*what);
    if (is_laden(to)) set_free(to, 0);
  }
  if (to.far != nullptr) {
    ++to.sent;
    to.sent_bytes += message.size();
    note& said = said_.add(to.thread, note::kind::send);
    said.receiver_stub = to.far;
    said.message = what;
    said.settled = settled;
    if (shared) {
      said.shared = shared;
    } else {
      said.text = message;
    }
    return;
  }
  const std::uint32_t number = to.next_tag++;
  const char tag[] = {static_cast<char>(number >> 24), static_cast<char>(number >> 16),
                      static_cast<char>(number >> 8), static_cast<char>(number)};
  const amqp::delivery out = to.wire.send({tag, sizeof tag}, message, settled);
  if (what != nullptr && out) {  // else its connection is ending: modified when its links go
    what->out = out;
    out.set_user(what);
  }
  to.owner->wake();
}

void core::cast_out(address& at, std::string_view message) {
  std::shared_ptr<const std::string> kept;
  const auto keep = [&] {
    if (!kept) kept = std::make_shared<const std::string>(message);
    return kept;
  };
  for (out_link* const to : at.receivers) {
    if (to->buffer.empty() && can_take(*to)) {
      send(*to, nullptr, message, true, to->far != nullptr ? keep() : nullptr);
      continue;
    }
    const bool full =
        to->buffer.size() >= limits_.buffer_messages ||
        (!to->buffer.empty() && to->buffer_bytes + message.size() > limits_.buffer_bytes);
    if (full) {
      ++to->counts.dropped_presettled;
      ++totals_.dropped_presettled;
      continue;
    }
    to->buffer.push_back(keep());
    to->buffer_bytes += message.size();
  }
}

void core::empty_buffer(out_link& to) {
  while (!to.buffer.empty() && can_take(to)) {
    const auto message = std::move(to.buffer.front());
    to.buffer.pop_front();
    to.buffer_bytes -= message->size();
    send(to, nullptr, *message, true, message);
  }
  if (to.buffer.empty()) to.buffer.shrink_to_fit();
}

void core::on_given_up(const attached& on, void* user) {
  if (on.stub) return outpost_.on_given_up(*static_cast<far_delivery*>(user));
  flight& what = *static_cast<flight*>(user);
  what.in.here.settle();
  give_up(what);
}

void core::give_up(flight& what) {
  what.in = {{}, nullptr, true};
  if (what.to == nullptr) return;  // waits
  what.from->flights.remove(what);
  what.from = nullptr;
}

void core::on_update(const attached& on, void* user, const amqp::outcome& how, bool settled) {
  if (on.stub) return outpost_.on_update(*static_cast<far_flight*>(user), how, settled);
  flight& what = *static_cast<flight*>(user);
  if (!is_over(how, settled)) return;
  const amqp::delivery out = what.out;
  peer& receives = *what.to->owner;
  update(what, how);
  out.settle(how);
  receives.wake();
}

void core::update(flight& what, const amqp::outcome& how) {
  out_link& to = *what.to;
  count(how, to.counts);
  if (in_link* const from = what.from) {
    from->flights.remove(what);
    tell(*from, what.in, how);
  } else {
    count(how, totals_);
  }
  const bool was_laden = is_laden(to);
  to.flights.remove(what);
  forget(&what);
  if (was_laden) on_own_credit(to, credit_left(to));
}

}  // namespace ombt::tools::router
