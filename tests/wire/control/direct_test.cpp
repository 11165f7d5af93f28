// SPDX-License-Identifier: Apache-2.0
#include "wire/control/direct.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

const std::string some_key = "0123456789abcdef";

/// Keeps the document alive as long as its value is used.
struct direct_document {
  explicit direct_document(const std::string& text) {
    INFO(text.substr(0, 300));
    REQUIRE_FALSE(reader.parse(text, root));
  }
  json::reader reader;
  json::value root;
};

template <class What>
using read_function = bool (*)(json::value, What&, std::string&);

/// What reading a text with one replacement in it complains of; empty: nothing.
template <class What>
std::string complaint(read_function<What> read, std::string text, const std::string& what,
                      const std::string& by) {
  const auto at = text.find(what);
  INFO(text << " has no " << what);
  REQUIRE(at != std::string::npos);
  text.replace(at, what.size(), by);
  const direct_document parsed{text};
  What out;
  std::string why;
  const bool ok = read(parsed.root, out, why);
  CHECK(ok == why.empty());
  return why;
}

std::string message_complaint(const std::string& text) {
  const direct_document parsed{text};
  direct_message out;
  std::string why;
  const bool ok = read_direct_message(parsed.root, out, why);
  CHECK(ok == why.empty());
  return why;
}

process_hello example_hello() {
  process_hello out;
  out.program = "ombt-agent 1.0";
  out.process = some_key;
  out.host = "node-7";
  out.boot = "11111111-2222-3333-4444-555555555555";
  out.pid = 4711;
  out.agents = {50, 0, 7, 1};
  out.standby = 3;
  out.capacity = 61;
  out.topics = {"a", "b \"c\""};
  out.site = "Lyon";
  out.topology = "lean";
  out.bus = "rabbit://guest:***@h:5672/";
  out.capabilities = {"prepare", "start"};
  return out;
}

}  // namespace

TEST_CASE("a process's key is 16 lower-case hexadecimal digits") {
  CHECK(is_process_key(some_key));
  CHECK_FALSE(is_process_key("0123456789abcde"));
  CHECK_FALSE(is_process_key("0123456789abcdef0"));
  CHECK_FALSE(is_process_key("0123456789ABCDEF"));
  CHECK_FALSE(is_process_key("----------------"));
}

TEST_CASE("a route names a process, or the owner of the port") {
  CHECK(route_to(some_key) == "ombt/1 0123456789abcdef\n");
  CHECK(route_to("") == "ombt/1 ----------------\n");
  CHECK(route_to(some_key).size() == route_bytes);
  CHECK(read_route(route_to(some_key)) == some_key);
  CHECK(read_route(route_to("")) == "");
  CHECK_FALSE(read_route(register_route));
  for (const std::string& whole : {route_to(some_key), route_to("")}) {
    for (std::size_t n = 0; n < whole.size(); ++n) {
      INFO(n);
      CHECK_FALSE(read_route(whole.substr(0, n)));
      std::string other = whole;
      other[n] = '~';
      CHECK_FALSE(read_route(other));
    }
    CHECK_FALSE(read_route(whole + "x"));
  }
  CHECK_FALSE(read_route("ombt/1 0123456789abcde-\n"));
  CHECK_FALSE(read_route("ombt/2 0123456789abcdef\n"));
}

TEST_CASE("what can't become a route shows at its first byte that is none of one") {
  for (const std::string& whole : {route_to(some_key), route_to(""), std::string{register_route}}) {
    for (std::size_t n = 0; n <= whole.size(); ++n) {
      INFO(whole << n);
      CHECK(may_be_route(whole.substr(0, n)));
      if (n == whole.size()) continue;
      CHECK_FALSE(may_be_route(whole.substr(0, n) + '~'));
      CHECK_FALSE(may_be_route(whole.substr(0, n) + '\0'));
    }
    CHECK_FALSE(may_be_route(whole + "x"));
  }
  CHECK_FALSE(may_be_route("GET / HTTP/1.1"));
  CHECK_FALSE(may_be_route("ombt/1 -0"));
  CHECK_FALSE(may_be_route("ombt/1 +-"));
  CHECK_FALSE(may_be_route("ombt/1 0+"));
  CHECK_FALSE(may_be_route("ombt/1 \n"));
}

