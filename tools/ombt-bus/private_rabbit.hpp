// SPDX-License-Identifier: Apache-2.0
#pragma once
// A private RabbitMQ as a bus (private_bus.hpp): own folder, node, name server (epmd), ports, all
// on 127.0.0.1.
//
// | step           | leaves it when                                   | for            |
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
#include "tools/ombt-bus/private_bus.hpp"
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
  std::vector<std::string> plugins;  ///< to be enabled, by their names
  std::string folder_parent = "/tmp";
  std::chrono::milliseconds start_limit{60'000};
  std::chrono::milliseconds stop_limit{5'000};
};

class private_rabbit final : public private_bus {
 public:
  explicit private_rabbit(rabbit_options options);
  /// Kills what still runs, waits for it, removes the folder.
  ~private_rabbit() override;

  /// Makes the folder and starts epmd.
  void start(time_point now) override;
  /// With its ports and data.
  void start_again(time_point now) override;
  void stop(time_point now, bool now_or_never) override;
  void advance(time_point now) override;
  bool on_child_exit(pid_t pid, int wait_status) override;

  state current() const noexcept override;
  const char* noun() const noexcept override { return "broker"; }
  const std::string& failure() const noexcept override { return failure_; }
  const std::string& last_end() const noexcept override { return last_end_; }
  /// "rabbit://guest:guest@127.0.0.1:PORT/".
  std::string url() const override;
  std::vector<pid_t> processes() const override;
  /// Also what rabbitmqctl needs.
  std::vector<std::string> client_environment() const override;

 private:
  /// name_server is a part of the bus's starting.
  enum class step { idle, name_server, starting, serving, down, stopping, stopped, failed };

  bool choose_ports();
  void start_broker(time_point now);
  void fail(std::string why, bool with_log);
  void kill_all(int signal) const;
  void try_other_ports(time_point now, const std::string& why);

  rabbit_options options_;
  rabbit_ports ports_;
  step step_ = step::idle;
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

}  // namespace ombt::tools::bus
