// SPDX-License-Identifier: Apache-2.0
#include "agents/notifier.hpp"

namespace ombt::agents {

void notifier::send(std::string_view args, std::string_view, std::uint64_t tag) {
  drivers::call_options options;
  options.timeout = context().timeout;
  drivers::notification_message notification;
  notification.publisher_id = name();
  notification.event_type = wire::control::test_event_type;
  notification.priority = plan().severity;
  notification.payload_json = args;
  transport().notify(context().notifications, notification, options, *this, tag);
}

}  // namespace ombt::agents
