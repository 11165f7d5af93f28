// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs a session: carries what the state machine wants sent to its carriers, all of them, and what
// they hear to the state machine, and keeps its time. Owns the machine and the carriers. Everything
// on the loop's thread.
//
// An action goes to each carrier that takes it; what is for one process goes to the first that
// reaches it. It is complete when all of those have completed it,
// and has failed if it failed in one of them, with the words of the first that did: what was asked
// of only some of the agents is asked again or given up by the session, as on one bus. An action
// that none takes has failed with connection_lost.

#include "drivers/loop.hpp"

#include "controller/session.hpp"
#include "controller/session_carrier.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ombt::controller {

class session_runner final : private carrier_events, private drivers::timer_target {
 public:
  /// One carrier at least. changed runs after every turn in which the session moved (for progress);
  /// closed runs once, when the session has finished and the carriers are closed.
  session_runner(drivers::loop& loop, std::vector<std::unique_ptr<session_carrier>> carriers,
                 session machine, std::function<void()> changed, std::function<void()> closed);
  ~session_runner();
  session_runner(const session_runner&) = delete;
  session_runner& operator=(const session_runner&) = delete;

  /// What processes tell of the run that is on, by direct control. Before start().
  void on_live(std::function<void(const wire::control::live_report&, process_number)> told) {
    live_ = std::move(told);
  }
  void start();
  /// Ends the session early and closes.
  void cancel(std::string_view why);

  const session& machine() const noexcept { return machine_; }
  /// Why a carrier has no contact now; empty: all have, or have not failed yet.
  std::string lost_contact() const;
  /// What the session found; with the carriers' last error where nothing could be done. Once, after
  /// closed.
  outcome take_result();

 private:
  struct under_way {
    std::size_t carriers = 0;  ///< that have not completed it
    error_code error;
    std::string detail;
  };

  void on_ready(session_carrier& which) override;
  void on_trouble(error_code error, std::string_view detail, bool final) override;
  void on_asking(std::uint64_t tag) override;
  void on_answer(std::uint64_t tag, wire::json::value answer) override;
  void on_complete(std::uint64_t tag, error_code error, std::string_view detail) override;
  void on_pong(const wire::control::client_pong_request& pong, std::uint32_t topic,
               process_number from) override;
  void on_result(const wire::control::client_result_request& result, std::uint32_t topic,
                 process_number from) override;
  void on_results(wire::control::agent_kind kind, const wire::control::result_batch& results,
                  std::uint32_t topic, process_number from) override;
  void on_unreadable(wire::control::agent_kind kind, std::string_view why, std::uint32_t topic,
                     process_number from) override;
  void on_malformed() override { machine_.on_malformed(); }
  void on_process(process_number which, const wire::control::process_hello& hello) override;
  void on_gone(process_number which, std::string_view why) override;
  void on_left_out(std::string_view what) override { machine_.on_left_out(what); }
  void on_started(const wire::control::started_notice& started) override;
  void on_progress(const wire::control::live_report& report, process_number from) override;
  void on_timer(std::uint64_t) override;

  void pump();
  void send(const action& what);
  void close();
  std::string last_error() const;

  drivers::loop& loop_;
  std::vector<std::unique_ptr<session_carrier>> carriers_;
  std::vector<bool> ready_;  ///< of each carrier: it has been, once
  session machine_;
  std::function<void()> changed_;
  std::function<void()> closed_;
  std::function<void(const wire::control::live_report&, process_number)> live_;
  std::unordered_map<std::uint64_t, under_way> under_way_;
  drivers::loop::timer_id timer_ = 0;
  std::optional<time_point> timer_at_;
  std::string last_error_;   ///< when the session had finished
  std::string known_error_;  ///< the last that the machine was told
  std::size_t open_ = 0;     ///< carriers that are not closed
  bool pumping_ = false;
  bool closing_ = false;
};

}  // namespace ombt::controller
