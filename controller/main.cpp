// SPDX-License-Identifier: Apache-2.0
// ombt-controller: finds agents, has them run a test, reports. The command line, and nothing else.
#include "wire/configuration_error.hpp"
#include "wire/format.hpp"

#include "controller/control_places.hpp"
#include "controller/early_signals.hpp"
#include "controller/settings.hpp"
#include "tools/command_line/help_format.hpp"
#include "tools/command_line/mask.hpp"
#include "tools/command_line/read.hpp"
#include "tools/embedded/embedded_test.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace {

using ombt::controller::load_settings;
using ombt::controller::settings;
using ombt::tools::embedded_agents;

constexpr const char* description =
    "Finds the test agents of a topic, has them run a test, adds up what they\n"
    "measured and prints it. Agents are ombt-agent's or ombt's own, in any mixture.\n"
    "\n"
    "Agents are reached at port 5700 of each of --hosts, or of this machine, without\n"
    "a bus in between; with --control bus over the bus under test, as ombt does it.\n"
    "\n"
    "A test for which nothing is named (--hosts, --control, --url, transport_url in\n"
    "the file) and no agents are expected (--expect) takes those of this machine.\n"
    "Where there are none it brings its own: ombt-router and agents, as processes\n"
    "that end with it. What is named and does not answer is an error and never\n"
    "replaced.";

constexpr const char* clients_option = "--rpc-clients";
constexpr const char* servers_option = "--rpc-servers";
constexpr int most_embedded = 100'000;  // agents of a kind in a process

constexpr const char* examples =
    "Options may stand before or after the command.\n"
    "Examples:\n"
    "  Ten clients and a server on a router, all of them started for this test:\n"
    "    ombt-controller rpc-call --calls 1000 --rpc-clients 10\n"
    "  A thousand calls from each client of two hosts; of a batch job's hosts; of\n"
    "  agents that are reached over the bus:\n"
    "    ombt-controller --hosts node1,node2 rpc-call --calls 1000\n"
    "    ombt-controller --hosts-file $OAR_NODE_FILE rpc-call --calls 1000\n"
    "    ombt-controller --control bus --url rabbit://bus rpc-call --calls 1000\n"
    "  Start as soon as 20 servers and 1000 clients are there, keep the figures as\n"
    "  data:\n"
    "    ombt-controller rpc-call --expect rpc-server=20 --expect rpc-client=1000 \\\n"
    "      --json run.json\n"
    "  A load of 1000 calls a second for 30 s, whatever the bus does, after 5 s of\n"
    "  it that do not count; and one that grows:\n"
    "    ombt-controller rpc-call --rate 1000 --duration 30s --warmup 5s\n"
    "    ombt-controller rpc-call --ramp 100:5000:2m --arrivals poisson\n"
    "  A hundred topics at the same time, a client and a server each:\n"
    "    ombt-controller --topics 100 rpc-call --calls 1000\n"
    "  The highest rate at which 99 % of the calls take at most 20 ms:\n"
    "    ombt-controller find-rate --target-p99 20ms\n"
    "  Roles for agents that were started without (ombt-agent --standby):\n"
    "    ombt-controller assign --rpc-clients 100 --rpc-servers 2\n"
    "  Who is there?\n"
    "    ombt-controller status\n"
    "\n"
    "A run that is interrupted (Ctrl-C) has no figures.\n"
    "\n"
    "Exit status: 0 all done, 1 there is no result, or agents are missing, or\n"
    "messages failed or are missing, 2 a setting is wrong.";

constexpr const char* of_a_command =
    "And the options of ombt-controller --help, before or after the command: --hosts,\n"
    "--control, --topic, --expect, --timeout, --json and more.\n\n";

constexpr const char* of_assign =
    "And the options of ombt-controller --help, before or after the command: --hosts,\n"
    "--control, --topic, --timeout, --wait, --json and more.\n\n";

constexpr const char* test_example =
    "A run that is interrupted (Ctrl-C) has no figures.\n"
    "\n"
    "Exit status: 0 every message succeeded, 1 there is no result, or agents are\n"
    "missing, or messages failed or are missing, 2 a setting is wrong.";

