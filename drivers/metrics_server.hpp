// SPDX-License-Identifier: Apache-2.0
#pragma once
// Serves one text over HTTP, for Prometheus and whoever else scrapes figures: GET /metrics. What
// the text says is its owner's. Bounded whatever peers do: so many connections, short headers, no
// bodies, a few seconds for each step. One thread, its loop's.
// Source: RFC 9110; Prometheus exposition formats, text format 0.0.4.

#include "drivers/loop.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ombt::drivers {

/// Where to listen.
struct listen_address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  /// Reads "PORT", ":PORT" (both on 127.0.0.1), "HOST:PORT" or "[IPv6]:PORT"; port 0 is one that is
  /// free. Throws configuration_error that names the option.
  static listen_address parse(std::string_view text, std::string_view option);
};

class metrics_server {
 public:
  static constexpr std::size_t most_connections = 64;
  static constexpr std::size_t header_limit = 8192;  ///< bytes of a request
  static constexpr duration step_limit = std::chrono::seconds{5};

  /// Tells a scrape its text, at once or later, on the loop's thread; called once a scrape.
  using answer = std::function<void(std::string text)>;
  using source = std::function<void(answer)>;

  metrics_server(loop& on, source text);
  /// Takes nothing more; what is open ends within step_limit, an answer that comes later goes
  /// nowhere.
  ~metrics_server();
  metrics_server(const metrics_server&) = delete;
  metrics_server& operator=(const metrics_server&) = delete;

  /// Listens and returns the address as "127.0.0.1:9100". Throws configuration_error that names the
  /// option, if one is given.
  std::string listen(const listen_address& at, std::string_view option = {});

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace ombt::drivers
