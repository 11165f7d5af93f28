// SPDX-License-Identifier: Apache-2.0
#pragma once
// Compares the clocks of the machines that agents run on with the controller's, before, during and
// after a run: who is asked when, what the answers say, and who is told what. No I/O and no clock:
// instants come in, questions come out. A machine is a boot id; processes of the controller's own
// need no exchange. One thread.
//
// machine    | wants sent                          | ends when                     | next
// -----------+-------------------------------------+-------------------------------+-------------
// waiting    | -                                   | fewer than at_once on the way | asking
// asking     | clock to one of its processes,      | a round is complete; a second | telling;
//            | again at once after each answer     | failure in a row, but some    | from the run
//            |                                     | answers came                  | on done
//            |                                     | a second failure in a row     | asking another
//            |                                     | without any answer            | process, or
//            |                                     |                               | done: unknown
// telling    | clock with the correction to each   | all have answered or failed   | done
//            | of its processes                    | twice                         |
//
// Processes of the controller's own machine that say they are corrected are told 0 (telling). A
// round whose answers contradict each other, because a clock was set meanwhile, is begun anew once.

#include "wire/control/clock.hpp"
#include "wire/control/messages.hpp"

#include "controller/clocks_summary.hpp"
#include "controller/plan.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

namespace ombt::controller {

/// A call of the method clock.
struct clock_question {
  wire::control::agent_kind to = wire::control::agent_kind::rpc_client;
  std::string server;  ///< of the process
  std::uint32_t topic = 0;
  std::string args_json;
};

class clock_exchanges {
 public:
  static constexpr int round_length = 8;                     ///< exchanges
  static constexpr duration gap = std::chrono::seconds{10};  ///< of the rounds during a run
  static constexpr std::size_t at_once = 32;                 ///< questions on their way
  static constexpr std::size_t processes_tried = 3;          ///< of a machine, without an answer
  static constexpr duration answer_limit = std::chrono::seconds{2};

  /// Of the plan it needs the controller's own boot id (empty: not known, so that all machines are
  /// compared) and the topics.
  explicit clock_exchanges(const plan& what);

  /// An agent of the test that has answered the roll call, in the topic at this place; once each.
  void add(const wire::control::client_pong_request& pong, std::uint32_t topic = 0);

  /// Begins the round before the run (told: the correction), one during it, or the one after it.
  /// False: there is nothing to ask.
  bool begin_before();
  bool begin_during();
  bool begin_after(time_point now);

  /// Takes the next question, which is known by this tag from now on; false if there is none now.
  bool next(std::uint64_t tag, clock_question& out);
  /// It is being sent; `real`: CLOCK_REALTIME here, ns.
  void asked(std::uint64_t tag, std::int64_t real, time_point now);
  /// A question of this tag is on its way.
  bool waits_for(std::uint64_t tag) const { return on_way_.contains(tag); }
  /// Its answer came at `real`; ended() follows.
  void answered(std::uint64_t tag, const wire::control::clock_reply& reply, std::int64_t real);
  /// It has ended, with or without an answer. False: the tag is none of a question on its way.
  bool ended(std::uint64_t tag);
  /// Nothing more will come of this round.
  bool done() const noexcept { return work_.empty() && on_way_.empty(); }
  /// Ends the round; what comes later counts for nothing.
  void give_up();

  /// `agents`: those of the test that were heard of. Sending and receiving kinds are the test's.
  clocks_summary summary(std::size_t agents, wire::control::agent_kind senders,
                         wire::control::agent_kind receivers) const;

 private:
  struct process {
    wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;
    std::string server;
    std::uint32_t topic = 0;
    std::size_t machine = 0;
    bool corrected = false;  ///< it said that it adds something to its clock
    bool told = false;       ///< it has what is right
    int failures = 0;        ///< to tell it
  };
  struct machine {
    std::string boot;
    std::string host;
    wire::control::agents_by_kind agents{};
    std::vector<std::size_t> processes;
    clock_round before;
    clock_round now;  ///< the one that goes on in the run
    clock_course during;
    clock_round after;
    std::size_t asks = 0;   ///< which of its processes
    std::size_t tried = 0;  ///< so many of them, without an answer
    int exchanged = 0;      ///< in this round
    int failures = 0;       ///< in a row
    bool begun_anew = false;
  };
  /// What is to be sent: a question to a machine's clock, or a correction to a process.
  struct task_of {
    bool tell = false;
    std::size_t number = 0;  ///< of the process, or of the machine
  };
  struct question {
    task_of what;
    std::size_t process = 0;
    clock_exchange instants;
    bool good = false;
  };

  bool own(const machine& of) const noexcept { return of.boot == own_boot_; }
  enum class part : std::uint8_t { before, during, after };
  clock_round& round_of(machine& of) const noexcept;
  void exchange_ended(std::size_t number, bool good);
  void tell_processes(const machine& of);
  bool begin();

  std::string own_boot_;
  std::vector<std::string> topics_;
  bool unique_;
  part part_ = part::before;
  std::vector<machine> machines_;
  std::vector<process> processes_;
  std::unordered_map<std::string, std::size_t> machine_of_boot_;
  std::unordered_map<std::string, std::size_t> process_of_server_;
  std::deque<task_of> work_;
  std::unordered_map<std::uint64_t, question> on_way_;
  /// An instant on both clocks, and the run's end on the one.
  std::int64_t real_ = 0;
  time_point at_;
  time_point end_;
};

}  // namespace ombt::controller
