// SPDX-License-Identifier: Apache-2.0
// ombt-agent: any number of test agents in one process. The command line, and nothing else.
#include "agents/run_fleet.hpp"
#include "tools/command_line/help_format.hpp"
#include "tools/command_line/mask.hpp"
#include "tools/command_line/read.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace {

constexpr const char* description =
    "Runs test agents on a message bus: RPC servers that answer, RPC clients that\n"
    "call, notifiers and listeners. They do nothing by themselves; ombt-controller\n"
    "(or ombt's own controller) finds them by their topic and has them run a test.";

constexpr const char* examples =
    "Examples:\n"
    "  One server and ten clients in this terminal, on a local RabbitMQ:\n"
    "    ombt-agent --url rabbit://localhost --rpc-server 1 --rpc-client 10\n"
    "  The same in the background; the command returns when all are ready:\n"
    "    ombt-agent --url rabbit://localhost --rpc-server 1 --rpc-client 10 --daemon\n"
    "  Then, on the same machine, or with --hosts from another one:\n"
    "    ombt-controller rpc-call --calls 1000\n"
    "    ombt-controller shutdown\n"
    "  A thousand clients with one connection each on four I/O threads:\n"
    "    ombt-agent --url rabbit://bus --rpc-client 1000 --topology lean \\\n"
    "      --threads 4\n"
    "  Controllers come to port 5700, which all agents of a user on a machine share.\n"
    "  A second test bed has another one:\n"
    "    ombt-agent --listen 5800 --url rabbit://bus --rpc-client 50 --daemon\n"
    "  Controllers over the bus under test, as ombt's do, or over another bus:\n"
    "    ombt-agent --control bus --url rabbit://bus --rpc-client 50 --daemon\n"
    "    ombt-agent --control rabbit://other --url rabbit://bus --rpc-client 50 \\\n"
    "      --daemon\n"
    "  For a batch system: gone by themselves 10 minutes after the last controller,\n"
    "  and never asked for more than 1,000 messages/s of at most 64 KiB:\n"
    "    ombt-agent --rpc-client 50 --idle-exit 600 --max-rate 1000 \\\n"
    "      --max-length 64K --daemon --pid-file agents.pid\n"
    "  Ten topics with a server and two clients each, in one process:\n"
    "    ombt-agent --topics 10 --rpc-server 10 --rpc-client 20 --daemon\n"
    "    ombt-controller --topics 10 rpc-call --calls 1000\n"
    "  One launch for many tests: agents without a role, which ombt-controller assign\n"
    "  makes clients and servers, and then others, on this bus or one of the lab:\n"
    "    ombt-agent --standby 200 --url amqp://bus --threads 2 \\\n"
    "      --max-agents 150 --allow-url 'amqp://lab-*' --daemon\n"
    "    ombt-controller assign --rpc-clients 100 --rpc-servers 2\n"
    "    ombt-controller rpc-call --calls 1000\n"
    "  Servers that take 5 ms on average for each request, and a file of every\n"
    "  message a server:\n"
    "    ombt-agent --rpc-server 4 --service-time exp:5ms --output 'server-%n.jsonl'\n"
    "\n"
    "Control without a bus: on the same machine only processes of the same user get\n"
    "through, over a socket in a folder of the user's\n"
    "(OMBT_RUNTIME_DIR, else /tmp/ombt-UID); over TCP whoever has the same token:\n"
    "--token-file, else OMBT_TOKEN_FILE, else ~/.config/ombt/token, which is made on\n"
    "first use.\n"
    "\n"
    "The agents leave on the controller's shutdown, SIGTERM, SIGINT or SIGHUP.\n"
    "Exit status: 0 left as told, 1 the bus or an agent failed, 2 a setting is wrong.";

}  // namespace

