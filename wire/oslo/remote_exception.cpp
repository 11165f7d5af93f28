// SPDX-License-Identifier: Apache-2.0
// Remote exceptions, as common.serialize_remote_exception and deserialize_remote_exception have
// them: JSON text inside a reply's "failure".
#include "wire/oslo/messages.hpp"

namespace ombt::wire::oslo {
namespace {

constexpr std::string_view dispatcher = "oslo_messaging.rpc.dispatcher";

/// An exception of the dispatcher with its message as only argument. The traceback is the line that
/// names it: there are no Python frames to show.
remote_exception dispatcher_error(std::string_view class_name, std::string message) {
  remote_exception e;
  e.class_name = class_name;
  e.module = dispatcher;
  e.traceback.push_back(e.module + "." + e.class_name + ": " + message + "\n");
  e.args_json = "[";
  json::append_string(e.args_json, message);
  e.args_json += "]";
  e.message = std::move(message);
  return e;
}

std::string text_of(json::value v) { return std::string{v.string().value_or("")}; }

}  // namespace

void append_remote_exception(std::string& out, const remote_exception& e) {
  out += R"({"class": )";
  json::append_string(out, e.class_name);
  out += R"(, "module": )";
  json::append_string(out, e.module);
  out += R"(, "message": )";
  json::append_string(out, e.message);
  out += R"(, "tb": [)";
  bool first = true;
  for (const std::string& line : e.traceback) {
    if (!first) out += ", ";
    first = false;
    json::append_string(out, line);
  }
  out += R"(], "args": )";
  out += e.args_json;
  out += R"(, "kwargs": {}})";
}

error_code read_remote_exception(json::reader& reader, std::string_view text,
                                 remote_exception& out) {
  out = {};
  json::value root;
  if (const error_code error = reader.parse(text, root)) return error;
  if (!root.is_object()) return errc::malformed_message;
  out.class_name = text_of(root["class"]);
  out.module = text_of(root["module"]);
  out.message = text_of(root["message"]);
  root["tb"].for_each_element([&](json::value line) {
    if (const auto written = line.string()) out.traceback.emplace_back(*written);
  });
  if (const json::value args = root["args"]; args.is_array()) {
    out.args_json.clear();
    args.append_to(out.args_json);
  }
  return {};
}

remote_exception no_such_method(std::string_view method) {
  std::string message = "Endpoint does not support RPC method ";
  message += method;
  return dispatcher_error("NoSuchMethod", std::move(message));
}

remote_exception unsupported_version(std::string_view version, std::string_view method) {
  std::string message = "Endpoint does not support RPC version ";
  message += version.empty() ? "1.0" : version;
  if (!method.empty()) {
    message += ". Attempted method: ";
    message += method;
  }
  return dispatcher_error("UnsupportedVersion", std::move(message));
}

}  // namespace ombt::wire::oslo
