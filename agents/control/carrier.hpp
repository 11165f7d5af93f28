// SPDX-License-Identifier: Apache-2.0
#pragma once
// The control plane as agents see it, whatever carries it: commands that come from controllers,
// and the path back to the controller that sent one. A carrier knows no agents; the coordinator
// gives the commands their meaning. Everything on one thread, the first loop's.

#include "wire/control/messages.hpp"

#include "drivers/loop.hpp"

#include "agents/measure/recorder.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ombt::agents {

/// The way back to one controller. Held by whoever still owes it an answer.
class answer_path {
 public:
  virtual ~answer_path() = default;
  /// The controller's own address; its server is the controller's name.
  virtual const wire::control::reply_address& controller() const noexcept = 0;
  /// Queues a client_pong; run: the controller's own run that the agent has to do, or empty.
  virtual void send_pong(wire::control::agent_kind kind, const std::string& name,
                         const std::string& run) = 0;
  /// Queues a client_result; details: with the histogram.
  virtual void send_result(wire::control::agent_kind kind, const std::string& name, report figures,
                           bool details) = 0;
  /// Asks the controller whether it is still there; answer runs once, later (not if the carrier
  /// stops before). While the bus is out of reach nobody is known to be gone.
  virtual void check_alive(std::function<void(bool alive)> answer) = 0;
};

/// What controllers ask for.
class command_handler {
 public:
  virtual void on_ping(wire::control::agent_kind kind, std::shared_ptr<answer_path> from) = 0;
  /// The test is one that this side knows and that agents of this kind run.
  virtual void on_run(wire::control::agent_kind kind,
                      const wire::control::run_test_request& request,
                      std::shared_ptr<answer_path> from) = 0;
  /// A native controller wants no more of its run.
  virtual void on_cancel(wire::control::agent_kind kind, const std::string& run,
                         std::shared_ptr<answer_path> from) = 0;
  virtual void on_collect(wire::control::agent_kind kind, std::shared_ptr<answer_path> from) = 0;
  virtual void on_shutdown(wire::control::agent_kind kind) = 0;

  /// Commands can come from now on; once.
  virtual void on_carrier_ready() = 0;
  /// The carrier won't work (any more); why is one line.
  virtual void on_carrier_failed(std::string why) = 0;

 protected:
  ~command_handler() = default;
};

/// Counted since the start. Reports and pongs that were lost are the carrier's; commands that made
/// no sense are refused there too.
struct carrier_counters {
  std::uint64_t commands = 0;      ///< understood
  std::uint64_t refused = 0;       ///< hostile or unknown arguments, unknown tests and methods
  std::uint64_t answers = 0;       ///< pongs and results that arrived
  std::uint64_t answers_lost = 0;  ///< pongs and results that did not
};

class carrier {
 public:
  virtual ~carrier() = default;
  virtual void start() = 0;
  /// Leaves cleanly; done runs at the latest after `limit`.
  virtual void stop(drivers::duration limit, std::function<void()> done) = 0;
  virtual const carrier_counters& counters() const noexcept = 0;
  /// What keeps it from being ready, for messages; may be empty.
  virtual std::string last_trouble() const = 0;
};

}  // namespace ombt::agents
