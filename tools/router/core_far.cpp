// SPDX-License-Identifier: Apache-2.0
// Links whose peers are in other threads: the notes of those threads, and what of a link is known
// here.
#include "tools/router/core.hpp"
#include "tools/router/peer.hpp"

#include <algorithm>
#include <utility>

namespace ombt::tools::router {

int core::credit_given(const in_link& of) noexcept {
  if (of.far == nullptr) return of.wire.credit_given();
  return static_cast<int>(of.given - of.used);
}

int core::credit_left(const out_link& of) noexcept {
  if (of.far == nullptr) return of.wire.credit();
  return static_cast<int>(std::clamp<std::int64_t>(of.allowed - of.sent, 0, std::int64_t{1} << 30));
}

void core::give_credit(in_link& to, int credit) {
  if (to.far == nullptr) {
    to.wire.add_credit(credit);
    return to.owner->wake();
  }
  to.given += credit;
  note& said = said_.add(to.thread, note::kind::give_credit);
  said.sender_stub = to.far;
  said.number = credit;
}

std::size_t core::unsent(const out_link& of) noexcept {
  if (of.far == nullptr) return of.wire.unsent();
  return of.unsent + static_cast<std::size_t>(of.sent_bytes - of.taken_bytes);
}

void core::take(std::vector<note> from_it, std::size_t from) {
  for (note& one : from_it) take(one, from);
}

void core::take(note& said, std::size_t from) {
  using kind = note::kind;
  switch (said.what) {
    case kind::attach_sender:
      return put(*said.sender, said.text);
    case kind::attach_receiver:
      return put(*said.receiver, said.text);
    case kind::detach_sender: {
      far_sender* const stub = said.sender->far;
      take_out(*said.sender);
      said_.add(from, kind::gone_sender).sender_stub = stub;
      return;
    }
    case kind::detach_receiver: {
      far_receiver* const stub = said.receiver->far;
      take_out(*said.receiver);
      said_.add(from, kind::gone_receiver).receiver_stub = stub;
      return;
    }
    case kind::message: {
      said.sender->used = said.number;
      taken_[from] += said.text.size();
      if (taken_[from] >= limits_.untaken_bytes / 16) {
        said_.add(from, kind::taken).bytes = std::exchange(taken_[from], 0);
      }
      return arrive(*said.sender, {{}, said.delivery, said.settled}, said.text);
    }
    case kind::given_up:
      if (flight* const one = std::exchange(said.delivery->there, nullptr)) give_up(*one);
      said_.add(from, kind::forgotten).delivery = said.delivery;
      return;
    case kind::credit: {
      out_link& on = *said.receiver;
      on.allowed = said.number;
      on.taken_bytes = said.bytes;
      on.unsent = said.unsent;
      on.stuffed = false;
      on_own_credit(on, credit_left(on));
      if (!said.settled) return;
      on.allowed = on.sent;
      on_own_credit(on, 0);
      said_.add(from, kind::drained).receiver_stub = on.far;
      return;
    }
    case kind::update:
      return update(*said.message, said.how());
    case kind::deliver:
      return deliver(said.text, said.more);
    default:
      return outpost_.take(said, from);
  }
}

}  // namespace ombt::tools::router
