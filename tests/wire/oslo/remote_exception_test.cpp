// SPDX-License-Identifier: Apache-2.0
#include "wire/oslo/messages.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ombt;
using namespace ombt::wire::oslo;

TEST_CASE("a remote exception is written in the order of serialize_remote_exception") {
  std::string out;
  append_remote_exception(out, {"ValueError", "builtins", "no \xc3\xa4", {"a\n", "b\n"}, "[1]"});
  CHECK(out == R"({"class": "ValueError", "module": "builtins", "message": "no \u00e4", )"
               R"("tb": ["a\n", "b\n"], "args": [1], "kwargs": {}})");
}

TEST_CASE("what is written reads back") {
  const remote_exception e = unsupported_version("2.0", "m");
  std::string text;
  append_remote_exception(text, e);
  wire::json::reader reader;
  remote_exception read;
  REQUIRE_FALSE(read_remote_exception(reader, text, read));
  CHECK(read.class_name == "UnsupportedVersion");
  CHECK(read.module == "oslo_messaging.rpc.dispatcher");
  CHECK(read.message == "Endpoint does not support RPC version 2.0. Attempted method: m");
  CHECK(read.traceback == e.traceback);
  CHECK(read.args_json == e.args_json);
}

TEST_CASE("the dispatcher's exceptions name the method and the version") {
  CHECK(no_such_method("x").message == "Endpoint does not support RPC method x");
  CHECK(no_such_method("x").class_name == "NoSuchMethod");
  CHECK(no_such_method("x").args_json == R"(["Endpoint does not support RPC method x"])");
  CHECK(unsupported_version("", "x").message ==
        "Endpoint does not support RPC version 1.0. Attempted method: x");
  CHECK(unsupported_version("3.0", "").message == "Endpoint does not support RPC version 3.0");
}

TEST_CASE("an exception of unexpected shape is read as far as it goes") {
  wire::json::reader reader;
  remote_exception e;
  REQUIRE_FALSE(read_remote_exception(
      reader, R"({"class": null, "message": 3, "tb": ["a", 1, {}], "args": {}, "kwargs": []})", e));
  CHECK(e.class_name.empty());
  CHECK(e.message.empty());
  CHECK(e.traceback == std::vector<std::string>{"a"});
  CHECK(e.args_json == "[]");
  REQUIRE_FALSE(read_remote_exception(reader, R"({"class": "C", "tb": "text"})", e));
  CHECK(e.class_name == "C");
  CHECK(e.traceback.empty());
}

TEST_CASE("an exception that is no JSON object is malformed") {
  wire::json::reader reader;
  remote_exception e;
  e.class_name = "before";
  for (const char* text : {"", "text", "[]", "null", "\"x\"", "{"}) {
    CHECK(read_remote_exception(reader, text, e) == errc::malformed_message);
    CHECK(e.class_name.empty());
  }
}
