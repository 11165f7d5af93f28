// SPDX-License-Identifier: Apache-2.0
#pragma once
// The running router: listens, gives each connection that comes to one of its threads in turn,
// bounds how many there are, ends them all when it is told to stop. Owns the parts (shard.hpp), one
// a thread; the first runs on the given loop, whose thread is the server's own.

#include "drivers/io/acceptor.hpp"
#include "drivers/loop.hpp"

#include "tools/router/management.hpp"
#include "tools/router/options.hpp"
#include "tools/router/shard.hpp"
#include "tools/router/users.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

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
  /// A thread beside the server's own.
  struct worker final : drivers::timer_target {
    drivers::loop loop;
    std::thread thread;
    void on_timer(std::uint64_t) override {}
  };

  void take(std::unique_ptr<drivers::io::stream> stream, const std::string& from);
  void count_gone();
  void while_all_wait(const std::function<void()>& work);
  void on_timer(std::uint64_t tag) override;

  drivers::loop& loop_;
  router_options options_;
  users users_;
  connection_settings settings_;
  std::vector<std::unique_ptr<worker>> workers_;
  std::vector<std::unique_ptr<shard>> shards_;
  std::unique_ptr<management> management_;
  std::size_t most_connections_;
  std::size_t connections_ = 0;
  std::size_t next_ = 0;  ///< the part that gets the next one
  std::shared_ptr<drivers::io::acceptor> acceptor_;
  drivers::loop::timer_id stop_timer_ = 0;
  bool stopping_ = false;
};

}  // namespace ombt::tools::router
