// SPDX-License-Identifier: Apache-2.0
#pragma once
// What controllers' commands mean for the agents of a process, of one topic. Owns the queue of runs
// of each kind and who is owed which results; knows neither bus nor threads. On the first loop's
// thread.
//
// Runs of one kind go one after the other, in the order asked for, each reported to its own
// controller. (ombt's agents run them at the same time, into one record.) A run that stands in
// another controller's way is checked: where its controller no longer answers it is cancelled, so
// that one which vanished holds nothing up. A native controller is asked now and then in any case:
// one that was killed leaves no load behind. At most run_limit wait; further ones are refused.
//
// kind of agent  event                         what happens                          next state
// free           run                           all agents of the kind start          running
// running        run                           queued; other controller: is the
//                                              running one's controller alive?       running
//                an agent is done              its results go to the controller      running
//                … the last one                next in the queue starts              running/free
//                controller found gone         run is cancelled; agents end soon     running
//                cancel by its controller,
//                or that has gone              as above; one that waits is dropped   running

#include "agents/control/carrier.hpp"
#include "agents/control/run_bounds.hpp"
#include "agents/fleet_options.hpp"
#include "agents/test_plan.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ombt::agents {

/// The agents behind the coordinators, wherever they run.
class agent_host {
 public:
  /// The agents that have not left.
  virtual std::vector<std::string> names(addressee of) const = 0;
  /// How many these are.
  virtual std::size_t count(addressee of) const = 0;
  /// Starts a run on all of them; each ends in coordinator::run_done, later.
  virtual void start_run(addressee of, std::shared_ptr<const test_plan> plan) = 0;
  virtual void cancel_run(addressee of) = 0;
  /// Takes the results of all of them; each ends in coordinator::collected, later.
  virtual void collect(addressee from, const std::string& controller, std::uint64_t ticket) = 0;
  /// All of them leave.
  virtual void leave(addressee who) = 0;
  virtual void carrier_ready() = 0;
  virtual void carrier_failed(std::string why) = 0;

 protected:
  ~agent_host() = default;
};

class coordinator final : public command_handler {
 public:
  static constexpr std::size_t run_limit = 16;
  static constexpr std::size_t ticket_limit = 256;

  /// So many questions in a row a controller may leave unanswered.
  static constexpr int most_unanswered = 3;

  /// Both must outlive it.
  coordinator(agent_host& host, run_bounds& bounds, std::uint32_t topic = 0)
      : host_(host), bounds_(bounds), topic_(topic) {}

  std::size_t agents(wire::control::agent_kind kind) const override {
    return host_.count({kind, topic_});
  }
  std::string on_prepare(wire::control::agent_kind kind,
                         const wire::control::run_test_request& request) override;
  void on_forget(wire::control::agent_kind kind) override;
  void on_ping(wire::control::agent_kind kind, std::shared_ptr<answer_path> from) override;
  void on_run(wire::control::agent_kind kind, const wire::control::run_test_request& request,
              std::shared_ptr<answer_path> from) override;
  void on_cancel(wire::control::agent_kind kind, const std::string& id,
                 std::shared_ptr<answer_path> from) override;
  void on_collect(wire::control::agent_kind kind, std::shared_ptr<answer_path> from) override;
  void on_shutdown(wire::control::agent_kind kind) override { host_.leave({kind, topic_}); }
  void on_gone(const answer_path& which) override;
  void on_carrier_ready() override { host_.carrier_ready(); }
  void on_carrier_failed(std::string why) override { host_.carrier_failed(std::move(why)); }

  /// Asks the controllers of the runs in work whether they are there; to be called now and then
  /// (it takes most_unanswered times until a run is cancelled). Python controllers are not asked:
  /// ombt's agents would go on as well.
  void check_controllers();

  /// An agent has ended its run.
  void run_done(wire::control::agent_kind kind, const std::string& name, report figures);
  /// An agent's results, as asked for.
  void collected(std::uint64_t ticket, const std::string& name, report figures);

  /// Runs and collections that were refused because too many waited.
  std::uint64_t refused() const noexcept { return refused_; }
  bool running(wire::control::agent_kind kind) const noexcept;
  bool running() const noexcept;

 private:
  struct run {
    std::shared_ptr<const test_plan> plan;
    std::shared_ptr<answer_path> from;
    double rate = 0;  ///< messages/s that it asks for
    std::size_t agents_left = 0;
    std::uint64_t serial = 0;
    int unanswered = 0;
  };
  struct collection {
    wire::control::agent_kind kind;
    std::shared_ptr<answer_path> from;
    std::size_t agents_left = 0;
  };

  std::deque<run>& runs(wire::control::agent_kind kind) {
    return runs_[static_cast<std::size_t>(kind)];
  }
  void start_first(wire::control::agent_kind kind);
  void suspect(wire::control::agent_kind kind);
  template <class Which>
  void end_runs(wire::control::agent_kind kind, Which which);
  void note_rate(wire::control::agent_kind kind);

  agent_host& host_;
  run_bounds& bounds_;
  std::uint32_t topic_;
  std::array<std::deque<run>, wire::control::agent_kinds.size()> runs_;  ///< front: running
  std::map<std::uint64_t, collection> collections_;
  std::uint64_t next_ticket_ = 1;
  std::uint64_t next_serial_ = 1;
  std::uint64_t refused_ = 0;
};

}  // namespace ombt::agents
