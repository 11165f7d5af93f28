// SPDX-License-Identifier: Apache-2.0
// ombt-bus: a private message bus for a command, a test or a session. Options only; the work is
// the supervisor's.
#include "tools/command_line/help_format.hpp"
#include "tools/command_line/mask.hpp"
#include "tools/command_line/read.hpp"
#include "tools/ombt-bus/supervisor.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace {

constexpr const char* description =
    "Starts a private RabbitMQ, runs a command against it, stops it. It has a folder,\n"
    "a node name, an epmd and ports of its own, listens on 127.0.0.1 only, and leaves\n"
    "nothing behind.\n"
    "\n"
    "  ombt-bus rabbit [options] -- COMMAND [arguments]   a bus while COMMAND runs\n"
    "  ombt-bus rabbit [options]                          prints the URL, runs until\n"
    "                                                     Ctrl-C\n"
    "\n"
    "COMMAND finds the bus's URL in OMBT_URL, where ombt-agent and ombt-controller\n"
    "look for it. rabbitmqctl of /usr/lib/rabbitmq/bin reaches the broker as it is.\n"
    "More variables: OMBT_BUS_PID (the broker's process), OMBT_BUS_DIR (its folder,\n"
    "with log/broker.log and broker.pid, the process of the moment),\n"
    "OMBT_BUS_SUPERVISOR (ombt-bus itself: a broker that was killed is started again\n"
    "on the same port, with the same data, by signal USR1 to it).\n"
    "\n"
    "When COMMAND ends, processes that it left running are ended too.";

constexpr const char* footer =
    "Exit status: COMMAND's own (128 + n if signal n ended it); 0 without COMMAND\n"
    "after a signal; 1 if the bus can't be started; 2 for wrong options; 126, 127 if\n"
    "COMMAND can't be run.\n"
    "Environment: TMPDIR (where its folder goes), OMBT_RABBITMQ_SCRIPTS (folder of\n"
    "rabbitmq-server, /usr/lib/rabbitmq/bin).";

std::string variable_or(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  ombt::tools::bus::run_options options;
  options.rabbit.folder_parent = variable_or("TMPDIR", "/tmp");
  options.rabbit.scripts = variable_or("OMBT_RABBITMQ_SCRIPTS", options.rabbit.scripts.c_str());

  // What follows "--" is the command's, whatever it looks like.
  int ours = 1;
  while (ours < argc && std::string(argv[ours]) != "--") ++ours;
  const bool with_command = ours < argc;
  if (with_command) options.command.assign(argv + ours + 1, argv + argc);

  CLI::App app{description, "ombt-bus"};
  app.footer(footer);
  app.formatter(ombt::tools::help_format());
  app.set_version_flag("--version", std::string("ombt-bus ") + OMBT_VERSION);
  app.require_subcommand(1);
  auto* rabbit =
      app.add_subcommand("rabbit", "RabbitMQ, one node (Debian package rabbitmq-server)");
  rabbit->footer(footer);
  int port = 0;
  int nodes = 1;
  rabbit->add_option("--port", port, "AMQP port on 127.0.0.1 (default: one that is free)")
      ->check(CLI::Range(1, 65535).description(""))
      ->type_name("N");
  rabbit->add_option("--nodes", nodes, "number of nodes; only 1 for now: clusters come later")
      ->type_name("N");
  rabbit->add_flag("--restart-on-exit", options.restart_on_exit,
                   "start the broker again, same port and data, whenever it dies");
  if (ours > 1 && argv[1][0] != '-' && argv[1] != std::string("rabbit")) {
    std::cerr << "ombt-bus: no bus of the kind '" << argv[1] << "', only rabbit\n";
    return 2;
  }
  if (const auto status = ombt::tools::read_command_line(app, {argv + 1, argv + ours})) {
    return *status;
  }
  if (nodes != 1) {
    std::cerr << "ombt-bus: --nodes " << nodes << ": only 1 node for now, clusters come later\n";
    return 2;
  }
  if (with_command && options.command.empty()) {
    std::cerr << "ombt-bus: no command after --\n";
    return 2;
  }
  options.rabbit.port = static_cast<std::uint16_t>(port);
  ombt::tools::mask_command_line(argc, argv);  // the command's URLs
  return ombt::tools::bus::supervise(options);
}
