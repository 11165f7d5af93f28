// SPDX-License-Identifier: Apache-2.0
#pragma once
// What one session of the controller is to do: the task, its limits, and the agents to wait for.
// Plain data; the session reads it, settings.hpp makes it from options.

#include "wire/control/messages.hpp"
#include "wire/control/topics.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::controller {

using clock = std::chrono::steady_clock;
using time_point = clock::time_point;
using duration = clock::duration;

enum class task : std::uint8_t { rpc_call, rpc_cast, rpc_fanout, notify, status, shutdown };

/// The test that a task runs; none for status and shutdown.
std::optional<wire::control::test_kind> test_of(task what) noexcept;
/// The subcommand: "rpc-call", "rpc-cast", "rpc-fanout", "notify", "status", "shutdown".
std::string_view name_of(task what) noexcept;
std::optional<task> task_from(std::string_view name) noexcept;

/// Agents that must have answered the roll call before a task goes on.
struct expectation {
  std::optional<wire::control::agent_kind> kind;  ///< none: all kinds that the task needs together
  std::uint32_t count = 0;

  /// "5" or "rpc-client=5" (also by ombt's names, "RPCClient=5"); throws configuration_error.
  static expectation parse(std::string_view text);
};

/// From where on an I/O thread of the agents is taken for the limit of a test, percent or
/// milliseconds.
struct audit_limits {
  double core = 90;     ///< a second is a busy one from so much of a core on; a multiple of 5
  double seconds = 10;  ///< busy seconds, of all
  double delay = 5;     ///< time spent waiting for a CPU, of all; above it
  double lag = 1;       ///< ms; how late its timers are, p99; above it
  double late = 0.1;    ///< messages sent late, of all that were scheduled; above it

  /// Sets one: "core=80", "seconds=…", "delay=…", "lag=…", "late=…". Throws configuration_error.
  void set(std::string_view text);
};

struct plan {
  task what = task::rpc_call;
  std::string topic{wire::control::usual_topic};
  std::vector<std::string> topics;  ///< of --topics; empty: `topic` alone
  bool unique = false;
  wire::control::test_parameters parameters;
  /// The rates of parameters.load are of each client, not of all together.
  bool rate_per_client = false;
  /// The option that only native clients can follow; empty: Python clients will do.
  std::string native_clients_for;
  double warmup = 0;    ///< seconds of a run before, thrown away; 0: none
  std::string boot_id;  ///< of this machine, for the clients on it; empty: not known
  /// Quiet time that ends the roll call, where a test expects nothing, and of status and shutdown.
  duration idle = std::chrono::seconds{2};
  /// Limit of each phase (session.hpp says of which).
  duration timeout = std::chrono::seconds{60};
  /// From the last client's result to the first question to the servers; not for calls.
  duration delay = std::chrono::milliseconds{250};
  std::vector<expectation> expect;
  bool others_too = false;  ///< with expect: who else answers in the quiet time takes part
  audit_limits audit;
  bool strict = false;     ///< agents beyond these limits make a run fail
  bool per_agent = false;  ///< each agent's own latency is wanted, not only the sums
  bool over_bus = true;    ///< agents are reached over a control bus
  bool direct = false;     ///< they are reached by direct control
  /// Agents' processes are taken for this controller alone; by direct control.
  bool hold = false;
  /// How long it waits for those that another controller holds; none: not at all.
  std::optional<duration> wait;

  std::size_t topic_count() const noexcept { return std::max<std::size_t>(1, topics.size()); }
  const std::string& topic_at(std::size_t place) const noexcept {
    return topics.empty() ? topic : topics[place];
  }
  /// What direct control calls it: with --unique there is one for all.
  std::string_view direct_topic(std::size_t place) const noexcept {
    return unique ? wire::control::unique_topic : std::string_view{topic_at(place)};
  }
  /// True if the task cannot do without agents of that kind. Tasks without a test need none, and
  /// what they expect counts all kinds.
  bool needs(wire::control::agent_kind kind) const noexcept;
};

}  // namespace ombt::controller