TEST_CASE("commands and notices survive the wire") {
  std::string text;
  append_direct_command(text, 7, "run_test", agent_kind::notifier, "a topic", R"({"x": [1]})");
  CHECK(text == R"({"id": 7, "method": "run_test", "kind": "Notifier", "topic": "a topic", )"
                R"("args": {"x": [1]}})");
  const direct_document command{text};
  direct_message out;
  std::string why;
  REQUIRE(read_direct_message(command.root, out, why));
  CHECK(out.id == 7);
  CHECK(out.method == "run_test");
  CHECK(out.kind == agent_kind::notifier);
  CHECK(out.topic == "a topic");
  CHECK(out.args["x"].size() == 1);

  text.clear();
  append_direct_command(text, 0, "release", {}, "", "");
  CHECK(text == R"({"method": "release"})");
  const direct_document notice{text};
  REQUIRE(read_direct_message(notice.root, out, why));
  CHECK(out.id == 0);
  CHECK(out.method == "release");
  CHECK_FALSE(out.kind);
  CHECK(out.topic.empty());
  CHECK_FALSE(out.args);
}

TEST_CASE("answers survive the wire, null among them") {
  direct_message out;
  std::string why;
  std::string text;
  append_direct_result(text, 9'007'199'254'740'992, "null");
  CHECK(text == R"({"id": 9007199254740992, "result": null})");
  const direct_document result{text};
  REQUIRE(read_direct_message(result.root, out, why));
  CHECK(out.id == 9'007'199'254'740'992);
  CHECK(out.method.empty());
  CHECK(out.result.is_null());
  CHECK(out.error.empty());

  text.clear();
  append_direct_error(text, 1, "no such method");
  CHECK(text == R"({"id": 1, "error": "no such method"})");
  const direct_document error{text};
  REQUIRE(read_direct_message(error.root, out, why));
  CHECK(out.id == 1);
  CHECK_FALSE(out.result);
  CHECK(out.error == "no such method");
}

TEST_CASE("an error is one line that its reader takes, whatever it was") {
  const auto [error, read] = GENERATE(table<std::string, std::string>({
      {"", "failed"},
      {"two\nlines\x1b[2J", "two lines [2J"},
      {std::string(5'000, 'x'), std::string(1'024, 'x')},
      {std::string(1'023, 'x') + "\xc3\xa4", std::string(1'023, 'x')},
      {std::string(2'000, '\x80'), ""},
  }));
  std::string text;
  append_direct_error(text, 3, error);
  const direct_document parsed{text};
  direct_message out;
  std::string why;
  INFO(why);
  REQUIRE(read_direct_message(parsed.root, out, why));
  CHECK_FALSE(out.error.empty());
  if (!read.empty()) CHECK(out.error == read);
}

TEST_CASE("frames that are neither commands nor answers are refused") {
  const std::string nothing = "a frame is neither a command nor an answer";
  CHECK(message_complaint("[]") == "a frame is no object");
  CHECK(message_complaint("{}") == nothing);
  CHECK(message_complaint(R"({"id": 1})") == nothing);
  CHECK(message_complaint(R"({"result": null})") == nothing);
  CHECK(message_complaint(R"({"id": 1, "result": null, "error": "x"})") == nothing);
  CHECK(message_complaint(R"({"id": 1, "error": ""})") == nothing);
  CHECK(message_complaint(R"({"id": 1, "error": "a\nb"})") == "error has control characters");
  CHECK(message_complaint(R"({"id": 1, "error": ")" + std::string(4'097, 'x') + "\"}") ==
        "error is too long");
  CHECK(message_complaint(R"({"id": 1, "error": {}})") == "error is no string");
  for (const std::string id : {"0", "-1", "1.0", "9007199254740993", "\"1\"", "null"}) {
    CHECK(message_complaint("{\"id\": " + id + ", \"method\": \"x\"}") ==
          "id is no whole number from 1 on");
  }
  CHECK(message_complaint(R"({"method": 1})") == "method is no string");
  CHECK(message_complaint("{\"method\": \"" + std::string(65, 'x') + "\"}") ==
        "method is too long");
  CHECK(message_complaint(R"({"method": "x", "kind": "rpc"})") ==
        "kind is none of RPCClient, RPCServer, Listener, Notifier");
  CHECK(message_complaint(R"({"method": "x", "kind": 1})") ==
        "kind is none of RPCClient, RPCServer, Listener, Notifier");
  CHECK(message_complaint(R"({"method": "x", "args": []})") == "args is no object");
  CHECK(message_complaint(R"({"method": "x", "args": null})") == "args is no object");
  CHECK(message_complaint("{\"method\": \"x\", \"topic\": \"" + std::string(256, 'x') + "\"}") ==
        "topic is too long");
  CHECK(message_complaint(R"({"method": "x", "what": "is new", "error": 1})").empty());
}

TEST_CASE("a controller's hello survives the wire") {
  const controller_hello hello{direct_version, "ombt-t-None-h-1-x", "h\xc3\xb6st", 4711};
  std::string text;
  append_controller_hello(text, hello);
  const direct_document parsed{text};
  controller_hello out;
  std::string why;
  REQUIRE(read_controller_hello(parsed.root, out, why));
  CHECK(out.controller == hello.controller);
  CHECK(out.host == hello.host);
  CHECK(out.pid == hello.pid);
  CHECK(text.size() < 4'096);

  const read_function<controller_hello> read = read_controller_hello;
  CHECK(complaint(read, text, "\"version\": 1", "\"version\": 2") ==
        "version of direct control is 2, here it is 1");
  CHECK(complaint(read, text, "\"version\"", "\"revision\"") ==
        "version is no whole number that it may be");
  CHECK(complaint(read, text, "\"controller\"", "\"x\"") == "controller is missing");
  CHECK(complaint(read, text, "ombt-t", "\\u0007") == "controller has control characters");
  CHECK(complaint(read, text, "4711", "-1") == "pid is no whole number that it may be");
  CHECK(complaint(read, text, "4711", "4711, \"new\": []").empty());
}

TEST_CASE("the longest hello of a controller fits where nothing more may come before it") {
  std::string text;
  append_controller_hello(
      text, {direct_version, std::string(255, '\xff'), std::string(255, '\xff'), 1L << 53});
  CHECK(text.size() < 4'096 - 100);
}

TEST_CASE("a process's hello survives the wire") {
  const process_hello hello = example_hello();
  std::string text;
  append_process_hello(text, hello);
  const direct_document parsed{text};
  process_hello out;
  std::string why;
  INFO(text << why);
  REQUIRE(read_process_hello(parsed.root, out, why));
  CHECK(out.version == direct_version);
  CHECK(out.program == hello.program);
  CHECK(out.process == hello.process);
  CHECK(out.host == hello.host);
  CHECK(out.boot == hello.boot);
  CHECK(out.pid == hello.pid);
  CHECK(out.agents == hello.agents);
  CHECK(out.standby == hello.standby);
  CHECK(out.capacity == hello.capacity);
  CHECK(out.topics == hello.topics);
  CHECK(out.site == hello.site);
  CHECK(out.topology == hello.topology);
  CHECK(out.bus == hello.bus);
  CHECK(out.capabilities == hello.capabilities);
}

TEST_CASE("of a process's hello nothing is believed beyond its bounds") {
  std::string text;
  append_process_hello(text, example_hello());
  const read_function<process_hello> read = read_process_hello;
  const auto list = [](std::size_t n) {
    std::string out = "\"x\"";
    while (--n > 0) out += ", \"x\"";
    return out;
  };
  CHECK(complaint(read, text, "\"version\": 1", "\"version\": 7") ==
        "version of direct control is 7, here it is 1");
  CHECK(complaint(read, text, some_key, some_key + "0") == "process is no key");
  CHECK(complaint(read, text, "\"process\"", "\"p\"") == "process is missing");
  CHECK(complaint(read, text, "ombt-agent", std::string(256, 'x')) == "program is too long");
  CHECK(complaint(read, text, "node-7", "\\u001b[2J") == "host has control characters");
  CHECK(complaint(read, text, "11111111", std::string(60, '1')) == "boot is too long");
  CHECK(complaint(read, text, "4711", "\"4711\"") == "pid is no whole number that it may be");
  CHECK(complaint(read, text, "\"Listener\": 7", "\"Listener\": 1000001") ==
        "Listener is more than there can be");
  CHECK(complaint(read, text, "\"Listener\": 7", "\"Listener\": -7") == "Listener is no count");
  CHECK(complaint(read, text, "\"Listener\"", "\"Watcher\"").empty());
  CHECK(complaint(read, text, "\"standby\": 3", "\"standby\": 4294967296") ==
        "standby is more than there can be");
  CHECK(complaint(read, text, "\"capacity\": 61", "\"capacity\": 1000001") ==
        "capacity is more than there can be");
  CHECK(complaint(read, text, "\"capacity\": 61", "\"other\": 61").empty());
  CHECK(complaint(read, text, "[\"a\"", "[1") == "topics has one that is no string");
  CHECK(complaint(read, text, "[\"a\"", "[\"\"") == "topics has one that is empty");
  CHECK(complaint(read, text, "[\"prepare\", \"start\"]", "{}") == "capabilities is no list");
  CHECK(complaint(read, text, "\"prepare\"", list(99)).empty());
  CHECK(complaint(read, text, "\"prepare\"", list(100)) ==
        "capabilities has more than there can be");
  CHECK(complaint(read, text, "\"a\"", list(999)).empty());
  CHECK(complaint(read, text, "\"a\"", list(1'000)) == "topics has more than there can be");
  CHECK(complaint(read, text, "rabbit:", std::string(4'097, 'r')) == "bus is too long");
}

TEST_CASE("a port's list of processes survives the wire, and is believed to its bounds") {
  process_list list{"node-7", "boot", {some_key, "fedcba9876543210"}};
  std::string text;
  append_process_list(text, list);
  const direct_document parsed{text};
  process_list out;
  std::string why;
  REQUIRE(read_process_list(parsed.root, out, why));
  CHECK(out.host == list.host);
  CHECK(out.boot == list.boot);
  CHECK(out.processes == list.processes);

  const read_function<process_list> read = read_process_list;
  CHECK(complaint(read, text, some_key, "x") == "processes has one that is no key");
  CHECK(complaint(read, text, some_key, "fedcba9876543210") == "processes has one twice");
  CHECK(complaint(read, text, some_key, some_key + some_key) ==
        "processes has one that is too long");
  CHECK(complaint(read, text, "[", "[[], ") == "processes has one that is no string");
  CHECK(complaint(read, text, "node-7", "\\n") == "host has control characters");

  list.processes.clear();
  for (std::size_t i = 0; i < processes_limit; ++i) {
    std::string digits = std::to_string(i);
    list.processes.push_back(std::string(16 - digits.size(), 'a') + digits);
  }
  text.clear();
  append_process_list(text, list);
  CHECK(complaint(read, text, "[", "[").empty());
  CHECK(complaint(read, text, "[", "[\"" + some_key + "\", ") ==
        "processes has more than there can be");
}

TEST_CASE("the answer to hold says whose the process is") {
  hold_answer out;
  std::string why;
  std::string text;
  append_hold_answer(text, {true, "", "", 0, 0});
  CHECK(text == R"({"held": true})");
  const direct_document held{text};
  REQUIRE(read_hold_answer(held.root, out, why));
  CHECK(out.held);

  text.clear();
  append_hold_answer(text, {false, "ombt-t-None-h-1-x", "h", 4711, 1'700'000'000.25});
  const direct_document other{text};
  REQUIRE(read_hold_answer(other.root, out, why));
  CHECK_FALSE(out.held);
  CHECK(out.by == "ombt-t-None-h-1-x");
  CHECK(out.host == "h");
  CHECK(out.pid == 4711);
  CHECK(out.since == 1'700'000'000.25);

  const read_function<hold_answer> read = read_hold_answer;
  CHECK(complaint(read, text, "\"held\"", "\"x\"") == "held is missing");
  CHECK(complaint(read, text, "false", "0") == "held is neither true nor false");
  CHECK(complaint(read, text, "\"h\"", "\"\\t\"") == "host has control characters");
  CHECK(complaint(read, text, "1700000000.25", "1e13") == "since is no plausible number");
}

TEST_CASE("when a prepared run begins, and when it began, survives the wire") {
  const start_request start{"run-1", "boot", 123'456'789'012'345, 1'700'000'000'000'000'000};
  std::string text;
  append_start_request(text, start);
  const direct_document parsed{text};
  start_request out;
  std::string why;
  REQUIRE(read_start_request(parsed.root, out, why));
  CHECK(out.run == start.run);
  CHECK(out.boot == start.boot);
  CHECK(out.monotonic_ns == start.monotonic_ns);
  CHECK(out.realtime_ns == start.realtime_ns);

  const read_function<start_request> read = read_start_request;
  CHECK(complaint(read, text, "run-1", "") == "run is empty");
  CHECK(complaint(read, text, "run-1", std::string(65, 'x')) == "run is too long");
  CHECK(complaint(read, text, "123456789012345", "-1") ==
        "monotonic_ns is no whole number that it may be");
  CHECK(complaint(read, text, "\"realtime_ns\"", "\"x\"") ==
        "realtime_ns is no whole number that it may be");
  CHECK(complaint(read, text, "1700000000000000000", "2305843009213693952") ==
        "realtime_ns is no whole number that it may be");

  text.clear();
  append_started_notice(text, {"run-1", 1'700'000'000'000'000'001});
  const direct_document told{text};
  started_notice began;
  REQUIRE(read_started_notice(told.root, began, why));
  CHECK(began.run == "run-1");
  CHECK(began.realtime_ns == 1'700'000'000'000'000'001);
  const read_function<started_notice> read_started = read_started_notice;
  CHECK(complaint(read_started, text, "run-1", "\\u0000") == "run has control characters");
  CHECK(complaint(read_started, text, "\"realtime_ns\"", "\"x\"") ==
        "realtime_ns is no whole number that it may be");
}
