// SPDX-License-Identifier: Apache-2.0
#pragma once
// The control plane of a process: what controllers ask of its agents, topic by topic. Owns a
// coordinator a topic, what may be asked at most and, once connected, the carriers that they share:
// connections to the control bus, or the port that all processes of the machine share. On the first
// loop's thread.

#include "drivers/loop.hpp"
#include "drivers/transport.hpp"

#include "agents/control/bus_carrier.hpp"
#include "agents/control/coordinator.hpp"
#include "agents/control/direct_carrier.hpp"
#include "agents/control/run_bounds.hpp"
#include "agents/fleet_options.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ombt::agents {

class control_plane {
 public:
  /// Both must outlive it. Nobody is heard yet.
  control_plane(agent_host& host, const fleet_plan& plan);

  /// Makes the carriers of a plan with control: on transports to its control bus, or at its port.
  /// The host is told of each when it hears.
  void connect(drivers::loop& on,
               const std::function<std::unique_ptr<drivers::transport>()>& make_transport,
               const port_factory& join);
  std::size_t carriers() const noexcept { return carriers_.size(); }
  /// Of a process of standby agents, before connect(): who gives them roles, and who is told that
  /// they are to leave while they have none.
  void on_assign(role_giver assign, std::function<void()> dismissed);
  /// The agents there were are nobody's any more: what was asked of them is forgotten.
  void retire();
  /// Commands are for the agents of that plan from now on, which must outlive it or retire(), and
  /// controllers that are there are told so.
  void serve(const fleet_plan& roles);
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

  /// When a controller was there last: now, while one is or its run goes on.
  drivers::time_point last_heard() const;

  /// What keeps it from being ready, for messages; may be empty.
  std::string last_trouble() const;
  /// Why it does not hear commands now; empty: it does.
  std::string deaf_because() const;
  /// Refused commands and answers that were lost, one line with counts; empty if there were none.
  std::string counted() const;

 private:
  void make_coordinators();
  std::vector<control_endpoint> endpoints() const;
  void connect_buses(drivers::loop& on,
                     const std::function<std::unique_ptr<drivers::transport>()>& make_transport);
  direct_carrier_settings settings_at_port() const;
  wire::control::process_hello hello() const;

  agent_host& host_;
  const fleet_plan& plan_;            ///< that the process was started with
  const fleet_plan* roles_ = &plan_;  ///< of the agents that there are
  run_bounds bounds_;
  coordinator door_;  ///< of what carriers say that is for no topic
  std::vector<std::unique_ptr<coordinator>> topics_;
  std::uint64_t refused_before_ = 0;  ///< by coordinators that are gone
  role_giver assign_;
  std::function<void()> dismissed_;
  direct_carrier* direct_ = nullptr;  ///< among the carriers
  std::vector<std::unique_ptr<carrier>> carriers_;
};

}  // namespace ombt::agents
