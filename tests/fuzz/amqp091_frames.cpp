// SPDX-License-Identifier: Apache-2.0
// Any bytes into the frame splitter, the judge of a peer's first bytes, and the table scan. What
// comes out must lie within the input, and a frame must be found whatever pieces it comes in.
#include "wire/amqp091/frame_splitter.hpp"
#include "wire/amqp091/table_scan.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace ombt::wire::amqp091;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  constexpr std::uint32_t frame_max = 4096;

  std::string words;
  require((judge_greeting(input, words) == greeting::foreign) == !words.empty());

  std::string_view rest = input;
  for (;;) {
    const split_result cut = split_frame(rest, frame_max);
    if (cut.status == split_status::incomplete) {
      require(cut.size > rest.size() && cut.size <= frame_max);
      break;
    }
    if (cut.status == split_status::malformed) {
      require(cut.why != nullptr);
      break;
    }
    require(cut.size <= rest.size() && cut.found.payload.size() + frame_overhead == cut.size);
    require(cut.found.payload.data() == rest.data() + 7);
    for (std::size_t n = 0; n < cut.size; n += 1 + n / 8) {
      require(split_frame(rest.substr(0, n), frame_max).status == split_status::incomplete);
    }
    std::size_t offset = 0;
    if (scan_table(cut.found.payload, offset) == nullptr) {
      require(offset >= 4 && offset <= cut.found.payload.size());
    }
    rest.remove_prefix(cut.size);
  }
  std::size_t offset = 0;
  if (scan_table(input, offset) == nullptr) require(offset >= 4 && offset <= input.size());
  return 0;
}
