// SPDX-License-Identifier: Apache-2.0
#pragma once
// Gives standby agents their roles (docs/direct.md): finds their processes, holds them, tells each
// what it is to be, waits until all are. Uses connections, owns none. Everything on the loop's
// thread.
//
// state     | event                              | what happens                       | next
// ----------+------------------------------------+------------------------------------+----------
// finding   | all places have been tried         | hold to all with standby agents    | holding
//           | … one is down, too few agents      | failure; nothing has changed       | over
//           | timeout                            | the same                           | over
// holding   | all are held                       | each is told what it is to be      | assigning
//           | another controller holds some      | the rest is released; asked again  | holding,
//           |                                    | with wait, else failure            | over
//           | wait is over, or timeout, or one   | failure; nothing has changed       | over
//           | is gone                            |                                    |
// assigning | all have answered                  | release to all                     | releasing
//           | one says why not, or is gone       | is told; the others are waited for | assigning
//           | timeout, and agent_patience        | those that are silent are told     | releasing
// releasing | all have answered, or 2 s          | -                                  | over
// any       | cancel                             | failure                            | over

#include "controller/direct_links.hpp"
#include "controller/placement.hpp"
#include "controller/plan.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ombt::controller {

/// How an assignment went.
struct assignment_result {
  std::string failure;                ///< one line: nothing was asked of any process
  std::vector<std::string> problems;  ///< what went wrong with which process
  struct process {
    wire::control::process_hello told;       ///< before
    wire::control::assign_request is_to_be;  ///< its bus masked; empty: the process's own
    bool is = false;                         ///< it has said so
  };
  std::vector<process> processes;  ///< all with standby agents; those without a role too

  bool ok() const noexcept { return failure.empty() && problems.empty(); }
};

class assignment final : private direct_links::user, private drivers::timer_target {
 public:
  /// A process has so much longer than its agents have to be ready, to say that they are not.
  static constexpr duration agent_patience = std::chrono::seconds{5};
  static constexpr duration release_limit = std::chrono::seconds{2};

  /// `wait` as plan's; over runs once. Loop and links must outlive it.
  assignment(drivers::loop& on, direct_links& links, placement wanted, duration timeout,
             std::optional<duration> wait, std::function<void()> over);
  ~assignment();
  assignment(const assignment&) = delete;
  assignment& operator=(const assignment&) = delete;

  void start();
  void cancel(std::string_view why);
  /// Told where it is: "assigning: 3 of 10 processes are ready"; and whom it waits for.
  void on_progress(std::function<void(const std::string& text)> told) {
    progress_ = std::move(told);
  }
  void on_waiting(std::function<void(const std::string& why)> told) { waiting_ = std::move(told); }
  assignment_result take() { return std::move(result_); }

 private:
  enum class state : std::uint8_t { finding, holding, assigning, releasing, over };
  enum timer : std::uint64_t { limit, retry };

  void on_settled() override;
  void on_open(process_number) override {}
  void on_message(process_number from, const wire::control::direct_message& message) override;
  void on_lost(process_number which, std::string_view why) override;
  void on_refused(std::string_view why) override { result_.problems.emplace_back(why); }
  void on_timer(std::uint64_t which) override;

  void find();
  void hold();
  void held(process_number from, const wire::control::direct_message& answer);
  void end_hold();
  void assign();
  void answered(process_number from, const wire::control::direct_message& answer);
  void release();
  void fail(std::string why);
  void end();
  /// Asks a process; its answer is what it owes then.
  void ask(process_number to, std::string_view method, std::string_view args = {});
  std::size_t place_of(process_number which) const { return places_.at(which); }
  /// "process 1 of host h and 2 more", of those that owe an answer.
  std::string silent() const;
  void set_timer(timer which, duration time);
  void stop_timers();
  void tell_progress();

  drivers::loop& loop_;
  direct_links& links_;
  const placement wanted_;
  const duration timeout_;
  const std::optional<duration> wait_;
  const std::function<void()> over_;
  std::function<void(const std::string&)> progress_;
  std::function<void(const std::string&)> waiting_;
  state state_ = state::finding;
  assignment_result result_;
  std::vector<process_number> numbers_;             ///< of result_.processes
  std::map<process_number, std::size_t> places_;    ///< among them
  std::map<process_number, std::uint64_t> owed_;    ///< by process: the id of the question
  std::vector<wire::control::hold_answer> others_;  ///< whose the processes are
  std::vector<process_number> holding_;
  std::string trouble_;  ///< of a process that was to be held
  std::optional<time_point> wait_until_;
  std::uint64_t next_id_ = direct_links::first_id;
  drivers::loop::timer_id timers_[2] = {0, 0};
};

/// "10,020 agents on 100 processes of 2 hosts: 10,000 RPC clients, 20 RPC servers, 100 topics";
/// with no agents "no roles: 120 agents of 3 processes of 2 hosts are on standby".
std::string assignment_text(const placement& wanted, const assignment_result& found);

}  // namespace ombt::controller
