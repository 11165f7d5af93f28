// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who looks on while a session goes on: hears what agents on this machine say each second of a run,
// shows it on the terminal and serves it as figures (--metrics). Owns the line, the ear and the
// figures, not the session. Where nobody looks, agents are not asked to say anything. Everything on
// the loop's thread.

#include "wire/json/value.hpp"

#include "drivers/datagrams.hpp"
#include "drivers/loop.hpp"
#include "drivers/metrics_server.hpp"

#include "controller/live_figures.hpp"
#include "controller/live_view.hpp"
#include "controller/progress.hpp"
#include "controller/session.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace ombt::controller {

class spectator final : private drivers::timer_target {
 public:
  /// Serves figures if there is an address for it; then throws configuration_error where it can't
  /// listen there.
  spectator(drivers::loop& on, const std::optional<drivers::listen_address>& metrics);
  ~spectator();
  spectator(const spectator&) = delete;
  spectator& operator=(const spectator&) = delete;

  /// "http://127.0.0.1:9100/metrics"; empty if no figures are served.
  const std::string& url() const noexcept { return url_; }
  /// Has a plan's agents told where to say how its run goes on, if anybody looks: those of this
  /// machine, or those by direct control to their connections.
  void ask_in(plan& what);
  /// Stands before the phase on the terminal (progress_line::set_heading).
  void set_heading(std::string heading) { line_.set_heading(std::move(heading)); }
  /// Looks at the session from now on, by itself too; it must outlive this, or end_look() come
  /// first.
  void look_at(const session& machine);
  /// The session has moved.
  void changed();
  void end_look();
  /// What an I/O thread of a process says of the run; processes of this machine that are heard by
  /// themselves go by their ids, others by numbers below zero.
  void hear(const wire::control::live_report& report, std::int64_t process);
  /// Takes the line away, for something else to be said.
  void clear_line() { line_.clear(); }

 private:
  void on_timer(std::uint64_t) override;
  void read(std::string_view text, std::int64_t process);

  drivers::loop& loop_;
  progress_line line_;
  live_view view_;
  live_figures figures_;
  std::unique_ptr<drivers::metrics_server> server_;
  std::string url_;
  std::unique_ptr<drivers::datagram_receiver> ear_;
  wire::json::reader reader_;
  const session* machine_ = nullptr;
  drivers::loop::timer_id timer_ = 0;
};

}  // namespace ombt::controller
