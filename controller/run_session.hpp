// SPDX-License-Identifier: Apache-2.0
#pragma once
// One session, or several one after the other: what run_controller() and run_find_rate()
// have in common. On the main thread.

#include "drivers/loop.hpp"

#include "controller/json_report.hpp"
#include "controller/outcome.hpp"
#include "controller/settings.hpp"
#include "controller/spectator.hpp"

#include <memory>
#include <string>

namespace ombt::controller {

class direct_links;
class session_runner;

/// The loop that a program's sessions run on. SIGINT, SIGTERM and SIGHUP end the present one, and
/// then each that begins; so does one that early_signals has noted.
struct session_loop {
  /// Serves figures where the settings say so; then throws configuration_error if it can't.
  explicit session_loop(const checked_settings& checked);
  ~session_loop();

  drivers::loop loop;
  spectator looks;
  bool interrupted = false;
  session_runner* present = nullptr;
  /// Of all sessions, so that agents which are held stay so between them.
  std::unique_ptr<direct_links> links;
};

/// Runs a session of this plan until it is closed, under an address of its own. Throws
/// configuration_error for a topic that is too long.
outcome run_session(const checked_settings& checked, const plan& asked, session_loop& on);

/// The connections to the places of these settings, by a controller of that name; none yet.
std::unique_ptr<direct_links> links_for(const checked_settings& checked, drivers::loop& loop,
                                        const std::string& controller);

/// Gives standby agents their roles, says what they are, writes the file. Returns the exit status.
int run_assign(const checked_settings& checked);

/// Searches the highest rate, session by session, prints the report, writes the files. Returns the
/// exit status.
int run_find_rate(const checked_settings& checked);

/// What reports say of the program and the buses, beginning now.
report_header header_of(const checked_settings& checked);
/// The rest of it, which agents may have told.
void finish_header(report_header& header, const outcome& found);

double epoch_seconds();
/// "PROGRAM: what" on standard error, passwords masked.
void say_error(const std::string& program, const std::string& what);
/// Writes out what standard output has; false: that it cannot is said.
bool flush_output(const std::string& program);

}  // namespace ombt::controller
