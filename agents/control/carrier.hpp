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
#include <string_view>

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
  /// All agents of that kind whose results go this way have sent them, for now: what has been kept
  /// back to go together goes.
  virtual void results_complete(wire::control::agent_kind /*kind*/) {}
  /// Asks the controller whether it is still there; answer runs once, later (not if the carrier
  /// stops before). While the bus is out of reach nobody is known to be gone.
  virtual void check_alive(std::function<void(bool alive)> answer) = 0;
  /// The agents have been told to begin the run of that id, which came this way.
  virtual void run_begun(const std::string& /*run*/) {}
  /// Takes texts of progress (wire/control/live.hpp), on any thread, and drops those that find no
  /// room; empty: nothing of the kind goes this way.
  virtual std::function<void(std::string_view text)> progress() { return {}; }
};

/// What controllers ask for.
class command_handler {
 public:
  /// How many of them have not left.
  virtual std::size_t agents(wire::control::agent_kind kind) const = 0;
  /// A run may be asked for next: why it will not be done, one line; empty: it will, and the bounds
  /// of the process keep room for it until on_run() or on_forget().
  virtual std::string on_prepare(wire::control::agent_kind kind,
                                 const wire::control::run_test_request& request) = 0;
  virtual void on_forget(wire::control::agent_kind kind) = 0;

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
  /// The controller at the end of this path has gone: its runs are cancelled at once.
  virtual void on_gone(const answer_path& which) = 0;

  /// Commands can come from now on; once.
  virtual void on_carrier_ready() = 0;
  /// The carrier won't work (any more); why is one line.
  virtual void on_carrier_failed(std::string why) = 0;

 protected:
  ~command_handler() = default;
};

/// The agents of a kind in a topic, and who gives commands to them their meaning.
struct control_endpoint {
  wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;
  std::string name;  ///< the only agent's own, or one for all of them
  std::string topic;
  command_handler* commands = nullptr;  ///< whose the commands are; empty: the carrier's handler
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
  /// Why the last command was refused; empty: none was.
  virtual const std::string& last_refusal() const noexcept = 0;
  /// Why answers were lost, the last of them; empty: none was.
  virtual std::string lost_because() const = 0;
  /// What keeps it from being ready, for messages; may be empty.
  virtual std::string last_trouble() const = 0;
  /// Why it does not hear commands now; empty: it does.
  virtual std::string deaf_because() const = 0;
  /// When a controller was there last: now, where one is known to be. Since start() at the least.
  virtual drivers::time_point last_heard() const = 0;
};

}  // namespace ombt::agents
