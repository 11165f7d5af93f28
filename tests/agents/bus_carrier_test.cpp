// SPDX-License-Identifier: Apache-2.0
#include "agents/control/bus_carrier.hpp"

#include "tests/agents/fake_controller.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::tests;
using agents::answer_path;
using agents::report;
using wire::control::agent_kind;
using wire::control::test_kind;

namespace {

struct carrier_fixture : agents::command_handler {
  drivers::loop loop;
  fake_bus bus;
  agents::bus_carrier_settings settings;
  std::unique_ptr<agents::bus_carrier> carrier;

  int ready = 0;
  std::vector<std::string> failures;
  std::vector<std::string> commands;
  std::vector<std::shared_ptr<answer_path>> paths;
  std::vector<wire::control::run_test_request> runs;

  carrier_fixture() {
    settings.endpoints = {{agent_kind::rpc_client, "clients", "t"},
                          {agent_kind::rpc_server, "server", "t"}};
    settings.ready_timeout = std::chrono::milliseconds(2);
  }
  void on_ping(agent_kind kind, std::shared_ptr<answer_path> from) override {
    note("ping", kind, std::move(from));
  }
  void on_run(agent_kind kind, const wire::control::run_test_request& request,
              std::shared_ptr<answer_path> from) override {
    runs.push_back(request);
    note("run", kind, std::move(from));
  }
  void on_cancel(agent_kind kind, const std::string& run,
                 std::shared_ptr<answer_path> from) override {
    note(("cancel " + run).c_str(), kind, std::move(from));
  }
  void on_collect(agent_kind kind, std::shared_ptr<answer_path> from) override {
    note("collect", kind, std::move(from));
  }
  void on_shutdown(agent_kind kind) override { note("shutdown", kind, nullptr); }
  void on_carrier_ready() override { ++ready; }
  void on_carrier_failed(std::string why) override { failures.push_back(std::move(why)); }

  void note(const char* what, agent_kind kind, std::shared_ptr<answer_path> from) {
    commands.push_back(std::string(what) + " " + std::string(wire_name(kind)));
    if (from) paths.push_back(std::move(from));
  }
  void make() {
    carrier = std::make_unique<agents::bus_carrier>(loop, settings, *this, bus.make(loop));
    carrier->start();
  }
  void start() {
    make();
    REQUIRE(drive(loop, [&] { return ready == 1; }));
  }
  std::shared_ptr<answer_path> path_from(fake_controller& controller) {
    const std::size_t before = paths.size();
    controller.ask(agent_kind::rpc_client, "client_ping");
    REQUIRE(drive(loop, [&] { return paths.size() > before; }));
    return paths.back();
  }
};

scripted_outcome fails(errc e) {
  scripted_outcome outcome;
  outcome.error = e;
  return outcome;
}

}  // namespace

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
  struct caller : drivers::completion {
    int done = 0;
    std::string exception;
    void on_complete(std::uint64_t, const drivers::outcome& o) override {
      ++done;
      if (o.exception) exception = o.exception->class_name;
    }
  } caller;
  const auto peer = bus.make(loop);
  drivers::target to;
  to.exchange = "ombt-control";
  to.topic = "client-RPCClient-t";
  const auto call = [&](const char* method, const char* args) {
    const int before = caller.done;
    caller.exception.clear();
    drivers::request_message r;
    r.method = method;
    r.args_json = args;
    peer->call(to, r, {}, caller, 0);
    REQUIRE(drive(loop, [&] { return caller.done > before; }));
    return caller.exception;
  };
  CHECK(call("shutdown", "{}").empty());
  CHECK(call("self_ready", "{}").empty());
  CHECK(call("client_ping", "{}") == "ValueError");
  CHECK(call("nope", "{}") == "NoSuchMethod");
  CHECK(commands == std::vector<std::string>{"shutdown RPCClient"});
}

TEST_CASE_METHOD(carrier_fixture, "Pongs and results arrive at the controller, in order") {
  start();
  fake_controller controller(bus, loop, "ctl");
  const auto path = path_from(controller);
  for (int i = 0; i < 100; ++i)
    path->send_pong(agent_kind::rpc_client, "c-" + std::to_string(i), {});
  report figures;
  figures.results.add_success(1.5);
  figures.details.run = "r";
  figures.details.latency.record(1500000);
  path->send_result(agent_kind::rpc_client, "c-0", figures, false);
  path->send_result(agent_kind::rpc_client, "c-1", figures, true);
  REQUIRE(drive(loop, [&] { return carrier->counters().answers == 102; }));
  REQUIRE(controller.pongs.size() == 100);
  for (int i = 0; i < 100; ++i) {
    CHECK(controller.pongs[static_cast<std::size_t>(i)].name == "c-" + std::to_string(i));
  }
  REQUIRE(controller.results.size() == 2);
  CHECK(controller.results[0].name == "c-0");
  CHECK(controller.results[0].results.msgs_ok == 1);
  CHECK_FALSE(controller.results[0].has_details);
  CHECK(controller.results[1].has_details);
  CHECK(controller.results[1].details.run == "r");
  CHECK(bus.sent("client_pong")[0].timeout == settings.timeout);
}

TEST_CASE_METHOD(carrier_fixture, "No more than the window is on its way at once") {
  settings.window = 4;
  start();
  fake_controller controller(bus, loop, "ctl");
  const auto path = path_from(controller);
  scripted_outcome hang;
  hang.hang = true;
  bus.script_always("client_pong", hang);
  for (int i = 0; i < 50; ++i) path->send_pong(agent_kind::rpc_client, "c", {});
  settle(loop);
  CHECK(bus.sent("client_pong").size() == 4);
}

