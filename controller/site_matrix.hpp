// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which sites called which: a cell for each site of clients and site of servers, as the clients saw
// their calls answered and as the servers saw messages arrive. The share of calls that stay on
// their site is the locality of a bus. Owns the sums of what agents count (wire/control/
// site_counts.hpp) and their bounds; one thread.

#include "wire/control/site_counts.hpp"
#include "wire/hdr/histogram.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ombt::controller {

class site_matrix {
 public:
  /// Most sites that are told apart, of clients and servers together, and most cells; what is
  /// beyond counts at wire::control::other_sites.
  static constexpr std::size_t most_sites = 64;
  static constexpr std::size_t most_cells = 1'024;

  struct cell {
    std::uint64_t calls = 0;              ///< that succeeded, by the clients
    std::uint64_t arrivals = 0;           ///< by the servers, those of failed calls among them
    wire::hdr::sparse_histogram latency;  ///< round trips, nanoseconds
  };
  /// The site of clients, the site of servers; empty: without one.
  using pair = std::pair<std::string, std::string>;

  void add_client(const wire::control::site_counts& counted) { add(counted, true); }
  void add_server(const wire::control::site_counts& counted) { add(counted, false); }

  bool empty() const noexcept { return cells_.empty(); }
  const std::map<pair, cell>& cells() const noexcept { return cells_; }
  std::vector<std::string> client_sites() const { return sites(true); }
  std::vector<std::string> server_sites() const { return sites(false); }

  /// Messages, calls as clients had them or arrivals as servers had them, of all clients or of
  /// those of one site: all of them, and those that stayed on the site. Of all clients: of those
  /// whose site is known.
  struct share {
    std::uint64_t all = 0;
    std::uint64_t local = 0;
    /// None without any.
    std::optional<double> percent() const noexcept;
  };
  share local(bool calls, std::optional<std::string_view> client_site = {}) const;

 private:
  void add(const wire::control::site_counts& counted, bool by_client);
  cell& at(std::string_view client, std::string_view server);
  std::vector<std::string> sites(bool of_clients) const;

  std::map<pair, cell> cells_;
  std::set<std::string, std::less<>> known_;  ///< sites that are told apart
};

/// A site in a text: "-" stands for none.
std::string_view site_text(std::string_view site) noexcept;

/// The matrix of calls as a table of at most 80 columns where there are few sites with short names,
/// else a line a cell; of other tests (calls false) that of arrivals. `succeeded` is how many calls
/// there were in all, whether their sites are known or not.
void append_site_text(std::string& out, const site_matrix& matrix, bool calls,
                      std::uint64_t succeeded);

}  // namespace ombt::controller
