// SPDX-License-Identifier: Apache-2.0
// Fixed bodies of each kind; compare_amqp10_messages.py holds them against the Python library.
#include "wire/oslo/amqp10_messages.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <string>

using namespace ombt;
using namespace ombt::wire::oslo;

namespace {

std::string rendered(const request& r) {
  std::string out;
  append_amqp10_request(out, r);
  return out;
}

std::string rendered(const notification& n, bool envelope) {
  std::string out;
  append_amqp10_notification(out, n, envelope);
  return out;
}

request request_of(std::string_view method) {
  request r;
  r.method = method;
  r.msg_id = "ignored";
  r.reply_queue = "ignored";
  r.unique_id = "ignored";
  return r;
}

std::string enveloped(std::string_view message, std::string_view version = "\"2.0\"") {
  std::string body = R"({"request": {"oslo.version": )";
  body += version;
  body += R"(, "oslo.message": )";
  wire::json::append_string(body, message);
  return body + R"(}, "context": {"k": 1}})";
}

void check_empty(const amqp10_message_reader& reader) {
  CHECK_FALSE(reader.message());
  CHECK_FALSE(reader.context());
  CHECK(reader.method().empty());
  CHECK_FALSE(reader.args());
  CHECK_FALSE(reader.name_space());
  CHECK_FALSE(reader.version());
  CHECK_FALSE(reader.call_monitor_timeout());
  CHECK_FALSE(reader.result());
  CHECK_FALSE(reader.failure());
}

}  // namespace

TEST_CASE("a 1.0 request carries method and arguments, and its context beside it") {
  CHECK(rendered(request_of("noop")) ==
        R"({"request": {"method": "noop", "args": {}}, "context": {}})");
}

TEST_CASE("a 1.0 request carries namespace, version, context and the monitor's timeout") {
  request r = request_of("a\"\xc3\xa4");
  r.args_json = R"({"data": "\u00e4"})";
  r.name_space = "n";
  r.version = "1.1";
  r.call_monitor_timeout = 2.5;
  r.context_json = R"({"user": "u", "n": {"a": [1, 2.0]}})";
  CHECK(rendered(r) ==
        R"({"request": {"method": "a\"\u00e4", "args": {"data": "\u00e4"}, "namespace": "n", )"
        R"("version": "1.1"}, "context": {"user": "u", "n": {"a": [1, 2.0]}}, )"
        R"("call_monitor_timeout": 2.5})");
}

TEST_CASE("a 1.0 request leaves the monitor's timeout out where it is unset or no number") {
  request r = request_of("m");
  const std::string without = rendered(r);
  r.call_monitor_timeout = std::numeric_limits<double>::infinity();
  CHECK(rendered(r) == without);
  r.call_monitor_timeout = std::numeric_limits<double>::quiet_NaN();
  CHECK(rendered(r) == without);
  r.call_monitor_timeout = 30;
  CHECK(rendered(r) == without.substr(0, without.size() - 1) + R"(, "call_monitor_timeout": 30})");
}

TEST_CASE("a 1.0 reply has a response, a failed one the text of the exception") {
  std::string out = "before";
  append_amqp10_reply(out, R"({"a": "b"})");
  CHECK(out == R"(before{"response": {"a": "b"}})");
  std::string noted;
  append_amqp10_reply(noted, "1", R"({"t": 2})");
  CHECK(noted == R"({"response": 1, "_ombt": {"t": 2}})");
  append_amqp10_failure(out, R"({"class": "E"})");
  CHECK(out == R"(before{"response": {"a": "b"}}{"failure": "{\"class\": \"E\"}"})");
}

