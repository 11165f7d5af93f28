// SPDX-License-Identifier: Apache-2.0
#include "controller/settings.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/transport.hpp"

#include "controller/control_places.hpp"
#include "tests/controller/folder.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <limits>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

using namespace ombt;
using namespace ombt::controller;
using wire::control::agent_kind;

namespace {

settings call() {
  settings s;
  s.task = "rpc-call";
  s.control = {"bus"};
  return s;
}

std::string refusal(const settings& s) {
  try {
    check_settings(s);
  } catch (const configuration_error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST_CASE("the hosts of the bus under test are those of its URL, whatever control is") {
  settings given = call();
  given.url = "rabbit://u:p@one:5673,[::1],two:1/vhost";
  given.control = {"amqp://other"};
  CHECK(check_settings(given).bus_hosts == bus_hosts{{"one", 5673}, {"::1", 5672}, {"two", 1}});
  auto checked = check_settings(call());
  CHECK(checked.bus_hosts == bus_hosts{{"localhost", 5672}});
  use_bus(checked, "amqp://127.0.0.1:4711");
  CHECK(checked.bus_hosts == bus_hosts{{"127.0.0.1", 4711}});
}

TEST_CASE("limits of the self-audit are checked before anything starts") {
  settings given = call();
  CHECK(check_settings(given).what.audit.core == 90);
  given.audit = {"core=50", "lag=2.5", "lag=3"};
  const auto checked = check_settings(given);
  CHECK(checked.what.audit.core == 50);
  CHECK(checked.what.audit.lag == 3);
  CHECK(checked.what.audit.delay == 5);
  given.audit = {"speed=1"};
  CHECK(refusal(given) ==
        "--audit speed=1: expected core, seconds, delay, lag or late, = and a "
        "number");
  given.audit = {"core=200"};
  CHECK(refusal(given) == "--audit core=200: expected a number from 5 to 100");
}

TEST_CASE("several topics are checked, and what they cannot be together with") {
  auto s = call();
  s.topic = "t";
  CHECK(check_settings(s).what.topics.empty());
  CHECK(check_settings(s).what.topic_count() == 1);
  CHECK(check_settings(s).what.topic_at(0) == "t");
  s.topics = 3;
  const auto checked = check_settings(s);
  CHECK(checked.what.topics == std::vector<std::string>{"t-0", "t-1", "t-2"});
  CHECK(checked.what.topic_at(2) == "t-2");
  s.unique = true;
  CHECK(refusal(s) == "--topics contradicts --unique: agents of all topics would be heard as one");
  s.unique = false;
  for (const int topics : {0, -1, 1'001}) {
    s.topics = topics;
    CHECK(refusal(s) ==
          "--topics " + std::to_string(topics) + ": expected a number from 1 to 1000");
  }
  s.topics = 1'000;
  s.length = "1000000";
  CHECK(
      refusal(s) ==
      "--topics 1000 with --length 1000000: more than 256 MiB, since each topic's clients are sent "
      "the payload");
  s.length = "250000";
  CHECK(refusal(s).empty());
}

TEST_CASE("the defaults are ombt's") {
  const auto checked = check_settings(call());
  CHECK(checked.what.what == task::rpc_call);
  CHECK(checked.what.topic == "test-topic");
  CHECK_FALSE(checked.what.unique);
  CHECK(checked.what.parameters.count == 1);
  CHECK(checked.what.parameters.data == std::string(1024, 'X'));
  CHECK(checked.what.parameters.pause == 0);
  CHECK(checked.what.timeout == std::chrono::seconds{60});
  CHECK(checked.what.idle == std::chrono::seconds{2});
  CHECK(checked.what.delay == std::chrono::milliseconds{250});
  CHECK(checked.masked_control.find("localhost") != std::string::npos);
  REQUIRE(checked.control_buses.size() == 1);
  CHECK(checked.control_buses.at(0)->messaging.url.hosts.at(0).port == 5672);
  CHECK(checked.control_buses.at(0)->program == "ombt-controller");
  CHECK_FALSE(checked.output);
  CHECK_FALSE(checked.json);
}

TEST_CASE("where nothing says where agents are, they are this machine's") {
  const test::folder runtime;
  const char* const before = ::getenv("OMBT_RUNTIME_DIR");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("OMBT_RUNTIME_DIR", runtime.at("sockets").c_str(), 1);
  auto s = call();
  s.control.clear();
  const auto checked = check_settings(s);
  before == nullptr ? ::unsetenv("OMBT_RUNTIME_DIR")
                    : ::setenv("OMBT_RUNTIME_DIR", kept.c_str(), 1);
  CHECK(uses_local_place(s));
  REQUIRE(checked.places.size() == 1);
  CHECK(checked.places[0].name == "unix:" + runtime.at("sockets") + "/5700.sock");
  CHECK(checked.masked_control == checked.places[0].name);
  CHECK(checked.control_buses.empty());
  CHECK_FALSE(checked.secret);
  CHECK(checked.masked_url.empty());
  CHECK(checked.what.direct);
  CHECK_FALSE(checked.what.over_bus);
  CHECK(checked.what.hold);
  for (const char* const control : {"bus", "tcp://node"}) {
    s.control = {control};
    CHECK_FALSE(uses_local_place(s));
  }
  s.control.clear();
  s.hosts = "node";
  CHECK_FALSE(uses_local_place(s));
}

TEST_CASE("control is where the session goes, the url is checked as well, passwords are masked") {
  auto s = call();
  s.url = "rabbit://u:secret@bus:1234/v";
  auto checked = check_settings(s);
  CHECK(checked.control_buses.at(0)->messaging.url.hosts.at(0).host == "bus");
  CHECK(checked.masked_url.find("secret") == std::string::npos);
  s.control = {"rabbit://u:hidden@control"};
  checked = check_settings(s);
  CHECK(checked.control_buses.at(0)->messaging.url.hosts.at(0).host == "control");
  CHECK(checked.masked_control.find("hidden") == std::string::npos);
  s.url = "carrier-pigeon://u:secret@bus";
  const auto why = refusal(s);
  CHECK_FALSE(why.empty());
  CHECK(why.find("secret") == std::string::npos);
}

TEST_CASE("each setting that cannot be used is named in one line") {
  struct bad {
    std::string option;
    std::function<void(settings&)> make;
  };
  const std::vector<bad> cases = {
      {"unknown command", [](settings& s) { s.task = "rpc"; }},
      {"--topic", [](settings& s) { s.topic = ""; }},
      {"--topic", [](settings& s) { s.topic = std::string(65, 't'); }},
      {"--topic", [](settings& s) { s.topic = "a b"; }},
      {"--topic", [](settings& s) { s.topic = "a\x1b[2J"; }},
      {"--timeout", [](settings& s) { s.timeout = 0; }},
      {"--timeout", [](settings& s) { s.timeout = -1; }},
      {"--timeout: expected seconds", [](settings& s) { s.timeout = std::nan(""); }},
      {"--timeout", [](settings& s) { s.timeout = std::numeric_limits<double>::infinity(); }},
      {"--idle", [](settings& s) { s.idle = -1; }},
      {"--delay", [](settings& s) { s.delay = -0.5; }},
      {"--pause", [](settings& s) { s.pause = 86'401; }},
      {"--calls", [](settings& s) { s.count = 0; }},
      {"--calls", [](settings& s) { s.count = 1'000'000'001; }},
      {"--events",
       [](settings& s) {
         s.task = "notify";
         s.count = -5;
       }},
      {"--severity",
       [](settings& s) {
         s.task = "notify";
         s.severity = "loud";
       }},
      {"--length", [](settings& s) { s.length = "-1"; }},
      {"--length", [](settings& s) { s.length = std::to_string(64 << 20); }},
      {"--length", [](settings& s) { s.length = "10-67108864"; }},
      {"--expect", [](settings& s) { s.expect = {"0"}; }},
      {"--expect", [](settings& s) { s.expect = {"x"}; }},
      {"--expect",
       [](settings& s) {
         s.expect = {"3", "rpc-server="};
       }},
      {"--expect", [](settings& s) { s.expect = {"robot=3"}; }},
      {"--expect", [](settings& s) { s.expect = {"200001"}; }},
      {"--expect", [](settings& s) { s.expect = {"-1"}; }},
      {"nowhere.conf", [](settings& s) { s.oslo_config = "/nowhere.conf"; }},
      {"--json /nowhere/x", [](settings& s) { s.json = "/nowhere/x"; }},
      {"--output /tmp", [](settings& s) { s.output = "/tmp"; }},
      {"same file",
       [](settings& s) {
         s.json = "/tmp/report";
         s.output = "/tmp/./x/../report";
       }},
      {"same file",
       [](settings& s) {
         s.json = "./report";
         s.output = "report";
       }},
      {"same file", [](settings& s) { s.json = s.output = "-"; }},
      {"port", [](settings& s) { s.url = "rabbit://host:99999"; }},
      {"port", [](settings& s) { s.control = {"rabbit://host:x"}; }},
  };
  for (const auto& [option, make] : cases) {
    auto s = call();
    make(s);
    const auto why = refusal(s);
    INFO(option << " / " << why);
    CHECK(why.find(option) != std::string::npos);
    CHECK(why.find('\n') == std::string::npos);
    CHECK(why.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("an address for figures that cannot be had is refused before anything is started") {
  const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(taken, reinterpret_cast<const sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(taken, 1) == 0);
  REQUIRE(::getsockname(taken, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  const std::string port = std::to_string(ntohs(at.sin_port));
  auto s = call();
  s.metrics = port;
  CHECK(refusal(s) ==
        "--metrics: can't listen on 127.0.0.1 port " + port + ": Address already in use");
  ::close(taken);
  CHECK(refusal(s).empty());
  s.metrics = "192.0.2.1:0";  // no address of this machine
  CHECK(refusal(s).starts_with("--metrics: can't listen on 192.0.2.1 port 0: "));
}

TEST_CASE("the report and the output may go to two files, or one of them to standard output") {
  auto s = call();
  s.json = "/tmp/report";
  CHECK(refusal(s) == "");
  s.output = "-";
  CHECK(refusal(s) == "");
  s.output = "/tmp/report.output";
  CHECK(refusal(s) == "");
}

TEST_CASE("an expectation is a number, or a kind and a number") {
  CHECK_FALSE(expectation::parse("7").kind);
  CHECK(expectation::parse("7").count == 7);
  CHECK(expectation::parse("rpc-client=1").kind == agent_kind::rpc_client);
  CHECK(expectation::parse("rpc-server=2").kind == agent_kind::rpc_server);
  CHECK(expectation::parse("Listener=3").kind == agent_kind::listener);
  CHECK(expectation::parse("notifier=4").kind == agent_kind::notifier);
  CHECK(expectation::parse("notifier=4").count == 4);
}

TEST_CASE("tasks are found by their names") {
  for (const auto what : {task::rpc_call, task::rpc_cast, task::rpc_fanout, task::notify,
                          task::status, task::shutdown}) {
    CHECK(task_from(name_of(what)) == what);
  }
  CHECK_FALSE(task_from("RPC-CALL"));
}

TEST_CASE("a place is named by a URL of any kind, or by agents that are expected") {
  CHECK_FALSE(names_a_place(call()));
  auto s = call();
  s.url = "amqp://bus";
  CHECK(names_a_place(s));
  s = call();
  s.control = {"amqp://bus"};
  CHECK(names_a_place(s));
  s = call();
  s.expect = {"rpc-client=2"};
  CHECK(names_a_place(s));
  s = call();
  s.oslo_config = "/tmp/ombt-settings-test-" + std::to_string(getpid());
  const auto holds = [&s](const char* text) {
    std::ofstream(s.oslo_config) << text;
    const bool names = names_a_place(s);
    std::remove(s.oslo_config.c_str());
    return names;
  };
  CHECK(holds("[DEFAULT]\ntransport_url = amqp://bus\n"));
  CHECK_FALSE(holds("[DEFAULT]\nrpc_response_timeout = 5\n"));
  CHECK_THROWS_AS(names_a_place(s), configuration_error);
}

TEST_CASE("a bus whose URL is known later is the one for test and control") {
  auto checked = check_settings(call());
  use_bus(checked, "amqp://u:secret@127.0.0.1:9");
  CHECK(checked.masked_url == "amqp://u:***@127.0.0.1:9/");
  CHECK(checked.masked_control == checked.masked_url);
  CHECK(checked.control_buses.at(0)->messaging.url.hosts.at(0).port == 9);
  CHECK(checked.control_buses.at(0)->program == "ombt-controller");
}
