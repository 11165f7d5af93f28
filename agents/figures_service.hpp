// SPDX-License-Identifier: Apache-2.0
#pragma once
// Serves a fleet's figures to whoever scrapes them (--metrics). On a thread of its own, so that
// HTTP and text cost the I/O threads nothing: each of them is asked for its sums, between two
// messages.

#include "drivers/loop.hpp"
#include "drivers/metrics_server.hpp"

#include <atomic>
#include <string>
#include <string_view>
#include <thread>

namespace ombt::agents {

class fleet;

class figures_service {
 public:
  /// Listens at "HOST:PORT" (drivers/metrics_server.hpp), of --metrics. Throws configuration_error.
  explicit figures_service(std::string_view at);
  /// After the fleet.
  ~figures_service();
  figures_service(const figures_service&) = delete;
  figures_service& operator=(const figures_service&) = delete;

  /// "http://127.0.0.1:9100/metrics"
  const std::string& url() const noexcept { return url_; }
  /// The figures are of that fleet from now on; it has started.
  void begin(fleet& of) noexcept { fleet_ = &of; }
  /// Asks it nothing any more: to be called before it goes. What it still answers goes nowhere.
  void end();

 private:
  void tell(const drivers::metrics_server::answer& to);

  drivers::loop loop_;
  drivers::metrics_server server_;
  std::string url_;
  std::atomic<fleet*> fleet_ = nullptr;
  std::thread thread_;
};

}  // namespace ombt::agents