constexpr const char* find_rate_example =
    "A rate holds when that percentile of all scheduled messages, failed, lost and\n"
    "dropped ones as infinite, is within the target, nothing was lost, failed or\n"
    "dropped, and the load was made in its time. A miss counts when it comes twice.\n"
    "Examples:\n"
    "  On a router and agents that are started for it, up to 5000 calls a second:\n"
    "    ombt-controller find-rate --target-p99 20ms --max-rate 5000\n"
    "  The agents of a test bed, closer, and the curve as data:\n"
    "    ombt-controller find-rate --target-p99 20ms --from 1000 --step 60s \\\n"
    "      --precision 1% --expect rpc-client=500 --json curve.json\n"
    "\n"
    "Exit status: 0 found, 1 no rate holds or the search was cut short, 2 a setting\n"
    "is wrong.";

constexpr const char* status_example =
    "Example: wait until 20 agents are there, at most 5 s, and list them by name:\n"
    "    ombt-controller status --expect 20 --timeout 5 --verbose\n"
    "\n"
    "Exit status: 0 the agents are listed, 1 the bus failed or agents that were\n"
    "expected are missing, 2 a setting is wrong.";

constexpr const char* assign_example =
    "Gives agents without a role (ombt-agent --standby N) kinds, topics and a bus,\n"
    "those that had others these in their place: all processes at once that are\n"
    "reached, each in proportion to its agents. Without numbers all are on standby.\n"
    "Examples:\n"
    "  On 50 hosts, with one launch, first RPC and then notifications:\n"
    "    ombt-controller --hosts-file nodes assign --rpc-clients 10000 \\\n"
    "      --rpc-servers 200 --topics 100\n"
    "    ombt-controller --hosts-file nodes --topics 100 rpc-call --calls 100\n"
    "    ombt-controller --hosts-file nodes assign --notifiers 500 --listeners 50\n"
    "    ombt-controller --hosts-file nodes notify --events 1000\n"
    "  Over two routers of one mesh:\n"
    "    ombt-controller --hosts h1,h2 assign --rpc-clients 100 --rpc-servers 10 \\\n"
    "      --bus amqp://user:password@r1 --bus amqp://user:password@r2\n"
    "\n"
    "Exit status: 0 all agents are ready, 1 there are too few, or a process could not\n"
    "do it, 2 a setting is wrong.";

constexpr const char* shutdown_example =
    "Example:\n"
    "    ombt-controller shutdown --hosts node1,node2 --topic mine\n"
    "\n"
    "Exit status: 0 the agents were told, 1 the bus failed or agents that were\n"
    "expected are missing, 2 a setting is wrong.";

