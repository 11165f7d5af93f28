// SPDX-License-Identifier: Apache-2.0
#include "tools/router/peer.hpp"

namespace ombt::tools::router {
namespace {

constexpr std::size_t longest_address = 2048;

}  // namespace

peer::peer(core& on, host& owner, const peer_limits& limits)
    : core_(on), host_(owner), limits_(limits), number_(on.add(*this)) {}

peer::~peer() {
  drop_all();
  core_.remove(*this);
}

// ---- The connection and its sessions
// -------------------------------------------------------------

void peer::operator()(const amqp::event::opened& e) {
  container_ = e.container.substr(0, longest_address);
  user_ = e.user;
  open_ = true;
  host_.on_opened();
}

void peer::operator()(const amqp::event::closed& e) {
  drop_all();
  host_.on_closed(e);
}

void peer::operator()(const amqp::event::session_opened& e) {
  amqp::session on = e.on;
  on.accept();
  wake();
}

void peer::operator()(const amqp::event::session_closed& e) {
  amqp::session on = e.on;
  on.close();
  wake();
}

// ---- Links
// ---------------------------------------------------------------------------------------

void peer::operator()(const amqp::event::link_opened& e) {
  wake();
  if (!has_room(e.on)) return;
  if (e.on.is_sender()) {
    open_receiver(e.on);
  } else {
    open_sender(e.on);
  }
}

bool peer::has_room(amqp::link on) {
  if (senders.size() + receivers.size() < limits_.links) return true;
  on.refuse("amqp:resource-limit-exceeded", "more links on a connection than this router allows");
  return false;
}

/// The peer wants to receive.
void peer::open_receiver(amqp::link on) {
  amqp::terminus source = on.peer_source();
  if (source.dynamic) {
    source.address = core_.make_address();
  } else if (source.address.empty()) {
    return on.refuse("amqp:invalid-field", "a receiver without a source address");
  } else if (source.address.size() > longest_address) {
    return on.refuse("amqp:invalid-field", "an address above 2,048 bytes");
  }
  on.accept(source, on.peer_target());
  core_.attach_receiver(*this, on, source.address);
}

/// The peer wants to send.
void peer::open_sender(amqp::link on) {
  const amqp::terminus target = on.peer_target();
  if (target.coordinator) {
    return on.refuse("amqp:not-implemented", "this router has no transactions");
  }
  if (target.dynamic) {
    return on.refuse("amqp:not-implemented", "this router makes addresses for receivers only");
  }
  if (target.address.empty()) {
    return on.refuse("amqp:invalid-field", "a sender without a target address");
  }
  if (target.address.size() > longest_address) {
    return on.refuse("amqp:invalid-field", "an address above 2,048 bytes");
  }
  on.accept(on.peer_source(), target);
  core_.attach_sender(*this, on, target.address);
}

void peer::add(attached& one) {
  (one.wire.is_sender() ? receivers : senders).push_back(one);
  one.wire.set_user(&one);
}

void peer::remove(attached& one) {
  (one.wire.is_sender() ? receivers : senders).remove(one);
  one.wire.set_user(nullptr);
}

/// Forgets a link's state; without effect on one that was refused.
void peer::drop(amqp::link on) {
  if (on.user() != nullptr) core_.detach(*static_cast<attached*>(on.user()));
}

void peer::drop_all() {
  // Senders first: what a peer has sent to itself needs no outcome.
  while (!senders.empty()) drop(senders.front()->wire);
  while (!receivers.empty()) drop(receivers.front()->wire);
}

void peer::operator()(const amqp::event::link_closed& e) {
  drop(e.on);
  amqp::link on = e.on;
  on.close();
  wake();
}

void peer::operator()(const amqp::event::oversized& e) {
  drop(e.on);
  wake();
}

void peer::operator()(const amqp::event::credit& e) {
  if (e.on.user() == nullptr) return;
  core_.on_credit(*static_cast<attached*>(e.on.user()), e.drain);
}

// ---- Messages
// ------------------------------------------------------------------------------------

void peer::operator()(const amqp::event::delivered& e) {
  if (e.on.user() == nullptr) return;
  core_.on_message(*static_cast<attached*>(e.on.user()), e.what, e.message);
}

void peer::operator()(const amqp::event::updated& e) {
  if (e.what.user() == nullptr || e.what.on().user() == nullptr) return;
  const auto& on = *static_cast<attached*>(e.what.on().user());
  if (e.what.on().is_sender()) {
    core_.on_update(on, e.what.user(), e.how, e.settled);
  } else {
    core_.on_given_up(on, e.what.user());
  }
}

}  // namespace ombt::tools::router
