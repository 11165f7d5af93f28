// SPDX-License-Identifier: Apache-2.0
// ombt: the command line of ombt 3.0.0, so that what calls that can call this. Its modes and
// options with their defaults, and nothing else; ombt-agent and ombt-controller can do more.
#include "wire/configuration_error.hpp"
#include "wire/oslo/messages.hpp"

#include "agents/run_fleet.hpp"
#include "controller/settings.hpp"
#include "tools/command_line/help_format.hpp"
#include "tools/command_line/mask.hpp"
#include "tools/command_line/read.hpp"
#include "tools/ombt/abbreviations.hpp"
#include "tools/ombt/log_file.hpp"
#include "tools/ombt/standalone.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

namespace {

using ombt::agents::fleet_options;
using ombt::controller::settings;

constexpr const char* description =
    "Benchmark tool for oslo.messaging: ombt's command line, native. Agents and\n"
    "controllers of both kinds understand each other.";

constexpr const char* footer =
    "--executor is accepted wherever ombt has it, and has no effect: the agents here\n"
    "have their own I/O threads. As in ombt, OMBT_URL is not read.\n"
    "rpc and notify use a topic of their own unless --topic (or --pool) is given, so\n"
    "that agents of others take no part.\n"
    "Options of a mode, and those above, may stand before or after what follows it,\n"
    "and may be shortened as far as they stay unique.\n"
    "Examples:\n"
    "  ombt --url rabbit://localhost rpc --calls 100\n"
    "  ombt rpc-server --daemon && ombt rpc-client --daemon\n"
    "  ombt controller rpc-call --calls 100\n"
    "  ombt controller shutdown\n"
    "\n"
    "Exit status: 0 success, 1 the bus, an agent or a result failed, 2 a setting is\n"
    "wrong.";

/// What the command line says; texts are checked by those who use them.
struct command_line {
  std::string url{ombt::controller::default_url};
  std::string control;
  std::string oslo_config;
  std::string topic = "test-topic";
  bool unique = false;
  bool debug = false;
  double timeout = 60;
  std::string logfile_prefix;

  long long count = 1;
  long long length = 1024;
  bool cast = false;
  bool verbose = false;
  double pause = 0;
  double delay = 0.25;
  std::string severity = "debug";
  double idle = 2;

