// SPDX-License-Identifier: Apache-2.0
#include "tools/router/entities.hpp"

#include "tools/router/peer.hpp"

#include <algorithm>
#include <array>

namespace ombt::tools::router {
namespace {

using value = attribute_value;

std::string text_of(std::uint64_t number) { return std::to_string(number); }
value none(const entity&) { return no_value{}; }
value zero(const entity&) { return std::uint64_t{0}; }
value small_zero(const entity&) { return std::uint32_t{0}; }
value yes(const entity&) { return true; }
value no(const entity&) { return false; }
value up(const entity&) { return std::string_view("up"); }
value enabled(const entity&) { return std::string_view("enabled"); }

// ---- The router
// ----------------------------------------------------------------------------------

constexpr std::string_view router_type = "org.apache.qpid.dispatch.router";

const core& first(const entity& e) { return *e.cores->front(); }

template <class Count>
std::uint64_t sum(const entity& e, Count&& count) {
  std::uint64_t all = 0;
  for (const core* const one : *e.cores) all += count(*one);
  return all;
}

template <std::uint64_t message_counts::*Which>
value total(const entity& e) {
  return sum(e, [](const core& one) { return one.totals().*Which; });
}

std::vector<attribute> router_attributes() {
  return {
      {"name", [](const entity& e) -> value { return std::string_view(first(e).id()); }},
      {"identity", [](const entity&) -> value { return std::string_view("1"); }},
      {"id", [](const entity& e) -> value { return std::string_view(first(e).id()); }},
      {"type", [](const entity&) -> value { return router_type; }},
      {"mode", [](const entity&) -> value { return std::string_view("standalone"); }},
      {"area", none},
      {"version", [](const entity&) -> value { return std::string_view(OMBT_VERSION); }},
      {"addrCount",
       [](const entity& e) -> value {
         return sum(e, [](const core& one) { return one.addresses().size(); });
       }},
      {"linkCount",
       [](const entity& e) -> value {
         return sum(e, [](const core& one) { return one.links(); });
       }},
      {"nodeCount", zero},
      {"linkRouteCount", zero},
      {"autoLinkCount", zero},
      {"connectionCount",
       [](const entity& e) -> value {
         return sum(e, [](const core& one) {
           return std::count_if(one.all_peers().begin(), one.all_peers().end(),
                                [](const peer* p) { return p->is_open(); });
         });
       }},
      {"presettledDeliveries", total<&message_counts::presettled>},
      {"droppedPresettledDeliveries", total<&message_counts::dropped_presettled>},
      {"acceptedDeliveries", total<&message_counts::accepted>},
      {"rejectedDeliveries", total<&message_counts::rejected>},
      {"releasedDeliveries", total<&message_counts::released>},
      {"modifiedDeliveries", total<&message_counts::modified>},
      {"deliveriesDelayed1Sec", zero},
      {"deliveriesDelayed10Sec", zero},
      {"deliveriesStuck", zero},
      {"deliveriesIngress",
       [](const entity& e) -> value {
         return sum(e, [](const core& one) { return one.entered(); });
       }},
      {"deliveriesEgress",
       [](const entity& e) -> value { return sum(e, [](const core& one) { return one.left(); }); }},
      {"deliveriesTransit", zero},
      {"deliveriesIngressRouteContainer", zero},
      {"deliveriesEgressRouteContainer", zero},
      {"deliveriesRedirectedToFallback", zero},
      {"linksBlocked", small_zero},
      {"workerThreads",
       [](const entity& e) -> value { return static_cast<std::int64_t>(e.cores->size()); }},
      {"uptimeSeconds",
       [](const entity& e) -> value { return static_cast<std::uint32_t>(e.now - e.started); }},
      {"memoryUsage", none},
  };
}

// ---- Connections
// ---------------------------------------------------------------------------------

constexpr std::string_view connection_type = "org.apache.qpid.dispatch.connection";

std::vector<attribute> connection_attributes() {
  return {
      {"name", [](const entity& e) -> value { return "connection/" + e.connection->address; }},
      {"identity", [](const entity& e) -> value { return text_of(e.connection->number()); }},
      {"host", [](const entity& e) -> value { return std::string_view(e.connection->address); }},
      {"role", [](const entity&) -> value { return std::string_view("normal"); }},
      {"protocol", [](const entity&) -> value { return std::string_view("amqp"); }},
      {"dir", [](const entity&) -> value { return std::string_view("in"); }},
      {"container",
       [](const entity& e) -> value { return std::string_view(e.connection->container()); }},
      {"sasl",
       [](const entity& e) -> value {
         if (e.connection->mechanism.empty()) return no_value{};
         return std::string_view(e.connection->mechanism);
       }},
      {"isAuthenticated",
       [](const entity& e) -> value { return !e.connection->mechanism.empty(); }},
      {"user",
       [](const entity& e) -> value {
         if (e.connection->mechanism.empty()) return no_value{};
         if (e.connection->user().empty()) return std::string_view("anonymous");
         return std::string_view(e.connection->user());
       }},
      {"isEncrypted", no},
      {"sslProto", none},
      {"sslCipher", none},
      {"properties", [](const entity&) -> value { return empty_map{}; }},
      {"sslSsf", [](const entity&) -> value { return std::int64_t{0}; }},
      {"tenant", none},
      {"type", [](const entity&) -> value { return connection_type; }},
      {"ssl", no},
      {"opened", yes},
      {"active", yes},
      {"adminStatus", enabled},
      {"operStatus", up},
      {"uptimeSeconds",
       [](const entity& e) -> value {
         return static_cast<std::uint32_t>(e.now - e.connection->since);
       }},
      {"lastDlvSeconds", none},
      {"enableProtocolTrace", no},
  };
}

// ---- Links
// ---------------------------------------------------------------------------------------

constexpr std::string_view link_type = "org.apache.qpid.dispatch.router.link";

const link_base& link_of(const entity& e) {
  if (e.sender != nullptr) return *e.sender;
  return *e.receiver;
}

bool is_own(const address& at) { return at.management || at.name.starts_with("_topo/"); }

/// An address as qpid-dispatch keys it: L and the name for the router's own, M0 for all others.
std::string key_of(const address& at) {
  if (!is_own(at)) return "M0" + at.name;
  return "L" + at.name.substr(at.name.rfind('/') + 1);
}

template <std::uint64_t message_counts::*Which>
value counted(const entity& e) {
  return link_of(e).counts.*Which;
}

std::vector<attribute> link_attributes() {
  const auto name = [](const entity& e) -> value { return link_of(e).wire.name(); };
  return {
      {"name", name},
      {"identity", [](const entity& e) -> value { return text_of(link_of(e).id); }},
      {"type", [](const entity&) -> value { return link_type; }},
      {"linkName", name},
      {"linkType", [](const entity&) -> value { return std::string_view("endpoint"); }},
      {"linkDir",
       [](const entity& e) -> value {
         return std::string_view(e.sender != nullptr ? "in" : "out");
       }},
      {"owningAddr", [](const entity& e) -> value { return key_of(*link_of(e).at); }},
      {"capacity",
       [](const entity& e) -> value {
         return static_cast<std::uint32_t>(first(e).limits().link_capacity);
       }},
      {"peer", none},
      {"undeliveredCount",
       [](const entity& e) -> value {
         if (e.sender != nullptr) return static_cast<std::uint64_t>(e.sender->queued);
         return std::uint64_t{e.receiver->buffer.size()};
       }},
      {"unsettledCount",
       [](const entity& e) -> value {
         return std::uint64_t{e.sender != nullptr ? e.sender->flights.size()
                                                  : e.receiver->flights.size()};
       }},
      {"deliveryCount", counted<&message_counts::deliveries>},
      {"connectionId",
       [](const entity& e) -> value { return text_of(link_of(e).owner->number()); }},
      {"adminStatus", enabled},
      {"operStatus", up},
      {"presettledCount", counted<&message_counts::presettled>},
      {"droppedPresettledCount", counted<&message_counts::dropped_presettled>},
      {"acceptedCount", counted<&message_counts::accepted>},
      {"rejectedCount", counted<&message_counts::rejected>},
      {"releasedCount", counted<&message_counts::released>},
      {"modifiedCount", counted<&message_counts::modified>},
      {"deliveriesDelayed1Sec", zero},
      {"deliveriesDelayed10Sec", zero},
      {"deliveriesStuck", zero},
      {"creditAvailable",
       [](const entity& e) -> value {
         const int credit =
             e.sender != nullptr ? e.sender->wire.credit_given() : e.receiver->wire.credit();
         return static_cast<std::uint32_t>(credit);
       }},
      {"zeroCreditSeconds", small_zero},
      {"ingressHistogram", none},
      {"priority", small_zero},
      {"settleRate", small_zero},
  };
}

// ---- Addresses
// -----------------------------------------------------------------------------------

constexpr std::string_view address_type = "org.apache.qpid.dispatch.router.address";

std::vector<attribute> address_attributes() {
  const auto key = [](const entity& e) -> value { return key_of(*e.at); };
  const auto entered = [](const entity& e) -> value { return e.at->entered; };
  const auto left = [](const entity& e) -> value { return e.at->left; };
  return {
      {"name", key},
      {"identity", key},
      {"type", [](const entity&) -> value { return address_type; }},
      {"key", key},
      {"distribution",
       [](const entity& e) -> value { return std::string_view(name_of(e.at->how)); }},
      {"inProcess",
       [](const entity& e) -> value { return std::uint32_t{e.at->management ? 1U : 0U}; }},
      {"subscriberCount",
       [](const entity& e) -> value { return static_cast<std::uint32_t>(e.at->receivers.size()); }},
      {"remoteCount", small_zero},
      {"containerCount", small_zero},
      {"remoteHostRouters", [](const entity&) -> value { return empty_list{}; }},
      {"deliveriesIngress", entered},
      {"deliveriesEgress", left},
      {"deliveriesTransit", zero},
      {"deliveriesToContainer", left},
      {"deliveriesFromContainer", entered},
      {"deliveriesEgressRouteContainer", zero},
      {"deliveriesIngressRouteContainer", zero},
      {"transitOutstanding", none},
      {"trackedDeliveries", [](const entity&) -> value { return std::int64_t{0}; }},
      {"priority", [](const entity&) -> value { return std::int64_t{0}; }},
      {"deliveriesRedirectedToFallback", zero},
  };
}

// ---- Lists
// ---------------------------------------------------------------------------------------

std::vector<entity> list_connections(const entity& common) {
  std::vector<entity> rows;
  for (const core* const part : *common.cores) {
    for (const peer* const one : part->all_peers()) {
      if (!one->is_open()) continue;
      rows.push_back(common);
      rows.back().connection = one;
    }
  }
  return rows;
}

/// The state of a link, or null: the thread of its address has not heard of it yet.
template <class Link, class Stub>
const Link* state_of(const attached& one) {
  const auto* const state =
      one.stub ? static_cast<const Stub&>(one).there : static_cast<const Link*>(&one);
  return state->at != nullptr ? state : nullptr;
}

std::vector<entity> list_links(const entity& common) {
  std::vector<entity> rows;
  for (const core* const part : *common.cores) {
    for (const peer* const owner : part->all_peers()) {
      for (auto* one = owner->senders.front(); one != nullptr; one = owner->senders.after(*one)) {
        const auto* const link = state_of<in_link, far_sender>(*one);
        if (link == nullptr) continue;
        rows.push_back(common);
        rows.back().sender = link;
      }
      for (auto* one = owner->receivers.front(); one != nullptr;
           one = owner->receivers.after(*one)) {
        const auto* const link = state_of<out_link, far_receiver>(*one);
        if (link == nullptr) continue;
        rows.push_back(common);
        rows.back().receiver = link;
      }
    }
  }
  return rows;
}

std::vector<entity> list_addresses(const entity& common) {
  std::vector<entity> rows;
  for (const core* const part : *common.cores) {
    for (const auto& [name, one] : part->addresses()) {
      rows.push_back(common);
      rows.back().at = one.get();
    }
  }
  return rows;
}

}  // namespace

const entity_type* find_entity_type(std::string_view name) {
  static const std::array<entity_type, 4> all{{
      {router_type, router_attributes(), [](const entity& first) { return std::vector{first}; }},
      {connection_type, connection_attributes(), list_connections},
      {link_type, link_attributes(), list_links},
      {address_type, address_attributes(), list_addresses},
  }};
  for (const entity_type& one : all) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

}  // namespace ombt::tools::router
