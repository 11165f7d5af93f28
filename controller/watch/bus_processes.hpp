// SPDX-License-Identifier: Apache-2.0
#pragma once
// The thread that watches the bus's processes on this machine while a run goes on (bus_watch.hpp),
// a sample a second. A thread of its own, because of what a sample may take: with 20,000
// connections some 50 ms for the table of them, and as long as the resolver likes before the first.
// On the controller's loop that would hold up the answers of agents, which are timed. Owned by the
// controller's thread.

#include "controller/watch/bus_watch.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ombt::controller {

/// Where the bus under test is, by its URL: host (IPv6 without brackets) and port.
using bus_hosts = std::vector<std::pair<std::string, std::uint16_t>>;

class bus_processes {
 public:
  /// Knows the hosts, does nothing yet.
  explicit bus_processes(bus_hosts hosts);
  /// Others in place of them; before start().
  void know(bus_hosts hosts) { hosts_ = std::move(hosts); }
  ~bus_processes();
  bus_processes(const bus_processes&) = delete;
  bus_processes& operator=(const bus_processes&) = delete;

  /// Begins to take samples; at once, as soon as the hosts are resolved. Again: nothing.
  void start();
  /// Has a last sample taken and the thread end, without waiting for it. Before start(): nothing.
  void end();
  /// Ends it and returns what was seen. Waits for the thread, at most a second, should it hang in
  /// the resolver; then there is nothing. Once.
  bus_watched take();

 private:
  struct shared;
  bus_hosts hosts_;
  std::shared_ptr<shared> shared_;  ///< with the thread, which may outlive this; none: not started
};

}  // namespace ombt::controller