int main(int argc, char** argv) {
  ombt::agents::fleet_options options;
  bool background = false;
  bool debug = false;
  CLI::App app(description, "ombt-agent");
  app.footer(examples);
  app.set_version_flag("--version", "ombt-agent " OMBT_VERSION);
  app.formatter(ombt::tools::help_format());

  app.add_option("--rpc-server", options.rpc_servers, "RPC servers to run")->type_name("N");
  app.add_option("--rpc-client", options.rpc_clients, "RPC clients to run")->type_name("N");
  app.add_option("--listener", options.listeners, "notification listeners to run")->type_name("N");
  app.add_option("--notifier", options.notifiers, "notifiers to run")->type_name("N");
  app.add_option("--standby", options.standby,
                 "agents without a role, in place of those above: a controller's assign gives them "
                 "kinds, topics and a bus, and other ones later; by direct control only")
      ->type_name("N");
  app.add_option(
         "--url", options.url,
         "bus under test, as oslo.messaging writes it: rabbit://user:password@host:port/vhost "
         "(default rabbit://localhost:5672)")
      ->type_name("URL")
      ->envname("OMBT_URL");
  app.add_option("--control", options.control_url,
                 "where controllers are heard: bus, that under test, as ombt does; another bus's "
                 "URL; or without a bus at tcp://[HOST]:PORT or unix:/PATH (default: " +
                     std::string(ombt::agents::default_control) + ")")
      ->type_name("URL")
      ->envname("OMBT_CONTROL");
  app.add_option("--listen", options.listen,
                 "be heard without a bus at that port, of all addresses or of that host's, and on "
                 "its local socket; in place of --control. Agents of a user share it: the first of "
                 "them listens, at the HOST that it was given; another's counts when that one "
                 "takes over")
      ->type_name("[HOST:]PORT");
  app.add_option("--token-file", options.token_file,
                 "file with the secret of controllers that come over TCP, readable by its owner "
                 "alone (default: OMBT_TOKEN_FILE, else ~/.config/ombt/token)")
      ->type_name("FILE");
  app.add_option("--topic", options.topic,
                 "agents and controllers of the same topic find each other")
      ->type_name("T")
      ->capture_default_str();
  app.add_option("--topics", options.topics,
                 "spread the agents of each kind evenly over N topics T-0, T-1, … (T: \"topic\" "
                 "unless --topic is given); each gets one at least")
      ->type_name("N");
  app.add_flag("--unique", options.unique,
               "be heard under the control topic \"singleton\", as ombt's --unique");
  app.add_option("--oslo-config", options.oslo_config,
                 "oslo.config file with [DEFAULT], [oslo_messaging_rabbit], [oslo_messaging_amqp]")
      ->type_name("FILE");
  app.add_option("--name", options.name,
                 "name of the agent; several get -0, -1, … (default: generated)")
      ->type_name("PREFIX");
  app.add_option("--timeout", options.timeout,
                 "seconds an operation may take, and the agents may take to be ready (default: "
                 "the file's rpc_response_timeout for an operation, 60)")
      ->type_name("S");
  app.add_option("--body-limit", options.body_limit,
                 "largest message accepted from the bus: 64K to 1G, default 64M; a larger one is "
                 "discarded and counted")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false).description(""));
  app.add_option("--topology", options.topology,
                 "connections: oslo (as the Python library), lean (one an agent), shared:N (N a "
                 "thread)")
      ->type_name("KIND")
      ->capture_default_str();
  app.add_option("--threads", options.threads, "I/O threads that the agents are spread over")
      ->type_name("K")
      ->capture_default_str();
  app.add_option(
         "--bind-address", options.bind_address,
         "addresses of this machine that connections to the bus begin at, in turn: each has "
         "about 28,000 local ports")
      ->type_name("A,B,…");
  app.add_option("--service-time", options.service_time,
                 "how long an RPC server takes for a request: 5ms always, exp:5ms on average "
                 "(default: no time)")
      ->type_name("TIME");
  app.add_option("--site", options.site,
                 "where the RPC clients and servers are, such as a region: native agents tell each "
                 "other, and reports say which calls stayed on their site")
      ->type_name("NAME");
  app.add_option("--pool", options.pool, "pool of the listeners: its members share notifications")
      ->type_name("P");
  app.add_option("--output", options.output,
                 "write a JSON line a message; %n in the name is the agent's number and makes a "
                 "file an agent")
      ->type_name("FILE");
  app.add_option("--metrics", options.metrics,
                 "serve figures for Prometheus at http://HOST:PORT/metrics; without HOST on "
                 "127.0.0.1, PORT 0 is one that is free, and a line says which")
      ->type_name("HOST:PORT");
  app.add_option("--max-rate", options.max_rate,
                 "refuse runs that ask for more messages/s of this process's agents together: open "
                 "loops, and closed ones with a pause (default: no limit)")
      ->type_name("R");
  app.add_option("--max-length", options.max_length,
                 "refuse runs with a larger payload, in bytes or as 64K (default: no limit)")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false).description(""));
  app.add_option("--max-agents", options.max_agents,
                 "refuse to give more than N standby agents a role at once (default: all of them)")
      ->type_name("N");
  app.add_option("--allow-url", options.allowed_urls,
                 "standby agents may also be assigned to buses whose URL, without user and "
                 "password, is so: * stands for any characters, ? for one; may be repeated "
                 "(default: the bus of --url alone)")
      ->type_name("PATTERN")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--idle-exit", options.idle_exit,
                 "leave, with status 0, when no controller was there for so many seconds (default: "
                 "stay)")
      ->type_name("S");
  app.add_option("--pid-file", options.pid_file,
                 "file that has the process id while the agents are ready")
      ->type_name("FILE");
  app.add_flag("--daemon", background, "return when the agents are ready, and leave them running");
  app.add_flag("--debug", debug, "say on standard error what is used");

  if (const auto status = ombt::tools::read_command_line(app, {argv + 1, argv + argc})) {
    return *status;
  }
  ombt::tools::mask_command_line(argc, argv);
  if (options.topics && app.count("--topic") == 0) options.topic = ombt::wire::control::usual_stem;
  if (options.rpc_servers == 0 && options.rpc_clients == 0 && options.listeners == 0 &&
      options.notifiers == 0 && options.standby == 0) {
    return ombt::tools::refuse_command_line(
        app,
        "no agents asked for: give --rpc-server, --rpc-client, --listener, --notifier or "
        "--standby");
  }
  if (options.standby > 0 && app.count("--topic") > 0) {
    return ombt::tools::refuse_command_line(
        app, "--topic: ombt-controller assign says which topics --standby agents are in");
  }
  // In the environment it may be for everything that is started from there.
  const bool named = std::any_of(argv + 1, argv + argc, [](std::string_view one) {
    return one == "--control" || one.starts_with("--control=");
  });
  if (named && !options.listen.empty()) {
    return ombt::tools::refuse_command_line(app, "--listen takes the place of --control: give one");
  }
  return ombt::agents::run_fleet("ombt-agent", options, background, debug);
}
