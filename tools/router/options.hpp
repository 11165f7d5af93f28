// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the router's command line sets, with the defaults. Read by options.cpp's checks, used by the
// server. Plain data.

#include "tools/router/address.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace ombt::tools::router {

struct router_options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: one that is free
  std::string id;          ///< empty: "ombt-router-" and the process's number
  address_rules addresses;
  std::string users_file;  ///< empty: nobody has to log in
  bool anonymous = false;  ///< without users on an address that is not loopback
  std::chrono::milliseconds handshake_time{10'000};  ///< from TCP's connection to AMQP's open
  std::chrono::milliseconds idle_time{16'000};       ///< a peer silent for longer is dropped
  std::size_t threads = 1;
  std::size_t connections = 0;                           ///< 0: as many as files may be open
  std::uint32_t sessions = 32768;                        ///< a connection
  std::size_t links = 65536;                             ///< a connection
  std::uint32_t frame_size = 16384;                      ///< bytes
  std::uint64_t message_size = std::uint64_t{16} << 20;  ///< bytes
};

}  // namespace ombt::tools::router
