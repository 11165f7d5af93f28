// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/qdrouterd_conf.hpp"

#include <utility>

namespace ombt::tools::bus {

std::string qdrouterd_configuration(std::uint16_t port, const std::string& id) {
  // authenticatePeer no: SASL is not asked for, as oslo.messaging without a user has none. What is
  // in no address below is balanced, which is qdrouterd's default.
  std::string out =
      "router {\n"
      "    mode: standalone\n"
      "    id: " +
      id +
      "\n"
      "}\n"
      "\n"
      "listener {\n"
      "    host: 127.0.0.1\n"
      "    port: " +
      std::to_string(port) +
      "\n"
      "    role: normal\n"
      "    authenticatePeer: no\n"
      "    saslMechanisms: ANONYMOUS\n"
      "}\n"
      "\n"
      "log {\n"
      "    module: DEFAULT\n"
      "    enable: notice+\n"
      "}\n";
  for (const auto& [prefix, distribution] : {
           std::pair{"openstack.org/om/rpc/multicast", "multicast"},
           {"openstack.org/om/rpc/unicast", "closest"},
           {"openstack.org/om/rpc/anycast", "balanced"},
           {"openstack.org/om/notify/multicast", "multicast"},
           {"openstack.org/om/notify/unicast", "closest"},
           {"openstack.org/om/notify/anycast", "balanced"},
           {"broadcast", "multicast"},  // addresses of the legacy kind
           {"exclusive", "closest"},
           {"unicast", "balanced"},
       }) {
    out += std::string("\naddress {\n    prefix: ") + prefix +
           "\n    distribution: " + distribution + "\n}\n";
  }
  return out;
}

}  // namespace ombt::tools::bus
