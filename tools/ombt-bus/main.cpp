// SPDX-License-Identifier: Apache-2.0
// ombt-bus: a private message bus for a command, a test or a session. Options only; the work is
// the supervisor's.
#include "tools/command_line/help_format.hpp"
#include "tools/command_line/mask.hpp"
#include "tools/command_line/read.hpp"
#include "tools/ombt-bus/private_rabbit.hpp"
#include "tools/ombt-bus/private_router.hpp"
#include "tools/ombt-bus/supervisor.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace {

constexpr const char* description =
    "Starts a private bus, runs a command against it, stops it. The bus is a RabbitMQ\n"
    "(with a folder, a node name, an epmd and ports of its own) or an AMQP 1.0\n"
    "router, listens on 127.0.0.1 only, and leaves nothing behind.\n"
    "\n"
    "  ombt-bus rabbit [options] -- COMMAND [arguments]   a bus while COMMAND runs\n"
    "  ombt-bus rabbit [options]                          prints the URL, runs until\n"
    "                                                     Ctrl-C\n"
    "  ombt-bus router [options] [-- COMMAND …]           the same with ombt-router\n"
    "  ombt-bus qdrouterd [options] [-- COMMAND …]        with qdrouterd from PATH\n"
    "\n"
    "COMMAND finds the bus's URL in OMBT_URL, where ombt-agent and ombt-controller\n"
    "look for it. rabbitmqctl of /usr/lib/rabbitmq/bin reaches the broker as it is.\n"
    "More variables: OMBT_BUS_PID (the process of the broker or router), OMBT_BUS_DIR\n"
    "(its folder, with broker.pid, the process of the moment, and RabbitMQ's\n"
    "log/broker.log), OMBT_BUS_SUPERVISOR (ombt-bus itself: a broker or router that\n"
    "was killed is started again on the same port, RabbitMQ with the same data, by\n"
    "signal USR1 to it).\n"
    "\n"
    "When COMMAND ends, processes that it left running are ended too.";

constexpr const char* exit_status =
    "Exit status: COMMAND's own (128 + n if signal n ended it); 0 without COMMAND\n"
    "after a signal; 1 if the bus can't be started; 2 for wrong options; 126, 127 if\n"
    "COMMAND can't be run.\n";

constexpr const char* rabbit_environment =
    "Environment: TMPDIR (where its folder goes), OMBT_RABBITMQ_SCRIPTS (folder of\n"
    "rabbitmq-server, /usr/lib/rabbitmq/bin).";

constexpr const char* router_environment = "Environment: TMPDIR (where its folder goes).";

std::string variable_or(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  namespace bus = ombt::tools::bus;
  bus::run_options options;
  bus::rabbit_options rabbit_settings;
  bus::router_options router_settings;
  rabbit_settings.folder_parent = router_settings.folder_parent = variable_or("TMPDIR", "/tmp");
  rabbit_settings.scripts = variable_or("OMBT_RABBITMQ_SCRIPTS", rabbit_settings.scripts.c_str());

  // What follows "--" is the command's, whatever it looks like.
  int ours = 1;
  while (ours < argc && std::string(argv[ours]) != "--") ++ours;
  const bool with_command = ours < argc;
  if (with_command) options.command.assign(argv + ours + 1, argv + argc);

  CLI::App app{description, "ombt-bus"};
  const std::string footer = std::string(exit_status) + rabbit_environment;
  app.footer(footer);
  app.formatter(ombt::tools::help_format());
  app.set_version_flag("--version", std::string("ombt-bus ") + OMBT_VERSION);
  app.require_subcommand(1);
  auto* rabbit =
      app.add_subcommand("rabbit", "RabbitMQ, one node (Debian package rabbitmq-server)");
  auto* router = app.add_subcommand("router", "ombt-router, the AMQP 1.0 router beside ombt-bus");
  auto* qdrouterd = app.add_subcommand("qdrouterd", "qpid-dispatch's AMQP 1.0 router, from PATH");
  rabbit->footer(footer);
  router->footer(std::string(exit_status) + router_environment);
  qdrouterd->footer(std::string(exit_status) + router_environment);
  int port = 0;
  int nodes = 1;
  for (auto* kind : {rabbit, router, qdrouterd}) {
    kind->add_option("--port", port, "AMQP port on 127.0.0.1 (default: one that is free)")
        ->check(CLI::Range(1, 65535).description(""))
        ->type_name("N");
  }
  rabbit->add_option("--nodes", nodes, "number of nodes; only 1 for now: clusters come later")
      ->type_name("N");
  rabbit
      ->add_option("--plugin", rabbit_settings.plugins,
                   "enable this plugin of RabbitMQ; may be given again; one that listens itself "
                   "does so on its usual port")
      ->type_name("NAME")
      ->expected(1)
      ->take_all();
  rabbit->add_flag("--restart-on-exit", options.restart_on_exit,
                   "start the broker again, same port and data, whenever it dies");
  for (auto* kind : {router, qdrouterd}) {
    kind->add_flag("--restart-on-exit", options.restart_on_exit,
                   "start the router again, same port, whenever it dies");
  }
  const std::string first = ours > 1 ? argv[1] : "-";
  if (first[0] != '-' && first != "rabbit" && first != "router" && first != "qdrouterd") {
    std::cerr << "ombt-bus: no bus of the kind '" << first
              << "', only rabbit, router and qdrouterd\n";
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
  rabbit_settings.port = router_settings.port = static_cast<std::uint16_t>(port);
  ombt::tools::mask_command_line(argc, argv);  // the command's URLs
  if (qdrouterd->parsed()) router_settings.kind = bus::router_kind::qdrouterd;
  if (!rabbit->parsed()) {
    bus::private_router started(router_settings);
    return bus::supervise(options, started);
  }
  bus::private_rabbit started(rabbit_settings);
  return bus::supervise(options, started);
}
