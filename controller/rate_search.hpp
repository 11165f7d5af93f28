// SPDX-License-Identifier: Apache-2.0
#pragma once
// Searches the highest rate at which a target holds (find-rate), one probe after the other: says
// which rate is next, is told how the probe went. Pure; one thread.
//
// state      probe held                      probe missed               next state
// growing    the rate doubles                tried once more, then:     growing / narrowing
//            … up to the highest allowed                                done
// shrinking  -                               the rate halves, down to   narrowing / done
//                                            the least allowed
// narrowing  the lower bound rises           the upper bound falls      narrowing, until the bounds
//                                                                       are close enough: done
//
// Rates between the bounds have four digits, as far as the bounds leave room for that.
// A miss counts only when it happens twice at that rate: one hiccup of the machine is no limit of
// the bus. A rate that held once is not tried again.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ombt::controller {

struct search_limits {
  double first = 100;        ///< messages/s of the first probe
  double least = 1;          ///< messages/s
  double most = 1e7;         ///< messages/s
  double precision = 0.03;   ///< the bounds end at most this far apart, as a part of the lower one
  std::size_t probes = 100;  ///< at most
};

class rate_search {
 public:
  /// One probe: whether the target held at that rate.
  struct probe {
    double rate = 0;  ///< messages/s asked for
    bool held = false;
  };

  explicit rate_search(search_limits limits);

  /// The rate to probe next; empty: the search is over.
  std::optional<double> next() const noexcept { return next_; }
  /// How the probe of next() went.
  void add(bool held);

  /// The highest rate that held; empty: none did.
  std::optional<double> best() const noexcept { return low_; }
  /// The lowest rate that missed; empty: none did, up to the highest allowed.
  std::optional<double> missed() const noexcept { return high_; }
  /// True if the bounds are as close as asked for, or the highest rate allowed held, or the least
  /// missed; false while it goes on, or if the probes ran out.
  bool found() const noexcept { return found_; }
  /// All probes, in their order.
  const std::vector<probe>& probes() const noexcept { return probes_; }

 private:
  void decide();

  search_limits limits_;
  std::optional<double> next_;
  std::optional<double> low_;
  std::optional<double> high_;
  bool doubted_ = false;  ///< the last probe missed, for the first time at its rate
  bool found_ = false;
  std::vector<probe> probes_;
};

}  // namespace ombt::controller
