// SPDX-License-Identifier: Apache-2.0
#pragma once
// The agents of one process: I/O threads with a loop each, agents pinned to them, the control
// plane on the first. Between threads only loop::post(). The functions here are for one other
// thread, the program's main one, and block; they never run on a loop.
//
// Ready means: RPC servers and listeners listen, clients and notifiers have reached the bus under
// test (and send nothing there before their first message), and the control plane hears.
//
// state      event                          what happens                          next state
// made       start                          threads, agents, control start        starting
// starting   all agents and control ready   wait_ready returns true               ready
//            an agent or control fails      wait_ready returns false              stopping
//            timeout                        as failure of the agent or control    stopping
// ready      an agent or control fails      exit status 1                         stopping
//            every kind was told to leave,
//            no controller for idle_exit,
//            SIGTERM, SIGINT, stop          agents close, then control            stopping
// stopping   all closed, or the limit       loops end                             stopped

#include "agents/control/direct_carrier.hpp"
#include "agents/fleet_options.hpp"
#include "agents/measure/recorder.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ombt::agents {

/// Makes transports; drivers::transport::make, or a test's.
using transport_factory = std::function<std::unique_ptr<drivers::transport>(
    drivers::loop&, std::shared_ptr<const drivers::transport_settings>)>;

/// What one agent measured, for callers without a controller.
struct agent_report {
  agent_description agent;
  report figures;
};

class fleet {
 public:
  /// Checks that the drivers take the settings and opens the output files. Nothing connects and no
  /// thread starts. Throws configuration_error.
  explicit fleet(fleet_plan plan);
  fleet(fleet_plan plan, transport_factory make_transport, port_factory join = &join_port);
  /// Stops, if that has not happened yet.
  ~fleet();
  fleet(const fleet&) = delete;
  fleet& operator=(const fleet&) = delete;

  const fleet_plan& plan() const noexcept;

  /// Has this told, on a thread of the fleet's, in one line each, passwords masked: that a bus is
  /// not reached, and that it is after all or again. Before start().
  void on_note(std::function<void(const std::string&)> note);
  /// Starts the threads; with handle_signals SIGTERM and SIGINT stop the fleet cleanly.
  void start(bool handle_signals = true);
  /// Waits until every agent is ready. False: it failed, see failure(), and is stopping; or it was
  /// told to stop before, with an empty failure(). Meanwhile `told` hears a few
  /// times a second, on this thread, how many agents are ready.
  bool wait_ready(const std::function<void(std::size_t ready)>& told = {});
  /// Waits until the fleet has stopped. True unless something failed.
  bool wait();
  /// Begins to stop.
  void stop();
  /// Why it failed, one line with passwords masked; empty if it did not.
  std::string failure() const;
  /// The last agent-side trouble with controllers (refused commands, answers that were lost), one
  /// line with counts; empty if there was none.
  std::string control_trouble() const;
  /// What the links of all agents counted over their life, in words; empty if that was nothing.
  /// Known when the fleet has stopped.
  std::string counted() const;
  /// Why lines of --output were lost, the file named; empty if none were. Known when the fleet has
  /// stopped.
  std::string lost_output() const;

  /// Asks all I/O threads what there is to be told now and over the agents' life; done runs on one
  /// of them, or never if the fleet stops meanwhile. From any thread, after start(). Messages count
  /// with fleet_options::metrics only.
  void figures(std::function<void(const wire::control::process_figures&)> done);

  /// Runs a test on all agents that send it and waits for its end; for fleets without control.
  /// Empty if the fleet stops meanwhile.
  std::vector<agent_report> run_test(wire::control::test_kind test,
                                     const wire::control::test_parameters& parameters);
  /// Takes the results of all agents of a receiving kind.
  std::vector<agent_report> collect(wire::control::agent_kind kind);

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace ombt::agents
