// SPDX-License-Identifier: Apache-2.0
#include "controller/placement.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace ombt::controller {

using wire::control::agent_kind;
using wire::control::assign_request;

namespace {

std::size_t place_of(agent_kind kind) { return static_cast<std::size_t>(kind); }

/// So many agents from number `first` on, topic by topic.
void add_block(assign_request& to, agent_kind kind, std::uint64_t first, std::uint64_t count,
               const std::vector<std::string>& topics) {
  const std::uint64_t all = topics.size();
  for (std::uint64_t i = 0; i < std::min(count, all); ++i) {
    const auto share = static_cast<std::uint32_t>(count / all + (i < count % all ? 1 : 0));
    to.agents.push_back({kind, topics[(first + i) % all], share});
  }
}

/// The buses, and how much of each kind, of 1 in all, they have.
class bus_shares {
 public:
  explicit bus_shares(const placement& wanted) : wanted_(wanted), shares_(wanted.buses.size()) {}

  const std::string& next(const wire::control::agents_by_kind& of_process) {
    std::size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < shares_.size(); ++i) {
      double load = 0;
      for (std::size_t kind = 0; kind < of_process.size(); ++kind) {
        if (of_process[kind] > 0) load += part(of_process, kind) * shares_[i][kind];
      }
      // Of no matter to rounding: the first of those that are as good.
      if (load < least * (1 - 1e-9)) {
        least = load;
        best = i;
      }
    }
    for (std::size_t kind = 0; kind < of_process.size(); ++kind) {
      if (of_process[kind] > 0) shares_[best][kind] += part(of_process, kind);
    }
    return wanted_.buses[best];
  }

 private:
  double part(const wire::control::agents_by_kind& of_process, std::size_t kind) const {
    return static_cast<double>(of_process[kind]) / wanted_.agents[kind];
  }

  const placement& wanted_;
  std::vector<std::array<double, wire::control::agent_kinds.size()>> shares_;
};

}  // namespace

std::uint64_t placement::total() const noexcept {
  return std::accumulate(agents.begin(), agents.end(), std::uint64_t{0});
}

std::vector<assign_request> place_agents(const placement& wanted,
                                         const std::vector<std::uint32_t>& room) {
  std::vector<assign_request> out(room.size());
  std::vector<wire::control::agents_by_kind> counts(room.size());
  std::vector<std::uint64_t> left(room.begin(), room.end());
  for (const agent_kind kind : wire::control::agent_kinds) {
    const std::uint64_t agents = wanted.agents[place_of(kind)];
    const std::uint64_t all = std::accumulate(left.begin(), left.end(), std::uint64_t{0});
    if (agents == 0 || all == 0) continue;
    std::uint64_t seen = 0;   // room
    std::uint64_t given = 0;  // agents
    for (std::size_t i = 0; i < room.size(); ++i) {
      seen += left[i];
      const std::uint64_t until = agents * seen / all;
      add_block(out[i], kind, given, until - given, wanted.topics);
      counts[i][place_of(kind)] = static_cast<std::uint32_t>(until - given);
      left[i] -= until - given;
      given = until;
    }
  }
  bus_shares buses(wanted);
  for (std::size_t i = 0; i < out.size() && !wanted.buses.empty(); ++i) {
    if (!out[i].agents.empty()) out[i].bus = buses.next(counts[i]);
  }
  return out;
}

}  // namespace ombt::controller
