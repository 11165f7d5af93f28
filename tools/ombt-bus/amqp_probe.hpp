// SPDX-License-Identifier: Apache-2.0
#pragma once
// Asks whether something serves AMQP 0-9-1 on a local port: logs in as guest, waits for
// connection.open-ok, closes. Non-blocking: every step() does what can be done at once. Owns its
// socket. The protocol is wire/amqp091's. One thread.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace ombt::tools::bus {

class amqp_probe {
 public:
  enum class result {
    pending,  ///< call step() again soon
    refused,  ///< nobody listens there, or hung up on us: make a new probe later
    serving,  ///< the login is complete
    foreign   ///< somebody answered who is not a broker that lets guest in; detail() says why
  };

  /// Begins to connect to 127.0.0.1:port.
  explicit amqp_probe(std::uint16_t port);
  ~amqp_probe();
  amqp_probe(const amqp_probe&) = delete;
  amqp_probe& operator=(const amqp_probe&) = delete;

  result step(std::chrono::steady_clock::time_point now);
  const std::string& detail() const noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// True if 127.0.0.1:port accepts connections at this moment.
bool accepts_connections(std::uint16_t port);
/// True if 127.0.0.1:port can be bound at this moment.
bool port_is_free(std::uint16_t port);
/// A port of 127.0.0.1 that is free at this moment, outside the range that the kernel gives to
/// outgoing connections; random, so that several who ask at once get different ones. 0: none.
std::uint16_t pick_port();

}  // namespace ombt::tools::bus
