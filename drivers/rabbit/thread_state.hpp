// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the rabbit transports of one I/O thread share: the codec's memory, the readers of bodies,
// the table of calls, the settings derived from a transport_settings, and the connections of
// topology shared:N.

#include "wire/json/value.hpp"
#include "wire/oslo/messages.hpp"

#include "drivers/call_table.hpp"
#include "drivers/rabbit/connection.hpp"
#include "drivers/rabbit/settings.hpp"
#include "drivers/shared_by_thread.hpp"

#include <string>

namespace ombt::drivers::rabbit {

struct thread_state {
  amqp::thread_memory memory;
  wire::oslo::message_reader reader;    ///< of the message being handled
  wire::json::reader exception_reader;  ///< of a remote exception inside it
  std::string inflated;                 ///< a compressed body, unpacked
  bool views_live = false;              ///< somebody's callback holds views of `reader`
  call_table calls;                     ///< in flight
  settings_cache<settings> known_settings;
  connection_rings<settings, connection> shared_connections;
};

}  // namespace ombt::drivers::rabbit
