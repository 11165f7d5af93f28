// SPDX-License-Identifier: Apache-2.0
#pragma once
// The agent that takes notifications, of every priority but sample, as ombt does; with a pool it
// shares them with the other listeners of that pool. Counts what arrives (receiver) and
// acknowledges it. All on the thread of its loop.

#include "agents/receiver.hpp"

namespace ombt::agents {

/// What all listeners of a process share; must outlive them.
struct listener_settings {
  drivers::target at;  ///< exchange and topic
  std::string pool;    ///< empty: none
};

class listener final : public receiver, public drivers::notification_handler {
 public:
  listener(std::string name, std::uint32_t number, receiver_owner& owner,
           const listener_settings& settings, std::unique_ptr<drivers::transport> transport)
      : receiver(wire::control::agent_kind::listener, std::move(name), number, owner,
                 std::move(transport)),
        settings_(settings) {}

 private:
  std::unique_ptr<drivers::listener> listen(drivers::transport& on) override;
  void on_notification(drivers::listener& from,
                       const drivers::incoming_notification& notification) override;
  void on_listening(drivers::listener&) override { listening(); }
  void on_listener_error(drivers::listener&, error_code error, std::string_view detail,
                         bool final) override {
    listener_error(error, detail, final);
  }

  const listener_settings& settings_;
};

}  // namespace ombt::agents
