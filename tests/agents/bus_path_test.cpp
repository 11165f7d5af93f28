// SPDX-License-Identifier: Apache-2.0
// What a carrier answers: kept in order, bounded, sent again, given up.
#include "tests/agents/carrier_fixture.hpp"

using namespace ombt;
using namespace ombt::tests;
using agents::report;
using wire::control::agent_kind;

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

TEST_CASE_METHOD(carrier_fixture, "What the bus would not take is sent again, in order") {
  const errc error = GENERATE(errc::message_undeliverable, errc::nacked, errc::vhost_refused);
  settings.window = 4;
  start();
  fake_controller controller(bus, loop, "ctl");  // Python's: it would count twice what came twice
  const auto path = path_from(controller);
  for (int i = 0; i < 6; ++i) bus.script("client_result", fails(error));
  const auto begun = drivers::steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    path->send_result(agent_kind::rpc_client, "c-" + std::to_string(i), {}, false);
  }
  REQUIRE(drive(loop, [&] { return carrier->counters().answers == 10; }));
  CHECK(carrier->counters().answers_lost == 0);
  REQUIRE(controller.results.size() == 10);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(controller.results[i].name == "c-" + std::to_string(i));
  }
  // The first four came back, and then the first alone, after 0.1, 0.2 and 0.4 s.
  const auto sent = bus.sent("client_result");
  REQUIRE(sent.size() == 16);
  for (const std::size_t again : {4, 5, 6}) CHECK(sent[again].args == sent[0].args);
  CHECK(drivers::steady_clock::now() - begun >= std::chrono::milliseconds(700));
  CHECK(sent[0].at_least_once);
  CHECK(sent[0].timeout == settings.timeout);
  CHECK(sent[6].timeout < settings.timeout);
}

TEST_CASE_METHOD(carrier_fixture, "Who is away for the timeout has gone, whatever the bus says") {
  settings.timeout = std::chrono::milliseconds(500);
  start();
  fake_controller controller(bus, loop, "ctl");
  const auto path = path_from(controller);
  auto returned = fails(errc::message_undeliverable);
  returned.detail = "NO_ROUTE (312)";
  bus.script_always("client_pong", returned);
  for (int i = 0; i < 100; ++i) path->send_pong(agent_kind::rpc_client, "c", {});
  REQUIRE(drive(loop, [&] { return carrier->counters().answers_lost == 100; }));
  CHECK(bus.sent("client_pong").size() == 16 + 2);  // after 0.1 and 0.2 s more
  CHECK(carrier->lost_because() ==
        "no answer from controller ctl: message_undeliverable: NO_ROUTE (312)");
  bus.clear_script("client_pong");
  path->send_pong(agent_kind::rpc_client, "c", {});  // its next command finds it alive
  REQUIRE(drive(loop, [&] { return carrier->counters().answers == 1; }));
}

TEST_CASE_METHOD(carrier_fixture,
                 "What went with the bus is sent again to who takes it once only") {
  const bool native = GENERATE(true, false);
  const bool told = GENERATE(true, false);  // by the driver; else there is just no answer
  const std::string python = "ombt-t-None-h-1-0123456789abcdef0123456789abcdef";
  start();
  fake_controller controller(bus, loop, native ? python + "-native" : python);
  const auto path = path_from(controller);
  scripted_outcome gone = fails(told ? errc::delivery_failure : errc::messaging_timeout);
  gone.hang = !told;
  for (const char* method : {"client_pong", "client_result"}) bus.script(method, gone);
  path->send_result(agent_kind::rpc_client, "c-0", {}, native);
  path->send_pong(agent_kind::rpc_client, "c-0", {});
  REQUIRE(drive(loop, [&] { return bus.sent("client_pong").size() == 1; }));
  bus.lose_contact("127.0.0.1:5672: Connection refused");
  settle(loop);
  bus.lose_contact("127.0.0.1:5672: Connection refused");  // and not yet back
  settle(loop);
  bus.regain_contact();  // both listeners of this process
  settle(loop, std::chrono::milliseconds(300));
  const auto sent = bus.sent("client_result");
  REQUIRE(sent.size() == (native ? 2 : 1));
  CHECK(bus.sent("client_pong").size() == 1);
  CHECK(controller.results.size() == (native ? 1 : 0));
  CHECK(carrier->counters().answers == (native ? 1 : 0));
  CHECK(carrier->counters().answers_lost == (told ? (native ? 1 : 2) : 0));
  if (!native) return;
  CHECK(sent[0].args == sent[1].args);
  CHECK(controller.results[0].details.answer > 0);
  path->send_result(agent_kind::rpc_client, "c-0", {}, true);
  REQUIRE(drive(loop, [&] { return controller.results.size() == 2; }));
  CHECK(controller.results[1].details.answer > controller.results[0].details.answer);
}

TEST_CASE_METHOD(carrier_fixture,
                 "No answer since the bus was lost says nothing of the controller") {
  const bool lost = GENERATE(true, false);
  settings.window = 1;
  start();
  fake_controller controller(bus, loop, "ctl");
  const auto path = path_from(controller);
  scripted_outcome silent;
  silent.hang = true;
  bus.script("client_pong", silent);
  for (int i = 0; i < 3; ++i) path->send_pong(agent_kind::rpc_client, "c", {});
  settle(loop);
  if (lost) {
    bus.lose_contact("127.0.0.1:5672: Connection refused");
    bus.regain_contact();
    settle(loop);
  }
  bus.end_hanging("client_pong", fails(errc::messaging_timeout));
  settle(loop);
  CHECK(controller.pongs.size() == (lost ? 2 : 0));
  CHECK(carrier->counters().answers_lost == (lost ? 1 : 3));
}

TEST_CASE_METHOD(carrier_fixture,
                 "A carrier that stops while it waits to send again sends no more") {
  start();
  fake_controller controller(bus, loop, "ctl");
  const auto path = path_from(controller);
  bus.script_always("client_pong", fails(errc::message_undeliverable));
  path->send_pong(agent_kind::rpc_client, "c", {});
  settle(loop);
  CHECK(bus.sent("client_pong").size() == 1);
  if (GENERATE(true, false)) {
    bool closed = false;
    carrier->stop(std::chrono::seconds(1), [&] { closed = true; });
    REQUIRE(drive(loop, [&] { return closed; }));
  }
  carrier.reset();
  settle(loop, std::chrono::milliseconds(200));
  CHECK(bus.sent("client_pong").size() == 1);
}

TEST_CASE_METHOD(carrier_fixture, "An answer that fails otherwise costs only itself") {
  start();
  fake_controller controller(bus, loop, "ctl");
  const auto path = path_from(controller);
  bus.script("client_pong", fails(errc::remote_exception));
  bus.script("client_pong", fails(errc::limit_exceeded));
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
