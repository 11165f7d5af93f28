// SPDX-License-Identifier: Apache-2.0
#pragma once
// The runs that a controller has prepared, until its agents are told (docs/direct.md): one a kind
// of agent and topic at most, those of one id begin together. Owns their requests and the timers
// until the agreed instants. One thread, its loop's.
//
// state      event                          what happens                               next state
// none       prepare                        the bounds of the process are asked        prepared
// prepared   prepare                        takes its place                            prepared
//            start, open loop               agents are told, with the instant          told
//            start, closed loop             timer until the instant                    waiting
// waiting    timer                          agents are told                            told
//            prepare                        refused                                    waiting
// prepared,  cancel, drop                   forgotten                                  none
//   waiting
// told       the agents of all its kinds
//            and topics have begun          begun() says when                          none

#include "wire/control/direct.hpp"

#include "drivers/loop.hpp"

#include "agents/control/carrier.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace ombt::agents {

class prepared_runs final : private drivers::timer_target {
 public:
  /// Payloads of the runs that are prepared, bytes together.
  static constexpr std::size_t payload_limit = std::size_t{256} << 20;

  explicit prepared_runs(drivers::loop& on) : loop_(on) {}
  ~prepared_runs() { drop(); }
  prepared_runs(const prepared_runs&) = delete;
  prepared_runs& operator=(const prepared_runs&) = delete;

  // Each returns why it is refused, one line; empty: it is not.

  /// The request's test is one that agents of this kind run.
  std::string prepare(command_handler& commands, wire::control::agent_kind kind,
                      wire::control::run_test_request request, std::shared_ptr<answer_path> from);
  /// An instant that has passed means now; one more than start_limit ahead is refused. `taken` runs
  /// before any agent is told.
  std::string start(const wire::control::start_request& when, const std::function<void()>& taken);

  /// Forgets that part of a run, if its agents have not been told.
  void cancel(command_handler& commands, wire::control::agent_kind kind, const std::string& run);
  /// Forgets all whose agents have not been told.
  void drop();
  /// Agents of a kind and topic have begun; of the last ones of a run: its corrected
  /// CLOCK_REALTIME, in an open loop not before the instant at which messages begin.
  std::optional<std::int64_t> begun(const std::string& run);

 private:
  using place = std::pair<command_handler*, wire::control::agent_kind>;
  struct part {
    wire::control::run_test_request request;
    std::shared_ptr<answer_path> from;
  };
  struct told_run {
    std::size_t left = 0;
    std::int64_t not_before = 0;
  };
  using parts = std::map<place, part>;
  struct waiting_run {
    drivers::loop::timer_id timer = 0;
    std::uint64_t serial = 0;
  };

  void on_timer(std::uint64_t serial) override;
  bool is_of(const parts::value_type& one, const std::string& run) const noexcept {
    return one.second.request.parameters.run == run;
  }
  template <class Which>
  void tell(Which which);
  void forget(parts::iterator which);

  drivers::loop& loop_;
  parts parts_;                                 ///< whose agents have not been told
  std::map<std::string, waiting_run> waiting_;  ///< by id; of those that have been started
  std::map<std::string, told_run> told_;        ///< by id
  std::size_t payloads_ = 0;                    ///< bytes, of parts_
  std::uint64_t serials_ = 0;
};

}  // namespace ombt::agents