  bool background = false;
  std::string name;
  std::string output;
  std::string pool;
  std::string executor;
};

/// ombt's --verbose takes a value, and whatever that is means yes; here it may do without, and no
/// means no.
bool truth_of(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return !(text == "0" || text == "false" || text == "no" || text == "off");
}

void add_verbose(CLI::App* to, command_line& c) {
  to->add_option_function<std::string>(
        "--verbose", [&c](const std::string& value) { c.verbose = truth_of(value); },
        "agents of ombt's log more")
      ->expected(0, 1)
      ->type_name("[BOOL]");
}

void add_executor(CLI::App* to, command_line& c) {
  to->add_option("--executor", c.executor, "no effect, see below")->type_name("NAME");
}

void add_load(CLI::App* to, command_line& c, const char* count_option, const char* count_text) {
  to->add_option(count_option, c.count, count_text)->type_name("N")->capture_default_str();
  to->add_option("--length", c.length, "bytes of payload in a message")
      ->type_name("N")
      ->capture_default_str();
}

void add_agent(CLI::App* to, command_line& c) {
  to->add_flag("--daemon", c.background, "return when the agent is ready, leave it running");
  to->add_option("--name", c.name, "name of the agent (default: generated)")->type_name("NAME");
  to->add_option("--output", c.output, "write a JSON line a message")->type_name("FILE");
}

CLI::App* add_test(CLI::App* controller, command_line& c, const char* name, const char* what,
                   const char* count_option, bool delay) {
  CLI::App* const test = controller->add_subcommand(name, what);
  add_load(test, c, count_option, "messages that each client sends");
  test->add_option("--pause", c.pause, "seconds between the messages of a client")
      ->type_name("S")
      ->capture_default_str();
  if (delay) {
    test->add_option("--delay", c.delay, "seconds from the end of the test to the first count")
        ->type_name("S")
        ->capture_default_str();
  }
  return test;
}

void add_globals(CLI::App& app, command_line& c) {
  app.add_option("--url", c.url, "bus under test")->type_name("URL")->capture_default_str();
  app.add_option("--control", c.control,
                 "bus for the control of ombt (default: as --url), or, for agents and controllers "
                 "of this project, tcp://HOST:PORT or unix:/PATH")
      ->type_name("URL");
  app.add_option("--oslo-config", c.oslo_config, "oslo.messaging configuration file")
      ->type_name("FILE");
  app.add_option("--topic", c.topic, "agents and controllers of the same topic find each other")
      ->type_name("T")
      ->capture_default_str();
  app.add_flag("--unique", c.unique, "agents are heard under the topic \"singleton\"");
  app.add_flag("--debug", c.debug, "say more");
  app.add_option("--timeout", c.timeout, "seconds after which a test fails")
      ->type_name("S")
      ->capture_default_str();
  app.add_option("--logfile-prefix", c.logfile_prefix,
                 "log to the file PREFIX<process id> instead of standard error")
      ->type_name("PREFIX");
}

void add_modes(CLI::App& app, command_line& c) {
  CLI::App* mode = app.add_subcommand("rpc", "a client and a server in one process");
  add_load(mode, c, "--calls", "calls to make");
  mode->add_flag("--cast", c.cast, "cast instead of call");
  add_executor(mode, c);
  add_verbose(mode, c);

  mode = app.add_subcommand("notify", "a notifier and a listener in one process");
  add_load(mode, c, "--calls", "notifications to send");
  add_executor(mode, c);
  add_verbose(mode, c);
  mode->add_option("--pool", c.pool, "pool of the listener")->type_name("P");

  mode = app.add_subcommand("rpc-server", "an RPC server");
  add_agent(mode, c);
  add_executor(mode, c);
  mode = app.add_subcommand("rpc-client", "an RPC client");
  add_agent(mode, c);
  mode = app.add_subcommand("listener", "a notification listener");
  add_agent(mode, c);
  add_executor(mode, c);
  mode->add_option("--pool", c.pool, "pool of the listener")->type_name("P");
  mode = app.add_subcommand("notifier", "a notifier");
  add_agent(mode, c);

  CLI::App* const controller = app.add_subcommand("controller", "run a test over agents");
  controller->require_subcommand(1);
  controller->add_option("--idle", c.idle, "the roll call ends after S seconds without an answer")
      ->type_name("S")
      ->capture_default_str();
  add_verbose(controller, c);
  controller->add_option("--output", c.output, "write a JSON line a phase: agent name -> results")
      ->type_name("FILE");
  add_test(controller, c, "rpc-call", "clients call, servers answer", "--calls", false);
  add_test(controller, c, "rpc-cast", "clients cast, no answers", "--calls", true);
  add_test(controller, c, "rpc-fanout", "clients cast to all servers", "--calls", true);
  add_test(controller, c, "notify", "notifiers notify, listeners listen", "--events", true)
      ->add_option("--severity", c.severity, "of the notifications")
      ->type_name("NAME")
      ->capture_default_str();
  controller->add_subcommand("shutdown", "tell all agents to leave");

  app.require_subcommand(1);
  app.fallthrough();
  for (CLI::App* const each : app.get_subcommands({})) {
    each->fallthrough();
    for (CLI::App* const test : each->get_subcommands({})) test->fallthrough();
  }
}

settings controller_settings(const command_line& c, const std::string& task) {
  settings s;
  s.program = "ombt";
  s.task = task;
  s.url = c.url;
  s.control = {c.control.empty() ? "bus" : c.control};
  s.oslo_config = c.oslo_config;
  s.topic = c.topic;
  s.unique = c.unique;
  s.debug = c.debug;
  s.verbose = c.verbose;
  s.timeout = c.timeout;
  s.idle = c.idle;
  s.count = c.count;
  s.length = std::to_string(c.length);
  s.pause = c.pause;
  s.delay = c.delay;
  s.severity = c.severity;
  return s;
}

fleet_options agent_options(const command_line& c) {
  fleet_options o;
  o.program = "ombt";
  o.url = c.url;
  o.control_url = c.control.empty() ? "bus" : c.control;  // as ever
  o.oslo_config = c.oslo_config;
  o.topic = c.topic;
  o.unique = c.unique;
  o.timeout = c.timeout;
  o.name = c.name;
  o.pool = c.pool;
  return o;
}

/// The modes with client and server in one process are for these two. ombt's measure whoever else
/// is on the topic, and tell all of them to leave; here they have a topic of their own as long as
/// none is named, and no pool whose members may be others.
void keep_alone(const CLI::App& app, const command_line& c, fleet_options& agents, settings& test) {
  agents.unique = test.unique = false;  // its control topic is everybody's
  if (app.count("--topic") != 0 || !c.pool.empty()) {
    test.others_too = true;
    return;
  }
  const auto id = ombt::wire::oslo::make_hex_id();
  agents.topic = test.topic = c.topic + '-' + std::string(ombt::wire::oslo::view(id));
  agents.own_topic = test.own_topic = true;
}

int run_mode(const CLI::App& app, const command_line& c) {
  const CLI::App* const chosen = app.get_subcommands().front();
  const std::string mode = chosen->get_name();
  ombt::tools::log_file log(c.logfile_prefix);
  if (const std::string why = log.refusal(); !why.empty()) {
    return ombt::tools::refuse_command_line(app, why);
  }
  const auto start_log = [&log] { log.start(); };
  int status = ombt::controller::exit_ok;
  if (mode == "controller") {
    settings s = controller_settings(c, chosen->get_subcommands().front()->get_name());
    s.output = c.output;
    start_log();
    status = ombt::controller::run_controller(s);
  } else if (mode == "rpc" || mode == "notify") {
    fleet_options o = agent_options(c);
    settings s = controller_settings(c, mode == "notify" ? "notify"
                                        : c.cast         ? "rpc-cast"
                                                         : "rpc-call");
    if (mode == "rpc") {
      o.rpc_clients = o.rpc_servers = 1;
      s.expect = {"rpc-client=1", "rpc-server=1"};
    } else {
      o.notifiers = o.listeners = 1;
      s.expect = {"notifier=1", "listener=1"};
    }
    keep_alone(app, c, o, s);
    status = ombt::tools::run_standalone(o, s, start_log);
  } else {
    fleet_options o = agent_options(c);
    o.output = c.output;
    o.rpc_servers = mode == "rpc-server" ? 1 : 0;
    o.rpc_clients = mode == "rpc-client" ? 1 : 0;
    o.listeners = mode == "listener" ? 1 : 0;
    o.notifiers = mode == "notifier" ? 1 : 0;
    status = ombt::agents::run_fleet("ombt", o, c.background, c.debug, start_log);
  }
  log.finish(status);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  command_line given;
  CLI::App app(description, "ombt");
  app.footer(footer);
  app.set_version_flag("--version", "ombt (native) " OMBT_VERSION);
  app.formatter(ombt::tools::help_format());
  // Of an option given twice the last counts, as in ombt.
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  add_globals(app, given);
  add_modes(app, given);
  std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    arguments = ombt::tools::expand_abbreviations(app, std::move(arguments));
  } catch (const ombt::configuration_error& e) {
    return ombt::tools::refuse_command_line(app, e.what());
  }
  if (const auto status = ombt::tools::read_command_line(app, std::move(arguments),
                                                         ombt::tools::empty_values::not_given)) {
    return *status;
  }
  ombt::tools::mask_command_line(argc, argv);
  return run_mode(app, given);
}
