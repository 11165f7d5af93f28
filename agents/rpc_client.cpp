// SPDX-License-Identifier: Apache-2.0
#include "agents/rpc_client.hpp"

namespace ombt::agents {

using wire::control::test_kind;

bool rpc_client::start_warm_up() {
  drivers::call_options options;
  options.timeout = context().timeout;
  drivers::request_message request;
  request.method = "self_ready";
  transport().call(context().rpc, request, options, *this, 0);
  return true;
}

void rpc_client::send(std::string_view args, std::string_view note, std::uint64_t tag) {
  drivers::call_options options;
  options.timeout = context().timeout;
  drivers::request_message request;
  request.args_json = args;
  request.context_json = note;
  if (plan().test == test_kind::call) {
    request.method = "echo";
    transport().call(context().rpc, request, options, *this, tag);
  } else {
    request.method = "noop";
    const bool fanout = plan().test == test_kind::fanout;
    transport().cast(fanout ? context().rpc_fanout : context().rpc, request, options, *this, tag);
  }
}

}  // namespace ombt::agents
