// SPDX-License-Identifier: Apache-2.0
#include "tools/router/core.hpp"

#include "tools/router/peer.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace ombt::tools::router {
namespace {

constexpr std::size_t most_spare = 1024;
constexpr std::string_view management_name = "$management";

// Links know their places among those of their address. Receivers keep their order: "closest" means
// the first.
void erase(std::vector<in_link*>& from, const in_link& gone) {
  from[gone.index] = from.back();
  from[gone.index]->index = gone.index;
  from.pop_back();
}
void erase(std::vector<out_link*>& from, const out_link& gone) {
  from.erase(from.begin() + static_cast<std::ptrdiff_t>(gone.index));
  for (std::size_t i = gone.index; i < from.size(); ++i) from[i]->index = i;
}

}  // namespace

core::core(std::string id, address_rules rules, core_limits limits, core_place place)
    : id_(std::move(id)),
      rules_(std::move(rules)),
      limits_(limits),
      index_(place.index),
      said_(place.threads, std::move(place.wanted)),
      outpost_(said_, {limits.unsent_bytes, limits.untaken_bytes}),
      taken_(place.threads),
      last_peer_(place.index),
      last_link_(place.index) {}

core::~core() = default;

// ---- Peers, addresses, links
// ---------------------------------------------------------------------

std::uint64_t core::add(peer& one) {
  peers_.push_back(&one);
  return last_peer_ += threads();
}

void core::remove(peer& one) {
  std::erase(peers_, &one);
  outpost_.forget(one);
}

/// The router's own address under its other names.
std::string_view core::plain(std::string_view name) const noexcept {
  if (name.starts_with("amqp:/")) name.remove_prefix(6);
  std::string_view own = name;
  if (own.starts_with("_local/")) {
    own.remove_prefix(7);
  } else if (own.starts_with("_topo/0/")) {
    own.remove_prefix(8);
    if (!own.starts_with(id_)) return name;
    own.remove_prefix(id_.size());
    if (!own.starts_with('/')) return name;
    own.remove_prefix(1);
  }
  return own == management_name ? own : name;
}

std::size_t core::home_of(std::string_view name) const noexcept {
  if (threads() == 1) return 0;
  name = plain(name);
  return name == management_name ? 0 : std::hash<std::string_view>{}(name) % threads();
}

address& core::find_or_make(std::string_view name) {
  name = plain(name);
  if (const auto found = addresses_.find(name); found != addresses_.end()) return *found->second;
  auto made = std::make_unique<address>();
  made->name = name;
  made->management = name == management_name;
  made->how =
      name.starts_with("_topo/") || made->management ? distribution::closest : rules_.of(name);
  address& at = *made;
  addresses_.emplace(std::string_view(at.name), std::move(made));
  return at;
}

void core::leave_if_empty(address& at) {
  if (!at.senders.empty() || !at.receivers.empty()) return;
  while (!at.queue.empty()) {  // the router's own
    flight* const one = at.queue.front();
    at.queue.remove(*one);
    forget(one);
  }
  addresses_.erase(std::string_view(at.name));
}

/// One whose home is here: its receiver is.
std::string core::make_address() {
  static thread_local std::random_device random;
  constexpr char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+_";
  for (;;) {
    std::string name = "amqp:/_topo/0/" + id_ + "/temp.";
    for (int word = 0; word < 4; ++word) {
      auto bits = random();
      for (int i = 0; i < 5; ++i, bits >>= 6) name += digits[bits & 63];
    }
    if (home_of(name) == index_) return name;
  }
}

template <class State>
void core::attach(peer& owner, amqp::link wire, std::string_view name,
                  std::unique_ptr<State> made) {
  made->id = last_link_ += threads();
  made->wire = wire;
  made->owner = &owner;
  made->thread = index_;
  const std::size_t home = home_of(name);
  if (home != index_) return outpost_.attach(std::move(made), home, name);
  State& state = *made.release();
  owner.add(state);
  put(state, name);
}

void core::attach_sender(peer& owner, amqp::link wire, std::string_view name) {
  attach(owner, wire, name, std::make_unique<in_link>());
}

void core::attach_receiver(peer& owner, amqp::link wire, std::string_view name) {
  auto made = std::make_unique<out_link>();
  made->sends_settled = wire.peer_sender_mode() == amqp::settle_mode::settled;
  attach(owner, wire, name, std::move(made));
}

void core::put(in_link& made, std::string_view name) {
  address& at = find_or_make(name);
  made.at = &at;
  made.index = at.senders.size();
  at.senders.push_back(&made);
  ++links_;
  replenish(made);
}

void core::put(out_link& made, std::string_view name) {
  address& at = find_or_make(name);
  made.at = &at;
  made.index = at.receivers.size();
  at.receivers.push_back(&made);
  ++links_;
}

void core::detach(attached& gone) {
  if (gone.stub) return outpost_.detach(gone);
  const bool receives = gone.wire.is_sender();
  gone.owner->remove(gone);
  receives ? take_out(static_cast<out_link&>(gone)) : take_out(static_cast<in_link&>(gone));
}

void core::take_out(in_link& gone) {
  address& at = *gone.at;
  while (!gone.flights.empty()) {
    flight* const one = gone.flights.front();
    gone.flights.remove(*one);
    one->from = nullptr;
    one->in = {};
    if (one->to != nullptr) continue;  // its receiver has it
    at.queue_bytes -= one->text.size();
    at.queue.remove(*one);
    forget(one);
  }
  if (at.starved.is_in_one(gone)) at.starved.remove(gone);
  erase(at.senders, gone);
  --links_;
  delete &gone;
  leave_if_empty(at);
}

