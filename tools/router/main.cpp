// SPDX-License-Identifier: Apache-2.0
// ombt-router: the embedded AMQP 1.0 message router. Options only; the work is the server's.
#include "wire/configuration_error.hpp"

#include "drivers/loop.hpp"

#include "tools/command_line/help_format.hpp"
#include "tools/command_line/read.hpp"
#include "tools/router/options.hpp"
#include "tools/router/server.hpp"

#include <CLI/CLI.hpp>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

namespace {

constexpr const char* description =
    "A small AMQP 1.0 message router for laptops and tests. oslo.messaging's amqp\n"
    "driver works with it as with qpid-dispatch: each message goes to one receiver of\n"
    "its address or to all of them, replies go to addresses of their own, a sender\n"
    "may send only while somebody can take it, and what a receiver says of a message\n"
    "is told to its sender.\n"
    "\n"
    "It prints its URL when it listens, and runs until Ctrl-C:\n"
    "\n"
    "  ombt-router --port 5672\n"
    "  amqp://127.0.0.1:5672\n"
    "\n"
    "It is one process. It holds no messages: what nobody can take is given back or\n"
    "dropped. Brokers that hold them are RabbitMQ and ActiveMQ Artemis. It forms no\n"
    "mesh: a network of routers is qpid-dispatch (qdrouterd) or skupper-router.";

constexpr const char* footer =
    "Addresses below these prefixes are multicast: openstack.org/om/rpc/multicast,\n"
    "openstack.org/om/notify/multicast, broadcast; closest: .../unicast, exclusive;\n"
    "balanced: .../anycast, unicast, and all others. The longest prefix counts.\n"
    "Exit status: 0 after a signal; 1 if it can't listen; 2 for wrong options.";

}  // namespace

namespace {

/// 0.1, 65535
std::string plain(double number) {
  char text[32];
  const auto end = std::to_chars(text, std::end(text), number, std::chars_format::fixed).ptr;
  return {text, end};
}

}  // namespace

int main(int argc, char** argv) {
  using ombt::tools::router::router_options;
  router_options options;
  std::vector<std::string> rules;
  double handshake_time = 10;
  double idle_time = 16;

  CLI::App app{description, "ombt-router"};
  app.footer(footer);
  app.formatter(ombt::tools::help_format());
  app.set_version_flag("--version", std::string("ombt-router ") + OMBT_VERSION);
  const auto number = [&](const char* name, auto& into, double least, double most,
                          const char* help) {
    const auto range = [least, most](std::string& text) {
      double given = 0;
      const char* const end = text.data() + text.size();
      const auto read = std::from_chars(text.data(), end, given);
      // Written so that nan is refused too.
      const bool right =
          read.ec == std::errc{} && read.ptr == end && given >= least && given <= most;
      return right ? std::string() : "expected " + plain(least) + " to " + plain(most);
    };
    app.add_option(name, into, help)->check(CLI::Validator(range, ""))->type_name("N");
  };
  app.add_option("--host", options.host, "address to listen on (default 127.0.0.1)");
  number("--port", options.port, 0, 65535, "port (default 0: one that is free)");
  app.add_option("--address", rules,
                 "PREFIX=DISTRIBUTION: closest, balanced or multicast; may be given again")
      ->type_name("RULE")
      ->expected(1)
      ->take_all();
  CLI::Option* const users =
      app.add_option("--users", options.users_file,
                     "who may log in (SASL PLAIN): a file of lines \"user password\" (default: "
                     "everybody, without a login)")
          ->type_name("FILE");
  app.add_flag("--anonymous", options.anonymous,
               "no login although --host is an address that other machines reach")
      ->excludes(users);
  app.add_option("--id", options.id, "the router's name (default: ombt-router-PID)");
  number("--threads", options.threads, 1, 64,
         "I/O threads that connections are spread over "
         "(default 1)");
  number("--max-connections", options.connections, 1, 1e9,
         "connections at once; more are closed (default: as many as files may be open)");
  number("--max-sessions", options.sessions, 1, 32768, "sessions a connection (default 32768)");
  number("--max-links", options.links, 1, 1e9, "links a connection (default 65536)");
  number("--max-frame-size", options.frame_size, 512, 1 << 20, "bytes a frame (default 16384)");
  number("--max-message-size", options.message_size, 1024, 1 << 30,
         "bytes a message; a larger one ends its link (default 16 MiB)");
  number("--handshake-timeout", handshake_time, 0.1, 3600,
         "seconds a peer may take from connecting to AMQP's open (default 10)");
  number("--idle-timeout", idle_time, 0, 3600,
         "seconds a peer may be silent (default 16; 0: for ever)");
  if (const auto status = ombt::tools::read_command_line(app, {argv + 1, argv + argc})) {
    return *status;
  }
  std::signal(SIGPIPE, SIG_IGN);
  ombt::drivers::loop loop;
  try {
    for (const std::string& rule : rules) options.addresses.add(std::string_view(rule));
  } catch (const ombt::configuration_error& error) {
    return ombt::tools::refuse_command_line(app, std::string("--address: ") + error.what());
  }
  const auto rounded_up = [](double seconds) {
    return std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
  };
  options.handshake_time = rounded_up(handshake_time);
  options.idle_time = rounded_up(idle_time);
  try {
    ombt::tools::router::server server(loop, options);
    std::string url;
    try {
      url = server.listen();
    } catch (const ombt::configuration_error& error) {
      std::fprintf(stderr, "ombt-router: %s\n", error.what());
      return 1;
    }
    loop.on_termination([&server](int) { server.stop(); });
    std::printf("%s\n", url.c_str());
    std::fflush(stdout);
    loop.run();
  } catch (const ombt::configuration_error& error) {
    return ombt::tools::refuse_command_line(app, error.what());
  }
  return 0;
}
