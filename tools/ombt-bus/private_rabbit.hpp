// SPDX-License-Identifier: Apache-2.0
#pragma once
// A private RabbitMQ as an explicit state machine: own folder, node, name server (epmd), ports, all
// on 127.0.0.1. Owns the broker's processes and folder; after stop() and in its destructor none of
// them remains. Waits for nothing: its owner calls advance() every now and then and tells it which
// child ended. Does not reap, so that it can live in a program with children of its own. One
// thread; the broker is killed when that thread ends (PR_SET_PDEATHSIG).
//
// | state          | leaves it when                                   | for            |
// |----------------|--------------------------------------------------|----------------|
// | idle           | start()                                          | name_server    |
// | name_server    | epmd accepts connections                         | starting       |
// | starting       | a login over AMQP is complete                    | serving        |
// | serving        | the broker ends by itself                        | down           |
// | starting       | the same, once it has served                     | down           |
// | down           | start_again(): same ports, same data             | starting       |
// | any but idle   | stop(): SIGTERM, after stop_limit SIGKILL        | stopping       |
// | stopping       | broker and epmd are reaped                       | stopped        |
// | name_server, … | a process ends too early or start_limit is over  | failed         |

#include "tools/ombt-bus/amqp_probe.hpp"
#include "tools/ombt-bus/rabbit_files.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace ombt::tools::bus {

struct rabbit_options {
  std::uint16_t port = 0;  ///< of AMQP; 0: one that is free
  /// Where the package keeps rabbitmq-server and rabbitmqctl themselves (not the wrappers in
  /// /usr/sbin, which change the user).
  std::string scripts = "/usr/lib/rabbitmq/bin";
  std::string folder_parent = "/tmp";
  std::chrono::milliseconds start_limit{60'000};
  std::chrono::milliseconds stop_limit{5'000};
};

class private_rabbit {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  enum class state { idle, name_server, starting, serving, down, stopping, stopped, failed };

  explicit private_rabbit(rabbit_options options);
  /// Kills what still runs, waits for it, removes the folder.
  ~private_rabbit();
  private_rabbit(const private_rabbit&) = delete;
  private_rabbit& operator=(const private_rabbit&) = delete;

  /// Makes the folder and starts epmd. From idle; ends in name_server or failed.
  void start(time_point now);
  /// Starts a broker that went down again, with its ports and data. From down only.
  void start_again(time_point now);
  /// Begins to stop; idempotent. now_or_never: SIGKILL at once.
  void stop(time_point now, bool now_or_never = false);
  /// Does what time and the processes' state allow. Call every 20 ms or so while changing().
  state advance(time_point now);
  /// To be told of each child of the process that was reaped; true if it was one of this broker's.
  bool on_child_exit(pid_t pid, int wait_status);

  state current() const noexcept { return state_; }
  /// True while advance() has something to wait for by itself.
  bool changing() const noexcept;
  /// Why the state is failed: a sentence, then the log's last lines if there is a log.
  const std::string& failure() const noexcept { return failure_; }
  /// "rabbit://guest:guest@127.0.0.1:PORT/"; valid from start() on.
  std::string url() const;
  /// The broker's own process; -1 if it isn't running.
  pid_t broker_pid() const noexcept { return broker_; }
  /// The broker, its helpers and epmd, as far as they run.
  std::vector<pid_t> processes() const;
  /// How the broker ended last, as a phrase: "exit status 1", "signal 9".
  const std::string& last_end() const noexcept { return last_end_; }
  /// Where everything of this broker is; empty before start().
  std::string folder() const { return files_ ? files_->folder() : std::string(); }
  /// OMBT_URL, and what rabbitmqctl needs; see docs/ombt-bus.md.
  std::vector<std::string> client_environment() const;

 private:
  bool choose_ports();
  void start_broker(time_point now);
  void fail(std::string why, bool with_log);
  void kill_all(int signal) const;
  void try_other_ports(time_point now, const std::string& why);

  rabbit_options options_;
  rabbit_ports ports_;
  state state_ = state::idle;
  std::unique_ptr<rabbit_files> files_;
  std::optional<amqp_probe> probe_;
  pid_t name_server_ = -1;
  pid_t broker_ = -1;
  time_point deadline_{};
  int attempts_left_ = 3;  ///< with ports of our choice, when somebody else was faster
  bool served_ = false;    ///< clients know its ports
  std::string failure_;
  std::string last_end_;
};

/// "exit status 3" or "signal 9" of a status as waitpid gives it.
std::string describe_end(int wait_status);

}  // namespace ombt::tools::bus
