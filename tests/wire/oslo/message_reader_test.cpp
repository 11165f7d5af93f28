// SPDX-License-Identifier: Apache-2.0
#include "wire/oslo/messages.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ombt;
using namespace ombt::wire::oslo;

namespace {

std::string enveloped(std::string_view message, std::string_view version = "\"2.0\"") {
  std::string body = R"({"oslo.version": )";
  body += version;
  body += R"(, "oslo.message": )";
  wire::json::append_string(body, message);
  return body + "}";
}

void check_empty(const message_reader& reader) {
  CHECK_FALSE(reader.message());
  CHECK(reader.method().empty());
  CHECK_FALSE(reader.args());
  CHECK_FALSE(reader.name_space());
  CHECK_FALSE(reader.version());
  CHECK(reader.msg_id().empty());
  CHECK(reader.reply_queue().empty());
  CHECK_FALSE(reader.call_monitor_timeout());
  CHECK(reader.unique_id().empty());
  CHECK_FALSE(reader.result());
  CHECK_FALSE(reader.failure());
  CHECK_FALSE(reader.ending());
}

}  // namespace

TEST_CASE("a request that was rendered is read") {
  request r;
  r.method = "echo";
  r.args_json = R"({"data": "\u00e4"})";
  r.name_space = "n";
  r.version = "1.1";
  r.msg_id = "M";
  r.reply_queue = "Q";
  r.call_monitor_timeout = 5;
  r.unique_id = "U";
  r.context_json = R"({"k": 7})";
  std::string body;
  append_request(body, r);
  message_reader reader;
  REQUIRE_FALSE(reader.read(body));
  CHECK(reader.method() == "echo");
  CHECK(reader.args()["data"].string() == "\xc3\xa4");
  CHECK(reader.name_space() == "n");
  CHECK(reader.version() == "1.1");
  CHECK(reader.msg_id() == "M");
  CHECK(reader.reply_queue() == "Q");
  CHECK(reader.call_monitor_timeout() == 5.0);
  CHECK(reader.unique_id() == "U");
  CHECK(reader.message()["_context_k"].integer() == 7);
  CHECK_FALSE(reader.failure());
}

TEST_CASE("replies are final, failed or heartbeats") {
  message_reader reader;
  std::string body;
  append_reply(body, "[1]", "M", "U");
  REQUIRE_FALSE(reader.read(body));
  CHECK(reader.result().size() == 1);
  CHECK(reader.ending());
  CHECK_FALSE(reader.failure());
  CHECK(reader.msg_id() == "M");
  CHECK_FALSE(reader.note());

  body.clear();
  append_reply(body, "[1]", "M", "U", R"({"t": [1, 2]})");
  REQUIRE_FALSE(reader.read(body));
  CHECK(reader.result().size() == 1);
  CHECK(reader.note()["t"].size() == 2);
  CHECK(reader.msg_id() == "M");

  body.clear();
  append_failure(body, R"({"class": "E"})", "M", "U");
  REQUIRE_FALSE(reader.read(body));
  CHECK(reader.result().is_null());
  CHECK(reader.failure() == R"({"class": "E"})");
  CHECK(reader.ending());

  body.clear();
  append_heartbeat(body, "M", "U");
  REQUIRE_FALSE(reader.read(body));
  CHECK_FALSE(reader.ending());
  CHECK_FALSE(reader.failure());
}

TEST_CASE("a failure counts where Python calls it true, readable or not") {
  message_reader reader;
  for (const char* none : {"null", "\"\"", "false", "0", "{}", "[]"}) {
    REQUIRE_FALSE(reader.read(std::string{R"({"failure": )"} + none + "}"));
    CHECK_FALSE(reader.failure());
  }
  for (const char* some : {"true", "1", "{\"class\": \"E\"}", "[0]"}) {
    REQUIRE_FALSE(reader.read(std::string{R"({"failure": )"} + some + "}"));
    CHECK(reader.failure() == "");
  }
}

