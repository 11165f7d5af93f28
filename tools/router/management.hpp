// SPDX-License-Identifier: Apache-2.0
#pragma once
// The router's $management node: answers queries about the router, its connections, links and
// addresses as qpid-dispatch does, so that what reads that router's figures (qdstat) reads these.
// Operation QUERY only; nothing can be changed. Reads all cores of the router, whose threads wait
// meanwhile. One thread.
// Source: AMQP Management 1.0, working draft 9, 3.3.5.

#include "tools/router/core.hpp"

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace ombt::tools::router {

class management {
 public:
  /// Does its argument while no core works.
  using pause = std::function<void(const std::function<void()>& work)>;
  /// `of` is the core where the address $management is at home.
  management(core& of, std::vector<const core*> all, pause while_all_wait);
  management(const management&) = delete;
  management& operator=(const management&) = delete;

 private:
  void answer(std::string_view request);

  core& core_;
  std::vector<const core*> all_;
  pause while_all_wait_;
  std::int64_t started_;
};

}  // namespace ombt::tools::router