TEST_CASE("a 1.0 notification stands where a request does, bare or in an envelope") {
  const notification n{"id",   "pub",           "ev",
                       "INFO", R"({"x": 1})",   "2024-05-06 07:08:09.000001",
                       "U",    R"({"r": null})"};
  const std::string bare =
      R"({"message_id": "id", "publisher_id": "pub", "event_type": "ev", "priority": "INFO", )"
      R"("payload": {"x": 1}, "timestamp": "2024-05-06 07:08:09.000001"})";
  CHECK(rendered(n, false) == R"({"request": )" + bare + R"(, "context": {"r": null}})");
  std::string expected = R"({"request": {"oslo.version": "2.0", "oslo.message": ")";
  wire::json::append_escaped(expected, bare);
  CHECK(rendered(n, true) == expected + R"("}, "context": {"r": null}})");
  notification without = n;
  without.context_json = {};
  CHECK(rendered(without, false) == R"({"request": )" + bare + R"(, "context": {}})");
}

TEST_CASE("a 1.0 request that was rendered is read") {
  request r = request_of("echo");
  r.args_json = R"({"data": "\u00e4"})";
  r.name_space = "n";
  r.version = "1.1";
  r.call_monitor_timeout = 5;
  r.context_json = R"({"k": 7})";
  amqp10_message_reader reader;
  REQUIRE_FALSE(reader.read(rendered(r)));
  CHECK(reader.method() == "echo");
  CHECK(reader.args()["data"].string() == "\xc3\xa4");
  CHECK(reader.name_space() == "n");
  CHECK(reader.version() == "1.1");
  CHECK(reader.call_monitor_timeout() == 5.0);
  CHECK(reader.context()["k"].integer() == 7);
  CHECK(reader.message()["method"].string() == "echo");
  CHECK_FALSE(reader.result());
  CHECK_FALSE(reader.failure());
}

TEST_CASE("a 1.0 notification is read, from its envelope too") {
  const notification n{"id", "pub", "ev", "INFO", R"({"x": 1})", "t", "", R"({"r": 2})"};
  amqp10_message_reader reader;
  for (const bool envelope : {false, true}) {
    REQUIRE_FALSE(reader.read(rendered(n, envelope)));
    CHECK(reader.message()["message_id"].string() == "id");
    CHECK(reader.message()["payload"]["x"].integer() == 1);
    CHECK(reader.message().size() == 6);
    CHECK(reader.context()["r"].integer() == 2);
    CHECK(reader.method().empty());
  }
}

TEST_CASE("a 1.0 request in an envelope is read as one without") {
  amqp10_message_reader reader;
  REQUIRE_FALSE(reader.read(enveloped(R"({"method": "m", "version": "1.2"})")));
  CHECK(reader.method() == "m");
  CHECK(reader.version() == "1.2");
  CHECK(reader.context()["k"].integer() == 1);
  // Members of the envelope and of the body are not the request's.
  REQUIRE_FALSE(reader.read(R"({"method": "a", "args": 1, "request": {"oslo.version": "2.0",
    "oslo.message": "{}", "method": "b", "version": "9.0"}, "namespace": "c"})"));
  CHECK(reader.method().empty());
  CHECK_FALSE(reader.args());
  CHECK_FALSE(reader.version());
  CHECK_FALSE(reader.name_space());
  // Nor are the request's members the body's.
  REQUIRE_FALSE(reader.read(
      R"({"request": {"context": 1, "call_monitor_timeout": 2, "response": 3, "failure": 4}})"));
  CHECK_FALSE(reader.context());
  CHECK_FALSE(reader.call_monitor_timeout());
  CHECK_FALSE(reader.result());
  CHECK_FALSE(reader.failure());
}

TEST_CASE("1.0 replies have a result or a failure, and no request") {
  amqp10_message_reader reader;
  std::string body;
  append_amqp10_reply(body, "[1]");
  REQUIRE_FALSE(reader.read(body));
  CHECK(reader.result().size() == 1);
  CHECK_FALSE(reader.failure());
  CHECK_FALSE(reader.message());
  CHECK_FALSE(reader.note());

  body.clear();
  append_amqp10_reply(body, "[1]", R"({"t": [1, 2]})");
  REQUIRE_FALSE(reader.read(body));
  CHECK(reader.result().size() == 1);
  CHECK(reader.note()["t"].size() == 2);

  body.clear();
  append_amqp10_failure(body, R"({"class": "E"})");
  REQUIRE_FALSE(reader.read(body));
  CHECK(reader.failure() == R"({"class": "E"})");
  CHECK_FALSE(reader.result());

  REQUIRE_FALSE(reader.read(R"({"response": null, "failure": null, "request": null})"));
  CHECK(reader.result().is_null());
  CHECK_FALSE(reader.failure());
  CHECK_FALSE(reader.message());
  REQUIRE_FALSE(reader.read("{}"));
  check_empty(reader);
}

