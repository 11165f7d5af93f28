// SPDX-License-Identifier: Apache-2.0
#pragma once
// The control plane of a process: what controllers ask of its agents, topic by topic. Owns a
// coordinator a topic and, once connected, the carriers that they share, a connection each. On the
// first loop's thread.

#include "drivers/loop.hpp"
#include "drivers/transport.hpp"

#include "agents/control/bus_carrier.hpp"
#include "agents/control/coordinator.hpp"
#include "agents/fleet_options.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ombt::agents {

class control_plane {
 public:
  /// The host must outlive it. Nobody is heard yet.
  control_plane(agent_host& host, std::size_t topics);

  /// Makes the carriers of a plan with control, on transports to its control bus. The host is told
  /// of each when it hears.
  void connect(drivers::loop& on, const fleet_plan& plan,
               const std::function<std::unique_ptr<drivers::transport>()>& make_transport);
  std::size_t connections() const noexcept { return carriers_.size(); }
  void start();
  /// Leaves cleanly; done runs at the latest after `limit`, at once without carriers.
  void stop(drivers::duration limit, std::function<void()> done);
  /// Ends the connections, from whatever state; before the loop goes.
  void drop() { carriers_.clear(); }

  coordinator& commands(std::uint32_t topic = 0) noexcept { return *topics_[topic]; }
  /// True while a run is in work or waits, in any topic.
  bool running() const noexcept;
  /// As coordinator's, of all topics; a controller of several is asked once.
  void check_controllers();

  /// What keeps it from being ready, for messages; may be empty.
  std::string last_trouble() const;
  /// Why it does not hear commands now; empty: it does.
  std::string deaf_because() const;
  /// Refused commands and answers that were lost, one line with counts; empty if there were none.
  std::string counted() const;

 private:
  std::vector<std::unique_ptr<coordinator>> topics_;
  std::vector<std::unique_ptr<bus_carrier>> carriers_;
};

}  // namespace ombt::agents