TEST_CASE_METHOD(carrier_fixture,
                 "A controller that vanished loses its answers and holds up nobody else") {
  start();
  fake_controller gone(bus, loop, "gone");
  fake_controller there(bus, loop, "there");
  const auto to_gone = path_from(gone);
  const auto to_there = path_from(there);
  CHECK(to_gone != to_there);
  gone.vanish();
  for (int i = 0; i < 200; ++i) to_gone->send_pong(agent_kind::rpc_client, "c", {});
  to_there->send_pong(agent_kind::rpc_client, "c", {});
  REQUIRE(drive(
      loop, [&] { return carrier->counters().answers_lost == 200 && there.pongs.size() == 1; }));
  CHECK(bus.sent("client_pong").size() <= 1 + 2 * 16);  // the rest was not even tried
  bool asked = false;
  bool alive = true;
  to_gone->check_alive([&](bool a) {
    asked = true;
    alive = a;
  });
  REQUIRE(drive(loop, [&] { return asked; }));
  CHECK_FALSE(alive);
  asked = false;
  to_there->check_alive([&](bool a) {
    asked = true;
    alive = a;
  });
  REQUIRE(drive(loop, [&] { return asked; }));
  CHECK(alive);
}

TEST_CASE_METHOD(carrier_fixture, "While the bus carries nothing nobody is known to be gone") {
  start();
  fake_controller controller(bus, loop, "ctl");
  const auto path = path_from(controller);
  int answers = 0;
  bool alive = false;
  const auto ask = [&] {
    const int before = answers;
    path->check_alive([&](bool a) {
      ++answers;
      alive = a;
    });
    REQUIRE(drive(loop, [&] { return answers > before; }));
    return alive;
  };
  const std::size_t calls = bus.sent("self_ready").size();
  bus.script("self_ready", fails(errc::messaging_timeout));  // the controller is silent
  bus.script("self_ready", fails(errc::messaging_timeout));  // and so are we
  CHECK(ask());
  const auto asked = bus.sent("self_ready");
  REQUIRE(asked.size() == calls + 2);
  CHECK(asked[calls].to.server == "ctl");
  CHECK(asked[calls + 1].to.server == asked[0].to.server);   // its own address, as at the start
  bus.script("self_ready", fails(errc::messaging_timeout));  // the bus carries what we send
  CHECK_FALSE(ask());
  bus.script("self_ready", fails(errc::message_undeliverable));  // the bus says it
  CHECK_FALSE(ask());
  CHECK(bus.sent("self_ready").size() == calls + 5);
  CHECK(ask());
}

TEST_CASE_METHOD(carrier_fixture, "Commands of several topics come to the handler of each") {
  struct other final : agents::command_handler {
    void on_ping(agent_kind, std::shared_ptr<answer_path> from) override { pinged = from; }
    void on_run(agent_kind, const wire::control::run_test_request&,
                std::shared_ptr<answer_path>) override {}
    void on_cancel(agent_kind, const std::string&, std::shared_ptr<answer_path>) override {}
    void on_collect(agent_kind, std::shared_ptr<answer_path>) override {}
    void on_shutdown(agent_kind) override {}
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

TEST_CASE_METHOD(carrier_fixture, "An answer that fails otherwise costs only itself") {
  start();
  fake_controller controller(bus, loop, "ctl");
  const auto path = path_from(controller);
  bus.script("client_pong", fails(errc::remote_exception));
  bus.script("client_pong", fails(errc::nacked));
  for (int i = 0; i < 30; ++i) path->send_pong(agent_kind::rpc_client, "c", {});
  REQUIRE(drive(loop, [&] { return carrier->counters().answers == 28; }));
  CHECK(carrier->counters().answers_lost == 2);
}

TEST_CASE_METHOD(carrier_fixture, "What waits for one controller is bounded") {
  settings.answer_limit = 10;
  settings.window = 1;
  start();
  fake_controller controller(bus, loop, "ctl");
  const auto path = path_from(controller);
  for (int i = 0; i < 1000; ++i) path->send_pong(agent_kind::rpc_client, "c", {});
  CHECK(carrier->counters().answers_lost == 1000 - 11);
}

TEST_CASE_METHOD(carrier_fixture, "Any number of controllers may come; few are remembered") {
  settings.controller_limit = 4;
  start();
  scripted_outcome hang;
  hang.hang = true;
  bus.script_always("client_pong", hang);
  fake_controller asker(bus, loop, "x");
  for (int i = 0; i < 100; ++i) {
    asker.address.server = "controller-" + std::to_string(i);
    path_from(asker)->send_pong(agent_kind::rpc_client, "c", {});
    if (i % 2 == 0) paths.clear();  // nobody holds the path while its call is on its way
  }
  bus.clear_script("client_pong");
  bool closed = false;
  carrier->stop(std::chrono::seconds(1), [&] { closed = true; });
  REQUIRE(drive(loop, [&] { return closed; }));
  settle(loop);
  for (const auto& path : paths) path->send_pong(agent_kind::rpc_client, "late", {});
  CHECK(bus.sent("client_pong").size() == 100);
  CHECK(bus.declarations_removed() == 1);
}

TEST_CASE_METHOD(carrier_fixture, "A path outlives its carrier without harm") {
  start();
  fake_controller controller(bus, loop, "ctl");
  const auto path = path_from(controller);
  path->send_pong(agent_kind::rpc_client, "c", {});
  bool closed = false;
  carrier->stop(std::chrono::seconds(1), [&] { closed = true; });
  REQUIRE(drive(loop, [&] { return closed; }));
  carrier.reset();
  path->send_pong(agent_kind::rpc_client, "c", {});
  path->check_alive([](bool) { FAIL("nobody can answer"); });
  settle(loop);
}
