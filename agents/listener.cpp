// SPDX-License-Identifier: Apache-2.0
#include "agents/listener.hpp"

#include "agents/test_arguments.hpp"

namespace ombt::agents {

std::unique_ptr<drivers::listener> listener::listen(drivers::transport& on) {
  static const std::vector<std::string> priorities = {"audit", "debug", "info",
                                                      "warn",  "error", "critical"};
  return on.listen_for_notifications(settings_.at, priorities, settings_.pool, *this);
}

void listener::on_notification(drivers::listener& from,
                               const drivers::incoming_notification& notification) {
  test_arguments arguments;
  const char* const wrong = read_test_arguments(notification.payload, "payload", arguments);
  if (wrong != nullptr) {
    count_malformed(std::string("notification: ") + wrong);
  } else {
    count_arrival(arguments.timestamp, arguments.msgid);
  }
  from.acknowledge(notification.id);
}

}  // namespace ombt::agents
