// SPDX-License-Identifier: Apache-2.0
#include "wire/control/messages.hpp"

#include "wire/control/ledger.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

const std::string hex = "0123456789abcdef0123456789abcdef";

/// Keeps the document alive as long as its value is used.
struct document {
  explicit document(const std::string& text) {
    INFO(text);
    REQUIRE_FALSE(reader.parse(text, root));
  }
  json::reader reader;
  json::value root;
};

const reply_address controller{"ombt-control", "controller-t", "ombt-t-None-h-1-" + hex};
const std::string reply_json =
    R"("reply_addr": {"exchange": "ombt-control", "topic": "controller-t", "server": "ombt-t-None-h-1-)" +
    hex + R"("})";

}  // namespace

TEST_CASE("kinds, tests and methods have ombt's names and are found by them") {
  CHECK(wire_name(agent_kind::rpc_client) == "RPCClient");
  CHECK(wire_name(agent_kind::rpc_server) == "RPCServer");
  CHECK(wire_name(agent_kind::listener) == "Listener");
  CHECK(wire_name(agent_kind::notifier) == "Notifier");
  CHECK(words(agent_kind::rpc_server) == "RPC server");
  CHECK(kinds_in_words({10'000, 20, 0, 0}) == "10,000 RPC clients, 20 RPC servers");
  CHECK(kinds_in_words({1, 0, 1, 2}) == "1 RPC client, 1 Listener, 2 Notifiers");
  CHECK(kinds_in_words({}) == "none");
  for (const auto kind : agent_kinds) CHECK(agent_kind_from(wire_name(kind)) == kind);
  CHECK_FALSE(agent_kind_from("rpcclient"));
  CHECK_FALSE(agent_kind_from("None"));
  for (const auto test : {test_kind::call, test_kind::cast, test_kind::fanout, test_kind::notify}) {
    CHECK(test_kind_from(wire_name(test)) == test);
  }
  CHECK(wire_name(test_kind::fanout) == "test_fanout");
  CHECK_FALSE(test_kind_from("call"));
  for (const auto m :
       {method::self_ready, method::client_ping, method::client_pong, method::run_test,
        method::client_result, method::get_server_results, method::shutdown}) {
    CHECK(method_from(wire_name(m)) == m);
  }
  CHECK_FALSE(method_from("_do_shutdown"));
  CHECK(client_kind(test_kind::cast) == agent_kind::rpc_client);
  CHECK(server_kind(test_kind::cast) == agent_kind::rpc_server);
  CHECK(client_kind(test_kind::notify) == agent_kind::notifier);
  CHECK(server_kind(test_kind::notify) == agent_kind::listener);
}

TEST_CASE("topics are ombt's, and --unique puts agents on singleton") {
  CHECK(agent_topic(agent_kind::listener, "test-topic", false) == "client-Listener-test-topic");
  CHECK(agent_topic(agent_kind::rpc_client, "test-topic", true) == "client-RPCClient-singleton");
  CHECK(controller_topic("t") == "controller-t");
  CHECK(rpc_test_topic("t") == "rpc-t");
  CHECK(notify_test_topic("t") == "notify-t");
}

TEST_CASE("a generated agent name can be taken apart again") {
  const auto name = agent_name("my-topic", agent_kind::rpc_server, "host-1.example", 4242, hex);
  CHECK(name == "ombt-my-topic-RPCServer-host-1.example-4242-" + hex);
  auto parsed = parse_agent_name(name);
  REQUIRE(parsed);
  CHECK(parsed->topic == "my-topic");
  CHECK(parsed->kind == "RPCServer");
  CHECK(parsed->host == "host-1.example");
  CHECK(parsed->pid == 4242);
  CHECK(parsed->id == hex);
  CHECK_FALSE(parsed->index);

  const auto numbered = name + "-17";
  parsed = parse_agent_name(numbered);
  REQUIRE(parsed);
  CHECK(parsed->index == 17u);
  CHECK(parsed->host == "host-1.example");

  // A topic may look like a kind: the last kind is the name's own.
  const auto odd = agent_name("a-RPCClient-b", agent_kind::notifier, "h", 1, hex);
  parsed = parse_agent_name(odd);
  REQUIRE(parsed);
  CHECK(parsed->topic == "a-RPCClient-b");
  CHECK(parsed->kind == "Notifier");

  const auto own = controller_name("t", "h", 9, hex);
  parsed = parse_agent_name(own);
  REQUIRE(parsed);
  CHECK(parsed->kind == "None");
  CHECK(parsed->pid == 9);
}

TEST_CASE("a controller that asks for the arrivals of a fanout is native and says so in its name") {
  const auto own = controller_name("t", "my-host", 9, hex, true);
  CHECK(own == "ombt-t-None-my-host-9-fanout-" + hex + "-native");
  CHECK(asks_for_arrivals(own));
  CHECK(is_native_controller(own));
  CHECK(run_tag_of(own) == run_tag_of(controller_name("t", "my-host", 9, hex)));
  const auto parsed = parse_agent_name(own);
  REQUIRE(parsed);
  CHECK(parsed->host == "my-host");
  CHECK(parsed->pid == 9);
  CHECK(parsed->id == hex);
  for (const std::string& name :
       {controller_name("t", "my-fanout", 9, hex), controller_name("fanout", "h", 9, hex),
        "ombt-t-None-h-9-fanout-" + hex, "ombt-t-None-h-9-fanout-" + hex + "-7-native",
        "fanout-" + hex.substr(1) + "-native", std::string{"fanout-native"}, std::string{}}) {
    INFO(name);
    CHECK_FALSE(asks_for_arrivals(name));
  }
  CHECK_FALSE(parse_agent_name("ombt-t-RPCServer-h-9-fanout-" + hex));
}

TEST_CASE("names chosen by hand are not taken apart") {
  for (const std::string& name :
       {std::string{}, std::string{"ombt-"}, std::string{"my-server"},
        "ombt-t-RPCServer-h-x-" + hex, "ombt-t-RPCServer-h-1-" + hex.substr(1),
        "ombt-t-Other-h-1-" + hex, "ombt-RPCServer-h-1-" + hex, "ombt-t-RPCServer-1-" + hex,
        "ombt-t-RPCServer-h-1-" + hex + "-", "ombt-t-RPCServer-h-1-" + hex + "-99999999999",
        "ombt-t-RPCServer-h--1-" + hex.substr(0, 31) + "G"}) {
    INFO(name);
    CHECK_FALSE(parse_agent_name(name));
  }
}

TEST_CASE("a native controller is known by its name, which carries the run tag") {
  const auto own = controller_name("t", "h", 9, hex);
  CHECK(own.ends_with("-native"));
  CHECK(is_native_controller(own));
  CHECK(run_tag_of(own) == "0123456789abcdef");
  CHECK_FALSE(is_native_controller(controller.server));
  CHECK(run_tag_of(controller.server).empty());
  CHECK_FALSE(is_native_controller("-native"));
  CHECK_FALSE(is_native_controller("x-" + hex.substr(1) + "-native"));

  std::array<char, 32> id;
  id.fill('f');
  apply_run_tag(id, run_tag_of(own));
  const std::string msgid = std::string{id.data(), id.size()} + ":12";
  CHECK(msgid == "0123456789abcdefffffffffffffffff:12");
  const auto read = read_message_id(msgid);
  REQUIRE(read);
  CHECK(read->tag == 0x0123456789abcdef);
}

TEST_CASE("arguments are rendered as ombt's Python sends them") {
  std::string out;
  append_reply_addr_args(out, controller);
  CHECK(out == "{" + reply_json + "}");
  out.clear();
  append_client_pong_args(out, agent_kind::listener, "n\"1");
  CHECK(out == R"({"kind": "Listener", "name": "n\"1"})");
  out.clear();
  append_client_pong_args(out, agent_kind::rpc_client, "n", "r-1");  // to a native controller
  CHECK(out == R"({"kind": "RPCClient", "name": "n", "ombt": {"run": "r-1"}})");
  out.clear();
  append_client_pong_args(out, agent_kind::rpc_client, "n", "", {"p", "3e7a"});
  CHECK(
      out ==
      R"({"kind": "RPCClient", "name": "n", "ombt": {"run": "", "process": "p", "boot": "3e7a"}})");
  out.clear();
  append_client_pong_args(out, agent_kind::rpc_client, "n", {}, {"p", "3e7a"});  // to a Python one
  CHECK(out == R"({"kind": "RPCClient", "name": "n"})");
  out.clear();
  append_cancel_run_args(out, "r-1", controller);
  CHECK(out == R"({"test": "cancel_run", "kwargs": {"ombt": {"run": "r-1"}}, )" + reply_json + "}");
  out.clear();
  test_parameters parameters;
  parameters.data = "XX";
  parameters.count = 3;
  append_run_test_args(out, test_kind::call, parameters, controller);
  CHECK(
      out ==
      R"({"test": "test_call", "kwargs": {"verbose": false, "pause": 0.0, "data": "XX", "count": 3}, )" +
          reply_json + "}");
  out.clear();
  parameters.verbose = true;
  parameters.pause = 0.125;
  parameters.severity = "warn";
  parameters.run = "r-1";
  parameters.detail = 1;
  append_run_test_args(out, test_kind::notify, parameters, controller);
  CHECK(
      out ==
      R"({"test": "test_notify", "kwargs": {"verbose": true, "pause": 0.125, "data": "XX", "count": 3, )"
      R"("severity": "warn", "ombt": {"run": "r-1", "detail": 1}}, )" +
          reply_json + "}");
}

TEST_CASE("what is rendered is read back") {
  std::string why;
  std::string out;
  append_reply_addr_args(out, controller);
  reply_address address;
  {
    const document d{out};
    REQUIRE(read_reply_addr_args(d.root, address, why));
    CHECK(address == controller);
  }
  out.clear();
  append_client_pong_args(out, agent_kind::notifier, "some-name");
  client_pong_request pong;
  {
    const document d{out};
    REQUIRE(read_client_pong_args(d.root, pong, why));
    CHECK(pong.kind == agent_kind::notifier);
    CHECK(pong.name == "some-name");
    CHECK_FALSE(pong.run);
  }
  for (const std::string run : {"", "r-1"}) {
    out.clear();
    append_client_pong_args(out, agent_kind::notifier, "some-name", run);
    const document d{out};
    REQUIRE(read_client_pong_args(d.root, pong, why));
    CHECK(pong.run == run);
    CHECK(pong.place == process_place{});
  }
  for (const process_place& place : {process_place{"p-1", "3e7a"}, {"p-1", "3e7a", -50'000'000}}) {
    out.clear();
    append_client_pong_args(out, agent_kind::notifier, "some-name", "", place);
    const document d{out};
    REQUIRE(read_client_pong_args(d.root, pong, why));
    CHECK(pong.place == place);
  }
  run_test_request cancel;
  {
    out.clear();
    append_cancel_run_args(out, "r-1", controller);
    const document d{out};
    REQUIRE(read_run_test_args(d.root, cancel, why));
    CHECK(cancel.cancel);
    CHECK_FALSE(cancel.test);
    CHECK(cancel.parameters.run == "r-1");
    CHECK(cancel.reply_to == controller);
  }
  out.clear();
  test_parameters parameters;
  parameters.verbose = true;
  parameters.pause = 1.5;
  parameters.data = "h\xc3\xa9llo";
  parameters.count = count_limit;
  parameters.severity = "critical";
  parameters.run = "0123456789abcdef-2";
  parameters.detail = 1;
  parameters.progress = progress_address{"boot-7", "ombt-0123456789abcdef0123456789abcdef"};
  append_run_test_args(out, test_kind::notify, parameters, controller);
  const document d{out};
  run_test_request request;
  REQUIRE(read_run_test_args(d.root, request, why));
  CHECK(request.test == test_kind::notify);
  CHECK(request.parameters.verbose);
  CHECK(request.parameters.pause == 1.5);
  CHECK(request.parameters.data == parameters.data);
  CHECK(request.parameters.count == count_limit);
  CHECK(request.parameters.severity == "critical");
  CHECK(request.parameters.run == parameters.run);
  CHECK(request.parameters.detail == 1);
  CHECK(request.parameters.progress == parameters.progress);
  CHECK(request.reply_to == controller);

  parameters.progress = progress_address{};
  parameters.progress->direct = true;
  out.clear();
  append_run_test_args(out, test_kind::call, parameters, controller);
  CHECK(out.find(R"("progress": {"direct": true})") != std::string::npos);
  const document over_connection{out};
  REQUIRE(read_run_test_args(over_connection.root, request, why));
  CHECK(request.parameters.progress == parameters.progress);
}

TEST_CASE(
    "a run_test with few or foreign keys has ombt's defaults, and an unknown test is no error") {
  std::string why;
  run_test_request request;
  {
    const document d{R"({"test": "test_cast", "kwargs": {"count": 7, "later": [1, 2]}, "x": 1, )" +
                     reply_json + "}"};
    REQUIRE(read_run_test_args(d.root, request, why));
    CHECK(request.test == test_kind::cast);
    CHECK_FALSE(request.parameters.verbose);
    CHECK(request.parameters.pause == 0);
    CHECK(request.parameters.data.empty());
    CHECK(request.parameters.count == 7);
    CHECK(request.parameters.severity == "debug");
    CHECK(request.parameters.run.empty());
    CHECK(request.parameters.detail == 0);
  }
  const document d{R"({"test": "test_later", "kwargs": 4})"};
  REQUIRE(read_run_test_args(d.root, request, why));
  CHECK_FALSE(request.test);
}

TEST_CASE("arguments that nobody sane sends are refused with a reason") {
  struct refused {
    std::string args;
    std::string reason;
  };
  const auto run = [](const std::string& kwargs) {
    return R"({"test": "test_call", "kwargs": )" + kwargs + ", " + reply_json + "}";
  };
  const std::vector<refused> run_tests = {
      {"[]", "test is missing"},
      {"{}", "test is missing"},
      {R"({"test": 4})", "test is no string"},
      {R"({"test": ""})", "test is empty"},
      {R"({"test": ")" + std::string(256, 't') + "\"}", "test is too long"},
      {R"({"test": "test_call"})", "kwargs is missing"},
      {run("[]"), "kwargs is no object"},
      {run("{}"), "kwargs.count"},
      {run(R"({"count": 0})"), "kwargs.count"},
      {run(R"({"count": -1})"), "kwargs.count"},
      {run(R"({"count": 1.0})"), "kwargs.count"},
      {run(R"({"count": "1"})"), "kwargs.count"},
      {run(R"({"count": 1000000001})"), "kwargs.count"},
      {run(R"({"count": 9223372036854775807})"), "kwargs.count"},
      {run(R"({"count": 1, "verbose": 1})"), "kwargs.verbose"},
      {run(R"({"count": 1, "pause": -0.001})"), "kwargs.pause"},
      {run(R"({"count": 1, "pause": 86401})"), "kwargs.pause"},
      {run(R"({"count": 1, "pause": 1e300})"), "kwargs.pause"},
      {run(R"({"count": 1, "pause": "NaN"})"), "kwargs.pause"},
      {run(R"({"count": 1, "pause": null})"), "kwargs.pause"},
      {run(R"({"count": 1, "data": 5})"), "kwargs.data"},
      {run(R"({"count": 1, "severity": "loud"})"), "kwargs.severity"},
      {run(R"({"count": 1, "severity": null})"), "kwargs.severity"},
      {run(R"({"count": 1, "ombt": 5})"), "kwargs.ombt is no object"},
      {run(R"({"count": 1, "ombt": {}})"), "kwargs.ombt.run"},
      {run(R"({"count": 1, "ombt": {"run": ")" + std::string(65, 'r') + "\"}}"), "kwargs.ombt.run"},
      {run(R"({"count": 1, "ombt": {"run": "r", "detail": -1}})"), "kwargs.ombt.detail"},
      {run(R"({"count": 1, "ombt": {"run": "r", "detail": true}})"), "kwargs.ombt.detail"},
      {run(R"({"count": 1, "ombt": {"run": "r", "progress": 1}})"), "kwargs.ombt.progress.boot"},
      {run(R"({"count": 1, "ombt": {"run": "r", "progress": {"boot": "b"}}})"),
       "kwargs.ombt.progress.name is missing"},
      {run(R"({"count": 1, "ombt": {"run": "r", "progress": {"boot": "", "name": "n"}}})"),
       "kwargs.ombt.progress.boot is empty"},
      {run(R"({"count": 1, "ombt": {"run": "r", "progress": {"direct": false}}})"),
       "kwargs.ombt.progress.boot is missing"},
      {run(R"({"count": 1, "ombt": {"run": "r", "progress": {"direct": 1}}})"),
       "kwargs.ombt.progress.direct is neither true nor false"},
      {R"({"test": "test_call", "kwargs": {"count": 1}})", "reply_addr is missing"},
      {R"({"test": "test_call", "kwargs": {"count": 1}, "reply_addr": "here"})",
       "reply_addr is no"},
      {R"({"test": "test_call", "kwargs": {"count": 1}, "reply_addr": {"exchange": "e", "topic": "t"}})",
       "reply_addr.server is missing"},
      {R"({"test": "test_call", "kwargs": {"count": 1}, "reply_addr": {"exchange": null, "topic": "t", "server": "s"}})",
       "reply_addr.exchange is no string"},
      {R"({"test": "test_call", "kwargs": {"count": 1}, "reply_addr": {"exchange": "e", "topic": "", "server": "s"}})",
       "reply_addr.topic is empty"},
      {R"({"test": "test_call", "kwargs": {"count": 1}, "reply_addr": {"exchange": "e", "topic": "t", "server": "s\u001b[2J"}})",
       "reply_addr.server has control characters"},
      {R"({"test": "test_call", "kwargs": {"count": 1}, "reply_addr": {"exchange": "e", "topic": ")" +
           std::string(200, 't') + R"(", "server": ")" + std::string(55, 's') + "\"}}",
       "too long together"},
  };
  for (const auto& [args, reason] : run_tests) {
    const document d{args};
    run_test_request request;
    std::string why;
    INFO(args);
    CHECK_FALSE(read_run_test_args(d.root, request, why));
    INFO(why);
    CHECK(why.find(reason) != std::string::npos);
    CHECK(why.find('\n') == std::string::npos);
  }
  const std::vector<refused> pongs = {
      {"{}", "kind is missing"},
      {R"({"kind": 1, "name": "n"})", "kind is no string"},
      {R"({"kind": "Controller", "name": "n"})", "kind is none of"},
      {R"({"kind": "RPCClient"})", "name is missing"},
      {R"({"kind": "RPCClient", "name": ["n"]})", "name is no string"},
      {R"({"kind": "RPCClient", "name": ")" + std::string(300, 'n') + "\"}", "name is too long"},
      {R"({"kind": "RPCClient", "name": "a\nb"})", "control characters"},
      {R"({"kind": "RPCClient", "name": "n", "ombt": 1})", "ombt.run is no short string"},
      {R"({"kind": "RPCClient", "name": "n", "ombt": {"run": 1}})", "ombt.run is no short string"},
      {R"({"kind": "RPCClient", "name": "n", "ombt": {"run": ")" + std::string(65, 'r') + "\"}}",
       "ombt.run is no short string"},
      {R"({"kind": "RPCClient", "name": "n", "ombt": {"run": "", "process": 1, "boot": "b"}})",
       "ombt.process is no string"},
      {R"({"kind": "RPCClient", "name": "n", "ombt": {"run": "", "process": "p"}})",
       "ombt.boot is missing"},
      {R"({"kind": "RPCClient", "name": "n", "ombt": {"run": "", "process": "p\u001b", "boot": "b"}})",
       "ombt.process has control characters"},
      {R"({"kind": "RPCClient", "name": "n", "ombt": {"run": "", "process": "p", "boot": ")" +
           std::string(65, 'b') + "\"}}",
       "ombt.boot is too long"},
      {R"({"kind": "RPCClient", "name": "n", "ombt": {"run": "", "process": "p", "boot": "b", )"
       R"("corrected": 9223372036854775807}})",
       "ombt.corrected is no whole number"},
  };
  for (const auto& [args, reason] : pongs) {
    const document d{args};
    client_pong_request pong;
    std::string why;
    INFO(args);
    CHECK_FALSE(read_client_pong_args(d.root, pong, why));
    CHECK(why.find(reason) != std::string::npos);
  }
}

TEST_CASE("a payload above the limit is refused, one at the limit is read") {
  std::string why;
  run_test_request request;
  for (const bool over : {false, true}) {
    const document d{R"({"test": "test_call", "kwargs": {"count": 1, "data": ")" +
                     std::string(data_limit + (over ? 1 : 0), 'X') + "\"}, " + reply_json + "}"};
    CHECK(read_run_test_args(d.root, request, why) == !over);
  }
  CHECK(why.find("kwargs.data") != std::string::npos);
}
