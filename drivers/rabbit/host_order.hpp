// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which host of a transport URL's list a connection tries, and whether all of them have refused it
// for good. Owns the order, not the hosts. One thread.
// Source: impl_rabbit.Connection (shuffles the list), kombu.connection.failover_strategies.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace ombt::drivers::rabbit {

class host_order {
 public:
  enum class strategy {
    round_robin,  ///< on through the list, which is in an order of this connection's own
    shuffle,      ///< any host at each failover, the same one too
  };

  host_order(std::size_t hosts, strategy how) : strategy_(how) {
    if (hosts < 2) return;
    places_.resize(hosts);
    for (std::size_t i = 0; i < hosts; ++i) places_[i].index = static_cast<std::uint16_t>(i);
    shuffle();
  }

  /// The host of now, as its place in the URL.
  std::size_t current() const noexcept { return places_.empty() ? 0 : places_[at_].index; }

  /// The current one failed: takes another.
  void next() {
    if (places_.empty()) return;
    if (strategy_ == strategy::shuffle) return shuffle();
    at_ = static_cast<std::uint16_t>((at_ + 1) % places_.size());
  }

  /// Notes whether the current one refused for good; true once each has, at its last attempt. That
  /// is told once, then they count anew.
  bool all_refused(bool refused) {
    if (places_.empty()) return refused;
    places_[at_].refused = refused;
    const bool all =
        std::all_of(places_.begin(), places_.end(), [](const place& p) { return p.refused; });
    if (all) forget_refusals();
    return all;
  }
  void forget_refusals() noexcept {
    for (auto& p : places_) p.refused = false;
  }

 private:
  struct place {
    std::uint16_t index = 0;
    bool refused = false;
  };
  void shuffle() {
    static thread_local std::random_device device;
    std::shuffle(places_.begin(), places_.end(), std::minstd_rand(device()));
    at_ = 0;
  }

  std::vector<place> places_;  ///< empty with one host
  std::uint16_t at_ = 0;
  strategy strategy_;
};

}  // namespace ombt::drivers::rabbit
