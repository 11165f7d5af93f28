// SPDX-License-Identifier: Apache-2.0
// How standby agents change their roles; fleet_impl.hpp has the states.
#include "wire/configuration_error.hpp"
#include "wire/oslo/transport_url.hpp"

#include "drivers/descriptor_limit.hpp"

#include "agents/fleet_impl.hpp"
#include "agents/roles.hpp"

#include <utility>

namespace ombt::agents {

namespace control = wire::control;

control::process_figures io_thread::figures() const {
  control::process_figures out = agents->figures();
  for (std::size_t kind = 0; kind < out.size(); ++kind) out[kind].merge(past[kind]);
  return out;
}

control::link_counts io_thread::links() const {
  control::link_counts sum = agents->links();
  for (const control::kind_figures& kind : past) sum.merge(kind.links);
  return sum;
}

namespace {

/// What remains to be told of agents that are gone: what they counted.
control::process_figures counted_by(control::process_figures all) {
  for (control::kind_figures& kind : all) {
    kind.agents = 0;
    kind.running = false;
    kind.in_flight = 0;
  }
  return all;
}

}  // namespace

void fleet::impl::assign(const control::assign_request& asked,
                         std::function<void(std::string)> done) {
  if (state_ != state::ready) return done("the process is not ready, or leaving");
  if (change_ != change::none) {
    if (next_wish_) return done("another assign waits already");
    next_wish_.emplace(wish{asked, std::move(done)});
    return;
  }
  std::shared_ptr<const fleet_plan> next;
  try {
    auto plan = std::make_shared<fleet_plan>(plan_roles(plan_, asked));
    check_descriptors(*plan, drivers::raise_descriptor_limit());
    check_ports(*plan);
    drivers::loop trial;
    make_transport_(trial, plan->bus);
    next = std::move(plan);
  } catch (const std::exception& e) {
    return done(wire::oslo::mask_passwords(e.what()));
  }
  change_done_ = std::move(done);
  change_failure_.clear();
  close_roles(std::move(next));
}

void fleet::impl::close_roles(std::shared_ptr<const fleet_plan> next) {
  change_ = change::closing;
  next_roles_ = std::move(next);
  cancel_ready_timers();
  control_.retire();
  left_.clear();
  bus_lost_ = false;
  closing_ = threads_.size();
  for (const auto& t : threads_) {
    t->loop.post([this, &thread = *t, limit = close_limit_] {
      thread.agents->stop(limit, [this, &thread] {
        // They may be in the middle of this call; nothing that they say comes after what follows.
        thread.loop.post([this, &thread] {
          thread.past = counted_by(thread.figures());
          make_agents(thread, plan_, settings_of(plan_));
          thread.agents->start();
          first().post([this] { roles_closed(); });
        });
      });
    });
  }
}

void fleet::impl::cancel_ready_timers() {
  for (const timer which : {ready_deadline, ready_grace}) {
    if (timers_[which] != 0) first().cancel_timer(std::exchange(timers_[which], 0));
  }
}

void fleet::impl::roles_closed() {
  if (change_ != change::closing || --closing_ > 0) return;
  roles_ = {std::shared_ptr<void>(), &plan_};
  close_limit_ = close_limit_for(0);
  if (next_roles_->agents.empty()) return end_change();
  make_roles();
}

void fleet::impl::make_roles() {
  change_ = change::making;
  roles_ = std::exchange(next_roles_, nullptr);
  close_limit_ = close_limit_for(roles_->agents.size());
  ready_wanted_ = roles_->agents.size();
  timers_[ready_deadline] =
      first().start_timer(drivers::steady_clock::now() + plan_.ready_within, *this, ready_deadline);
  const auto settings = settings_of(*roles_);
  for (const auto& t : threads_) {
    t->loop.post([this, &thread = *t, roles = roles_, settings] {
      make_agents(thread, *roles, settings);
      thread.agents->start();
    });
  }
}

void fleet::impl::change_failed(const std::string& why) {
  change_failure_ = wire::oslo::mask_passwords(why);
  close_roles({std::shared_ptr<void>(), &plan_});
}

void fleet::impl::end_change() {
  change_ = change::none;
  next_roles_ = nullptr;
  cancel_ready_timers();
  control_.serve(*roles_);
  if (note_) note_("roles: " + roles_in_words(*roles_));
  std::exchange(change_done_, {})(std::exchange(change_failure_, {}));
  if (!next_wish_) return;
  wish next = std::move(*next_wish_);
  next_wish_.reset();
  assign(next.asked, std::move(next.done));
}

void fleet::impl::drop_changes() {
  const std::string why = "the process is leaving";
  change_ = change::none;
  if (change_done_) std::exchange(change_done_, {})(why);
  if (!next_wish_) return;
  const wish dropped = std::move(*next_wish_);
  next_wish_.reset();
  dropped.done(why);
}

}  // namespace ombt::agents
