// SPDX-License-Identifier: Apache-2.0
#pragma once
// What carries a session's actions to agents and brings back what they say: a control bus
// (bus_carrier.hpp), or connections to their processes (direct_carrier.hpp). A session may have
// several at once; session_runner.hpp joins them to the machine. Interfaces only; everything on the
// loop's thread.

#include "wire/control/direct.hpp"
#include "wire/control/live.hpp"
#include "wire/control/messages.hpp"
#include "wire/control/result_batch.hpp"
#include "wire/control/results.hpp"
#include "wire/error.hpp"
#include "wire/json/value.hpp"

#include "controller/outcome.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace ombt::controller {

struct action;
class session;
class session_carrier;

/// Told what carriers hear. Views and values are valid in the call only.
class carrier_events {
 public:
  /// It carries from now on, in every topic; told once or more.
  virtual void on_ready(session_carrier& which) = 0;
  /// It cannot carry now; final: nor later. Without an error `detail` says all.
  virtual void on_trouble(error_code error, std::string_view detail, bool final) = 0;
  /// A call of clock is going out.
  virtual void on_asking(std::uint64_t tag) = 0;
  /// What came back from a call; on_complete() follows.
  virtual void on_answer(std::uint64_t tag, wire::json::value answer) = 0;
  /// An action that it took has ended; once each, also inside carry().
  virtual void on_complete(std::uint64_t tag, error_code error, std::string_view detail) = 0;
  virtual void on_pong(const wire::control::client_pong_request& pong, std::uint32_t topic,
                       process_number from) = 0;
  virtual void on_result(const wire::control::client_result_request& result, std::uint32_t topic,
                         process_number from) = 0;
  /// Of several agents of a kind, by direct control.
  virtual void on_results(wire::control::agent_kind kind,
                          const wire::control::result_batch& results, std::uint32_t topic,
                          process_number from) = 0;
  /// Results of several agents of a kind that could not be read.
  virtual void on_unreadable(wire::control::agent_kind kind, std::string_view why,
                             std::uint32_t topic, process_number from) = 0;
  /// Something came in that could not be read.
  virtual void on_malformed() = 0;
  // What only direct control tells, as session has it; and how a process's run goes on.
  virtual void on_process(process_number which, const wire::control::process_hello& hello) = 0;
  virtual void on_gone(process_number which, std::string_view why) = 0;
  virtual void on_left_out(std::string_view what) = 0;
  virtual void on_started(const wire::control::started_notice& started) = 0;
  virtual void on_progress(const wire::control::live_report& report, process_number from) = 0;

 protected:
  ~carrier_events() = default;
};

class session_carrier {
 public:
  virtual ~session_carrier() = default;
  /// `machine`'s plan and addresses are asked for as long as it carries. Once.
  virtual void start(const session& machine, carrier_events& told) = 0;
  /// Takes what the session wants sent; false if it is for nobody that it reaches.
  virtual bool carry(const action& what) = 0;
  /// Ends it in good order; done runs once, perhaps in this call. What it took and has not
  /// completed may complete meanwhile, or not at all.
  virtual void close(std::function<void()> done) = 0;
  /// Why it has no contact now; empty: it has, or has not failed yet.
  virtual std::string lost_contact() const = 0;
  /// What was named and never answered, though it was waited for; empty: nothing.
  virtual std::string never_reached() const { return {}; }
  /// The last that was said of its connections; empty: nothing.
  virtual std::string last_error() const = 0;
};

}  // namespace ombt::controller
