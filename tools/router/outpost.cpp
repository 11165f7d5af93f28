// SPDX-License-Identifier: Apache-2.0
#include "tools/router/outpost.hpp"

#include "tools/router/peer.hpp"

#include <algorithm>

namespace ombt::tools::router {

outpost::outpost(notes& say, outpost_limits limits)
    : say_(say), limits_(limits), untaken_(say.threads()) {}

outpost::~outpost() {
  while (!senders_.empty()) free_stub(static_cast<far_sender&>(*senders_.front()));
  while (!receivers_.empty()) free_stub(static_cast<far_receiver&>(*receivers_.front()));
}

// ---- Links
// ---------------------------------------------------------------------------------------

template <class Stub, class State>
Stub& outpost::add(State& of, stubs& to, std::size_t home) {
  auto* const made = new Stub;
  made->wire = of.wire;
  made->owner = of.owner;
  made->home = home;
  made->there = &of;
  of.far = made;
  to.push_back(*made);
  made->owner->add(*made);
  return *made;
}

void outpost::attach(std::unique_ptr<in_link> state, std::size_t home, std::string_view name) {
  add<far_sender>(*state, senders_, home);
  note& said = say_.add(home, note::kind::attach_sender);
  said.sender = state.release();
  said.text = name;
}

void outpost::attach(std::unique_ptr<out_link> state, std::size_t home, std::string_view name) {
  add<far_receiver>(*state, receivers_, home);
  note& said = say_.add(home, note::kind::attach_receiver);
  said.receiver = state.release();
  said.text = name;
}

/// The stub stays until the other thread has heard of it: what it has said until then is ignored.
void outpost::detach(attached& gone) {
  gone.owner->remove(gone);
  if (gone.wire.is_sender()) {
    auto& mine = static_cast<far_receiver&>(gone);
    if (mine.owner->slow.is_in_one(mine)) mine.owner->slow.remove(mine);
    while (!mine.kept.empty()) drop(*mine.kept.front());
    say_.add(mine.home, note::kind::detach_receiver).receiver = mine.there;
  } else {
    auto& mine = static_cast<far_sender&>(gone);
    for (far_delivery* one = mine.kept.front(); one != nullptr; one = mine.kept.after(*one)) {
      one->in = {};
    }
    say_.add(mine.home, note::kind::detach_sender).sender = mine.there;
  }
  gone.owner = nullptr;
  gone.wire = {};
}

void outpost::free_stub(far_sender& gone) {
  while (!gone.kept.empty()) drop(*gone.kept.front());
  senders_.remove(gone);
  delete &gone;
}

void outpost::free_stub(far_receiver& gone) {
  while (!gone.kept.empty()) drop(*gone.kept.front());
  receivers_.remove(gone);
  delete &gone;
}

void outpost::drop(far_delivery& what) {
  what.on->kept.remove(what);
  delete &what;
}

/// Of a link that is gone, or settled.
void outpost::drop(far_flight& what) {
  what.on->kept.remove(what);
  delete &what;
}

// ---- What peers say
// ------------------------------------------------------------------------------

void outpost::on_message(far_sender& from, amqp::delivery what, std::string_view message) {
  note& said = say_.add(from.home, note::kind::message);
  said.sender = from.there;
  said.text = message;
  said.settled = what.settled_by_peer();
  said.number = from.given - from.wire.credit_given();
  if (said.settled) {
    what.settle();
  } else {
    auto* const kept = new far_delivery;
    kept->on = &from;
    kept->in = what;
    from.kept.push_back(*kept);
    what.set_user(kept);
    said.delivery = kept;
  }
  std::size_t& untaken = untaken_[from.home];
  untaken += message.size();
  if (untaken <= limits_.untaken_bytes || from.owner->is_held()) return;
  from.owner->hold(true);
  held_.push_back(from.owner);
}

void outpost::on_given_up(far_delivery& what) {
  what.in.settle();
  what.in = {};
  what.given_up = true;
  say_.add(what.on->home, note::kind::given_up).delivery = &what;
}

void outpost::on_update(far_flight& what, const amqp::outcome& how, bool settled) {
  if (!is_over(how, settled)) return;
  far_receiver& to = *what.on;
  note& said = say_.add(to.home, note::kind::update);
  said.message = what.there;
  said.set(how);
  const amqp::delivery out = what.out;
  drop(what);
  out.settle(how);
  to.owner->wake();
}

void outpost::on_credit(far_receiver& on, bool drain) { tell(on, drain); }

void outpost::on_writable(peer& one) {
  for (far_receiver* on = one.slow.front(); on != nullptr;) {
    far_receiver* const next = one.slow.after(*on);
    tell(*on);
    on = next;
  }
}

/// How much the other thread may send.
void outpost::tell(far_receiver& of, bool drain) {
  note& said = say_.add(of.home, note::kind::credit);
  said.receiver = of.there;
  said.settled = drain;
  said.number = of.sent + of.wire.credit();
  said.bytes = of.taken;
  said.unsent = of.wire.unsent();
  of.told = of.taken;
  const bool slow = said.unsent >= limits_.unsent_bytes / 2;
  auto& all = of.owner->slow;
  if (slow == all.is_in_one(of)) return;
  if (slow) {
    all.push_back(of);
    of.owner->wake();
  } else {
    all.remove(of);
  }
}

void outpost::forget(peer& one) { std::erase(held_, &one); }

// ---- What the threads of addresses say
// -----------------------------------------------------------

void outpost::take(note& said, std::size_t from) {
  using kind = note::kind;
  switch (said.what) {
    case kind::give_credit: {
      far_sender& to = *said.sender_stub;
      if (to.owner == nullptr) return;
      to.given += said.number;
      to.wire.add_credit(static_cast<int>(said.number));
      return to.owner->wake();
    }
    case kind::settle:
      return settle(*said.delivery, said.how());
    case kind::forgotten:
      return drop(*said.delivery);
    case kind::send:
      return send(*said.receiver_stub, said);
    case kind::drained: {
      far_receiver& to = *said.receiver_stub;
      if (to.owner == nullptr) return;
      to.wire.drained();
      to.owner->wake();
      return tell(to);  // its peer may have given more meanwhile
    }
    case kind::gone_sender:
      return free_stub(*said.sender_stub);
    case kind::gone_receiver:
      return free_stub(*said.receiver_stub);
    case kind::taken:
      untaken_[from] -= std::min<std::size_t>(untaken_[from], said.bytes);
      if (held_.empty() ||
          *std::max_element(untaken_.begin(), untaken_.end()) > limits_.untaken_bytes / 2) {
        return;
      }
      for (peer* const one : std::exchange(held_, {})) one->hold(false);
      return;
    default:
      return;
  }
}

void outpost::settle(far_delivery& what, const amqp::outcome& how) {
  if (what.given_up) return;  // forgotten comes
  if (what.in) {
    what.in.settle(how);
    what.on->owner->wake();
  }
  drop(what);
}

void outpost::send(far_receiver& to, note& said) {
  if (to.owner == nullptr) return;  // the other thread will hear of it
  const std::string_view message = said.shared ? *said.shared : said.text;
  const char tag[] = {static_cast<char>(to.next_tag >> 24), static_cast<char>(to.next_tag >> 16),
                      static_cast<char>(to.next_tag >> 8), static_cast<char>(to.next_tag)};
  ++to.next_tag;
  ++to.sent;
  to.taken += message.size();
  const amqp::delivery out = to.wire.send({tag, sizeof tag}, message, said.settled);
  if (out) {  // else its connection is ending
    auto* const made = new far_flight;
    made->on = &to;
    made->there = said.message;
    made->out = out;
    out.set_user(made);
    to.kept.push_back(*made);
  }
  to.owner->wake();
  if (to.taken - to.told >= limits_.unsent_bytes / 16) tell(to);
}

}  // namespace ombt::tools::router