void core::take_out(out_link& gone) {
  address& at = *gone.at;
  set_free(gone, 0);
  at.window -= gone.window;
  if (gone.stuffed && gone.far == nullptr) gone.owner->stuffed.remove(gone);
  erase(at.receivers, gone);
  const amqp::outcome failed{amqp::outcome::kind::modified, true, false, {}, {}};
  while (!gone.flights.empty()) {
    flight* const one = gone.flights.front();
    gone.flights.remove(*one);
    if (one->from != nullptr) {
      one->from->flights.remove(*one);
      tell(*one->from, one->in, failed);
    }
    forget(one);
  }
  if (at.receivers.empty()) drop_waiting(at);
  --links_;
  delete &gone;
  leave_if_empty(at);
}

// ---- Credit
// --------------------------------------------------------------------------------------

void core::set_free(out_link& on, int credit) {
  on.at->free += credit - on.free;
  on.free = credit;
}

void core::on_credit(attached& on, bool drain) {
  if (on.stub) return outpost_.on_credit(static_cast<far_receiver&>(on), drain);
  auto& mine = static_cast<out_link&>(on);
  on_own_credit(mine, credit_left(mine));
  if (!drain) return;
  on.wire.drained();
  on_own_credit(mine, 0);
  on.owner->wake();
}

void core::on_own_credit(out_link& on, int credit) {
  address& at = *on.at;
  set_free(on, on.stuffed || is_laden(on) ? 0 : credit);
  const int window = std::min(credit, 1 << 20) + static_cast<int>(on.flights.size());
  at.window += window - on.window;
  on.window = window;
  if (at.how == distribution::multicast) return empty_buffer(on);
  go_on(at);
}

/// It has as many messages as it may have without settling one.
bool core::is_laden(const out_link& one) const noexcept {
  return one.flights.size() >= limits_.unsettled_messages;
}

void core::on_writable(peer& one) {
  outpost_.on_writable(one);
  while (!one.stuffed.empty()) {
    out_link& on = *one.stuffed.front();
    one.stuffed.remove(on);
    on.stuffed = false;
    on_credit(on);
    if (on.stuffed) return;
  }
}

/// Sends what waits at an address and gives credit to those that wait for it, as far as there is
/// credit of receivers.
void core::go_on(address& at) {
  while (!at.queue.empty()) {
    out_link* const to = choose(at);
    if (to == nullptr) return;
    flight* const one = at.queue.front();
    at.queue.remove(*one);
    at.queue_bytes -= one->text.size();
    in_link* const from = one->from;
    const std::string text = std::exchange(one->text, {});
    if (from != nullptr) --from->queued;
    if (one->in.settled || to->sends_settled) {
      if (from != nullptr) from->flights.remove(*one);
      if (!one->in.settled) accept(*from, one->in);
      forget(one);
      send(*to, nullptr, text, true);
    } else {
      send(*to, one, text, false);
    }
    if (from != nullptr) replenish(*from);
  }
  while (at.free > 0 && !at.starved.empty()) {
    in_link& from = *at.starved.front();
    at.starved.remove(from);
    replenish(from);
  }
}

int core::window_of(const address& at) const noexcept {
  if (at.management || at.how == distribution::multicast) return limits_.link_capacity;
  const auto senders = static_cast<std::int64_t>(at.senders.size());
  const std::int64_t share = at.window / std::max<std::int64_t>(1, senders);
  return static_cast<int>(
      std::clamp<std::int64_t>(share, limits_.least_window, limits_.link_capacity));
}

void core::replenish(in_link& from) {
  address& at = *from.at;
  const int window = window_of(at);
  const int missing = window - credit_given(from) - from.queued;
  if (missing * 2 < window || at.starved.is_in_one(from)) return;
  const bool always = at.management || at.how == distribution::multicast;
  if (!always && at.free <= 0) return at.starved.push_back(from);
  give_credit(from, missing);
}

/// False, and the link is stuffed, if too much waits for its connection.
bool core::can_take(out_link& one) {
  if (one.free <= 0) return false;
  if (unsent(one) < limits_.unsent_bytes) return true;
  stuff(one);
  return false;
}

void core::stuff(out_link& one) {
  one.stuffed = true;
  set_free(one, 0);
  if (one.far != nullptr) return;  // its thread will tell
  one.owner->stuffed.push_back(one);
  one.owner->wake();
}

// ---- Management, flights
// -------------------------------------------------------------------------

void core::set_management(std::function<void(std::string_view message)> handler) {
  management_ = std::move(handler);
}

void core::deliver(std::string_view name, std::string_view message) {
  if (const std::size_t home = home_of(name); home != index_) {
    note& said = said_.add(home, note::kind::deliver);
    said.text = name;
    said.more = message;
    return;
  }
  const auto found = addresses_.find(plain(name));
  if (found == addresses_.end() || found->second->receivers.empty()) return;
  address& at = *found->second;
  if (at.how == distribution::multicast) {
    cast_out(at, message);
  } else if (out_link* const to = at.queue.empty() ? choose(at) : nullptr) {
    send(*to, nullptr, message, true);
  } else if (at.queue_bytes + message.size() <= limits_.queue_bytes) {
    wait(at, nullptr, {{}, nullptr, true}, message);
  }
}

flight* core::make_flight() {
  if (spare_.empty()) return new flight;
  flight* const one = spare_.back().release();
  spare_.pop_back();
  return one;
}

void core::forget(flight* what) {
  if (spare_.size() >= most_spare) {
    delete what;
    return;
  }
  *what = flight();
  spare_.emplace_back(what);
}

}  // namespace ombt::tools::router
