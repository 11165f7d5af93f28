// SPDX-License-Identifier: Apache-2.0
#pragma once
// The loop of an agent that sends. Closed: the next message goes when the last one has completed.
// Open: messages go when the run's schedule says so (agents/load/pacer.hpp), many at once if need
// be. What a message is (call, cast, notification) is the derived agent's. Owns its transport and
// its results; reporting them is the worker's. Its link to the bus is made before the first run,
// beside these states. All on the thread of its loop.
//
// state        event                        what happens                        next state
// idle         run                          warm-up call, where there is one    warming_up
//                                           no warm-up: as after it             sending/pacing
// warming_up   completed                    a failure is counted as an error;
//                                           closed loop: first message          sending
//                                           open loop: its schedule begins      pacing
//              …, run cancelled             owner gets on_run_done              idle
// sending      completed, more to send      recorded; next message              sending
//              …, the plan has a pause      recorded; timer                     pausing
//              …, last one, time is over
//                or run cancelled           recorded; owner gets on_run_done    idle
// pausing      timer                        next message                        sending
//              cancel                       owner gets on_run_done              idle
// pacing       timer, completed             messages that are due go, as far as
//                                           the bound allows; timer for the
//                                           next one, or none where it is full  pacing
//              …, schedule over, or cancel  nothing more is sent                draining
// draining     completed                    recorded                            draining
//              …, the last one, or none was
//                in flight                  owner gets on_run_done              idle
// any          stop                         transport closes; completions are
//                                           no longer recorded                  closing
// closing      closed                       owner's callback                    closed

#include "wire/oslo/messages.hpp"

#include "drivers/loop.hpp"
#include "drivers/transport.hpp"

#include "agents/load/pacer.hpp"
#include "agents/load/random.hpp"
#include "agents/measure/output_file.hpp"
#include "agents/measure/recorder.hpp"
#include "agents/test_plan.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace ombt::agents {

class sender;

/// Who is told how a sender fares, on its thread. Must outlive the sender.
class sender_owner {
 public:
  /// The bus is reached.
  virtual void on_reached(sender& from) = 0;
  /// The bus will not be reached; why is one line.
  virtual void on_unreachable(sender& from, std::string why) = 0;
  /// A run has ended.
  virtual void on_run_done(sender& from) = 0;

 protected:
  ~sender_owner() = default;
};

/// What all senders of one thread, in one topic, share; must outlive them.
struct sender_context {
  drivers::loop& loop;
  sender_owner& owner;
  drivers::duration timeout = std::chrono::seconds{60};  ///< of every operation
  drivers::target rpc;                                   ///< any test RPC server
  drivers::target rpc_fanout;                            ///< all of them
  drivers::target notifications;
  std::uint32_t topic = 0;  ///< its place among the topics of the process
  std::string site = {};    ///< of the agents, or empty
};

