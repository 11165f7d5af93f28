// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the agents of a process report over one connection of direct control, gathered so that those
// of a kind and topic go as one notice (wire/control/result_batch.hpp). Owns what waits, and for
// how long; who sends it is told to `send`. Part of direct_session; one thread, its loop's.
//
// A batch goes when the last of its agents has reported (complete()), 200 ms after the first one
// that waits in it, when it has 1 MiB, and when results come that do not belong in it.

#include "wire/control/result_batch.hpp"

#include "drivers/loop.hpp"

#include "agents/measure/recorder.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace ombt::agents {

class result_batches final : private drivers::timer_target {
 public:
  /// How long results wait for others.
  static constexpr std::chrono::milliseconds patience{200};
  /// With so many bytes, or more, a batch goes; above it is what its last agent has.
  static constexpr std::size_t most_bytes = std::size_t{1} << 20;

  struct batch {
    std::string topic;
    wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;
    std::string args;        ///< of the notice
    std::size_t agents = 0;  ///< whose results are in it
  };
  using sender = std::function<void(batch)>;

  result_batches(drivers::loop& on, sender send) : loop_(on), send_(std::move(send)) {}
  ~result_batches();
  result_batches(const result_batches&) = delete;
  result_batches& operator=(const result_batches&) = delete;

  void add(const std::string& topic, wire::control::agent_kind kind, const std::string& name,
           const report& figures);
  /// All agents of that kind and topic have reported: what they have goes.
  void complete(const std::string& topic, wire::control::agent_kind kind);
  /// All that waits goes.
  void flush();
  /// Forgets all that waits; of how many agents that was.
  std::size_t drop();

 private:
  using place = std::pair<std::string, wire::control::agent_kind>;
  struct gathering {
    wire::control::result_gatherer results;
    drivers::time_point until;
  };

  void on_timer(std::uint64_t) override;
  void send(const place& of, gathering&& what);
  void set_timer();

  drivers::loop& loop_;
  const sender send_;
  std::map<place, gathering> waiting_;
  std::uint64_t answers_ = 0;  ///< numbers given
  drivers::loop::timer_id timer_ = 0;
};

}  // namespace ombt::agents
