// SPDX-License-Identifier: Apache-2.0
#pragma once
// The control plane over the message bus, as ombt 3.0.0 does it (docs/wire.md): for each kind of
// agent in the process, in each topic, one RPC server on exchange ombt-control, whose fanout copy
// of a command serves all agents of that kind, and calls back to the controller. What is asked of
// the process and not of its agents it answers itself: self_ready and clock. Owns its own
// transport. One thread.
//
// endpoint     event                         what happens                        next state
// declaring    listening                     calls self_ready on its own name    checking
//              listener error, final         handler gets on_carrier_failed      failed
// checking     true came back                last kind: on_carrier_ready         ready
//              failed, tries left            tries again, 2 s after the last     checking
//              failed, none left             handler gets on_carrier_failed      failed
// ready        listener error, final         handler gets on_carrier_failed      failed

#include "wire/json/value.hpp"

#include "drivers/transport.hpp"

#include "agents/control/carrier.hpp"

#include <memory>
#include <string>
#include <vector>

namespace ombt::agents {

/// One name of this process on the control bus.
struct control_endpoint {
  wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;
  std::string name;  ///< the RPC server's; the only agent's own name, or one for all of them
  std::string topic;
  command_handler* commands = nullptr;  ///< whose the commands are; empty: the carrier's handler
};

struct bus_carrier_settings {
  bool unique = false;
  std::vector<control_endpoint> endpoints;               ///< one a kind and topic
  drivers::duration timeout = std::chrono::seconds{60};  ///< of calls to the controller
  drivers::duration ready_timeout = std::chrono::seconds{2};
  int ready_tries = 25;
  int window = 16;                       ///< answers on their way to one controller at once
  std::size_t answer_limit = 1'000'000;  ///< answers waiting for one controller
  std::size_t controller_limit = 64;     ///< controllers remembered
};

class bus_path;
struct bus_link;

class bus_carrier final : public carrier {
 public:
  bus_carrier(drivers::loop& loop, bus_carrier_settings settings, command_handler& handler,
              std::unique_ptr<drivers::transport> transport);
  ~bus_carrier() override;

  void start() override;
  void stop(drivers::duration limit, std::function<void()> done) override;
  const carrier_counters& counters() const noexcept override { return counters_; }
  std::string last_trouble() const override;
  /// Why it does not hear commands now; empty: it does.
  const std::string& deaf_because() const noexcept { return deaf_because_; }
  /// Why the last command was refused; empty: none was.
  const std::string& last_refusal() const noexcept { return refusal_; }

 private:
  friend class bus_path;
  class endpoint;

  void endpoint_ready();
  void endpoint_failed(std::string why);
  void refuse(std::string why);
  /// Calls self_ready of its own first address: whether the bus carries anything.
  void call_own(drivers::completion& done, std::uint64_t tag);
  std::shared_ptr<bus_path> path_to(const wire::control::reply_address& controller);

  drivers::loop& loop_;
  const bus_carrier_settings settings_;
  command_handler& handler_;
  std::unique_ptr<drivers::transport> transport_;
  std::vector<std::unique_ptr<endpoint>> endpoints_;
  std::vector<std::shared_ptr<bus_path>> paths_;  ///< the latest last
  std::shared_ptr<bus_link> link_;
  carrier_counters counters_;
  std::string refusal_;
  std::string trouble_;
  std::string deaf_because_;
  std::size_t ready_ = 0;
  bool failed_ = false;
  bool stopped_ = false;
};

}  // namespace ombt::agents
