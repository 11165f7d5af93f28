// SPDX-License-Identifier: Apache-2.0
#pragma once
// Carries a session over a control bus, as ombt 3.0.0 does it (docs/control.md): fanout casts to
// the agents of each kind and topic, and the controller's own address, one a topic, where they
// answer (self_ready, client_pong, client_result). Owns its transport. Everything on the loop's
// thread.

#include "drivers/loop.hpp"
#include "drivers/transport.hpp"

#include "controller/session_carrier.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace ombt::controller {

class bus_carrier final : public session_carrier,
                          private drivers::request_handler,
                          private drivers::completion,
                          private drivers::timer_target {
 public:
  /// Agents get the answers to their last calls in this time, before the connections close.
  static constexpr drivers::duration linger = std::chrono::milliseconds{100};
  static constexpr drivers::duration close_limit = std::chrono::seconds{2};

  bus_carrier(drivers::loop& loop, std::unique_ptr<drivers::transport> transport);
  ~bus_carrier() override;

  void start(const session& machine, carrier_events& told) override;
  bool carry(const action& what) override;
  void close(std::function<void()> done) override;
  std::string lost_contact() const override { return lost_contact_; }
  std::string last_error() const override;

 private:
  void on_request(drivers::listener& from, const drivers::incoming_request& request) override;
  void on_listening(drivers::listener& which) override;
  void on_listener_error(drivers::listener&, error_code error, std::string_view detail,
                         bool final) override;
  void on_complete(std::uint64_t tag, const drivers::outcome& result) override;
  void on_timer(std::uint64_t) override;

  void refuse(drivers::listener& from, const drivers::incoming_request& request,
              const std::string& why);

  drivers::loop& loop_;
  std::unique_ptr<drivers::transport> transport_;
  std::vector<std::unique_ptr<drivers::listener>> listeners_;  ///< of each topic
  std::unordered_map<const drivers::listener*, std::uint32_t> topic_of_;
  std::vector<bool> listened_;  ///< of each topic: it has, once
  const session* machine_ = nullptr;
  carrier_events* told_ = nullptr;
  std::function<void()> closed_;
  drivers::loop::timer_id linger_ = 0;
  std::string lost_contact_;
};

}  // namespace ombt::controller
