// SPDX-License-Identifier: Apache-2.0
#include "tests/tools/router/bed.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace ombt::tools::router::test {
namespace {

const amqp::time_point now{std::chrono::hours(1000)};

amqp::connection_options of_client() {
  amqp::connection_options made;
  made.max_frame_size = 65536;
  return made;
}

std::string describe(const amqp::outcome& how) {
  switch (how.what) {
    case amqp::outcome::kind::none:
      return "none";
    case amqp::outcome::kind::accepted:
      return "accepted";
    case amqp::outcome::kind::rejected:
      return "rejected " + std::string(how.condition);
    case amqp::outcome::kind::released:
      return "released";
    case amqp::outcome::kind::modified:
      return std::string("modified") + (how.delivery_failed ? " failed" : "") +
             (how.undeliverable_here ? " undeliverable" : "");
    case amqp::outcome::kind::other:
      break;
  }
  return "other";
}

}  // namespace

struct client::sink {
  client& of;
  static client_link* link_of(amqp::link on) { return static_cast<client_link*>(on.user()); }

  void operator()(const amqp::event::opened&) {}
  void operator()(const amqp::event::closed&) {}
  void operator()(const amqp::event::session_opened&) {}
  void operator()(const amqp::event::session_closed&) {}
  void operator()(const amqp::event::link_opened& e) { link_of(e.on)->open = true; }
  void operator()(const amqp::event::link_closed& e) {
    if (client_link* const mine = link_of(e.on)) {
      mine->closed = e.condition.empty() ? "-" : std::string(e.condition);
    }
    amqp::link on = e.on;
    on.set_user(nullptr);
    on.close();
  }
  void operator()(const amqp::event::credit& e) {
    if (e.drain) ++link_of(e.on)->drained;
  }
  void operator()(const amqp::event::delivered& e) {
    client_link& mine = *link_of(e.on);
    mine.messages.emplace_back(e.message);
    amqp::delivery what = e.what;
    if (what.settled_by_peer()) return what.settle();
    if (mine.update_only) {
      what.update({amqp::outcome::kind::accepted, false, false, {}, {}});
    } else if (mine.hold) {
      mine.held.push_back(what);
    } else {
      what.settle({amqp::outcome::kind::accepted, false, false, {}, {}});
    }
  }
  void operator()(const amqp::event::updated& e) {
    client_link* const mine = link_of(e.what.on());
    if (mine == nullptr) return;
    if (mine->wire.is_sender()) {
      mine->outcomes.push_back(std::string(e.what.tag()) + ": " + describe(e.how) +
                               (e.settled ? "" : " unsettled"));
    }
    amqp::delivery what = e.what;
    if (e.settled) what.settle();
  }
  void operator()(const amqp::event::oversized&) {}
};

client::client(core& on, const amqp::connection_options& server, const peer_limits& limits)
    : outside_options_(of_client()),
      outside_(std::make_unique<amqp::connection>(outside_options_, "client", "", "", false, now)),
      inside_(std::make_unique<amqp::connection>(server, "router", "", "", false, now)),
      peer_(new peer(on, *this, limits)) {
  while (pass()) {
  }
  session_ = outside_->open_session();
}

client::~client() { peer_.reset(); }

client_link& client::attach(bool sends, const amqp::terminus& source, const amqp::terminus& target,
                            amqp::settle_mode mode) {
  const std::string name = "link" + std::to_string(++names_);
  auto made = std::make_unique<client_link>();
  made->wire = sends ? session_.open_sender(name, source, target, mode)
                     : session_.open_receiver(name, source, target, mode);
  made->wire.set_user(made.get());
  links_.push_back(std::move(made));
  return *links_.back();
}

client_link& client::sender(const std::string& address) {
  return attach(true, {address}, {address});
}

client_link& client::receiver(const std::string& address, int credit, amqp::settle_mode mode) {
  client_link& made = attach(false, {address}, {address}, mode);
  made.wire.add_credit(credit);
  return made;
}

client_link& client::receiver_of_its_own(int credit) {
  client_link& made = attach(false, {{}, true}, {"here"});
  made.wire.add_credit(credit);
  return made;
}

void client::send(client_link& on, const std::string& tag, const std::string& text, bool settled) {
  on.wire.send(tag, text, settled);
}

