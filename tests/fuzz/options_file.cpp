// SPDX-License-Identifier: Apache-2.0
// An options file and, behind a zero byte, a transport URL to join it with: used or refused in one
// line.
#include "wire/configuration_error.hpp"
#include "wire/oslo/options.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace ombt;
using namespace ombt::wire::oslo;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const std::size_t zero = text.find('\0');
  const std::string_view url =
      zero == std::string_view::npos ? std::string_view{} : text.substr(zero + 1);
  try {
    const options_file file = options_file::parse(text.substr(0, zero), "FILE");
    const messaging_options options = make_messaging_options(file, url);
    require(!options.url.hosts.empty());
    require(options.rabbit.rabbit_qos_prefetch_count >= 0);
    require(options.rabbit.rabbit_qos_prefetch_count <= 65535);
    require(options.rabbit.rpc_conn_pool_size >= 1);
    for (const changed_option& o : changed_options(options)) {
      require(!o.name.empty() && o.text.find('\n') == std::string::npos);
    }
  } catch (const configuration_error& e) {
    const std::string_view why = e.what();
    require(!why.empty() && why.find('\n') == std::string_view::npos);
    require(why.size() < 2000);
  }
  return 0;
}