class sender : public drivers::completion,
               public drivers::timer_target,
               private drivers::reach_handler {
 public:
  enum class state : std::uint8_t {
    idle,
    warming_up,
    sending,
    pausing,
    pacing,
    draining,
    closing,
    closed,
  };

  sender(wire::control::agent_kind kind, std::string name, std::uint32_t number,
         const sender_context& context, std::unique_ptr<drivers::transport> transport);
  virtual ~sender() = default;
  sender(const sender&) = delete;
  sender& operator=(const sender&) = delete;

  wire::control::agent_kind kind() const noexcept { return kind_; }
  const std::string& name() const noexcept { return name_; }
  std::uint32_t number() const noexcept { return number_; }
  /// Its place among the topics of the process.
  std::uint32_t topic() const noexcept { return context_.topic; }
  state current() const noexcept { return state_; }
  drivers::transport& transport() noexcept { return *transport_; }

  /// Writes a line a message from now on.
  void log_to(std::unique_ptr<message_log> log);
  /// Counts its messages there too, over its life; must outlive it.
  void count_life_in(wire::control::life_counts& life) { recorder_.count_life_in(&life); }
  /// Where between two messages of an even schedule its own begin, [0, 1).
  void spread(double phase) noexcept { phase_ = phase; }

  /// Connects to the bus, so that one that refuses is known before a run; a run need not wait.
  void start() { transport_->reach(*this); }
  bool is_ready() const noexcept { return ready_; }
  /// Why the bus is not reached yet; empty: it is, or no attempt has failed.
  std::string trouble() const { return ready_ ? std::string() : transport_->last_error(); }
  /// Starts a run; false unless idle. The text is shared with the thread's other senders, and so
  /// is where the run's seconds are counted, if anywhere.
  bool run(std::shared_ptr<message_text> text, std::shared_ptr<second_recorder> seconds = {});
  /// Ends the run after the messages in flight; what was done is reported as usual.
  void cancel_run();
  /// The id of its run, until that is taken.
  const std::string& run_id() const noexcept { return run_; }
  /// Messages on their way.
  std::uint32_t in_flight() const noexcept;
  /// Messages of the last open loop that went out late although only this process held them up.
  std::uint64_t overslept() const noexcept { return overslept_; }
  /// The results since the last take(); the run's id with them, and what its links counted in it.
  report take();
  /// What its links have counted since the start.
  wire::control::link_counts links() const { return counted_by(*transport_); }
  /// Closes links and connections; done runs on this thread, at the latest after `limit`. The
  /// sender must live until then.
  void stop(drivers::duration limit, std::function<void()> done);

 protected:
  /// Starts the operation that sets links up, if the kind has one.
  virtual bool start_warm_up() { return false; }
  /// Starts one message, which completes with the tag. The context is empty or JSON, for requests.
  virtual void send(std::string_view args, std::string_view context, std::uint64_t tag) = 0;

  const sender_context& context() const noexcept { return context_; }
  const test_plan& plan() const noexcept { return text_->plan(); }

 private:
  void on_reached() final;
  void on_unreached(error_code error, std::string_view detail, bool final) final;
  /// What a run with a load needs beside; idle agents and ombt's closed loop have none.
  struct load_state {
    random_source sizes;
    drivers::time_point begun;  ///< the schedule, or the first message
    std::optional<pacer> open;
  };

  void on_complete(std::uint64_t tag, const drivers::outcome& result) final;
  void on_timer(std::uint64_t tag) final;
  std::string_view next_text(double epoch, std::int64_t sequence);
  void record(const drivers::outcome& result, std::int64_t sequence, double sent_epoch,
              drivers::time_point sent, std::chrono::nanoseconds took);
  bool exchanges_notes() const noexcept;
  std::string_view context_of(drivers::time_point sent, std::chrono::nanoseconds late);
  void record_note(wire::json::value from, drivers::time_point sent, std::chrono::nanoseconds took);
  void end_run();

  void begin_messages();
  // The closed loop.
  void send_next();
  void message_done(const drivers::outcome& result);
  bool time_is_over(drivers::time_point next) const noexcept;
  // The open loop.
  void begin_schedule();
  void send_due();
  void send_scheduled(drivers::time_point now);
  void scheduled_done(std::uint32_t tag, const drivers::outcome& result);
  void drain();
  void cancel_timer();
  std::int64_t since_start(drivers::time_point now) const noexcept {
    return std::chrono::nanoseconds(now - load_->begun).count();
  }

  const sender_context& context_;
  std::unique_ptr<drivers::transport> transport_;
  std::shared_ptr<message_text> text_;  ///< of the run; empty when idle
  std::unique_ptr<load_state> load_;    ///< of the run
  std::unique_ptr<message_log> log_;
  std::string name_;
  std::string run_;  ///< of the last run, until taken
  std::uint32_t number_;
  wire::control::agent_kind kind_;
  state state_ = state::idle;
  bool ready_ = false;
  bool cancelled_ = false;
  bool cut_short_ = false;  ///< the last run: cancelled with messages left to send
  std::uint64_t overslept_ = 0;
  double phase_ = 0;
  wire::oslo::hex_id id_{};    ///< the run's part of message ids
  std::int64_t sequence_ = 0;  ///< closed loop: of the message in flight; open: messages sent
  drivers::time_point sent_at_{};
  double sent_epoch_ = 0;
  drivers::loop::timer_id timer_ = 0;        ///< 0: none
  wire::control::link_counts links_before_;  ///< the run
  recorder recorder_;
};

}  // namespace ombt::agents
