// SPDX-License-Identifier: Apache-2.0
#include "tests/agents/carrier_fixture.hpp"

using namespace ombt;
using namespace ombt::tests;
using agents::answer_path;
using wire::control::agent_kind;
using wire::control::test_kind;

TEST_CASE_METHOD(carrier_fixture, "One control server a kind, ready when each has called itself") {
  start();
  const auto listening = bus.listening();
  REQUIRE(listening.size() == 2);
  CHECK(listening[0].exchange == "ombt-control");
  CHECK(listening[0].topic == "client-RPCClient-t");
  CHECK(listening[0].server == "clients");
  CHECK(listening[1].topic == "client-RPCServer-t");
  CHECK(listening[1].server == "server");
  const auto checks = bus.sent("self_ready");
  REQUIRE(checks.size() == 2);
  CHECK(checks[0].to.topic == "client-RPCClient-t");
  CHECK(checks[0].to.server == "clients");
  CHECK(checks[0].timeout == settings.ready_timeout);
  CHECK(failures.empty());
}

TEST_CASE_METHOD(carrier_fixture, "With unique the control topic is singleton") {
  settings.unique = true;
  start();
  CHECK(bus.listening()[0].topic == "client-RPCClient-singleton");
}

TEST_CASE("The first check of ombt is 2 s, up to 25 times") {
  const agents::bus_carrier_settings settings;
  CHECK(settings.ready_timeout == std::chrono::seconds(2));
  CHECK(settings.ready_tries == 25);
}

TEST_CASE_METHOD(carrier_fixture, "A check that fails is repeated, not at once") {
  settings.endpoints.pop_back();
  for (int i = 0; i < 5; ++i) bus.script("self_ready", fails(errc::messaging_timeout));
  const auto before = drivers::steady_clock::now();
  start();
  CHECK(drivers::steady_clock::now() - before >= std::chrono::milliseconds(10));
  CHECK(bus.sent("self_ready").size() == 6);
}

TEST_CASE_METHOD(carrier_fixture,
                 "After 25 failed checks the carrier fails, once, with the cause") {
  bus.script_always("self_ready", fails(errc::messaging_timeout));
  make();
  REQUIRE(drive(loop, [&] { return !failures.empty(); }));
  settle(loop);
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].find("messaging_timeout") != std::string::npos);
  CHECK(bus.sent("self_ready").size() == 50);
  CHECK(ready == 0);
}

TEST_CASE_METHOD(carrier_fixture, "A control bus that refuses fails the carrier with its words") {
  bus.refuse_listeners(errc::vhost_refused, "127.0.0.1:5672: no access to vhost x");
  make();
  REQUIRE(drive(loop, [&] { return !failures.empty(); }));
  settle(loop);
  REQUIRE(failures.size() == 1);
  CHECK(failures[0] == "the bus refused the virtual host: 127.0.0.1:5672: no access to vhost x");
}

TEST_CASE_METHOD(carrier_fixture, "Every method of the control protocol reaches the handler") {
  start();
  fake_controller controller(bus, loop, "ctl");
  controller.ask(agent_kind::rpc_client, "client_ping");
  controller.ask(agent_kind::rpc_server, "client_ping");
  wire::control::test_parameters p;
  p.count = 4;
  p.data = "hello";
  controller.run(agent_kind::rpc_client, test_kind::cast, p);
  controller.ask(agent_kind::rpc_server, "get_server_results");
  controller.ask(agent_kind::rpc_server, "shutdown", "{}");
  REQUIRE(drive(loop, [&] { return commands.size() == 5; }));
  CHECK(commands == std::vector<std::string>{"ping RPCClient", "ping RPCServer", "run RPCClient",
                                             "collect RPCServer", "shutdown RPCServer"});
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].test == test_kind::cast);
  CHECK(runs[0].parameters.count == 4);
  CHECK(runs[0].parameters.data == "hello");
  for (const auto& path : paths) CHECK(path->controller() == controller.address);
  CHECK(carrier->counters().commands == 5);
  CHECK(carrier->counters().refused == 0);
  CHECK(bus.unended() == 0);
}

