// SPDX-License-Identifier: Apache-2.0
#include "agents/control/direct_carrier.hpp"

#include "agents/control/direct_session.hpp"

#include <algorithm>
#include <malloc.h>
#include <utility>

namespace ombt::agents {

std::shared_ptr<void> join_port(drivers::loop& on, drivers::shared_port::settings what,
                                drivers::shared_port::events told) {
  return std::make_shared<drivers::shared_port>(on, std::move(what), std::move(told));
}

direct_carrier::direct_carrier(drivers::loop& loop, direct_carrier_settings settings,
                               command_handler& handler, port_factory join)
    : loop_(loop), settings_(std::move(settings)), handler_(handler), join_(std::move(join)) {
  know_topics();
}

void direct_carrier::know_topics() {
  topics_.clear();
  for (const control_endpoint& named : settings_.endpoints) {
    topics_[named.topic] = named.commands != nullptr ? named.commands : &handler_;
  }
}

direct_carrier::~direct_carrier() {
  if (stop_timer_ != 0) loop_.cancel_timer(stop_timer_);
}

void direct_carrier::start() {
  heard_ = drivers::steady_clock::now();
  drivers::shared_port::events told;
  told.joined = [this](std::uint16_t) { handler_.on_carrier_ready(); };
  told.failed = [this](std::string why) { fail(std::move(why)); };
  told.taken = [this](std::unique_ptr<drivers::channel> from) { take(std::move(from)); };
  port_ = join_(loop_, settings_.port, std::move(told));
}

void direct_carrier::serve(std::vector<control_endpoint> endpoints,
                           wire::control::process_hello hello, bool tell) {
  for (const auto& session : sessions_) session->forget_handlers();
  settings_.endpoints = std::move(endpoints);
  settings_.hello = std::move(hello);
  know_topics();
  for (std::size_t i = 0; tell && i < sessions_.size(); ++i) sessions_[i]->tell_roles();
}

void direct_carrier::stop(drivers::duration limit, std::function<void()> done) {
  stopped_ = std::move(done);
  port_.reset();
  const auto latest = drivers::steady_clock::now() + limit;
  for (const auto& session : sessions_) session->leave(latest);
  if (sessions_.empty()) return end_stop();
  stop_timer_ = loop_.start_timer(latest, *this, 0);
}

void direct_carrier::end_stop() {
  if (stop_timer_ != 0) loop_.cancel_timer(std::exchange(stop_timer_, 0));
  if (stopped_) std::exchange(stopped_, {})();
}

void direct_carrier::on_timer(std::uint64_t) {
  stop_timer_ = 0;
  end_stop();
}

void direct_carrier::take(std::unique_ptr<drivers::channel> from) {
  if (sessions_.size() >= settings_.controller_limit) {
    return refuse("more than " + std::to_string(settings_.controller_limit) + " connections");
  }
  sessions_.push_back(std::make_unique<direct_session>(*this, std::move(from)));
}

void direct_carrier::end(direct_session& session) {
  session.give_up();
  if (holder_ == &session) holder_ = nullptr;
  heard_ = last_heard();
  const bool has_held = session.has_held();
  std::erase_if(sessions_, [&](const auto& one) { return one.get() == &session; });
  if (sessions_.empty() && stopped_) return end_stop();
  // Its runs are over, and nobody has another: what they took goes back to the system, from among
  // what the agents keep. (Some milliseconds for 10,000 of them.)
  if (has_held && holder_ == nullptr) ::malloc_trim(0);
}

drivers::time_point direct_carrier::last_heard() const {
  const bool here = std::any_of(sessions_.begin(), sessions_.end(),
                                [](const auto& one) { return one->was_known(); });
  return here ? drivers::steady_clock::now() : heard_;
}

void direct_carrier::fail(std::string why) {
  if (std::exchange(failed_, true)) return;
  trouble_ = why;
  handler_.on_carrier_failed(std::move(why));
}

void direct_carrier::refuse(std::string why) {
  ++counters_->refused;
  refusal_ = std::move(why);
}

wire::control::process_hello direct_carrier::hello() const {
  wire::control::process_hello out = settings_.hello;
  for (const control_endpoint& named : settings_.endpoints) {
    const command_handler* const commands = named.commands != nullptr ? named.commands : &handler_;
    out.agents[static_cast<std::size_t>(named.kind)] +=
        static_cast<std::uint32_t>(commands->agents(named.kind));
  }
  std::uint32_t with_roles = 0;
  for (const std::uint32_t count : out.agents) with_roles += count;
  out.standby = out.capacity - std::min(out.capacity, with_roles);
  return out;
}

}  // namespace ombt::agents
