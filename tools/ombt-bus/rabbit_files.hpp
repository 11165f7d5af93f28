// SPDX-License-Identifier: Apache-2.0
#pragma once
// The private folder of a broker: its configuration, cookie, data and logs, and the environments
// that make the package's scripts use them instead of the machine's. Knows RabbitMQ's files and
// variables; starts nothing. Removes its folder when destroyed.

#include <cstdint>
#include <string>
#include <vector>

namespace ombt::tools::bus {

/// The ports of one broker, all on 127.0.0.1.
struct rabbit_ports {
  std::uint16_t amqp = 0;
  std::uint16_t epmd = 0;          ///< Erlang's name server, one of our own
  std::uint16_t distribution = 0;  ///< rabbitmqctl talks to the node here
};

class rabbit_files {
 public:
  /// Makes `<parent>/ombt-bus-<pid>-<random>` (mode 0700) and removes folders there whose owner
  /// was killed. Throws std::runtime_error with a plain sentence.
  rabbit_files(const std::string& parent, std::string scripts);
  ~rabbit_files();
  rabbit_files(const rabbit_files&) = delete;
  rabbit_files& operator=(const rabbit_files&) = delete;

  /// Writes the configuration for these ports. Throws std::runtime_error.
  void configure(const rabbit_ports& ports);
  /// Writes the broker's pid to `broker.pid`, whole or not at all.
  void record_pid(int pid);

  const std::string& folder() const noexcept { return folder_; }
  /// Where the broker's stdout and stderr go.
  std::string output_file() const { return folder_ + "/broker.out"; }
  std::string log_file() const { return folder_ + "/log/broker.log"; }
  /// The whole environment of the broker: the caller's without anything that would steer RabbitMQ
  /// or Erlang, and ours.
  std::vector<std::string> broker_environment() const;
  /// The variables with which the package's rabbitmqctl reaches this broker.
  std::vector<std::string> client_variables() const;
  /// The last lines of the broker's output and log, at most `lines` of each, for an error message.
  std::string log_tail(std::size_t lines) const;

 private:
  void link_applications(const std::string& home);
  std::string path(const char* name) const { return folder_ + "/" + name; }

  std::string folder_;
  std::string scripts_;  ///< the package's folder of rabbitmq-server, rabbitmqctl, …
  int lock_ = -1;        ///< held as long as this lives, so that others can tell
  rabbit_ports ports_;
};

/// The names in `{applications, […]}` of an Erlang application file's text.
std::vector<std::string> applications_needed(const std::string& app_file_text);

}  // namespace ombt::tools::bus
