// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the AMQP 1.0 transports of one I/O thread share: the readers of bodies, a buffer for
// encodings, the table of calls, the settings derived from a transport_settings, and the
// connections of topology shared:N.

#include "wire/json/value.hpp"
#include "wire/oslo/amqp10_messages.hpp"

#include "drivers/amqp10/connection.hpp"
#include "drivers/amqp10/settings.hpp"
#include "drivers/call_table.hpp"
#include "drivers/shared_by_thread.hpp"

#include <string>

namespace ombt::drivers::amqp10 {

struct thread_state {
  wire::oslo::amqp10_message_reader reader;  ///< of the message being handled
  wire::json::reader exception_reader;       ///< of a remote exception inside it
  std::string encoded;                       ///< a message being sent
  bool views_live = false;                   ///< somebody's callback holds views of `reader`
  call_table calls;                          ///< in flight
  settings_cache<settings> known_settings;
  connection_rings<settings, connection> shared_connections;
};

}  // namespace ombt::drivers::amqp10
