// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/qdrouterd_conf.hpp"

#include "tools/router/address.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace ombt::tools::bus {
namespace {

struct entity {
  std::string name;
  std::map<std::string, std::string> attributes;
};

/// Reads what qdrouterd's manual calls entities: "name {", lines "attribute: value", "}".
std::vector<entity> entities_of(const std::string& text) {
  std::vector<entity> out;
  std::istringstream lines(text);
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (!inside) {
      REQUIRE(line.ends_with(" {"));
      out.push_back({line.substr(0, line.size() - 2), {}});
      inside = true;
    } else if (line == "}") {
      inside = false;
    } else {
      const auto colon = line.find(": ");
      REQUIRE(line.substr(0, 4) == "    ");
      REQUIRE(colon != std::string::npos);
      CHECK(
          out.back().attributes.emplace(line.substr(4, colon - 4), line.substr(colon + 2)).second);
    }
  }
  CHECK_FALSE(inside);
  return out;
}

TEST_CASE("qdrouterd stands alone and listens on loopback, open to whoever gets there") {
  const auto all = entities_of(qdrouterd_configuration(5678, "name"));
  REQUIRE(all.size() == 12);
  CHECK(all[0].name == "router");
  CHECK(all[0].attributes ==
        std::map<std::string, std::string>{{"mode", "standalone"}, {"id", "name"}});
  CHECK(all[1].name == "listener");
  CHECK(all[1].attributes == std::map<std::string, std::string>{{"host", "127.0.0.1"},
                                                                {"port", "5678"},
                                                                {"role", "normal"},
                                                                {"authenticatePeer", "no"},
                                                                {"saslMechanisms", "ANONYMOUS"}});
  CHECK(all[2].name == "log");
}

TEST_CASE("qdrouterd distributes oslo.messaging's addresses as ombt-router does") {
  const router::address_rules ours;
  std::map<std::string, std::string> found;
  for (const auto& one : entities_of(qdrouterd_configuration(1, "x"))) {
    if (one.name != "address") continue;
    CHECK(one.attributes.size() == 2);
    found.emplace(one.attributes.at("prefix"), one.attributes.at("distribution"));
  }
  CHECK(found ==
        std::map<std::string, std::string>{{"openstack.org/om/rpc/multicast", "multicast"},
                                           {"openstack.org/om/rpc/unicast", "closest"},
                                           {"openstack.org/om/rpc/anycast", "balanced"},
                                           {"openstack.org/om/notify/multicast", "multicast"},
                                           {"openstack.org/om/notify/unicast", "closest"},
                                           {"openstack.org/om/notify/anycast", "balanced"},
                                           {"broadcast", "multicast"},
                                           {"exclusive", "closest"},
                                           {"unicast", "balanced"}});
  for (const auto& [prefix, how] : found) {
    CHECK(router::name_of(ours.of(prefix + "/exchange/topic")) == how);
  }
}

}  // namespace
}  // namespace ombt::tools::bus
