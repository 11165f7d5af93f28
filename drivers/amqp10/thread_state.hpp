// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the AMQP 1.0 transports of one I/O thread share: the readers of bodies, a buffer for
// encodings, the settings derived from a transport_settings, and the connections of topology
// shared:N.

#include "wire/json/value.hpp"
#include "wire/oslo/amqp10_messages.hpp"

#include "drivers/amqp10/connection.hpp"
#include "drivers/amqp10/settings.hpp"
#include "drivers/io/context.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ombt::drivers::amqp10 {

struct thread_state {
  wire::oslo::amqp10_message_reader reader;  ///< of the message being handled
  wire::json::reader exception_reader;       ///< of a remote exception inside it
  std::string encoded;                       ///< a message being sent
  bool views_live = false;                   ///< somebody's callback holds views of `reader`

  /// The settings for a source, derived once and as long as somebody uses them.
  std::shared_ptr<const settings> settings_for(std::shared_ptr<const transport_settings> source) {
    auto& known = known_settings_[source.get()];
    auto found = known.lock();
    if (!found) {
      found = std::make_shared<const settings>(std::move(source));
      known = found;
    }
    return found;
  }

  /// One of N connections to that bus, in turn; made again if it has closed. Its errors are told to
  /// the transport that made it.
  std::shared_ptr<connection> shared_connection(io::context& on,
                                                const std::shared_ptr<const settings>& with,
                                                std::shared_ptr<monitor> told, int count) {
    auto& of_bus = shared_[with.get()];
    of_bus.members.resize(static_cast<std::size_t>(count));
    auto& place = of_bus.members[of_bus.next++ % of_bus.members.size()];
    auto found = place.lock();
    if (!found || found->is_ending()) {
      found = std::make_shared<connection>(on, with, std::move(told));
      place = found;
    }
    return found;
  }

 private:
  struct ring {
    std::vector<std::weak_ptr<connection>> members;
    std::size_t next = 0;
  };
  std::map<const transport_settings*, std::weak_ptr<const settings>> known_settings_;
  std::map<const settings*, ring> shared_;
};

/// Marks the thread's reader as in use while a callback holds views of it.
class views_in_use {
 public:
  explicit views_in_use(thread_state& thread) : thread_(thread), before_(thread.views_live) {
    thread_.views_live = true;
  }
  ~views_in_use() { thread_.views_live = before_; }
  views_in_use(const views_in_use&) = delete;
  views_in_use& operator=(const views_in_use&) = delete;

 private:
  thread_state& thread_;
  bool before_;
};

}  // namespace ombt::drivers::amqp10