TEST_CASE("a body without both envelope keys is a bare message") {
  message_reader reader;
  REQUIRE_FALSE(reader.read(R"({"method": "m", "oslo.version": "9.0"})"));
  CHECK(reader.method() == "m");
  REQUIRE_FALSE(reader.read(R"({"oslo.message": 3, "method": "n"})"));
  CHECK(reader.method() == "n");
  REQUIRE_FALSE(reader.read("{}"));
  CHECK(reader.message().is_object());
  CHECK(reader.method().empty());
}

TEST_CASE("other envelope versions are unsupported") {
  message_reader reader;
  for (const char* version :
       {"\"1.0\"", "\"2.1\"", "\"3.0\"", "\"2.0.1\"", "\"2\"", "\"\"", "2.0", "null", "[]"}) {
    INFO(version);
    REQUIRE_FALSE(reader.read(R"({"method": "m"})"));
    CHECK(reader.read(enveloped("{}", version)) == errc::unsupported_envelope);
    check_empty(reader);
  }
  CHECK_FALSE(reader.read(enveloped("{}", "\"2.0.0\"")));
}

TEST_CASE("what is no message is malformed, and nothing of an earlier one stays") {
  message_reader reader;
  for (const std::string& body :
       {std::string{}, std::string{"x"}, std::string{"[]"}, std::string{"null"},
        std::string{"{\"a\": }"}, enveloped("x"), enveloped(""), enveloped("[1]"),
        enveloped("null"), enveloped("\"x\""),
        std::string{R"({"oslo.version": "2.0", "oslo.message": {"method": "m"}})"},
        std::string{R"({"oslo.version": "2.0", "oslo.message": null})"},
        std::string{"{\"a\": \"\xff\"}"}}) {
    INFO(body);
    REQUIRE_FALSE(reader.read(R"({"method": "m", "args": {}, "_msg_id": "i", "ending": true})"));
    CHECK(reader.read(body) == errc::malformed_message);
    check_empty(reader);
  }
}

TEST_CASE("an envelope inside an envelope is not unwrapped") {
  message_reader reader;
  REQUIRE_FALSE(reader.read(enveloped(enveloped(R"({"method": "m"})"))));
  CHECK(reader.method().empty());
  CHECK(reader.message()["oslo.version"].string() == "2.0");
}

TEST_CASE("members of unexpected types are read as absent, versions and namespaces as nobody's") {
  message_reader reader;
  REQUIRE_FALSE(reader.read(R"({"method": 1, "_msg_id": null, "_reply_q": [], "_timeout": "5",
    "_unique_id": {}, "namespace": null, "version": null, "ending": null})"));
  CHECK(reader.method().empty());
  CHECK(reader.msg_id().empty());
  CHECK(reader.reply_queue().empty());
  CHECK_FALSE(reader.call_monitor_timeout());
  CHECK(reader.unique_id().empty());
  CHECK_FALSE(reader.name_space());
  REQUIRE(reader.version());
  CHECK_FALSE(version_is_compatible("1.0", *reader.version()));
  CHECK_FALSE(reader.ending());
  REQUIRE_FALSE(reader.read(R"({"namespace": 5, "version": 1.0})"));
  REQUIRE(reader.name_space());
  CHECK_FALSE(reader.name_space()->empty());
  CHECK_FALSE(version_is_compatible("1.0", *reader.version()));
}

TEST_CASE("a message of 1 MiB is read, and its memory can be given back") {
  message_reader reader;
  request r;
  const std::string args = R"({"data": ")" + std::string(1 << 20, 'X') + "\"}";
  r.method = "echo";
  r.args_json = args;
  std::string body;
  append_request(body, r);
  REQUIRE_FALSE(reader.read(body));
  CHECK(reader.args()["data"].string()->size() == 1 << 20);
  reader.release();
  check_empty(reader);
  REQUIRE_FALSE(reader.read(body));
  CHECK(reader.method() == "echo");
}
