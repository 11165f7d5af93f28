// SPDX-License-Identifier: Apache-2.0
#pragma once
// The agents of one I/O thread: makes them, starts their runs, collects their results, closes
// them. Owns the agents and what they share on this thread, not the loop. After start() every
// function is called on the loop's thread, and every event is told there.

#include "wire/control/messages.hpp"

#include "drivers/loop.hpp"
#include "drivers/transport.hpp"

#include "agents/fleet_options.hpp"
#include "agents/listener.hpp"
#include "agents/measure/arrivals.hpp"
#include "agents/measure/audit.hpp"
#include "agents/measure/intervals.hpp"
#include "agents/measure/live_sender.hpp"
#include "agents/measure/output_file.hpp"
#include "agents/receiver.hpp"
#include "agents/rpc_server.hpp"
#include "agents/sender.hpp"
#include "agents/test_plan.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ombt::agents {

/// Where the tests of one topic happen.
struct test_places {
  drivers::target rpc;  ///< any test RPC server
  drivers::target notifications;
  rpc_server_settings rpc_server;
  listener_settings listener;
};
/// Of a topic of this plan.
test_places test_places_of(const fleet_plan& plan, const std::string& topic);

/// What all workers of a process share; immutable while they run, and outlives them.
struct worker_settings {
  /// Makes a transport to the bus under test.
  std::function<std::unique_ptr<drivers::transport>(drivers::loop&)> make_transport;
  std::vector<test_places> topics;  ///< one at least
  drivers::duration timeout = std::chrono::seconds{60};
  /// For the ledgers of a thread's receivers; when messages arrived takes a quarter of it besides.
  std::size_t ledger_bytes = std::size_t{512} << 20;
  bool figures = false;  ///< somebody may ask for figures(): messages are counted over their life
};

/// Who is told what happens to a worker's agents.
class worker_events {
 public:
  virtual void agent_ready(std::uint32_t number) = 0;
  virtual void agent_failed(std::uint32_t number, std::string why) = 0;
  virtual void run_done(wire::control::agent_kind kind, std::uint32_t number, report figures) = 0;
  virtual void collected(std::uint64_t ticket, std::uint32_t number, report figures) = 0;

 protected:
  ~worker_events() = default;
};

class worker final : public sender_owner, public receiver_owner, public drivers::timer_target {
 public:
  /// `thread` is the number of the I/O thread in its process.
  worker(drivers::loop& loop, const worker_settings& settings, worker_events& events,
         std::uint32_t thread = 0);
  ~worker();

  /// Adds an agent; before start(). `file` is where its lines go, empty: nowhere; `shared` says
  /// that other agents write there too; `phase` is where between two messages of an even schedule
  /// its own begin.
  void add(const agent_description& agent, std::uint32_t number, std::shared_ptr<output_file> file,
           bool shared, double phase);

  /// Makes all agents and has them listen, or connect if they only send.
  void start();
  /// Has agent_failed told of every agent that is not ready, with its last trouble or these words.
  void fail_unready(const std::string& no_trouble);

  // Of a kind, in a topic.
  void run(addressee of, std::shared_ptr<const test_plan> plan);
  void cancel_run(addressee of);
  void collect(addressee from, const std::string& controller, std::uint64_t ticket);
  /// The agents close and are gone.
  void leave(addressee who, drivers::duration limit);
  /// Why an agent does not listen now, or has not reached the bus yet; empty: nothing is amiss.
  std::string trouble() const;
  /// What there is to be told now, and over the agents' life.
  wire::control::process_figures figures() const;
  /// What the links of all agents have counted since the start.
  wire::control::link_counts links() const;
  /// All agents close; done runs when all have, at the latest after `limit`.
  void stop(drivers::duration limit, std::function<void()> done);

 private:
  struct added {
    agent_description agent;
    std::uint32_t number;
    std::shared_ptr<output_file> file;
    bool shared;
    double phase;
  };
  enum timer : std::uint64_t { keep_running, flush_output };
  /// The senders of a kind that are in one controller's run, in whichever topics.
  struct run_group {
    wire::control::agent_kind kind;
    std::string run;
    std::size_t senders = 0;  ///< that have not ended
    std::shared_ptr<second_recorder> seconds;
  };

  void make(const added& a);
  std::unique_ptr<message_log> log_for(const added& a);
  void arm(timer which);
  void add_audit(report& to, wire::control::agent_kind kind);
  static void add_intervals(report& to, wire::control::interval_series taken);
  run_group* find_run(wire::control::agent_kind kind, const std::string& run);
  std::shared_ptr<second_recorder> seconds_of(wire::control::agent_kind kind,
                                              const std::string& run);
  void end_in_run(const sender& from, report& figures);
  void drop_run(const run_group& which);
  bool audit_wanted(wire::control::agent_kind kind);
  bool audit_is_due(wire::control::agent_kind kind);
  live_sender::activity activity_of(wire::control::agent_kind kind, const std::string& run) const;
  void end_audit(wire::control::agent_kind kind);
  template <class Agent>
  void close(Agent& agent, drivers::duration limit);
  void closed();

  void on_run_done(sender& from) override;
  void on_reached(sender& from) override;
  void on_unreachable(sender& from, std::string why) override;
  void on_ready(receiver& from) override;
  void on_failed(receiver& from, std::string why) override;
  void on_timer(std::uint64_t which) override;

  drivers::loop& loop_;
  const worker_settings& settings_;
  worker_events& events_;
  std::vector<sender_context> contexts_;  ///< of each topic
  wire::control::ledger_room ledger_room_;
  thread_arrivals arrivals_noted_;
  std::vector<added> added_;
  std::vector<std::pair<std::shared_ptr<output_file>, std::unique_ptr<output_buffer>>> buffers_;
  std::array<wire::control::life_counts, wire::control::agent_kinds.size()> life_{};
  std::vector<std::unique_ptr<sender>> senders_;
  std::vector<std::unique_ptr<receiver>> receivers_;
  drivers::loop::timer_id timers_[2] = {0, 0};
  thread_audit audit_;
  live_sender live_;
  /// By kind: the senders that are in a run, and what the receivers had when last something came.
  std::array<std::size_t, wire::control::agent_kinds.size()> running_{};
  struct last_arrival {
    std::uint64_t messages = 0;
    int quiet = 0;  ///< seconds since
  };
  std::array<last_arrival, wire::control::agent_kinds.size()> arrivals_{};
  std::array<drivers::time_point, wire::control::agent_kinds.size()> audited_at_{};
  std::vector<run_group> runs_;
  /// By kind, of the receivers.
  std::array<controller_seconds, wire::control::agent_kinds.size()> seconds_;
  std::size_t closing_ = 0;  ///< agents that are
  std::function<void()> stopped_;
};

}  // namespace ombt::agents
