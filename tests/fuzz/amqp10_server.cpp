// SPDX-License-Identifier: Apache-2.0
// A client that says anything, to a server whose owner uses every command.
#include "tests/fuzz/amqp10_owner.hpp"

using namespace ombt::wire::amqp10;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  connection_options options;
  options.side = role::server;
  options.mechanisms = "EXTERNAL PLAIN ANONYMOUS";
  options.check_password = [](std::string_view user, std::string_view password) {
    return user == "me" && password == "secret";
  };
  fuzz::converse(options, "", {reinterpret_cast<const char*>(data), size});
  return 0;
}
