// SPDX-License-Identifier: Apache-2.0
#include "drivers/direct/port_owner.hpp"

#include "wire/control/direct.hpp"

#include "drivers/local_host.hpp"

#include <algorithm>
#include <limits>
#include <unistd.h>
#include <utility>

namespace ombt::drivers::direct {

namespace control = wire::control;

port_owner::port_owner(io::context& on, const shared_port::settings& what,
                       std::shared_ptr<reception> received, reception::handler taken)
    : context_(on),
      settings_(what),
      reception_(std::move(received)),
      taken_(std::move(taken)),
      tcp_(std::make_shared<io::acceptor>(on)),
      local_(std::make_shared<io::acceptor>(on)),
      // Friends all, and maybe hundreds at once: only their time is limited.
      local_pending_(on, std::numeric_limits<std::size_t>::max(), what.limits.opening, [] {}) {}

port_owner::~port_owner() { close(); }

std::uint16_t port_owner::listen(bool takes_over) {
  const auto arrives = [weak = weak_from_this()](bool local) {
    return [weak, local](std::unique_ptr<io::stream> from, std::string peer) {
      if (const auto self = weak.lock()) self->arrive(std::move(from), std::move(peer), local);
    };
  };
  std::uint16_t port = 0;
  if (settings_.tcp) {
    tcp_->set_gate([received = reception_] { return received->pending().has_room(); });
    port = tcp_->listen(settings_.host, settings_.port, arrives(false));
  }
  ::unlink(settings_.socket.c_str());
  local_->listen_local(settings_.socket, arrives(true));
  listens_ = true;
  if (takes_over) {
    waits_until_ = steady_clock::now() + takeover_limit;
    wait_for_others();
  }
  return port;
}

void port_owner::resume() { tcp_->resume(); }

void port_owner::close() {
  if (std::exchange(listens_, false)) ::unlink(settings_.socket.c_str());
  tcp_->close();
  local_->close();
  context_.cancel_timer(std::exchange(notice_timer_, 0));
  for (const auto& [which, its] : std::exchange(arrivals_, {})) {
    its.among.leave(its.ticket);
    which->close();
  }
  for (const auto& one : std::exchange(members_, {})) one.second->close();
  watchers_.clear();
}

// --- Connections that come --------------------------------------------------------------------

void port_owner::arrive(std::unique_ptr<io::stream> from, std::string peer, bool local) {
  pending_peers& among = local ? local_pending_ : reception_->pending();
  const auto who = std::make_shared<arrival>(context_, std::move(from));
  const auto ticket = among.enter([this, which = who.get()] {
    arrivals_.at(which).who->close();
    arrivals_.erase(which);
  });
  arrivals_.emplace(who.get(), place{who, among, ticket});
  who->start([this, which = who.get(), peer = std::move(peer), local](
                 std::unique_ptr<io::stream> stream, const destination& to) {
    const place its = arrivals_.at(which);
    arrivals_.erase(which);
    its.among.leave(its.ticket);
    if (stream) route(std::move(stream), peer, local, to);
  });
}

void port_owner::route(std::unique_ptr<io::stream> from, std::string peer, bool local,
                       const destination& to) {
  if (to.registers) {
    if (local) enrol(std::move(from), to.process);
    return;
  }
  if (to.process == settings_.process) {
    return reception_->take(std::move(from), std::move(peer), taken_);
  }
  if (to.process.empty()) {
    return reception_->take(std::move(from), std::move(peer),
                            [weak = weak_from_this()](std::unique_ptr<channel> by) {
                              if (const auto self = weak.lock()) self->watch(std::move(by));
                            });
  }
  const auto found = members_.find(to.process);
  if (found != members_.end()) found->second->pass(std::move(from));
}

void port_owner::enrol(std::unique_ptr<io::stream> from, const std::string& process) {
  if (process == settings_.process || members_.size() >= control::processes_limit - 1) return;
  // Its connection before this one may have broken, and that may not have been seen yet.
  if (members_.contains(process)) return;
  const auto link = std::make_shared<member_link>(std::move(from), [this, process] {
    const auto gone = std::move(members_.at(process));
    members_.erase(process);
    gone->close();
    changed();
  });
  if (!link->start(control::route_to(process))) return;
  members_.emplace(process, link);
  wait_for_others();
  changed();
}

// --- Who is told of the processes -------------------------------------------------------------

void port_owner::watch(std::unique_ptr<channel> by) {
  by->set_handler(*this);
  channel& whom = *by;
  watchers_.emplace(&whom, std::move(by));
  if (steady_clock::now() < all_there_) return changed();
  tell(whom);
}

void port_owner::tell(channel& whom) {
  control::process_list list{host_name(), boot_id(), {settings_.process}};
  for (const auto& one : members_) list.processes.push_back(one.first);
  std::string args;
  control::append_process_list(args, list);
  std::string notice;
  control::append_direct_command(notice, 0, "processes", {}, {}, args);
  whom.send(notice);
}

void port_owner::wait_for_others() {
  const time_point now = steady_clock::now();
  if (now < waits_until_) all_there_ = std::min(now + quiet_gap, waits_until_);
}

void port_owner::changed() {
  if (watchers_.empty() || notice_timer_ != 0) return;
  const time_point when = std::max({steady_clock::now(), told_ + notice_gap, all_there_});
  notice_timer_ = context_.start_timer(when, *this, 0);
}

void port_owner::on_timer(std::uint64_t) {
  notice_timer_ = 0;
  if (steady_clock::now() < all_there_) return changed();
  told_ = steady_clock::now();
  for (const auto& one : watchers_) tell(*one.second);
}

}  // namespace ombt::drivers::direct
