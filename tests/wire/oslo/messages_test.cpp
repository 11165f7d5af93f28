// SPDX-License-Identifier: Apache-2.0
// Fixed bodies of each kind; compare_messages.py holds them against the Python library.
#include "wire/oslo/messages.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <string>

using namespace ombt::wire::oslo;

namespace {

std::string rendered(const request& r) {
  std::string out;
  append_request(out, r);
  return out;
}

request cast_of(std::string_view method) {
  request r;
  r.method = method;
  r.unique_id = "U";
  return r;
}

request call_of(std::string_view method) {
  request r = cast_of(method);
  r.msg_id = "M";
  r.reply_queue = "reply_Q";
  return r;
}

}  // namespace

TEST_CASE("a cast carries method, arguments and unique id") {
  CHECK(rendered(cast_of("noop")) ==
        R"({"oslo.version": "2.0", "oslo.message": )"
        R"("{\"method\": \"noop\", \"args\": {}, \"_unique_id\": \"U\"}"})");
}

TEST_CASE("a call carries namespace, version, message id, reply queue, timeout and context") {
  request r = call_of("echo");
  r.args_json = R"({"data": "\u00e4"})";
  r.name_space = "n";
  r.version = "1.1";
  r.call_monitor_timeout = 2.5;
  r.context_json = R"({"user": "u", "n": {"a": [1, 2.0]}})";
  CHECK(rendered(r) ==
        R"({"oslo.version": "2.0", "oslo.message": "{\"method\": \"echo\", )"
        R"(\"args\": {\"data\": \"\\u00e4\"}, \"namespace\": \"n\", \"version\": \"1.1\", )"
        R"(\"_msg_id\": \"M\", \"_reply_q\": \"reply_Q\", \"_timeout\": 2.5, )"
        R"(\"_unique_id\": \"U\", \"_context_user\": \"u\", )"
        R"(\"_context_n\": {\"a\": [1, 2.0]}}"})");
}

TEST_CASE("the call monitor timeout is an int where it is integral, and null where it is unset") {
  request r = call_of("m");
  const auto timeout_of = [&] {
    const std::string body = rendered(r);
    const std::size_t at = body.find("_timeout") + 12;
    return body.substr(at, body.find(',', at) - at);
  };
  CHECK(timeout_of() == "null");
  r.call_monitor_timeout = 30;
  CHECK(timeout_of() == "30");
  r.call_monitor_timeout = 0.5;
  CHECK(timeout_of() == "0.5");
  r.call_monitor_timeout = 1e300;
  CHECK(timeout_of() == "1e+300");
  r.call_monitor_timeout = std::numeric_limits<double>::infinity();
  CHECK(timeout_of() == "null");
}

TEST_CASE("a text that needs escapes is escaped twice, once more for the envelope") {
  CHECK(rendered(cast_of("a\"\xc3\xa4")).find(R"({\"method\": \"a\\\"\\u00e4\", )") !=
        std::string::npos);
}

TEST_CASE("a context that is no JSON object adds nothing") {
  request r = cast_of("m");
  for (const char* context : {"", "{}", "{", "[1]", "null", "{\"a\": NaN}"}) {
    r.context_json = context;
    CHECK(rendered(r) == rendered(cast_of("m")));
  }
}

TEST_CASE("rendering appends and leaves alone what was there") {
  std::string out = "before";
  append_heartbeat(out, "M", "U");
  CHECK(out == R"(before{"oslo.version": "2.0", "oslo.message": )"
               R"("{\"result\": null, \"failure\": null, \"ending\": false, )"
               R"(\"_msg_id\": \"M\", \"_unique_id\": \"U\"}"})");
}

TEST_CASE("a reply carries its result, a failed one the text of the exception") {
  std::string out;
  append_reply(out, R"({"a": "b"})", "M", "U");
  CHECK(out ==
        R"({"oslo.version": "2.0", "oslo.message": "{\"result\": {\"a\": \"b\"}, )"
        R"(\"failure\": null, \"ending\": true, \"_msg_id\": \"M\", \"_unique_id\": \"U\"}"})");
  out.clear();
  append_failure(out, R"({"class": "E"})", "M", "U");
  CHECK(out == R"({"oslo.version": "2.0", "oslo.message": "{\"result\": null, )"
               R"(\"failure\": \"{\\\"class\\\": \\\"E\\\"}\", \"ending\": true, )"
               R"(\"_msg_id\": \"M\", \"_unique_id\": \"U\"}"})");
}

TEST_CASE("a notification is rendered bare or in an envelope") {
  const notification n{"id",   "pub",           "ev",
                       "INFO", R"({"x": 1})",   "2024-05-06 07:08:09.000001",
                       "U",    R"({"r": null})"};
  const std::string bare =
      R"({"message_id": "id", "publisher_id": "pub", "event_type": "ev", "priority": "INFO", )"
      R"("payload": {"x": 1}, "timestamp": "2024-05-06 07:08:09.000001", "_unique_id": "U", )"
      R"("_context_r": null})";
  std::string out;
  append_notification(out, n, false);
  CHECK(out == bare);
  out.clear();
  append_notification(out, n, true);
  std::string expected = R"({"oslo.version": "2.0", "oslo.message": ")";
  ombt::wire::json::append_escaped(expected, bare);
  expected += "\"}";
  CHECK(out == expected);
}

TEST_CASE("a timestamp has microseconds unless they are zero") {
  CHECK(notification_timestamp(1'700'000'000'123'456'789) == "2023-11-14 22:13:20.123456");
  CHECK(notification_timestamp(1'700'000'000'000'001'000) == "2023-11-14 22:13:20.000001");
  CHECK(notification_timestamp(1'700'000'000'000'000'999) == "2023-11-14 22:13:20");
  CHECK(notification_timestamp(-1) == "1969-12-31 23:59:59.999999");
}

TEST_CASE("an endpoint serves its major version up to its minor and revision") {
  CHECK(version_is_compatible("1.0", "1.0"));
  CHECK(version_is_compatible("1.5", "1.4"));
  CHECK(version_is_compatible("1.5", "1.4.9"));
  CHECK(version_is_compatible("1.5.2", "1.5.1"));
  CHECK(version_is_compatible("", ""));
  CHECK(version_is_compatible("1.2", ""));
  CHECK_FALSE(version_is_compatible("1.5.2", "1.5.3"));
  CHECK_FALSE(version_is_compatible("1.0", "1.1"));
  CHECK_FALSE(version_is_compatible("1.0", "2.0"));
  CHECK_FALSE(version_is_compatible("2.0", "1.0"));
  CHECK_FALSE(version_is_compatible("", "1.1"));
  for (const char* bad : {"1", "x", "1.", ".1", "1.x", "1.0.", "1.0 ", "-1.0", "1.-1", "None",
                          "99999999999.0", "1..0"}) {
    INFO(bad);
    CHECK_FALSE(version_is_compatible("1.0", bad));
    CHECK_FALSE(version_is_compatible(bad, "1.0"));
  }
}
