// SPDX-License-Identifier: Apache-2.0
// What becomes of a message: who gets it, what its sender is told. The table is core.hpp's.
#include "tools/router/core.hpp"
#include "tools/router/peer.hpp"

namespace ombt::tools::router {

void core::on_message(in_link& from, amqp::delivery what, std::string_view message) {
  address& at = *from.at;
  ++at.entered;
  ++entered_;
  ++from.counts.deliveries;
  ++totals_.deliveries;
  const bool settled = what.settled_by_peer();
  if (settled) {
    ++from.counts.presettled;
    ++totals_.presettled;
  }
  if (message.empty()) {
    refuse_empty(from, what, settled);
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
    settled ? what.settle() : accept(from, what);
  } else {
    forward(from, what, message);
  }
  replenish(from);
}

void core::forward(in_link& from, amqp::delivery what, std::string_view message) {
  address& at = *from.at;
  const bool settled = what.settled_by_peer();
  if (at.receivers.empty()) return refuse(from, what, settled);
  out_link* const to = at.queue.empty() ? choose(at) : nullptr;
  if (to == nullptr) {
    if (at.queue_bytes + message.size() > limits_.queue_bytes) return refuse(from, what, settled);
    wait(at, &from, what, message, settled);
    if (settled) what.settle();
    return;
  }
  if (settled || to->sends_settled) {
    send(*to, nullptr, message, true);
    return settled ? what.settle() : accept(from, what);
  }
  flight* const one = make_flight();
  one->in = what;
  one->from = &from;
  from.flights.push_back(*one);
  send(*to, one, message, false);
}

void core::wait(address& at, in_link* from, amqp::delivery what, std::string_view message,
                bool settled) {
  flight* const one = make_flight();
  one->settled = settled;
  one->text = message;
  if (from != nullptr) {
    one->from = from;
    if (!settled) one->in = what;
    from->flights.push_back(*one);
    ++from->queued;
  }
  at.queue.push_back(*one);
  at.queue_bytes += message.size();
}

/// The router settles it itself.
void core::accept(in_link& from, amqp::delivery what) {
  const amqp::outcome accepted{amqp::outcome::kind::accepted, false, false, {}, {}};
  count(accepted, from.counts);
  count(accepted, totals_);
  what.settle(accepted);
  from.owner->wake();
}

/// Nobody can take it.
void core::refuse(in_link& from, amqp::delivery what, bool settled) {
  if (settled) {
    ++from.counts.dropped_presettled;
    ++totals_.dropped_presettled;
    return what.settle();
  }
  const amqp::outcome released{amqp::outcome::kind::released, false, false, {}, {}};
  count(released, from.counts);
  count(released, totals_);
  what.settle(released);
  from.owner->wake();
}

/// A message without a section is none. Proton sends one, settled, for a delivery that was given up
/// before there was credit for it, as oslo.messaging's driver does with a call that has timed out;
/// its receivers fail over it.
void core::refuse_empty(in_link& from, amqp::delivery what, bool settled) {
  if (settled) {
    ++from.counts.dropped_presettled;
    ++totals_.dropped_presettled;
    return what.settle();
  }
  const amqp::outcome rejected{amqp::outcome::kind::rejected, false, false, "amqp:decode-error",
                               "a message without a section"};
  count(rejected, from.counts);
  count(rejected, totals_);
  what.settle(rejected);
  from.owner->wake();
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
      if (one->settled) {
        ++from.counts.dropped_presettled;
        ++totals_.dropped_presettled;
      } else {
        refuse(from, one->in, false);
      }
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

/// what: null for one that is settled.
void core::send(out_link& to, flight* what, std::string_view message, bool settled) {
  const std::uint32_t number = to.next_tag++;
  const char tag[] = {static_cast<char>(number >> 24), static_cast<char>(number >> 16),
                      static_cast<char>(number >> 8), static_cast<char>(number)};
  set_free(to, to.free - 1);
  ++to.counts.deliveries;
  ++to.at->left;
  ++left_;
  if (settled) ++to.counts.presettled;
  amqp::delivery out = to.wire.send({tag, sizeof tag}, message, settled);
  if (what != nullptr) {
    what->to = &to;
    what->out = out;
    if (out) out.set_user(what);  // else its connection is ending: modified when its links go
    to.flights.push_back(*what);
  }
  to.owner->wake();
}

void core::cast_out(address& at, std::string_view message) {
  std::shared_ptr<const std::string> kept;
  for (out_link* const to : at.receivers) {
    if (to->buffer.empty() && can_take(*to)) {
      send(*to, nullptr, message, true);
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
    if (!kept) kept = std::make_shared<const std::string>(message);
    to->buffer.push_back(kept);
    to->buffer_bytes += message.size();
  }
}

void core::empty_buffer(out_link& to) {
  while (!to.buffer.empty() && can_take(to)) {
    const auto message = std::move(to.buffer.front());
    to.buffer.pop_front();
    to.buffer_bytes -= message->size();
    send(to, nullptr, *message, true);
  }
  if (to.buffer.empty()) to.buffer.shrink_to_fit();
}

void core::on_update(flight& what, const amqp::outcome& how, bool settled) {
  using kind = amqp::outcome::kind;
  const bool over = settled || (how.what != kind::none && how.what != kind::other);
  if (!over) return;
  out_link& to = *what.to;
  count(how, to.counts);
  count(how, totals_);
  if (in_link* const from = what.from) {
    count(how, from->counts);
    what.in.settle(how);
    from->owner->wake();
    from->flights.remove(what);
  }
  to.flights.remove(what);
  what.out.settle(how);
  to.owner->wake();
  forget(&what);
}

}  // namespace ombt::tools::router
