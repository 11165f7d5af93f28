// SPDX-License-Identifier: Apache-2.0
#include "drivers/dispatcher.hpp"

namespace ombt::drivers {

bool is_ping(const serve_options& options, std::string_view method) noexcept {
  return options.ping && method == "oslo_rpc_server_ping";
}

std::optional<wire::oslo::remote_exception> refusal_of(const target& served,
                                                       const serve_options& options,
                                                       const requested_method& request) {
  if (is_ping(options, request.method)) return std::nullopt;
  const std::string_view version = request.version.value_or("1.0");
  const std::string_view offered =
      served.version.empty() ? "1.0" : std::string_view(served.version);
  if (request.name_space.value_or("") != served.name_space ||
      !wire::oslo::version_is_compatible(offered, version)) {
    return wire::oslo::unsupported_version(version, request.method);
  }
  if (request.method.empty() || request.method.front() == '_') {
    return wire::oslo::no_such_method(request.method);
  }
  return std::nullopt;
}

}  // namespace ombt::drivers
