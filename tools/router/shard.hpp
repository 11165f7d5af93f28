// SPDX-License-Identifier: Apache-2.0
#pragma once
// One thread's part of the router: its core and its connections, and the notes that go out to the
// other parts at the end of a turn. Owned by the server, which makes them all before any thread
// runs and ends them after all have stopped. Everything but hand_in() is of its own thread.

#include "drivers/io/context.hpp"
#include "drivers/loop.hpp"

#include "tools/router/connection.hpp"
#include "tools/router/core.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace ombt::tools::router {

class shard final : private drivers::io::flushable {
 public:
  /// A connection has ended.
  using gone_handler = std::function<void()>;

  shard(drivers::loop& on, const connection_settings& with, const address_rules& rules,
        core_limits limits, std::size_t index, std::size_t threads, gone_handler gone);
  ~shard();
  shard(const shard&) = delete;
  shard& operator=(const shard&) = delete;

  core& router() noexcept { return core_; }
  drivers::loop& loop() noexcept { return loop_; }
  /// All of them, this one included, in the order of their indices.
  void join(const std::vector<shard*>& all) { all_ = all; }

  void take(std::unique_ptr<drivers::io::stream> stream, const std::string& from);
  /// Asks all connections to end.
  void close_all(std::string_view condition, std::string_view description);
  /// Ends all at once; no thread runs any more.
  void abandon_all();
  /// Notes of another part; from any thread.
  void hand_in(std::vector<note> said, std::size_t from);

 private:
  void flush() override;
  void forget(connection& gone);

  drivers::loop& loop_;
  const connection_settings& settings_;
  std::size_t index_;
  gone_handler gone_;
  std::vector<shard*> all_;
  core core_;
  std::unordered_map<connection*, std::shared_ptr<connection>> connections_;
};

}  // namespace ombt::tools::router
