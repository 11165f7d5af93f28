// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an RPC server's dispatcher answers by itself: requests for a namespace or version that the
// server's target does not serve, and methods that may not be called.
// Source: oslo_messaging/rpc/dispatcher.py (RPCDispatcher.dispatch).

#include "wire/oslo/messages.hpp"

#include "drivers/transport.hpp"

#include <optional>
#include <string_view>

namespace ombt::drivers {

/// A request as the dispatcher judges it; views are the caller's.
struct requested_method {
  std::string_view method;
  std::optional<std::string_view> name_space;  ///< absent: none
  std::optional<std::string_view> version;     ///< absent: 1.0
};

/// True if it is the ping that servers with rpc_ping_enabled answer with "pong".
bool is_ping(const serve_options& options, std::string_view method) noexcept;

/// The exception to answer with; absent: the server's own code answers.
std::optional<wire::oslo::remote_exception> refusal_of(const target& served,
                                                       const serve_options& options,
                                                       const requested_method& request);

}  // namespace ombt::drivers
