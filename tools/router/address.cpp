// SPDX-License-Identifier: Apache-2.0
#include "tools/router/address.hpp"

#include "wire/configuration_error.hpp"

#include <algorithm>

namespace ombt::tools::router {
namespace {

bool begins_with(std::string_view address, std::string_view prefix) noexcept {
  if (!address.starts_with(prefix)) return false;
  return address.size() == prefix.size() || address[prefix.size()] == '/' ||
         address[prefix.size()] == '.';
}

}  // namespace

const char* name_of(distribution how) noexcept {
  switch (how) {
    case distribution::closest:
      return "closest";
    case distribution::balanced:
      return "balanced";
    case distribution::multicast:
      return "multicast";
  }
  return "";
}

address_rules::address_rules() {
  for (const char* const kind : {"rpc", "notify"}) {
    const std::string common = std::string("openstack.org/om/") + kind;
    add(common + "/multicast", distribution::multicast);
    add(common + "/unicast", distribution::closest);
    add(common + "/anycast", distribution::balanced);
  }
  add("exclusive", distribution::closest);
  add("broadcast", distribution::multicast);
  add("unicast", distribution::balanced);
}

void address_rules::add(std::string prefix, distribution how) {
  std::erase_if(rules_, [&](const auto& rule) { return rule.first == prefix; });
  const auto at = std::find_if(rules_.begin(), rules_.end(),
                               [&](const auto& rule) { return rule.first.size() < prefix.size(); });
  rules_.insert(at, {std::move(prefix), how});
}

void address_rules::add(std::string_view rule) {
  const std::size_t sign = rule.rfind('=');
  if (sign == std::string_view::npos || sign == 0) {
    throw configuration_error("'" + std::string(rule) + "' is no PREFIX=DISTRIBUTION");
  }
  std::string prefix(rule.substr(0, sign));
  while (prefix.size() > 1 && (prefix.back() == '/' || prefix.back() == '.')) prefix.pop_back();
  for (const auto how : {distribution::closest, distribution::balanced, distribution::multicast}) {
    if (rule.substr(sign + 1) == name_of(how)) return add(std::move(prefix), how);
  }
  throw configuration_error("distribution '" + std::string(rule.substr(sign + 1)) +
                            "' is none of closest, balanced, multicast");
}

distribution address_rules::of(std::string_view address) const noexcept {
  for (const auto& [prefix, how] : rules_) {
    if (begins_with(address, prefix)) return how;
  }
  return distribution::balanced;
}

}  // namespace ombt::tools::router
