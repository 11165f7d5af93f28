// SPDX-License-Identifier: Apache-2.0
#include "wire/control/assign.hpp"

#include "wire/control/direct.hpp"
#include "wire/control/field_reader.hpp"

#include <set>
#include <utility>

namespace ombt::wire::control {
namespace {

constexpr std::size_t bus_url_limit = 4096;

bool read_placement(json::value from, placed_agents& out, std::string& why) {
  if (!from.is_object()) {
    why = "agents has one that is no object";
    return false;
  }
  const auto kind = agent_kind_from(from["kind"].string().value_or(""));
  if (!kind) {
    why = "agents has a kind that is none of RPCClient, RPCServer, Listener, Notifier";
    return false;
  }
  out.kind = *kind;
  field_reader fields{"agents: ", why};
  fields.text(from, "topic", name_limit, out.topic);
  fields.whole(from, "count", 1, process_agents_limit, out.count);
  return fields.ok();
}

}  // namespace

std::uint64_t assign_request::total() const noexcept {
  std::uint64_t sum = 0;
  for (const placed_agents& one : agents) sum += one.count;
  return sum;
}

void append_assign_request(std::string& out, const assign_request& request) {
  out += "{\"agents\": [";
  for (const placed_agents& one : request.agents) {
    if (&one != request.agents.data()) out += ", ";
    out.append("{\"kind\": \"").append(wire_name(one.kind)).append("\", \"topic\": ");
    json::append_string(out, one.topic);
    out.append(", \"count\": ").append(std::to_string(one.count)) += '}';
  }
  out += ']';
  if (!request.bus.empty()) {
    out += ", \"bus\": ";
    json::append_string(out, request.bus);
  }
  out += '}';
}

bool read_assign_request(json::value args, assign_request& out, std::string& why) {
  out = {};
  const json::value list = args["agents"];
  if (!list.is_array()) {
    why = list ? "agents is no list" : "agents is missing";
    return false;
  }
  if (list.size() > placements_limit) {
    why = "agents has more than there can be";
    return false;
  }
  field_reader fields{"", why};
  fields.optional_text(args, "bus", bus_url_limit, out.bus);
  if (!fields.ok()) return false;
  bool ok = true;
  std::set<std::pair<agent_kind, std::string>> known;
  list.for_each_element([&](json::value one) {
    ok = ok && read_placement(one, out.agents.emplace_back(), why);
    if (!ok || known.emplace(out.agents.back().kind, out.agents.back().topic).second) return;
    why = "agents has a kind of a topic twice";
    ok = false;
  });
  if (ok && out.total() > process_agents_limit) {
    why = "agents are more than there can be";
    ok = false;
  }
  return ok;
}

}  // namespace ombt::wire::control
