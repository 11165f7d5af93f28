// SPDX-License-Identifier: Apache-2.0
#pragma once
// The files of /proc that a look at bus processes reads; proc_text.hpp reads what is in them. Owns
// nothing but the name of the root, which tests replace. Any thread, one at a time.

#include "controller/watch/proc_text.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace ombt::controller {

/// Who holds sockets.
struct socket_holders {
  std::map<std::int64_t, std::set<std::uint64_t>> inodes;  ///< of each process id, those it has
  bool refused = false;  ///< there are processes whose descriptors are not ours to see
};

class proc_files {
 public:
  explicit proc_files(std::string root = "/proc") : root_(std::move(root)) {}

  /// Every TCP socket of this network namespace, IPv4 first. The tables are read piece by piece; a
  /// row costs about two microseconds, most of them the kernel's.
  void each_socket(const std::function<void(const socket_row&)>& take) const;
  /// None: there is no such process.
  std::optional<process_stat> stat(std::int64_t pid) const;
  /// How many descriptors a process has open; none: not ours to see.
  std::optional<std::uint64_t> descriptors(std::int64_t pid) const;
  /// The processes that have one of these sockets open. Looks at every descriptor of the machine
  /// that it may see.
  socket_holders holders(const std::set<std::uint64_t>& inodes) const;

 private:
  std::string root_;
};

}  // namespace ombt::controller
