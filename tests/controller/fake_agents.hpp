// SPDX-License-Identifier: Apache-2.0
#pragma once
// Hosts with processes of agents that know direct control, in memory: what a controller connects to
// in tests. They do as they are told in time, unless a test has them misbehave. On one loop's
// thread; must outlive the links.

#include "drivers/channel.hpp"
#include "drivers/loop.hpp"

#include "controller/direct_links.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ombt::tests {

class fake_agents;

/// A connection as both ends see it.
struct fake_connection {
  drivers::channel_handler* told = nullptr;  ///< the controller's end; null: it has closed
  drivers::channel* end = nullptr;
  std::string process;  ///< empty: the owner's
  std::string host;
  bool over = false;
};

struct fake_process {
  std::string key;
  std::int64_t pid = 0;
  std::string topic = "t";
  std::size_t clients = 0;
  std::size_t servers = 0;
  std::uint32_t capacity = 0;  ///< of standby agents, which assign may give a role
  int version = 1;
  std::string boot = "boot";
  std::int64_t late = 0;          ///< ns after the agreed instant that it says it began at
  std::uint64_t messages = 10;    ///< that each client says it has sent
  std::set<std::string> silent;   ///< methods that it does not answer
  std::set<std::string> dies_of;  ///< methods at which it ends
  std::map<std::string, drivers::duration> takes;  ///< by method: before it is done
  std::map<std::string, std::string> errors;       ///< by method
  std::map<std::string, std::string> answers;      ///< by method: a frame in place of the answer
  std::map<std::string, std::string> says;         ///< by method: a frame before the answer

  bool up = true;
  int refuse = 0;  ///< so many connections are closed before they are open
  fake_connection* held = nullptr;
  std::string holder;
  bool merged = false;             ///< it sends results as one: the controller takes them so
  std::vector<std::string> heard;  ///< methods, in order
  std::vector<std::string> frames;
  std::vector<std::shared_ptr<fake_connection>> connections;
  std::uint64_t batches = 0;   ///< of results that it has sent
  std::uint64_t received = 0;  ///< messages that its servers have had and not told

  std::string name_of(bool client, std::size_t i) const;
  std::size_t times(std::string_view method) const;
};

struct fake_host {
  std::string down;     ///< why nobody listens there; empty: the owner does
  bool listens = true;  ///< false: connections come open, and nothing is said
  std::vector<std::shared_ptr<fake_process>> processes;
  std::vector<std::shared_ptr<fake_connection>> owners;  ///< connections to the owner
};

class fake_agents final : private drivers::timer_target {
 public:
  explicit fake_agents(drivers::loop& on) : loop_(on) {}
  ~fake_agents();

  /// A host of that name, reached by it.
  fake_host& host(const std::string& name) { return hosts_[name]; }
  /// Adds a process and has the owner tell it.
  fake_process& add(const std::string& host, std::size_t clients, std::size_t servers,
                    const std::string& topic = "t");
  controller::direct_links::place place(const std::string& host) const {
    return {{host, 5700, {}}, host + ":5700"};
  }
  std::vector<controller::direct_links::place> places() const;
  controller::direct_links::connector connector();

  /// A process ends: connections to it break, and the owner tells the others.
  void kill(fake_process& which);
  /// The owner's connections break; it is the next one's turn.
  void drop_owner(const std::string& host);
  /// Says something on all connections to a process.
  void say(fake_process& which, const std::string& frame);
  /// Later, on the loop.
  void after(drivers::duration time, std::function<void()> what);

  std::size_t opened = 0;   ///< connections so far
  std::size_t opening = 0;  ///< that are not open, or have not been greeted
  std::size_t most_opening = 0;
  drivers::duration opening_takes{};  ///< each connection

 private:
  class channel;
  friend class channel;

  void deliver(const std::shared_ptr<fake_connection>& to, std::string frame);
  void end(const std::shared_ptr<fake_connection>& which, const std::string& why);
  void heard(const std::shared_ptr<fake_connection>& on, const std::string& frame);
  void tell_list(const std::string& host);
  std::string list_of(const std::string& host) const;
  fake_process* find(const std::string& host, const std::string& key);
  void do_as_told(fake_process& by, const std::shared_ptr<fake_connection>& to,
                  const wire::control::direct_message& command);
  void report(fake_process& by, const std::shared_ptr<fake_connection>& to, bool client,
              std::uint64_t each, const std::string& run);

  void on_timer(std::uint64_t number) override;

  drivers::loop& loop_;
  std::map<std::string, fake_host> hosts_;
  std::map<std::uint64_t, std::pair<drivers::loop::timer_id, std::function<void()>>> later_;
  std::uint64_t laters_ = 0;
  int keys_ = 0;
};

}  // namespace ombt::tests
