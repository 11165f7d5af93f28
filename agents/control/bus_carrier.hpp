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

struct bus_carrier_settings {
  bool unique = false;
  /// One a kind and topic: its name is that of an RPC server on the control bus.
  std::vector<control_endpoint> endpoints;
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
  const std::string& last_refusal() const noexcept override { return refusal_; }
  std::string last_trouble() const override;
  std::string deaf_because() const override { return deaf_because_; }
  drivers::time_point last_heard() const override { return heard_; }
  std::string lost_because() const override { return lost_because_; }

 private:
  friend class bus_path;
  class endpoint;

  void endpoint_ready();
  void endpoint_failed(std::string why);
  void refuse(std::string why);
  /// By one of its listeners, which says both once a loss.
  void bus_was_lost();
  void bus_is_back();
  void stop_paths();
  void understood();
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
  std::string lost_because_;
  std::string deaf_because_;
  drivers::time_point heard_{};  ///< the last command that was understood, or the start
  std::size_t ready_ = 0;
  bool failed_ = false;
  bool stopped_ = false;
};

}  // namespace ombt::agents