TEST_CASE("a failure on 1.0 counts unless it is null, readable or not") {
  amqp10_message_reader reader;
  for (const char* some : {"\"\"", "false", "0", "{}", "[]", "true", "{\"class\": \"E\"}"}) {
    REQUIRE_FALSE(reader.read(std::string{R"({"failure": )"} + some + "}"));
    CHECK(reader.failure() == "");
  }
}

TEST_CASE("other envelope versions are unsupported on 1.0 as well") {
  amqp10_message_reader reader;
  for (const char* version :
       {"\"1.0\"", "\"2.1\"", "\"3.0\"", "\"2.0.1\"", "\"2\"", "\"\"", "2.0", "null", "[]"}) {
    INFO(version);
    REQUIRE_FALSE(reader.read(R"({"request": {"method": "m"}})"));
    CHECK(reader.read(enveloped("{}", version)) == errc::unsupported_envelope);
    check_empty(reader);
  }
  CHECK_FALSE(reader.read(enveloped("{}", "\"2.0.0\"")));
}

TEST_CASE("what is no message is malformed on 1.0, and nothing of an earlier one stays") {
  amqp10_message_reader reader;
  for (const std::string& body :
       {std::string{}, std::string{"x"}, std::string{"[]"}, std::string{"null"},
        std::string{"{\"a\": }"}, std::string{R"({"request": 1, "context": {}})"},
        std::string{R"({"request": "{}"})"}, std::string{R"({"request": []})"}, enveloped("x"),
        enveloped(""), enveloped("[1]"), enveloped("null"),
        std::string{R"({"request": {"oslo.version": "2.0", "oslo.message": {"method": "m"}}})"},
        std::string{"{\"a\": \"\xff\"}"}}) {
    INFO(body);
    REQUIRE_FALSE(reader.read(R"({"request": {"method": "m", "args": {}, "version": "1.0"},
      "context": {}, "call_monitor_timeout": 1, "response": 1, "failure": "x"})"));
    CHECK(reader.read(body) == errc::malformed_message);
    check_empty(reader);
  }
}

TEST_CASE("members of unexpected types on 1.0 are absent, versions and namespaces nobody's") {
  amqp10_message_reader reader;
  REQUIRE_FALSE(reader.read(R"({"request": {"method": 1, "namespace": null, "version": null},
    "call_monitor_timeout": "5"})"));
  CHECK(reader.method().empty());
  CHECK_FALSE(reader.call_monitor_timeout());
  CHECK_FALSE(reader.name_space());
  REQUIRE(reader.version());
  CHECK_FALSE(version_is_compatible("1.0", *reader.version()));
  REQUIRE_FALSE(reader.read(R"({"request": {"namespace": 5, "version": 1.0}})"));
  REQUIRE(reader.name_space());
  CHECK_FALSE(reader.name_space()->empty());
  CHECK_FALSE(version_is_compatible("1.0", *reader.version()));
}

TEST_CASE("a 1.0 message of 1 MiB is read, and its memory can be given back") {
  amqp10_message_reader reader;
  const std::string args = R"({"data": ")" + std::string(1 << 20, 'X') + "\"}";
  request r = request_of("echo");
  r.args_json = args;
  const std::string body = rendered(r);
  REQUIRE_FALSE(reader.read(body));
  CHECK(reader.args()["data"].string()->size() == 1 << 20);
  reader.release();
  check_empty(reader);
  REQUIRE_FALSE(reader.read(body));
  CHECK(reader.method() == "echo");
}
