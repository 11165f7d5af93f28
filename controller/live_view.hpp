// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a run goes on, put together from what the I/O threads of agents on this machine say each
// second (wire/control/live.hpp). Owns the threads' last words, not where they come from; time
// comes in as a parameter. What datagrams were lost is made good by the next one, but for the
// latencies of their second. One thread.

#include "wire/control/live.hpp"
#include "wire/hdr/histogram.hpp"

#include "controller/plan.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ombt::controller {

class live_view {
 public:
  /// Threads that are told apart; further ones are not heard.
  static constexpr std::size_t thread_limit = 4'096;
  /// A thread that says nothing for so long counts for nothing now.
  static constexpr duration silent_after = std::chrono::seconds{3};

  struct figures {
    bool any = false;  ///< somebody has said something
    // Of the run so far.
    std::uint64_t ok = 0;
    std::uint64_t failed = 0;
    // Now.
    std::uint32_t agents = 0;  ///< at work
    std::uint64_t in_flight = 0;
    std::uint64_t last_second = 0;        ///< messages that ended in it
    wire::hdr::sparse_histogram latency;  ///< of those that succeeded
  };

  /// Looks at that run from now on, and forgets another one.
  void follow(std::string_view run);
  /// A thread's words; of another run they count for nothing. True for a second of the thread that
  /// is new.
  bool take(const wire::control::live_report& report, std::int64_t process, time_point now);
  figures at(time_point now) const;

 private:
  struct speaker {
    std::int64_t process = 0;
    std::uint32_t thread = 0;
    wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;

    friend auto operator<=>(const speaker&, const speaker&) = default;
  };
  struct words {
    wire::control::live_report report;
    time_point heard;
  };

  std::string run_;
  std::map<speaker, words> threads_;
};

}  // namespace ombt::controller
