// SPDX-License-Identifier: Apache-2.0
#pragma once
// A fleet from the inside: its I/O threads, what they tell the first one, and the change of roles
// of standby agents (fleet_roles.cpp). Part of fleet; of nobody else's business.
//
// The threads stay from start to end; the agents on them are those of the plan in roles_. A change
// of roles, on the first loop:
//
// change   event                          what happens                                 next change
// none     assign, refused                who asked is told why; all stays as it is    none
//          assign                         nobody is heard any more; agents close       closing
// closing  all agents of a thread closed  they go, what they counted is kept           closing
//          … of all threads               new agents are made                          making
//                                         no roles asked for, or a change failed       none, told
//          an agent's words               are of one that goes: ignored                closing
// making   all agents ready               they are heard; who asked is told            none
//          an agent fails, or timeout     agents close                                 closing
// closing, assign                         waits until this one is over; one may        the same
// making   the fleet stops                who asked is told                            none

#include "wire/control/assign.hpp"

#include "agents/control/control_plane.hpp"
#include "agents/control/idle_watch.hpp"
#include "agents/fleet.hpp"
#include "agents/worker.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace ombt::agents {

/// One I/O thread. But for the loop's post() and stop() all of it is that thread's, once it runs.
struct io_thread {
  std::uint32_t number = 0;
  drivers::loop loop;
  std::shared_ptr<const worker_settings> settings;
  std::unique_ptr<worker> agents;
  wire::control::process_figures past;  ///< of agents that are gone
  std::thread thread;

  /// Of all agents, those that are gone too.
  wire::control::process_figures figures() const;
  wire::control::link_counts links() const;
};

/// How long so many agents have to close their links: a broker takes about a millisecond for each.
drivers::duration close_limit_for(std::size_t agents);

class fleet::impl final : public worker_events, public agent_host, public drivers::timer_target {
 public:
  impl(fleet_plan plan, transport_factory make_transport, port_factory join);
  ~impl();

  const fleet_plan& plan() const noexcept { return plan_; }
  void on_note(std::function<void(const std::string&)> note) { note_ = std::move(note); }
  void start(bool handle_signals);
  bool wait_ready(const std::function<void(std::size_t)>& told);
  bool wait();
  void stop();
  /// Stops and waits for the threads. To be called before the destructor, which they must not meet.
  void end_threads();
  std::string failure() const;
  std::string control_trouble() const;
  std::string counted() const;
  std::string lost_output() const;
  void figures(std::function<void(const wire::control::process_figures&)> done);
  /// Gives standby agents these roles in place of those that they have, on the first loop.
  void assign(const wire::control::assign_request& asked, std::function<void(std::string)> done);
  /// Has all agents of the kind asked, by way of the coordinator of each topic.
  std::vector<agent_report> gather(
      wire::control::agent_kind kind,
      const std::function<void(coordinator& topic, std::shared_ptr<answer_path>)>& ask);

 private:
  enum class state : std::uint8_t { made, starting, ready, stopping, stopped };

  // worker_events, on any I/O thread: each is posted to the first loop.
  void agent_ready(std::uint32_t number) override;
  void agent_failed(std::uint32_t number, std::string why) override;
  void run_done(wire::control::agent_kind kind, std::uint32_t number, report figures) override;
  void collected(std::uint64_t ticket, std::uint32_t number, report figures) override;

  // agent_host, on the first loop.
  std::vector<std::string> names(addressee of) const override;
  std::size_t count(addressee of) const override;
  void start_run(addressee of, std::shared_ptr<const test_plan> plan) override;
  void cancel_run(addressee of) override;
  void collect(addressee from, const std::string& controller, std::uint64_t ticket) override;
  void leave(addressee who) override;
  void carrier_ready() override;
  void carrier_failed(std::string why) override;
  void on_timer(std::uint64_t which) override;

  enum timer : std::uint64_t {
    ready_deadline,
    ready_grace,
    stop_deadline,
    controller_check,
    look,
  };

  drivers::loop& first() noexcept { return threads_.front()->loop; }
  /// Runs work(worker) on every I/O thread.
  template <class Work>
  void everywhere(Work work);
  bool has(addressee who) const {
    return !roles_->group(who).agents.empty() && !left_.contains(who);
  }
  void check_controllers_later();
  void make_threads();
  /// What all workers of a plan share.
  std::shared_ptr<const worker_settings> settings_of(const fleet_plan& roles);
  /// Makes that thread's share of a plan's agents; they don't start yet.
  void make_agents(io_thread& on, const fleet_plan& roles,
                   const std::shared_ptr<const worker_settings>& settings);
  void one_ready();
  void fail(const std::string& why);
  void begin_stop();
  void agents_stopped(const wire::control::link_counts& links);
  void all_stopped();
  void note_control_trouble();
  std::string control_name() const { return plan_.port ? "control" : "the control bus"; }
  void look_at_the_buses();
  void look_at(const char* bus, const std::string& trouble, bool& lost);
  void change_state(state to);

  // A change of roles.
  void close_roles(std::shared_ptr<const fleet_plan> next);
  void roles_closed();
  void make_roles();
  void change_failed(const std::string& why);
  void end_change();
  void cancel_ready_timers();
  void drop_changes();

  const fleet_plan plan_;
  const transport_factory make_transport_;
  const port_factory join_;
  /// Of the agents that there are; with none of them the standby plan.
  std::shared_ptr<const fleet_plan> roles_{std::shared_ptr<void>(), &plan_};
  drivers::duration close_limit_;
  std::vector<std::unique_ptr<io_thread>> threads_;
  control_plane control_{*this, plan_};
  const output_files files_{plan_.options.output, std::max(plan_.agents.size(), plan_.capacity())};

  // On the first loop.
  std::set<addressee> left_;
  std::size_t ready_wanted_ = 0;
  std::size_t closing_ = 0;
  std::array<drivers::loop::timer_id, 5> timers_{};  ///< 0: not set
  std::function<void(const std::string&)> note_;
  bool bus_lost_ = false;
  bool control_lost_ = false;
  std::optional<idle_watch> idle_;
  enum class change : std::uint8_t { none, closing, making };
  struct wish {
    wire::control::assign_request asked;
    std::function<void(std::string)> done;
  };
  change change_ = change::none;
  std::shared_ptr<const fleet_plan> next_roles_;  ///< closing: that come then
  std::function<void(std::string)> change_done_;
  std::string change_failure_;
  std::optional<wish> next_wish_;  ///< that waits for the end of this change

  // Shared with the caller's thread.
  std::atomic<std::size_t> ready_agents_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  state state_ = state::made;
  bool was_ready_ = false;
  std::string failure_;
  std::string control_trouble_;
  wire::control::link_counts links_;  ///< of the agents that have closed
};

template <class Work>
void fleet::impl::everywhere(Work work) {
  for (const auto& t : threads_) {
    t->loop.post([&thread = *t, work] { work(*thread.agents); });
  }
}

}  // namespace ombt::agents
