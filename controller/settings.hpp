// SPDX-License-Identifier: Apache-2.0
#pragma once
// The controller's options as a user gives them, and the checking of them; and a whole session
// from checked options to exit status, as ombt-controller and ombt's controller mode do it. Knows
// no command line.

#include "drivers/metrics_server.hpp"

#include "controller/assign_settings.hpp"
#include "controller/direct_links.hpp"
#include "controller/load_options.hpp"
#include "controller/plan.hpp"
#include "controller/rate_goal.hpp"
#include "controller/run_directory.hpp"
#include "controller/watch/bus_processes.hpp"
#include "controller/whole_file.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::drivers {
class token;
struct transport_settings;
}  // namespace ombt::drivers

namespace ombt::controller {

inline constexpr std::string_view default_url = "rabbit://localhost:5672";

/// From the last client's result to the first question to the servers, seconds.
inline constexpr double default_delay = 0.25;

/// The subcommand that searches for the highest rate.
inline constexpr std::string_view find_rate_task = "find-rate";

/// Exit statuses of the programs.
inline constexpr int exit_ok = 0;
inline constexpr int exit_incomplete = 1;  ///< no result, or not of all agents, or messages failed
inline constexpr int exit_configuration = 2;  ///< nothing was started

struct settings {
  std::string program = "ombt-controller";
  std::string task;                  ///< a subcommand's name
  std::string url;                   ///< bus under test; empty: the file's, else default_url
  std::vector<std::string> control;  ///< places and buses, as --control takes them
  std::string hosts;                 ///< HOST[:PORT],… of direct control, beside those
  std::string hosts_file;            ///< the same, one a line
  std::string token_file;            ///< of direct control over TCP; empty: the usual one
  std::optional<std::string> wait;   ///< seconds to wait for agents that are held; empty: no limit
  bool force = false;                ///< shutdown of agents that another controller holds
  std::string bus;          ///< what it is, if the program itself started it; as reports say it
  std::string oslo_config;  ///< an oslo.config file, or empty
  std::string topic{wire::control::usual_topic};
  std::optional<int> topics;  ///< "<topic>-0" to "<topic>-<n - 1>", all at once
  bool own_topic = false;     ///< nobody else uses it: what is left of it on the bus is deleted
  bool unique = false;
  bool debug = false;
  bool verbose = false;
  double timeout = 60;  ///< seconds
  double idle = 2;      ///< seconds
  std::vector<std::string> expect;
  bool others_too = false;         ///< who is not expected takes part too, if it answers in `idle`
  std::vector<std::string> audit;  ///< KEY=VALUE each
  bool strict = false;             ///< a run that was harness-limited fails
  std::string output;              ///< file, or empty
  bool per_agent = false;          ///< each agent's own latency is wanted; `output` implies it
  std::string json;                ///< file, or empty
  std::string out;                 ///< folder, or empty
  std::string metrics;             ///< address at which figures are served, or empty
  std::optional<long long> count;  ///< messages of each client; none: 1, or what the load asks for
  std::string length = "1024";     ///< bytes of payload, as read_length() takes them
  double pause = 0;                ///< seconds
  load_settings load;
  search_settings search;       ///< of find-rate
  assign_settings assign;       ///< of assign
  std::optional<double> delay;  ///< seconds; none: default_delay
  std::string severity = "debug";
};

/// The settings, read and checked.
struct checked_settings {
  settings given;
  plan what;                        ///< of find-rate: that of a probe, at the first rate
  std::optional<rate_goal> goal;    ///< of find-rate
  std::optional<placement> assign;  ///< of assign; `what` is then that of status
  std::vector<std::shared_ptr<const drivers::transport_settings>> control_buses;
  std::vector<direct_links::place> places;       ///< of direct control
  std::shared_ptr<const drivers::token> secret;  ///< of these, if one is reached over TCP
  controller::bus_hosts bus_hosts;  ///< of the bus under test; none: what the agents say
  std::string masked_url;           ///< the same
  std::string masked_control;       ///< all places and buses
  whole_file output;
  whole_file json;
  std::shared_ptr<run_directory> out;  ///< empty: no folder
  std::optional<drivers::listen_address> metrics;
  /// Asked a few times a second while the session runs, and told why there is no contact with the
  /// bus (empty: there is); a text that is not empty ends the session, as the reason. May be empty.
  std::function<std::string(const std::string& lost)> trouble;
};

/// The subcommand of the test that is run: the task, or what find-rate makes its probes of.
const std::string& test_name(const settings& given) noexcept;

/// Checks everything that can be checked without a bus. Throws configuration_error: one line,
/// passwords masked.
checked_settings check_settings(const settings& given);

/// Whether anything says where a test is to run: a URL or a place, in the options or in the
/// configuration file, or agents that are expected. Throws configuration_error for a file that
/// cannot be read.
bool names_a_place(const settings& given);

/// Has settings that were checked use this bus, for the test and for control: one whose URL is
/// known only once it runs. Throws configuration_error.
void use_bus(checked_settings& checked, const std::string& url);

/// Runs the session, prints its report to standard output, writes the files, and says on standard
/// error what went wrong; of find-rate all its sessions. SIGINT, SIGTERM and SIGHUP end it cleanly,
/// and so does one that early_signals has noted before. Returns the exit status.
int run_controller(const checked_settings& checked);

/// check_settings and run_controller, a configuration error as one line and exit status 2.
int run_controller(const settings& given);

}  // namespace ombt::controller
