// SPDX-License-Identifier: Apache-2.0
// Transport URLs: parsed or refused in one line; masked, they say the same but for passwords.
#include "wire/oslo/transport_url.hpp"

#include "wire/configuration_error.hpp"

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
  const std::string masked_text = mask_passwords(text);
  transport_url url;
  try {
    url = transport_url::parse(text);
  } catch (const configuration_error& e) {
    const std::string_view why = e.what();
    require(!why.empty() && why.find('\n') == std::string_view::npos);
    require(why.size() < 1000);
    return 0;
  }
  require(!url.hosts.empty());
  const std::string masked = url.masked();
  const transport_url again = transport_url::parse(masked);
  require(again.driver == url.driver && again.virtual_host == url.virtual_host);
  require(again.hosts.size() == url.hosts.size());
  for (std::size_t i = 0; i < url.hosts.size(); ++i) {
    require(again.hosts[i].host == url.hosts[i].host);
    require(again.hosts[i].port == url.hosts[i].port && url.hosts[i].port != 0);
    require(again.hosts[i].user == url.hosts[i].user);
  }
  // The text as given, masked: no password is left (guest is rabbit's where none is given). A
  // further URL in its query would be masked on its own.
  if (text.rfind("://") == text.find("://")) {
    const transport_url other = transport_url::parse(masked_text);
    require(other.hosts.size() == url.hosts.size());
    for (const host_address& host : other.hosts) {
      require(host.password == "***" || host.password.empty() || host.password == "guest");
    }
  }
  require(again.options.size() == url.options.size());
  require(again.masked() == masked);
  return 0;
}
