// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the supervisor asks of a bus, whatever its kind: an explicit state machine that waits for
// nothing and reaps nothing. Its owner calls advance() every now and then and tells it which child
// ended. Owns the broker's processes and folder; after stop() and in its destructor none of them
// remains. One thread; the broker is killed when that thread ends (PR_SET_PDEATHSIG).

#include <chrono>
#include <string>
#include <sys/types.h>
#include <vector>

namespace ombt::tools::bus {

class private_bus {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  enum class state {
    idle,
    starting,
    serving,
    down,  ///< ended by itself; start_again() brings it back
    stopping,
    stopped,
    failed
  };

  private_bus() = default;
  virtual ~private_bus() = default;
  private_bus(const private_bus&) = delete;
  private_bus& operator=(const private_bus&) = delete;

  /// From idle; ends in starting or failed.
  virtual void start(time_point now) = 0;
  /// Starts a broker that went down again, on its port. Does nothing unless it is down.
  virtual void start_again(time_point now) = 0;
  /// Begins to stop; idempotent. now_or_never: SIGKILL at once.
  virtual void stop(time_point now, bool now_or_never) = 0;
  /// Does what time and the processes' state allow. Call every 20 ms or so while changing().
  virtual void advance(time_point now) = 0;
  /// To be told of each child of the process that was reaped; true if it was one of this bus's.
  virtual bool on_child_exit(pid_t pid, int wait_status) = 0;

  virtual state current() const noexcept = 0;
  /// True while advance() has something to wait for by itself.
  bool changing() const noexcept {
    return current() == state::starting || current() == state::stopping;
  }
  /// What it is, in messages to people: "broker", "router".
  virtual const char* noun() const noexcept = 0;
  /// Why the state is failed: a sentence, then the log's last lines if there is a log.
  virtual const std::string& failure() const noexcept = 0;
  /// How the broker ended last, as a phrase: "exit status 1", "signal 9".
  virtual const std::string& last_end() const noexcept = 0;
  /// What clients connect to; valid from start() on.
  virtual std::string url() const = 0;
  /// The broker, its helpers and all else that belongs to it, as far as they run.
  virtual std::vector<pid_t> processes() const = 0;
  /// OMBT_URL, OMBT_BUS_PID, OMBT_BUS_DIR, and what its kind's tools need; see docs/ombt-bus.md.
  virtual std::vector<std::string> client_environment() const = 0;
};

}  // namespace ombt::tools::bus
