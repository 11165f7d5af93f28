// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a test asks of its clients, prepared once: the plan that all clients of a process share,
// and the text of its messages, of which each I/O thread has one. The payload is escaped when the
// plan is made and never again; a message of another size has a prefix of it.

#include "wire/control/messages.hpp"
#include "wire/oslo/messages.hpp"

#include "drivers/loop.hpp"

#include "agents/load/schedule.hpp"
#include "agents/load/sizes.hpp"
#include "agents/measure/trip_notes.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::agents {

/// What a load asks for beyond count and pause (wire/control/load.hpp).
struct load_plan {
  std::optional<rate_profile> profile;  ///< open loop; none: closed
  wire::control::arrivals arrive = wire::control::arrivals::uniform;
  std::uint64_t seed = 0;
  std::uint32_t outstanding = wire::control::usual_outstanding;
  std::optional<std::chrono::nanoseconds> max_late;  ///< none: the timeout of operations
  std::chrono::nanoseconds duration{0};              ///< closed loop; 0: no limit
  size_choice sizes;                                 ///< empty: the whole payload
  drivers::time_point start{};                       ///< of the schedule
};

/// Immutable once made; shared between threads.
struct test_plan {
  wire::control::test_kind test = wire::control::test_kind::call;
  std::int64_t count = 1;             ///< messages a client, at most
  std::chrono::nanoseconds pause{0};  ///< between the end of a message and the next
  std::string data_json;              ///< the payload as a JSON string
  std::string severity;               ///< of notifications, lower case
  std::string run;                    ///< a native controller's id of the run, or empty
  bool details = false;               ///< results with a histogram are wanted
  bool legs = false;                  ///< calls carry notes, and their legs are wanted
  std::string run_tag;                ///< the digits that message ids begin with, or empty
  std::string progress;               ///< who looks on, on this machine (drivers/datagrams.hpp)
  /// The same over the controller's connection; on any thread, empty: nobody.
  std::function<void(std::string_view text)> progress_to;
  std::optional<load_plan> load;
};

/// The plan of a run_test that has come at `now`; its test must be known. progress: for one that
/// asks for it over its connection.
std::shared_ptr<const test_plan> make_test_plan(
    const wire::control::run_test_request& request,
    std::function<void(std::string_view text)> progress = {},
    drivers::time_point now = drivers::steady_clock::now());

/// The arguments of a test message. One thread; shared by all its clients of one run.
class message_text {
 public:
  explicit message_text(std::shared_ptr<const test_plan> plan);

  const test_plan& plan() const noexcept { return *plan_; }
  const std::shared_ptr<const test_plan>& shared_plan() const noexcept { return plan_; }

  /// {"data": …, "timestamp": T, "msgid": "<hex>:<sequence>"} (a notification's first key is
  /// "payload"). Valid until the next call; does not allocate once warm.
  std::string_view render(double timestamp, std::string_view hex, std::uint64_t sequence) {
    return render(timestamp, hex, sequence, whole_);
  }
  /// The same with the first `size` bytes of the payload; other than all of it only where the
  /// payload needs no escaping.
  std::string_view render(double timestamp, std::string_view hex, std::uint64_t sequence,
                          std::size_t size);
  /// The context of a request with that note. Valid until the next call; does not allocate once
  /// warm.
  std::string_view context(const request_note& note);

 private:
  std::shared_ptr<const test_plan> plan_;
  std::string text_;     ///< the last message and what follows it of the payload
  std::string tail_;     ///< of the last message: what follows its payload
  std::size_t payload_;  ///< where it begins in text_
  std::size_t whole_;    ///< its length, escaped
  std::size_t size_;     ///< of the last message
  std::string context_;  ///< of the last request with a note
};

}  // namespace ombt::agents