void client::settle(client_link& on, std::size_t which, const amqp::outcome& how) {
  on.held.at(which).settle(how);
}

void client::close(client_link& on) { on.wire.close(); }

bool client::feed(amqp::connection& from, amqp::connection& to) {
  bool any = false;
  for (;;) {
    const auto bytes = from.write_buffer();
    if (bytes.empty()) return any;
    const auto room = to.read_buffer();
    if (room.empty()) return any;
    const std::size_t n = std::min(room.size(), bytes.size());
    std::copy_n(bytes.begin(), n, room.begin());
    from.write_done(n, now);
    to.read_done(n, now);
    if (&to == inside_.get()) {
      inside_->drain(*peer_);
    } else {
      outside_->drain(sink{*this});
    }
    any = true;
  }
}

bool client::pass() {
  if (over_) {
    outside_->drain(sink{*this});
    return false;
  }
  bool any = !held_ && feed(*outside_, *inside_);
  if (!stuck) any = feed(*inside_, *outside_) || any;
  if (inside_->write_buffer().empty()) peer_->on_writable();
  return any;
}

void client::lose() {
  for (amqp::connection* const one : {inside_.get(), outside_.get()}) {
    one->transport_closed(errc::connection_lost);
  }
  inside_->drain(*peer_);
  outside_->drain(sink{*this});
}

std::size_t whole_router::links() const {
  std::size_t all = 0;
  for (const auto& one : parts_) all += one->links();
  return all;
}

message_counts whole_router::totals() const {
  message_counts all;
  for (const auto& one : parts_) {
    const message_counts& its = one->totals();
    all.deliveries += its.deliveries;
    all.presettled += its.presettled;
    all.dropped_presettled += its.dropped_presettled;
    all.accepted += its.accepted;
    all.rejected += its.rejected;
    all.released += its.released;
    all.modified += its.modified;
  }
  return all;
}

std::map<std::string_view, const address*> whole_router::addresses() const {
  std::map<std::string_view, const address*> all;
  for (const auto& part : parts_) {
    for (const auto& [name, one] : part->addresses()) {
      if (!all.emplace(name, one.get()).second) throw std::logic_error("an address of two cores");
    }
  }
  return all;
}

std::size_t bed::cores_of_tests() {
  const char* const said = std::getenv("OMBT_TEST_CORES");
  return said != nullptr ? std::stoul(said) : 1;
}

bed::bed(core_limits given, address_rules rules, std::size_t cores) {
  server.side = amqp::role::server;
  for (std::size_t i = 0; i < cores; ++i) {
    cores_.push_back(std::make_unique<core>("R", rules, given, core_place{i, cores}));
  }
}

bed::~bed() {
  clients_.clear();
  while (pass_notes()) {
  }
}

client& bed::add() { return add_to(clients_.size() % cores_.size()); }

client& bed::add_to(std::size_t which) {
  clients_.push_back(std::make_unique<client>(*cores_.at(which), server, limits));
  return *clients_.back();
}

pair::pair(const std::string& address, int credit, habit receiver, core_limits limits)
    : router(limits),
      left(router.add()),
      right(router.add()),
      to(right.receiver(address, credit)),
      from(left.sender(address)) {
  to.hold = receiver == habit::holds;
  router.run();
}

void bed::remove(client& gone) {
  std::erase_if(clients_, [&](const auto& one) { return one.get() == &gone; });
}

bool bed::pass_notes() {
  bool any = false;
  for (std::size_t from = 0; from < cores_.size(); ++from) any = pass_notes_of(from) || any;
  return any;
}

bool bed::pass_notes_of(std::size_t core) {
  bool any = false;
  cores_.at(core)->said().hand_over([&](std::size_t to, std::vector<note> said) {
    cores_[to]->take(std::move(said), core);
    any = true;
  });
  return any;
}

bool bed::pass_bytes() {
  bool any = false;
  for (const auto& one : clients_) any = one->pass() || any;
  return any;
}

void bed::run() {
  bool any = true;
  for (int turns = 0; any; ++turns) {
    if (turns == 10000) throw std::runtime_error("a router that never stops talking");
    any = pass_notes();
    any = pass_bytes() || any;
  }
}

}  // namespace ombt::tools::router::test
