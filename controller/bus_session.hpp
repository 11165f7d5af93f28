// SPDX-License-Identifier: Apache-2.0
#pragma once
// A controller session on the control bus: carries what the state machine wants sent to a
// transport, and what comes in to the state machine. Serves the controller's own address, one a
// topic (self_ready, client_pong, client_result). Owns its transport. Everything on the loop's
// thread.

#include "drivers/loop.hpp"
#include "drivers/transport.hpp"

#include "controller/session.hpp"

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace ombt::controller {

class bus_session final : private drivers::request_handler,
                          private drivers::completion,
                          private drivers::timer_target {
 public:
  /// Agents get the answers to their last calls in this time, before the connections close.
  static constexpr drivers::duration linger = std::chrono::milliseconds{100};
  static constexpr drivers::duration close_limit = std::chrono::seconds{2};

  /// changed runs after every turn in which the session moved (for progress); closed runs once,
  /// when the session has finished and the connections are closed.
  bus_session(drivers::loop& loop, std::unique_ptr<drivers::transport> transport, session machine,
              std::function<void()> changed, std::function<void()> closed);
  ~bus_session();
  bus_session(const bus_session&) = delete;
  bus_session& operator=(const bus_session&) = delete;

  void start();
  /// Ends the session early and closes.
  void cancel(std::string_view why);

  const session& machine() const noexcept { return machine_; }
  /// Why its own address is not listened at now; empty: it is, or has not failed yet.
  const std::string& lost_contact() const noexcept { return lost_contact_; }
  /// What the session found; with the bus's last error where nothing could be done. Once, after
  /// closed.
  outcome take_result();

 private:
  enum timer : std::uint64_t { session_timer = 1, linger_timer = 2 };

  void on_request(drivers::listener& from, const drivers::incoming_request& request) override;
  void on_listening(drivers::listener& which) override;
  void on_listener_error(drivers::listener&, error_code error, std::string_view detail,
                         bool final) override;
  void on_complete(std::uint64_t tag, const drivers::outcome& result) override;
  void on_timer(std::uint64_t tag) override;

  void pump();
  void send(const action& what);
  void refuse(drivers::listener& from, const drivers::incoming_request& request,
              const std::string& why);

  drivers::loop& loop_;
  std::unique_ptr<drivers::transport> transport_;
  std::vector<std::unique_ptr<drivers::listener>> listeners_;  ///< of each topic
  std::unordered_map<const drivers::listener*, std::uint32_t> topic_of_;
  std::vector<bool> listened_;  ///< of each topic: it has, once
  session machine_;
  std::function<void()> changed_;
  std::function<void()> closed_;
  drivers::loop::timer_id timer_ = 0;
  std::optional<time_point> timer_at_;
  std::string lost_contact_;
  std::string last_error_;
  std::string known_error_;  ///< the transport\'s last, told to the machine
  bool closing_ = false;
};

}  // namespace ombt::controller