void add_control(CLI::App& app, settings& s) {
  app.add_option("--control", s.control,
                 "where agents are reached: tcp://HOST:PORT or unix:/PATH (direct control of the "
                 "processes there), bus (over the bus under test, as ombt does), or another bus's "
                 "URL; may be repeated (default: tcp://:5700, the "
                 "agents of this machine)")
      ->type_name("PLACE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->envname("OMBT_CONTROL");
  app.add_option("--hosts", s.hosts,
                 "direct control of the agents of these hosts (port 5700); the "
                 "variable counts where no other place is named")
      ->type_name("HOST[:PORT],…")
      ->envname("OMBT_HOSTS");
  app.add_option("--hosts-file", s.hosts_file,
                 "the same, one a line as batch systems write them: repeats and # comments allowed")
      ->type_name("FILE");
  app.add_option("--token-file", s.token_file,
                 "secret that controllers and agents share over TCP (default: OMBT_TOKEN_FILE, "
                 "else ~/.config/ombt/token, made on first use)")
      ->type_name("FILE");
  app.add_option("--wait", s.wait,
                 "where another controller holds agents, wait until it lets them go, at most S "
                 "seconds (default: as long as it takes)")
      ->type_name("[S]")
      ->expected(0, 1);
}

void add_common_options(CLI::App& app, settings& s) {
  app.add_option("--url", s.url,
                 "bus under test, as oslo.messaging writes it: "
                 "rabbit://user:password@host:port/vhost (default: a test brings its own, see "
                 "above; else rabbit://localhost:5672)")
      ->type_name("URL")
      ->envname("OMBT_URL");
  add_control(app, s);
  app.add_option("--topic", s.topic, "agents and controllers of the same topic find each other")
      ->type_name("T")
      ->capture_default_str();
  app.add_option("--topics", s.topics,
                 "a run over N topics T-0, T-1, … at the same time (T: \"topic\" unless --topic is "
                 "given), as ombt-agent --topics has its agents in them; a rate is of all topics "
                 "together")
      ->type_name("N");
  app.add_flag("--unique", s.unique, "the agents were started with --unique");
  app.add_option("--timeout", s.timeout,
                 "seconds that agents may be silent in each phase; native clients at work are not")
      ->type_name("S")
      ->capture_default_str();
  app.add_option("--idle", s.idle, "the roll call ends when no agent answered for S seconds")
      ->type_name("S")
      ->capture_default_str();
  app.add_option("--expect", s.expect,
                 "wait for N agents (of the kinds that the test needs), or of a KIND: rpc-client, "
                 "rpc-server, listener, notifier; a test then begins without --idle; may be "
                 "repeated")
      ->type_name("N|KIND=N")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--output", s.output, "write ombt's JSON lines: a phase, agent name -> results")
      ->type_name("FILE");
  app.add_option("--json", s.json, "write the report as JSON; - is standard output, without text")
      ->type_name("FILE");
  app.add_option(
         "--out", s.out,
         "make the folder DIR and write there run.json (as --json), latency.hlog (histograms for "
         "HdrHistogram's tools) and agents.jsonl (a line an agent)")
      ->type_name("DIR");
  app.add_flag(
      "--per-agent", s.per_agent,
      "have each agent's own latency in --json and --out, too: by direct control, processes "
      "of agents otherwise add up what their agents report; --output implies it");
  app.add_option("--metrics", s.metrics,
                 "serve figures for Prometheus at http://HOST:PORT/metrics while the session goes "
                 "on; without HOST on 127.0.0.1, PORT 0 is one that is free, and a line on "
                 "standard error says which")
      ->type_name("HOST:PORT");
  app.add_option("--oslo-config", s.oslo_config,
                 "oslo.config file with [DEFAULT], [oslo_messaging_rabbit], [oslo_messaging_amqp]")
      ->type_name("FILE");
  app.add_flag("--verbose", s.verbose, "agents of ombt's log more; status lists names");
  app.add_flag("--debug", s.debug, "say on standard error what is used");
}

void add_rates(CLI::App* test, load_settings& load, const std::string& count_option) {
  test->add_option("--rate", load.rate,
                   "open loop: R messages a second of all clients together, sent when it is time, "
                   "not when the last one has completed; ends by --duration or " +
                       count_option + ", or by itself: 1000:30s,5000:60s")
      ->type_name("R|R:TIME,…");
  test->add_option("--rate-per-client", load.rate_per_client, "the same, R of each client")
      ->type_name("R|R:TIME,…");
  test->add_option("--ramp", load.ramp,
                   "open loop: from one rate to another, evenly, in TIME; then it ends")
      ->type_name("FROM:TO:TIME");
  test->add_option("--duration", load.duration,
                   "no client sends a new message after TIME: 500ms, 30s, 2m, 1h")
      ->type_name("TIME");
}

void add_pacing(CLI::App* test, load_settings& load, const std::string& usual_max_late,
                const std::string& warm_up) {
  test->add_option("--arrivals", load.arrivals,
                   "of an open loop: uniform (evenly, the default) or poisson (at random)")
      ->type_name("KIND");
  test->add_option("--seed", load.seed,
                   "of random arrivals and sizes: the same agents do the same again (default: "
                   "another one each time; --json tells it)")
      ->type_name("N");
  test->add_option("--outstanding", load.outstanding,
                   "of an open loop: messages that a client may have on their way at once (default "
                   "1000); further ones wait and are late")
      ->type_name("N");
  test->add_option("--max-late", load.max_late,
                   "of an open loop: a message that is later than TIME is not sent but counted as "
                   "dropped (default: " +
                       usual_max_late + ")")
      ->type_name("TIME");
  test->add_option("--warmup", load.warmup, warm_up + "; none of it counts")->type_name("TIME");
}

void add_length(CLI::App* test, settings& s) {
  test->add_option("--length", s.length,
                   "bytes of payload in a message; MIN-MAX: any size in between; @FILE: by the "
                   "file's lines SIZE WEIGHT")
      ->type_name("N|MIN-MAX|@FILE")
      ->capture_default_str();
}

void add_audit(CLI::App* test, settings& s) {
  test->add_option("--audit", s.audit,
                   "when the agents' own threads are taken for the limit: core (90 % of one makes "
                   "a second busy), seconds (10 % of them busy), delay (5 % of the time without a "
                   "CPU), lag (timers 1 ms late, p99), late (0.1 % of messages, "
                   "waits at --outstanding left out); may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  test->add_flag("--strict", s.strict, "exit status 1 if they are");
}

/// Of a test, or a search, that brings its own bus.
void add_embedded(CLI::App* test, embedded_agents& agents, const std::string& clients,
                  const std::string& servers) {
  const auto range = CLI::Range(1, most_embedded).description("");
  test->add_option(clients_option, agents.clients, clients)
      ->type_name("N")
      ->check(range)
      ->capture_default_str();
  test->add_option(servers_option, agents.servers, servers)
      ->type_name("N")
      ->check(range)
      ->capture_default_str();
}

CLI::App* add_test(CLI::App& app, settings& s, embedded_agents& agents, const char* name,
                   const char* what, const char* count_option) {
  CLI::App* const test = app.add_subcommand(name, what);
  test->footer(std::string(of_a_command) + test_example);
  const bool notify = std::string_view(name) == "notify";
  test->add_option(count_option, s.count,
                   "messages that each client sends (default: 1, with --duration as many as it "
                   "takes)")
      ->type_name("N");
  add_length(test, s);
  test->add_option("--pause", s.pause, "seconds a client waits after each message")
      ->type_name("S")
      ->capture_default_str();
  add_rates(test, s.load, count_option);
  add_pacing(test, s.load, "the agents' --timeout",
             "first the same for TIME, at the rate that the test begins with");
  add_audit(test, s);
  add_embedded(test, agents,
               notify ? "notifiers of a test that brings its own bus"
                      : "clients of a test that brings its own bus",
               notify ? "listeners of a test that brings its own bus"
                      : "servers of a test that brings its own bus");
  return test;
}

void add_delay(CLI::App* test, settings& s) {
  test->add_option("--delay", s.delay, "seconds from the last message to the first count")
      ->type_name("S")
      ->default_str(ombt::format("%g", ombt::controller::default_delay));
}

/// The search for the highest rate: each probe is one of the tests above.
void add_find_rate(CLI::App& app, settings& s, embedded_agents& agents) {
  ombt::controller::search_settings& search = s.search;
  CLI::App* const find =
      app.add_subcommand("find-rate", "search the highest rate at which a percentile holds");
  find->footer(std::string(of_a_command) + find_rate_example);
  const auto target = [&](const char* name, std::string& to, const char* what) {
    find->add_option(name, to, what)->type_name("TIME");
  };
  target("--target-p99", search.p99,
         "what 99 % of all scheduled messages may take, from the instant that each was to be sent, "
         "with its unit: 500us, 20ms, 1.5s");
  target("--target-p50", search.p50, "in place of it: what half of them may take");
  target("--target-p90", search.p90, "in place of it: what 90 % of them may take");
  target("--target-p999", search.p999, "in place of it: what 99.9 % of them may take");
  find->add_option("--test", search.test, "what is done: rpc-call, rpc-cast, rpc-fanout, notify")
      ->type_name("NAME")
      ->capture_default_str();
  const auto rate = [&](const char* name, std::string& to, const char* what) {
    find->add_option(name, to, what)->type_name("R");
  };
  rate("--from", search.from, "the first rate that is probed, messages a second (default 100)");
  rate("--min-rate", search.least, "the lowest that is probed (default 10, or --from)");
  rate("--max-rate", search.most, "the highest that is probed (default 10000000)");
  find->add_option("--precision", search.precision,
                   "how far apart the rates that hold and that miss are at the end")
      ->type_name("P%")
      ->capture_default_str();
  find->add_option("--step", search.step,
                   "what a probe takes; more where that is too few messages for the percentile")
      ->type_name("TIME")
      ->capture_default_str();
  find->add_option("--max-probes", search.probes, "then the search is cut short")
      ->type_name("N")
      ->capture_default_str();
  add_length(find, s);
  add_pacing(find, s.load, "ten times the target, at least 1s",
             "before each probe the same for TIME");
  find->add_option("--delay", s.delay,
                   "but for rpc-call: seconds from the last message to the "
                   "first count")
      ->type_name("S")
      ->default_str(ombt::format("%g", ombt::controller::default_delay));
  add_audit(find, s);
  add_embedded(find, agents, "clients (notifiers) of a search that brings its own bus",
               "servers (listeners) of a search that brings its own bus");
  // Known, so that they are refused with the reason.
  for (const auto& [name, to] : {std::pair{"--rate", &s.load.rate},
                                 {"--rate-per-client", &s.load.rate_per_client},
                                 {"--ramp", &s.load.ramp},
                                 {"--duration", &s.load.duration}}) {
    find->add_option(name, *to)->group("");
  }
  find->add_option("--calls,--events", s.count)->group("");
  find->add_option("--pause", s.pause)->group("");
}

/// Gives standby agents their roles.
void add_assign(CLI::App& app, settings& s) {
  ombt::controller::assign_settings& to = s.assign;
  CLI::App* const assign =
      app.add_subcommand(std::string(ombt::controller::assign_task),
                         "give standby agents kinds, topics and a bus (direct control)");
  assign->footer(std::string(of_assign) + assign_example);
  const auto number = [&](const char* option, int& count, const char* what) {
    assign->add_option(option, count, what)->type_name("N");
  };
  number(clients_option, to.rpc_clients, "RPC clients that there are to be");
  number(servers_option, to.rpc_servers, "RPC servers");
  number("--listeners", to.listeners, "notification listeners");
  number("--notifiers", to.notifiers, "notifiers");
  assign
      ->add_option("--bus", to.buses,
                   "the bus they are to be on, which their process must have been started with or "
                   "for (ombt-agent --url, --allow-url); may be repeated, for several ways into "
                   "one: processes are spread over them evenly (default: each process's own)")
      ->type_name("URL")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

/// For scripts that start the agents: checks the settings, and prints the command and then what
/// ombt-agent must be told beside the bus, an argument a line.
int print_agent_options(const settings& given) {
  const ombt::controller::early_signals taken;  // a folder is made, and goes again
  try {
    ombt::controller::check_settings(given);
  } catch (const ombt::configuration_error& e) {
    std::fprintf(stderr, "%s: %s\n", given.program.c_str(), e.what());
    return ombt::controller::exit_configuration;
  }
  if (ombt::controller::early_signals::arrived()) return ombt::controller::exit_incomplete;
  std::printf("%s\n--topic\n%s\n", ombt::controller::test_name(given).c_str(), given.topic.c_str());
  if (given.topics) std::printf("--topics\n%d\n", *given.topics);
  if (given.unique) std::printf("--unique\n");
  for (const std::string& one : given.control) std::printf("--control\n%s\n", one.c_str());
  if (!given.oslo_config.empty()) std::printf("--oslo-config\n%s\n", given.oslo_config.c_str());
  return ombt::controller::exit_ok;
}

/// Of settings that name one.
std::string what_names_a_place(const settings& given) {
  const auto named_by = [](const std::string& url, const char* variable, const char* option) {
    const char* const value = std::getenv(variable);
    return std::string(value != nullptr && url == value ? variable : option) + " names one";
  };
  if (!given.url.empty()) return named_by(given.url, "OMBT_URL", "--url");
  if (!given.hosts_file.empty()) return "--hosts-file names one";
  if (!given.hosts.empty()) return named_by(given.hosts, "OMBT_HOSTS", "--hosts");
  if (ombt::controller::names_agents(given)) {
    return named_by(given.control.front(), "OMBT_CONTROL", "--control");
  }
  if (!given.expect.empty()) return "--expect says that agents are there";
  return "the file's transport_url names one";
}

/// If nothing is named: whether agents of this machine are there, for direct control. Says so.
bool use_agents_here(const settings& given) {
  if (!given.control.empty()) return false;
  if (!ombt::controller::agents_are_here(std::chrono::seconds{2})) return false;
  std::fprintf(stderr, "%s: no bus named: using the agents of this machine\n",
               given.program.c_str());
  return true;
}

int run(const CLI::App& app, const CLI::App& chosen, const settings& given,
        embedded_agents agents) {
  const bool test = given.task != ombt::controller::assign_task &&
                    chosen.get_option_no_throw(clients_option) != nullptr;
  bool named = true;
  try {
    named = ombt::controller::names_a_place(given) || (test && use_agents_here(given));
  } catch (const ombt::configuration_error&) {
    // A file, or the folder of local sockets; run_controller() says what is wrong with it.
  }
  if (test && !named) {
    // One a topic, where nothing else is asked for.
    const int least = given.topics.value_or(0);
    if (chosen.count(clients_option) == 0) agents.clients = std::max(agents.clients, least);
    if (chosen.count(servers_option) == 0) agents.servers = std::max(agents.servers, least);
    return ombt::tools::run_embedded(given, agents);
  }
  for (const char* option : {clients_option, servers_option}) {
    if (!test || chosen.count(option) == 0) continue;
    return ombt::tools::refuse_command_line(
        app, std::string(option) + " is for a test that brings its own bus; here " +
                 what_names_a_place(given));
  }
  return ombt::controller::run_controller(given);
}

}  // namespace

int main(int argc, char** argv) {
  settings given;
  embedded_agents agents;
  // Of use to tools/quickstart only, so no help text has it.
  const bool agent_options = argc > 1 && std::string_view(argv[1]) == "--agent-options";
  CLI::App app(description, "ombt-controller");
  app.footer(examples);
  app.set_version_flag("--version", "ombt-controller " OMBT_VERSION);
  app.formatter(ombt::tools::help_format());
  app.require_subcommand(1);
  app.fallthrough();
  add_common_options(app, given);
  const auto add = [&](const char* name, const char* what, const char* count_option) {
    return add_test(app, given, agents, name, what, count_option);
  };
  add("rpc-call", "clients call, servers answer", "--calls")
      ->add_flag("--legs", given.load.legs,
                 "of how long a call took: how much the request, the server and the reply, as far "
                 "as agents are native (an open loop tells it anyway)");
  add_delay(add("rpc-cast", "clients cast, no answers", "--calls"), given);
  add_delay(add("rpc-fanout", "clients cast to all servers", "--calls"), given);
  CLI::App* const notify = add("notify", "notifiers notify, listeners listen", "--events");
  notify->add_option("--severity", given.severity, "of the notifications")
      ->type_name("NAME")
      ->capture_default_str();
  add_delay(notify, given);
  add_find_rate(app, given, agents);
  app.add_subcommand("status", "list the agents by kind, host and process")
      ->footer(std::string(of_a_command) + status_example);
  add_assign(app, given);
  CLI::App* const shutdown = app.add_subcommand("shutdown", "tell all agents to leave");
  shutdown->footer(std::string(of_a_command) + shutdown_example);
  shutdown->add_flag("--force", given.force, "also agents that another controller holds");
  for (CLI::App* command : app.get_subcommands({})) command->fallthrough();

  if (const auto status =
          ombt::tools::read_command_line(app, {argv + (agent_options ? 2 : 1), argv + argc})) {
    return *status;
  }
  ombt::tools::mask_command_line(argc, argv);
  if (given.topics && app.count("--topic") == 0) given.topic = ombt::wire::control::usual_stem;
  const CLI::App* const chosen = app.get_subcommands().front();
  given.task = chosen->get_name();
  if (agent_options) return print_agent_options(given);
  // In the environment it is for everything that is started from there.
  const auto has_option = [&](std::string_view option) {
    return std::any_of(argv + 1, argv + argc, [option](std::string_view one) {
      return one.starts_with(option) && (one.size() == option.size() || one[option.size()] == '=');
    });
  };
  // What the command line names counts alone, else the one variable before the other.
  const bool control = has_option("--control");
  const bool hosts = has_option("--hosts");
  const bool named = control || hosts || has_option("--hosts-file");
  if (named && !control) given.control.clear();
  if (!hosts && (named || !given.control.empty())) given.hosts.clear();
  if (has_option("--url") && given.task == ombt::controller::assign_task) {
    return ombt::tools::refuse_command_line(app, "--url: assign takes the agents' bus as --bus");
  }
  return run(app, *chosen, given, agents);
}