TEST_CASE_METHOD(carrier_fixture,
                 "Hostile and unknown commands are refused and counted, and nothing else") {
  start();
  fake_controller controller(bus, loop, "ctl");
  const std::string address = R"("reply_addr": {"exchange": "e", "topic": "t", "server": "s"})";
  const std::vector<std::pair<std::string, std::string>> hostile = {
      {"client_ping", "{}"},
      {"client_ping", "[]"},
      {"client_ping", R"({"reply_addr": null})"},
      {"client_ping", R"({"reply_addr": "ctl"})"},
      {"client_ping", R"({"reply_addr": {"exchange": 1, "topic": [], "server": {}}})"},
      {"client_ping", R"({"reply_addr": {"exchange": "e", "topic": ")" + std::string(5000, 'x') +
                          R"(", "server": "s"}})"},
      {"get_server_results", "7"},
      {"get_server_results", R"({"reply_addr": [1, 2]})"},
      {"run_test", "{}"},
      {"run_test", R"({"test": 7, "kwargs": {}, )" + address + "}"},
      {"run_test", R"({"test": "test_call", "kwargs": [], )" + address + "}"},
      {"run_test", R"({"test": "test_call", "kwargs": {"count": -1}, )" + address + "}"},
      {"run_test", R"({"test": "test_call", "kwargs": {"count": 1e300}, )" + address + "}"},
      {"run_test",
       R"({"test": "test_call", "kwargs": {"count": 1, "pause": -5}, )" + address + "}"},
      {"run_test",
       R"({"test": "test_call", "kwargs": {"count": 1, "pause": "x"}, )" + address + "}"},
      {"run_test", R"({"test": "test_call", "kwargs": {"count": 1, "data": 5}, )" + address + "}"},
      {"run_test", R"({"test": "test_unheard_of", "kwargs": {}, )" + address + "}"},
      {"run_test", R"({"test": "test_notify", "kwargs": {"count": 1}, )" + address + "}"},
      {"client_pong", R"({"kind": "RPCClient", "name": "x"})"},
      {"client_result", "{}"},
      {"_private", "{}"},
      {std::string(100000, 'm'), "{}"},
  };
  for (const auto& [method, args] : hostile) {
    INFO(method.substr(0, 40) << " " << args.substr(0, 80));
    const auto before = carrier->counters().refused;
    controller.ask(agent_kind::rpc_client, method, args);
    REQUIRE(drive(loop, [&] { return carrier->counters().refused > before; }));
  }
  CHECK(carrier->counters().refused == hostile.size());
  CHECK_FALSE(carrier->last_refusal().empty());
  CHECK(carrier->last_refusal().size() < 500);
  CHECK(commands.empty());
  CHECK(bus.unended() == 0);
  controller.ask(agent_kind::rpc_client, "client_ping");
  REQUIRE(drive(loop, [&] { return commands.size() == 1; }));
}

TEST_CASE_METHOD(carrier_fixture, "A command that was called, not cast, is answered") {
  start();
  CHECK(call("shutdown", "{}").empty());
  CHECK(call("self_ready", "{}").empty());
  CHECK(call("client_ping", "{}").starts_with("ValueError: "));
  CHECK(call("nope", "{}").starts_with("NoSuchMethod: "));
  CHECK(commands == std::vector<std::string>{"shutdown RPCClient"});
}

TEST_CASE_METHOD(carrier_fixture,
                 "A run beyond the process's bounds is refused, and whoever calls hears why") {
  start();
  fake_controller controller(bus, loop, "ctl");
  refusal = "the run asks too much";
  wire::control::test_parameters p;
  p.count = 4;
  controller.run(agent_kind::rpc_client, test_kind::cast, p);
  REQUIRE(drive(loop, [&] { return carrier->counters().refused == 1; }));
  CHECK(carrier->last_refusal() == "run_test: the run asks too much");
  CHECK(call("run_test", R"({"test": "test_cast", "kwargs": {"count": 1}, "reply_addr": )"
                         R"({"exchange": "e", "topic": "t", "server": "s"}})") ==
        "ValueError: the run asks too much");
  CHECK(runs.empty());
  refusal.clear();
  const auto before = carrier->last_heard();
  controller.run(agent_kind::rpc_client, test_kind::cast, p);
  REQUIRE(drive(loop, [&] { return runs.size() == 1; }));
  CHECK(carrier->last_heard() > before);
}

TEST_CASE_METHOD(carrier_fixture, "Commands of several topics come to the handler of each") {
  struct other final : silent_commands {
    void on_ping(agent_kind, std::shared_ptr<answer_path> from) override { pinged = from; }
    void on_carrier_ready() override { FAIL("it is not this one's"); }
    void on_carrier_failed(std::string) override { FAIL("it is not this one's"); }
    std::shared_ptr<answer_path> pinged;
  } second;
  settings.endpoints.push_back({agent_kind::rpc_client, "others", "u", &second});
  start();
  fake_controller here(bus, loop, "ctl", "t");
  fake_controller there(bus, loop, "ctl", "u");
  const auto to_here = path_from(here);
  there.ask(agent_kind::rpc_client, "client_ping");
  REQUIRE(drive(loop, [&] { return second.pinged != nullptr; }));
  CHECK(paths.size() == 1);
  CHECK(to_here->controller().topic == "controller-t");
  CHECK(second.pinged->controller().topic == "controller-u");

  // One controller: it is asked once, however many of its addresses wait for the answer.
  const std::size_t asked_before = bus.sent("self_ready").size();
  int alive = 0;
  for (const auto& path : {to_here, second.pinged, to_here}) {
    path->check_alive([&](bool is) { alive += is ? 1 : 0; });
  }
  REQUIRE(drive(loop, [&] { return alive == 3; }));
  CHECK(bus.sent("self_ready").size() == asked_before + 1);
  second.pinged->check_alive([&](bool is) { alive += is ? 1 : 0; });
  REQUIRE(drive(loop, [&] { return alive == 4; }));
  CHECK(bus.sent("self_ready").size() == asked_before + 2);
}
