// SPDX-License-Identifier: Apache-2.0
#pragma once
// The router's $management node: answers queries about the router, its connections, links and
// addresses as qpid-dispatch does, so that what reads that router's figures (qdstat) reads these.
// Operation QUERY only; nothing can be changed. Reads the core. One thread.
// Source: AMQP Management 1.0, working draft 9, 3.3.5.

#include "tools/router/core.hpp"

#include <cstdint>
#include <string_view>

namespace ombt::tools::router {

class management {
 public:
  explicit management(core& of);
  management(const management&) = delete;
  management& operator=(const management&) = delete;

 private:
  void answer(std::string_view request);

  core& core_;
  std::int64_t started_;
};

}  // namespace ombt::tools::router
