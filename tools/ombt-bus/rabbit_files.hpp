// SPDX-License-Identifier: Apache-2.0
#pragma once
// The private folder of a broker: its configuration, cookie, data and logs, and the environments
// that make the package's scripts use them instead of the machine's. Knows RabbitMQ's files and
// variables; starts nothing.

#include "tools/ombt-bus/bus_folder.hpp"

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
  /// Makes the folder. Throws std::runtime_error with a plain sentence.
  rabbit_files(const std::string& parent, std::string scripts,
               std::vector<std::string> plugins = {});

  /// Writes the configuration for these ports. Throws std::runtime_error, also for a plugin that
  /// the package has not.
  void configure(const rabbit_ports& ports);
  void record_pid(int pid) const { folder_.record_pid(pid); }

  const std::string& folder() const noexcept { return folder_.name(); }
  std::string output_file() const { return folder_.output_file(); }
  std::string log_file() const { return path("log/broker.log"); }
  /// The whole environment of the broker: the caller's without anything that would steer RabbitMQ
  /// or Erlang, and ours.
  std::vector<std::string> broker_environment() const;
  /// The variables with which the package's rabbitmqctl reaches this broker.
  std::vector<std::string> client_variables() const;
  /// The last lines of the broker's output and log, at most `lines` of each, for an error message.
  std::string log_tail(std::size_t lines) const;

 private:
  void link_applications(const std::string& home);
  std::string path(const char* name) const { return folder_.path(name); }

  bus_folder folder_;
  std::string scripts_;  ///< the package's folder of rabbitmq-server, rabbitmqctl, …
  std::vector<std::string> plugins_;
  rabbit_ports ports_;
};

/// The names in `{applications, […]}` of an Erlang application file's text.
std::vector<std::string> applications_needed(const std::string& app_file_text);

}  // namespace ombt::tools::bus
