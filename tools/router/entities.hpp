// SPDX-License-Identifier: Apache-2.0
#pragma once
// The entities that management tells of and their attributes, under qpid-dispatch 1.19's names and
// in its order. Reads the cores, changes nothing. One thread.
// Source: qpid-dispatch 1.19, python/qpid_dispatch/management/qdrouter.json.

#include "tools/router/core.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ombt::tools::router {

/// An attribute's value. Views live as long as nothing of the core changes.
struct no_value {};
struct empty_list {};
struct empty_map {};
using attribute_value = std::variant<no_value, bool, std::uint32_t, std::uint64_t, std::int64_t,
                                     std::string, std::string_view, empty_list, empty_map>;

/// What one row is about; the others are null.
struct entity {
  const std::vector<const core*>* cores = nullptr;  ///< the router's, none of which runs meanwhile
  const peer* connection = nullptr;
  const in_link* sender = nullptr;
  const out_link* receiver = nullptr;
  const address* at = nullptr;
  std::int64_t now = 0;      ///< seconds of a steady clock
  std::int64_t started = 0;  ///< likewise: the router
};

struct attribute {
  std::string_view name;
  attribute_value (*read)(const entity& of);
};

struct entity_type {
  std::string_view name;  ///< "org.apache.qpid.dispatch.connection"
  std::vector<attribute> attributes;
  /// All there are, `first` with what is common to them.
  std::vector<entity> (*list)(const entity& first);
};

/// Null: there is none of that name.
const entity_type* find_entity_type(std::string_view name);

}  // namespace ombt::tools::router
