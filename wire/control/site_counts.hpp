// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an RPC agent that knows of sites counted by the site of the other side: a client the calls
// that servers of each site answered, with their round trips, a server the messages that came from
// clients of each site. Owns the sites' limits, the sums and their JSON. Plain values, one thread
// each.
//
// A message between two agents without a site is at no site, and counts nowhere here.

#include "wire/hdr/histogram.hpp"
#include "wire/json/value.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::control {

/// Longest name of a site, bytes.
inline constexpr std::size_t site_limit = 64;
/// Where what is beyond a limit of sites is counted.
inline constexpr std::string_view other_sites = "other sites";

/// True for what may stand for a site: at most site_limit bytes of UTF-8 without control
/// characters. An empty one stands for none.
bool is_site(std::string_view name) noexcept;

class site_counts {
 public:
  /// Most sites beside its own that an agent tells apart; further ones count as other_sites.
  static constexpr std::size_t most_sites = 64;

  struct entry {
    std::string site;  ///< of the other side; empty: it has none
    std::uint64_t messages = 0;
    hdr::sparse_histogram latency;  ///< at clients, of each message, nanoseconds
  };

  site_counts() = default;
  explicit site_counts(std::string_view own) : own_{own} {}

  /// At a client: a server there answered after so long. Both sites must be is_site().
  void answered(std::string_view site, std::uint64_t nanoseconds);
  /// At a server: a message of a client there arrived.
  void arrived(std::string_view site) { ++at(site).messages; }
  void merge(const site_counts& other);

  /// The agent's own site.
  const std::string& own() const noexcept { return own_; }
  const std::vector<entry>& entries() const noexcept { return entries_; }

  /// Appends "site": "…", "sites": {site: histogram or count, …}, members of an object.
  void append_members(std::string& out) const;
  /// Reads these members of an object. False: why says what is wrong: no site, more than there can
  /// be, something else than histograms and counts.
  static bool read_members(json::value from, site_counts& out, std::string& why);

 private:
  entry& at(std::string_view site);

  std::string own_;
  std::vector<entry> entries_;  ///< in the order in which they were met
};

}  // namespace ombt::wire::control
