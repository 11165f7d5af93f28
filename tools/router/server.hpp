// SPDX-License-Identifier: Apache-2.0
#pragma once
// The running router: listens, makes a connection of each stream, bounds how many there are, ends
// them all when it is told to stop. Owns the core and all connections. One thread.

#include "drivers/io/acceptor.hpp"
#include "drivers/loop.hpp"

#include "tools/router/connection.hpp"
#include "tools/router/core.hpp"
#include "tools/router/management.hpp"
#include "tools/router/options.hpp"
#include "tools/router/users.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

namespace ombt::tools::router {

class server final : private drivers::timer_target {
 public:
  /// Throws configuration_error for settings that cannot work.
  server(drivers::loop& on, const router_options& options);
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// Listens. Returns the URL, "amqp://127.0.0.1:5672". Throws configuration_error:
  /// the address cannot be listened on.
  std::string listen();
  /// Closes all connections with amqp:connection:forced, then stops the loop; after 2 s at the
  /// latest.
  void stop();

 private:
  void take(std::unique_ptr<drivers::io::stream> stream, const std::string& from);
  void forget(connection& gone);
  void on_timer(std::uint64_t tag) override;

  drivers::loop& loop_;
  router_options options_;
  users users_;
  connection_settings settings_;
  core core_;
  management management_;
  std::size_t most_connections_;
  std::shared_ptr<drivers::io::acceptor> acceptor_;
  std::unordered_map<connection*, std::shared_ptr<connection>> connections_;
  drivers::loop::timer_id stop_timer_ = 0;
  bool stopping_ = false;
};

}  // namespace ombt::tools::router
