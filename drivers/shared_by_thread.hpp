// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the transports of one I/O thread share, whichever driver they are of: settings derived once,
// the connections of topology shared:N, messages for reuse, the mark on a reader whose views are in
// use. One thread.

#include "drivers/transport.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace ombt::drivers {

/// A driver's settings, derived once from their source and as long as somebody uses them.
template <class Settings>
class settings_cache {
 public:
  std::shared_ptr<const Settings> of(std::shared_ptr<const transport_settings> source) {
    auto& known = known_[source.get()];
    auto found = known.lock();
    if (!found) {
      found = std::make_shared<const Settings>(std::move(source));
      known = found;
    }
    return found;
  }

 private:
  std::map<const transport_settings*, std::weak_ptr<const Settings>> known_;
};

/// The connections of topology shared:N, a ring a bus.
template <class Settings, class Connection>
class connection_rings {
 public:
  /// One of `count` connections to the bus of these settings, in turn; make() makes it, again if it
  /// has closed.
  template <class Make>
  std::shared_ptr<Connection> next(const Settings& bus, int count, Make&& make) {
    ring& of_bus = rings_[&bus];
    of_bus.members.resize(static_cast<std::size_t>(count));
    auto& place = of_bus.members[of_bus.next++ % of_bus.members.size()];
    auto found = place.lock();
    if (!found || found->is_ending()) {
      found = make();
      place = found;
    }
    return found;
  }

 private:
  struct ring {
    std::vector<std::weak_ptr<Connection>> members;
    std::size_t next = 0;
  };
  std::map<const Settings*, ring> rings_;
};

/// Messages for reuse, whose strings keep their capacity: as many as are in work at once on a
/// thread, not as many as each of its transports ever had.
template <class Op>
class spare_messages {
 public:
  static constexpr std::size_t most = 256;

  std::unique_ptr<Op> take() {
    if (spare_.empty()) return std::make_unique<Op>();
    auto op = std::move(spare_.back());
    spare_.pop_back();
    return op;
  }
  bool has_room() const noexcept { return spare_.size() < most; }
  void give(std::unique_ptr<Op> op) { spare_.push_back(std::move(op)); }

 private:
  std::vector<std::unique_ptr<Op>> spare_;
};

/// Marks a thread's reader as in use while a callback holds views of it.
class views_in_use {
 public:
  explicit views_in_use(bool& live) : live_(live), before_(std::exchange(live, true)) {}
  ~views_in_use() { live_ = before_; }
  views_in_use(const views_in_use&) = delete;
  views_in_use& operator=(const views_in_use&) = delete;

 private:
  bool& live_;
  bool before_;
};

}  // namespace ombt::drivers
