// SPDX-License-Identifier: Apache-2.0
#pragma once
// The operations of a transport that are in flight: who is told, the time limit, the call
// monitor's limit. A handle names one operation and never another; a completion runs exactly once.
// Knows no protocol: what a driver keeps beside each is the Details of operation_table. One loop.

#include "drivers/loop.hpp"
#include "drivers/transport.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ombt::drivers {

class operations : private timer_target {
 public:
  using handle = std::uint64_t;  ///< never 0; its top bit is clear

  /// Who is told of limits. Usually finishes the operation.
  class owner {
   public:
    virtual void on_limit(handle operation) = 0;
    virtual void on_silence(handle operation) = 0;  ///< the monitor has heard nothing

   protected:
    ~owner() = default;
  };

  operations(loop& on, owner& told) : loop_(on), owner_(told) {}
  /// Forgets all that are in flight; nobody is told.
  ~operations();
  operations(const operations&) = delete;
  operations& operator=(const operations&) = delete;

  bool is_open(handle which) const noexcept;
  /// Replaces the time limit; a time that is over is met from the loop.
  void set_limit(handle which, time_point limit);
  /// Starts the monitor, or starts it anew: on_silence() after that long.
  void watch(handle which, duration silence);
  /// Ends an operation: its completion runs now. Unknown handles are ignored.
  void finish(handle which, const outcome& result);
  /// All that are in flight.
  std::vector<handle> in_flight() const;

 protected:
  handle begin(completion& done, std::uint64_t tag, time_point limit);
  static std::size_t index_of(handle which) noexcept { return which & 0xffffffff; }

 private:
  struct entry {
    completion* done = nullptr;  ///< null: free
    std::uint64_t tag = 0;
    loop::timer_id limit = 0;
    loop::timer_id monitor = 0;
    std::uint32_t generation = 0;
  };
  void on_timer(std::uint64_t tag) override;

  loop& loop_;
  owner& owner_;
  std::vector<entry> entries_;
  std::vector<std::uint32_t> free_;
};

/// The same with what a driver keeps of each operation.
template <class Details>
class operation_table final : public operations {
 public:
  using operations::operations;

  /// Begins one, whose details are as new.
  handle start(completion& done, std::uint64_t tag, time_point limit) {
    const handle made = begin(done, tag, limit);
    const std::size_t index = index_of(made);
    if (index >= details_.size()) details_.resize(index + 1);
    details_[index] = Details();
    return made;
  }
  /// Null if it has ended. Valid until the next start().
  Details* find(handle which) noexcept {
    return is_open(which) ? &details_[index_of(which)] : nullptr;
  }

 private:
  std::vector<Details> details_;
};

}  // namespace ombt::drivers
