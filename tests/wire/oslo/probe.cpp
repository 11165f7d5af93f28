// SPDX-License-Identifier: Apache-2.0
// Answers for wire/oslo and wire/json: a JSON request a line on standard input, a JSON answer a
// line on standard output. The compare_*.py scripts ask it and the Python library the same
// questions.
#include "wire/configuration_error.hpp"
#include "wire/oslo/amqp10_address.hpp"
#include "wire/oslo/amqp10_messages.hpp"
#include "wire/oslo/messages.hpp"
#include "wire/oslo/options.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <string>

using namespace ombt;
using namespace ombt::wire::oslo;
using nlohmann::json;

namespace {

std::string text(const json& question, const char* key) {
  return question.value(key, std::string{});
}

std::string render_request(const json& q) {
  const std::string method = text(q, "method"), args = q.at("args"),
                    name_space = text(q, "namespace"), version = text(q, "version"),
                    msg_id = text(q, "msg_id"), reply_queue = text(q, "reply_q"),
                    unique_id = text(q, "unique_id"), context = text(q, "context");
  request r;
  r.method = method;
  r.args_json = args;
  r.name_space = name_space;
  r.version = version;
  r.msg_id = msg_id;
  r.reply_queue = reply_queue;
  if (q.contains("timeout")) r.call_monitor_timeout = q["timeout"].get<double>();
  r.unique_id = unique_id;
  r.context_json = context;
  std::string out;
  (q.at("what") == "request" ? append_request : append_amqp10_request)(out, r);
  return out;
}

std::string render_notification(const json& q) {
  const std::string message_id = text(q, "message_id"), publisher = text(q, "publisher_id"),
                    event = text(q, "event_type"), priority = text(q, "priority"),
                    payload = q.at("payload"), timestamp = text(q, "timestamp"),
                    unique_id = text(q, "unique_id"), context = text(q, "context");
  std::string out;
  (q.at("what") == "notification" ? append_notification : append_amqp10_notification)(
      out, {message_id, publisher, event, priority, payload, timestamp, unique_id, context},
      q.at("envelope"));
  return out;
}

remote_exception exception_of(const json& q) {
  return {text(q, "class"), text(q, "module"), text(q, "message"),
          q.at("tb").get<std::vector<std::string>>(), text(q, "args")};
}

json describe(const remote_exception& e) {
  return {{"class", e.class_name},
          {"module", e.module},
          {"message", e.message},
          {"tb", e.traceback},
          {"args", e.args_json}};
}

json optional_text(std::optional<std::string_view> value) {
  return value ? json(std::string{*value}) : json();
}

json read_body(const std::string& body) {
  static message_reader reader;
  if (const error_code error = reader.read(body)) {
    return {{"error", name_of(static_cast<errc>(error.value()))}};
  }
  std::string message, args, result;
  reader.message().append_to(message);
  reader.args().append_to(args);
  reader.result().append_to(result);
  const auto timeout = reader.call_monitor_timeout();
  return {{"message", message},
          {"method", reader.method()},
          {"args", args},
          {"namespace", optional_text(reader.name_space())},
          {"version", optional_text(reader.version())},
          {"msg_id", reader.msg_id()},
          {"reply_q", reader.reply_queue()},
          {"timeout", timeout ? json(*timeout) : json()},
          {"unique_id", reader.unique_id()},
          {"result", result},
          {"failure", optional_text(reader.failure())},
          {"ending", reader.ending()}};
}

json read_amqp10_body(const std::string& body) {
  static amqp10_message_reader reader;
  if (const error_code error = reader.read(body)) {
    return {{"error", name_of(static_cast<errc>(error.value()))}};
  }
  const auto text_of = [](wire::json::value v) {
    std::string out;
    v.append_to(out);
    return v ? json(out) : json();
  };
  const auto timeout = reader.call_monitor_timeout();
  return {{"message", text_of(reader.message())},
          {"context", text_of(reader.context())},
          {"method", reader.method()},
          {"args", text_of(reader.args())},
          {"namespace", optional_text(reader.name_space())},
          {"version", optional_text(reader.version())},
          {"timeout", timeout ? json(*timeout) : json()},
          {"result", text_of(reader.result())},
          {"failure", optional_text(reader.failure())}};
}

/// The addresses of a target, of a server that serves it, and of its topic's notifications.
json addresses(const json& q) {
  const messaging_options options =
      make_messaging_options(options_file::parse(text(q, "file"), "FILE"), text(q, "url"));
  const amqp10_addresser addresser{options, text(q, "product")};
  const std::string exchange = text(q, "exchange"), topic = text(q, "topic"),
                    server = text(q, "server");
  const amqp10_target target{exchange, topic, server, q.at("fanout")};
  return {{"rpc", addresser.rpc(target)},
          {"server", addresser.rpc_server(target)},
          {"notification", addresser.notification(topic, text(q, "priority"))}};
}

json describe(const transport_url& url) {
  json hosts = json::array();
  for (const host_address& host : url.hosts) {
    hosts.push_back({host.host, host.port, host.user, host.password});
  }
  json options = json::object();
  for (const auto& [name, text] : url.options) options[name] = text;
  return {{"driver", url.driver == driver_kind::rabbit ? "rabbit" : "amqp"},
          {"hosts", hosts},
          {"virtual_host", url.virtual_host ? json(*url.virtual_host) : json()},
          {"query", options},
          {"masked", url.masked()}};
}

json list_options() {
  json out = json::array();
  for (const option_description& o : known_options()) {
    json others = json::array();
    for (const auto& [section, name] : o.other_names) others.push_back({section, name});
    out.push_back({{"section", o.section},
                   {"name", o.name},
                   {"type", o.type},
                   {"default", o.default_text},
                   {"help", o.help},
                   {"other_names", others}});
  }
  return out;
}

/// The options that a file and a URL change, "section.name" -> text.
json changed(const std::string& file, const std::string& url) {
  const options_file read = options_file::parse(file, "FILE");
  json out = json::object();
  for (const changed_option& o : changed_options(make_messaging_options(read, url))) {
    out[std::string{o.section} + "." + std::string{o.name}] = o.text;
  }
  return out;
}

json answer(const json& q) {
  const std::string what = q.at("what");
  std::string out;
  if (what == "request" || what == "amqp10_request") return render_request(q);
  if (what == "notification" || what == "amqp10_notification") return render_notification(q);
  if (what == "amqp10_reply") {
    append_amqp10_reply(out, text(q, "result"));
    return out;
  }
  if (what == "amqp10_failure") {
    append_amqp10_failure(out, text(q, "failure"));
    return out;
  }
  if (what == "reply") {
    append_reply(out, text(q, "result"), text(q, "msg_id"), text(q, "unique_id"));
    return out;
  }
  if (what == "failure") {
    append_failure(out, text(q, "failure"), text(q, "msg_id"), text(q, "unique_id"));
    return out;
  }
  if (what == "heartbeat") {
    append_heartbeat(out, text(q, "msg_id"), text(q, "unique_id"));
    return out;
  }
  if (what == "exception") {
    append_remote_exception(out, exception_of(q));
    return out;
  }
  if (what == "no_such_method") return describe(no_such_method(text(q, "method")));
  if (what == "unsupported_version") {
    return describe(unsupported_version(text(q, "version"), text(q, "method")));
  }
  if (what == "read_exception") {
    wire::json::reader reader;
    remote_exception e;
    if (read_remote_exception(reader, text(q, "text"), e)) return nullptr;
    return describe(e);
  }
  if (what == "read") return read_body(text(q, "body"));
  if (what == "amqp10_read") return read_amqp10_body(text(q, "body"));
  if (what == "rewrite") {
    wire::json::reader reader;
    wire::json::value root;
    if (reader.parse(text(q, "text"), root)) return nullptr;
    root.append_to(out);
    return out;
  }
  if (what == "string") {
    wire::json::append_string(out, text(q, "text"));
    return out;
  }
  if (what == "compatible") return version_is_compatible(text(q, "endpoint"), text(q, "requested"));
  if (what == "timestamp") return notification_timestamp(q.at("nanoseconds").get<std::int64_t>());
  try {
    if (what == "url") return describe(transport_url::parse(text(q, "url")));
    if (what == "options") return list_options();
    if (what == "addresses") return addresses(q);
    if (what == "changed") return changed(text(q, "file"), text(q, "url"));
  } catch (const configuration_error& e) {
    return {{"error", e.what()}};
  }
  throw std::invalid_argument("unknown question " + what);
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) std::cout << answer(json::parse(line)).dump() << std::endl;
}
