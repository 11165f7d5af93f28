// SPDX-License-Identifier: Apache-2.0
// A server that says anything, to a client whose owner uses every command.
#include "tests/fuzz/amqp10_owner.hpp"

using namespace ombt::wire::amqp10;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  connection_options options;
  options.properties = {{"process", std::string("fuzz")}, {"pid", std::int64_t{1}}};
  options.mechanisms = "EXTERNAL PLAIN ANONYMOUS";
  fuzz::converse(options, "me", {reinterpret_cast<const char*>(data), size});
  return 0;
}
