// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a test asks of its clients, prepared once: the plan that all clients of a process share,
// and the text of its messages, of which each I/O thread has one. The payload is escaped when the
// plan is made and never again.

#include "wire/control/messages.hpp"
#include "wire/oslo/messages.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ombt::agents {

/// Immutable once made; shared between threads.
struct test_plan {
  wire::control::test_kind test = wire::control::test_kind::call;
  std::int64_t count = 1;             ///< messages a client
  std::chrono::nanoseconds pause{0};  ///< between the end of a message and the next
  std::string data_json;              ///< the payload as a JSON string
  std::string severity;               ///< of notifications, lower case
  std::string run;                    ///< a native controller's id of the run, or empty
  bool details = false;               ///< results with a histogram are wanted
  std::string run_tag;                ///< the digits that message ids begin with, or empty
};

/// The plan of a run_test; its test must be known.
std::shared_ptr<const test_plan> make_test_plan(const wire::control::run_test_request& request);

/// The arguments of a test message. One thread; shared by all its clients of one run.
class message_text {
 public:
  explicit message_text(std::shared_ptr<const test_plan> plan);

  const test_plan& plan() const noexcept { return *plan_; }
  const std::shared_ptr<const test_plan>& shared_plan() const noexcept { return plan_; }

  /// {"data": …, "timestamp": T, "msgid": "<hex>:<sequence>"} (a notification's first key is
  /// "payload"). Valid until the next call; does not allocate once warm.
  std::string_view render(double timestamp, std::string_view hex, std::uint64_t sequence);

 private:
  std::shared_ptr<const test_plan> plan_;
  std::string text_;
  std::size_t prefix_;
};

/// Now as epoch seconds, as Python's time.time() gives it.
double epoch_now() noexcept;

}  // namespace ombt::agents
