// SPDX-License-Identifier: Apache-2.0
#pragma once
// What one agent measured since its last report: ombt's results record, a histogram of the same
// latencies in nanoseconds, further histograms where there is something for them, what an open
// loop's schedule asked for, and what the clocks made negative. Owns the counting, not the clocks:
// instants come in. One thread.

#include "wire/control/figures.hpp"
#include "wire/control/results.hpp"
#include "wire/error.hpp"

#include "drivers/transport.hpp"

#include "agents/measure/intervals.hpp"
#include "agents/measure/trip_notes.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace ombt::agents {

/// An agent's figures, detached from it.
struct report {
  wire::control::results results;
  wire::control::result_details details;

  void merge(const report& other);
};

class recorder {
 public:
  /// A round trip that succeeded. The end is epoch seconds.
  void success(double end, std::chrono::nanoseconds latency);
  /// A message that arrived at `arrival` and was sent at `sent` (epoch seconds by its sender's
  /// clock). One that seems to come from the future counts as received and as a negative sample.
  void arrival(double arrival, double sent);
  /// The same operation, from the instant that an open loop's schedule had for it.
  void success_from_intended(std::chrono::nanoseconds latency);
  /// The operation for the message of that sequence number failed, with its named error, after so
  /// long, which is no latency.
  void failure(double end, std::string_view error, std::uint64_t sequence,
               std::chrono::nanoseconds took);
  /// A message of a schedule went out so much later than its instant.
  void scheduled(std::chrono::nanoseconds slip);
  /// So many messages of a schedule were not sent, as it was too late for them.
  void dropped(std::uint64_t messages) {
    report_.details.load.scheduled += messages;
    report_.details.load.dropped += messages;
  }
  /// The legs of a call that succeeded.
  void legs(const call_legs& of);
  /// A call that succeeded was answered at that site; nothing where neither side has one.
  void answered_at(std::string_view own, std::string_view site, std::chrono::nanoseconds latency) {
    const auto nanoseconds = latency.count() > 0 ? latency.count() : 0;
    if (site_counts* const at = sites(own, site)) {
      at->answered(site, static_cast<std::uint64_t>(nanoseconds));
    }
  }
  /// A message arrived from that site; nothing where neither side has one.
  void arrived_from(std::string_view own, std::string_view site) {
    if (site_counts* const at = sites(own, site)) at->arrived(site);
  }
  /// An error that is no failed message.
  void error(std::string_view text) { report_.results.count_error(text); }
  /// Widens the test interval (epoch seconds).
  void saw_time(double epoch) { report_.results.saw_time(epoch); }

  /// Messages since the last take().
  std::uint64_t messages() const noexcept {
    return report_.results.msgs_ok + report_.results.msgs_fail;
  }
  const report& current() const noexcept { return report_; }
  /// Enters successes and failures there too from now on, which others of the thread may share;
  /// empty: nowhere.
  void count_seconds_in(std::shared_ptr<second_recorder> seconds) { seconds_ = std::move(seconds); }

  /// Enters them there too, over all takes; null: nowhere. Must outlive the recorder.
  void count_life_in(wire::control::life_counts* life) noexcept { life_ = life; }

  /// Hands over what was counted and starts from zero.
  report take();
  /// The same of a client, by its id in its messages, with a ledger of messages 0 to before `sent`.
  report take(std::uint64_t client, std::uint64_t sent);

 private:
  using site_counts = wire::control::site_counts;
  site_counts* sites(std::string_view own, std::string_view other);
  void succeeded(double end, std::uint64_t nanoseconds);

  report report_;
  std::shared_ptr<second_recorder> seconds_;
  wire::control::life_counts* life_ = nullptr;
  /// Which messages failed; few clients have any.
  struct failures {
    wire::control::client_ledger ledger;
    wire::control::ledger_room room{wire::control::client_ledger::room_bytes};
  };
  std::unique_ptr<failures> failures_;
  std::unique_ptr<site_counts> sites_;  ///< none before the first message at a site
};

/// What an agent's transport and, where it has one, its listener have counted since they were made.
wire::control::link_counts counted_by(const drivers::transport& transport,
                                      const drivers::listener* listener = nullptr);

/// The name under which results count a failed operation: the error's name; with a remote
/// exception "remote_exception: <class>"; with the bus's own words behind it where they tell the
/// cause ("channel_refused: NOT_FOUND - …").
std::string failure_name(const drivers::outcome& outcome);

}  // namespace ombt::agents
