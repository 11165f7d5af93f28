// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a controller's settings say that agents are reached (docs/direct.md, "Addresses"). Reads a
// hosts file, and may make the folder of local sockets; connects to nothing.

#include "controller/direct_links.hpp"

#include <string>
#include <vector>

namespace ombt::controller {

struct settings;

struct control_places {
  std::vector<direct_links::place> places;  ///< by direct control, each once
  std::vector<std::string> buses;           ///< URLs
  bool same_bus = false;                    ///< over the bus under test too
  bool over_tcp = false;                    ///< one of the places needs the token
};

/// True if --control, --hosts or --hosts-file name a place; the bus under test is none.
bool names_agents(const settings& given);

/// True if nothing says where agents are: then it is local_place().
bool uses_local_place(const settings& given) noexcept;

/// Throws configuration_error: an address, a list or a file that cannot be read.
control_places places_of(const settings& given);

/// The place where agents of this machine are if nothing else is said. Throws configuration_error
/// for a folder of local sockets that is not this user's alone.
direct_links::place local_place();

/// Whether there are any; takes at most `limit`. On a loop of its own.
bool agents_are_here(duration limit);

}  // namespace ombt::controller
