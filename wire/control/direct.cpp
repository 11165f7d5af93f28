// SPDX-License-Identifier: Apache-2.0
#include "wire/control/direct.hpp"

#include "wire/control/field_reader.hpp"

#include <algorithm>
#include <limits>

namespace ombt::wire::control {
namespace {

constexpr std::string_view route_begin = "ombt/1 ";
constexpr std::size_t key_digits = 16;
constexpr std::string_view owner_route = "ombt/1 ----------------\n";
static_assert(owner_route.size() == route_bytes && register_route.size() == route_bytes);
static_assert(route_begin.size() + key_digits + 1 == route_bytes);

constexpr std::size_t method_limit = 64;
constexpr std::size_t capability_limit = 64;
constexpr std::size_t run_id_limit = 64;
constexpr std::size_t url_limit = 4096;
/// Written: an invalid byte becomes three in the peer's text, which must still be read.
constexpr std::size_t error_limit_out = 1024;
constexpr std::size_t error_limit_in = 4096;
/// Seconds since the epoch; what is above is no controller's.
constexpr double since_limit = 1e12;

bool is_digit_of_key(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// Members of an object whose '{' is the last byte of `out` before the first one.

void begin_member(std::string& out, std::string_view key) {
  if (out.back() != '{') out += ", ";
  out.append("\"").append(key).append("\": ");
}

void append_member(std::string& out, std::string_view key, std::string_view text) {
  begin_member(out, key);
  json::append_string(out, text);
}

void append_member(std::string& out, std::string_view key, std::int64_t number) {
  begin_member(out, key);
  out += std::to_string(number);
}

void append_member(std::string& out, std::string_view key, const std::vector<std::string>& texts) {
  begin_member(out, key);
  out += '[';
  for (const std::string& text : texts) {
    if (&text != texts.data()) out += ", ";
    json::append_string(out, text);
  }
  out += ']';
}

void append_id(std::string& out, std::uint64_t id) {
  begin_member(out, "id");
  out += std::to_string(id);
}

/// A list of texts that may be missing, each of them 1 to `limit` bytes.
void read_texts(field_reader& fields, json::value from, std::string_view key, std::size_t most,
                std::size_t limit, std::vector<std::string>& out) {
  out.clear();
  const json::value list = from[key];
  if (!list || !fields.ok()) return;
  if (!list.is_array()) return fields.fail(key, " is no list");
  if (list.size() > most) return fields.fail(key, " has more than there can be");
  list.for_each_element([&](json::value one) {
    std::string wrong;
    if (!fields.ok() || read_text(one, " has one that", limit, out.emplace_back(), wrong)) return;
    fields.fail(key, wrong);
  });
}

/// The version comes first: of another one nothing else is believed.
void read_version(field_reader& fields, json::value from, int& out) {
  fields.whole(from, "version", 1, std::numeric_limits<int>::max(), out);
  if (fields.ok() && out != direct_version) {
    fields.fail("version", " of direct control is " + std::to_string(out) + ", here it is " +
                               std::to_string(direct_version));
  }
}

void read_agent_count(field_reader& fields, json::value from, std::string_view key,
                      std::uint32_t& out) {
  std::uint64_t count = 0;
  fields.count(from, key, count);
  if (count > process_agents_limit) fields.fail(key, " is more than there can be");
  out = static_cast<std::uint32_t>(count);
}

void read_agents(field_reader& fields, json::value from, process_hello& out) {
  for (const agent_kind kind : agent_kinds) {
    read_agent_count(fields, from, wire_name(kind), out.agents[static_cast<std::size_t>(kind)]);
  }
}

/// An optional text of a message, as a view of the document.
bool read_view(json::value from, std::string_view what, std::size_t limit, std::string_view& out,
               std::string& why) {
  out = {};
  if (!from) return true;
  const auto text = from.string();
  if (!text || text->size() > limit || !is_printable(*text)) {
    why.assign(what).append(!text                  ? " is no string"
                            : text->size() > limit ? " is too long"
                                                   : " has control characters");
    return false;
  }
  out = *text;
  return true;
}

}  // namespace

bool is_process_key(std::string_view key) noexcept {
  return key.size() == key_digits && std::all_of(key.begin(), key.end(), is_digit_of_key);
}

std::string route_to(std::string_view process) {
  if (process.empty()) return std::string{owner_route};
  return std::string{route_begin}.append(process).append("\n");
}

std::optional<std::string> read_route(std::string_view bytes) {
  if (bytes == owner_route) return std::string{};
  if (bytes.size() != route_bytes || !bytes.starts_with(route_begin) || bytes.back() != '\n') {
    return {};
  }
  const std::string_view key = bytes.substr(route_begin.size(), key_digits);
  if (!is_process_key(key)) return {};
  return std::string{key};
}

bool may_be_route(std::string_view bytes) noexcept {
  if (bytes.size() > route_bytes) return false;
  if (owner_route.starts_with(bytes) || register_route.starts_with(bytes)) return true;
  if (!bytes.starts_with(route_begin)) return false;
  const std::string_view key = bytes.substr(route_begin.size(), key_digits);
  return std::all_of(key.begin(), key.end(), is_digit_of_key) &&
         (bytes.size() < route_bytes || bytes.back() == '\n');
}

bool read_direct_message(json::value from, direct_message& out, std::string& why) {
  out = {};
  if (!from.is_object()) {
    why = "a frame is no object";
    return false;
  }
  if (const json::value id = from["id"]) {
    const auto number = id.integer();
    if (!number || *number < 1 || *number > largest_count) {
      why = "id is no whole number from 1 on";
      return false;
    }
    out.id = static_cast<std::uint64_t>(*number);
  }
  if (!read_view(from["method"], "method", method_limit, out.method, why)) return false;
  if (out.method.empty()) {
    out.result = from["result"];
    if (!read_view(from["error"], "error", error_limit_in, out.error, why)) return false;
    if (out.id != 0 && static_cast<bool>(out.result) == out.error.empty()) return true;
    why = "a frame is neither a command nor an answer";
    return false;
  }
  if (const json::value kind = from["kind"]) {
    out.kind = agent_kind_from(kind.string().value_or(""));
    if (!out.kind) {
      why = "kind is none of RPCClient, RPCServer, Listener, Notifier";
      return false;
    }
  }
  out.args = from["args"];
  if (out.args && !out.args.is_object()) {
    why = "args is no object";
    return false;
  }
  return read_view(from["topic"], "topic", name_limit, out.topic, why);
}

void append_direct_command(std::string& out, std::uint64_t id, std::string_view method,
                           std::optional<agent_kind> kind, std::string_view topic,
                           std::string_view args_json) {
  out += '{';
  if (id != 0) append_id(out, id);
  append_member(out, "method", method);
  if (kind) append_member(out, "kind", wire_name(*kind));
  if (!topic.empty()) append_member(out, "topic", topic);
  if (!args_json.empty()) {
    begin_member(out, "args");
    out += args_json;
  }
  out += '}';
}

void append_direct_result(std::string& out, std::uint64_t id, std::string_view result_json) {
  out += '{';
  append_id(out, id);
  begin_member(out, "result");
  out.append(result_json) += '}';
}

void append_direct_error(std::string& out, std::uint64_t id, std::string_view error) {
  std::size_t length = std::min(error.size(), error_limit_out);
  // Not in the middle of a character.
  while (length < error.size() && length > 0 && (error[length] & 0xc0) == 0x80) --length;
  std::string line{error.substr(0, length)};
  for (char& c : line) {
    if (!is_printable({&c, 1})) c = ' ';
  }
  out += '{';
  append_id(out, id);
  append_member(out, "error", line.empty() ? std::string_view{"failed"} : std::string_view{line});
  out += '}';
}

void append_controller_hello(std::string& out, const controller_hello& hello) {
  out += '{';
  append_member(out, "version", hello.version);
  append_member(out, "controller", hello.controller);
  append_member(out, "host", hello.host);
  append_member(out, "pid", hello.pid);
  if (hello.merged) {
    begin_member(out, "merged");
    out += "true";
  }
  out += '}';
}

bool read_controller_hello(json::value args, controller_hello& out, std::string& why) {
  field_reader fields{"", why};
  read_version(fields, args, out.version);
  fields.text(args, "controller", name_limit, out.controller);
  fields.optional_text(args, "host", name_limit, out.host);
  fields.whole(args, "pid", 0, largest_count, out.pid);
  out.merged = false;
  fields.flag(args, "merged", out.merged);
  return fields.ok();
}

void append_process_hello(std::string& out, const process_hello& hello) {
  out += '{';
  append_member(out, "version", hello.version);
  append_member(out, "program", hello.program);
  append_member(out, "process", hello.process);
  append_member(out, "host", hello.host);
  append_member(out, "boot", hello.boot);
  append_member(out, "pid", hello.pid);
  begin_member(out, "agents");
  out += '{';
  for (const agent_kind kind : agent_kinds) {
    const std::uint32_t count = hello.agents[static_cast<std::size_t>(kind)];
    if (count > 0) append_member(out, wire_name(kind), count);
  }
  out += '}';
  append_member(out, "standby", hello.standby);
  append_member(out, "capacity", hello.capacity);
  append_member(out, "topics", hello.topics);
  append_member(out, "site", hello.site);
  append_member(out, "topology", hello.topology);
  append_member(out, "bus", hello.bus);
  append_member(out, "capabilities", hello.capabilities);
  out += '}';
}

bool read_process_hello(json::value result, process_hello& out, std::string& why) {
  field_reader fields{"", why};
  read_version(fields, result, out.version);
  fields.optional_text(result, "program", name_limit, out.program);
  fields.text(result, "process", name_limit, out.process);
  if (!is_process_key(out.process)) fields.fail("process", " is no key");
  fields.optional_text(result, "host", name_limit, out.host);
  fields.optional_text(result, "boot", boot_limit, out.boot);
  fields.whole(result, "pid", 0, largest_count, out.pid);
  read_agents(fields, result["agents"], out);
  read_agent_count(fields, result, "standby", out.standby);
  read_agent_count(fields, result, "capacity", out.capacity);
  read_texts(fields, result, "topics", process_topics_limit, name_limit, out.topics);
  fields.optional_text(result, "site", name_limit, out.site);
  fields.optional_text(result, "topology", name_limit, out.topology);
  fields.optional_text(result, "bus", url_limit, out.bus);
  read_texts(fields, result, "capabilities", capabilities_limit, capability_limit,
             out.capabilities);
  return fields.ok();
}

void append_process_list(std::string& out, const process_list& list) {
  out += '{';
  append_member(out, "host", list.host);
  append_member(out, "boot", list.boot);
  append_member(out, "processes", list.processes);
  out += '}';
}

bool read_process_list(json::value args, process_list& out, std::string& why) {
  field_reader fields{"", why};
  fields.optional_text(args, "host", name_limit, out.host);
  fields.optional_text(args, "boot", boot_limit, out.boot);
  read_texts(fields, args, "processes", processes_limit, key_digits, out.processes);
  std::vector<std::string_view> keys{out.processes.begin(), out.processes.end()};
  std::sort(keys.begin(), keys.end());
  if (!std::all_of(keys.begin(), keys.end(), is_process_key)) {
    fields.fail("processes", " has one that is no key");
  }
  if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) {
    fields.fail("processes", " has one twice");
  }
  return fields.ok();
}

void append_hold_answer(std::string& out, const hold_answer& answer) {
  out += '{';
  begin_member(out, "held");
  out += answer.held ? "true" : "false";
  if (!answer.held) {
    append_member(out, "by", answer.by);
    append_member(out, "host", answer.host);
    append_member(out, "pid", answer.pid);
    begin_member(out, "since");
    json::append_number(out, answer.since);
  }
  out += '}';
}

bool read_hold_answer(json::value result, hold_answer& out, std::string& why) {
  out = {};
  field_reader fields{"", why};
  if (!result["held"]) fields.fail("held", " is missing");
  fields.flag(result, "held", out.held);
  if (out.held || !fields.ok()) return fields.ok();
  fields.optional_text(result, "by", name_limit, out.by);
  fields.optional_text(result, "host", name_limit, out.host);
  fields.whole(result, "pid", 0, largest_count, out.pid);
  fields.number(result, "since", 0, since_limit, out.since);
  return fields.ok();
}

void append_start_request(std::string& out, const start_request& start) {
  out += '{';
  append_member(out, "run", start.run);
  append_member(out, "boot", start.boot);
  append_member(out, "monotonic_ns", start.monotonic_ns);
  append_member(out, "realtime_ns", start.realtime_ns);
  out += '}';
}

bool read_start_request(json::value args, start_request& out, std::string& why) {
  field_reader fields{"", why};
  fields.text(args, "run", run_id_limit, out.run);
  fields.optional_text(args, "boot", boot_limit, out.boot);
  fields.whole(args, "monotonic_ns", 0, clock_limit - 1, out.monotonic_ns);
  fields.whole(args, "realtime_ns", 0, clock_limit - 1, out.realtime_ns);
  return fields.ok();
}

void append_started_notice(std::string& out, const started_notice& started) {
  out += '{';
  append_member(out, "run", started.run);
  append_member(out, "realtime_ns", started.realtime_ns);
  out += '}';
}

bool read_started_notice(json::value args, started_notice& out, std::string& why) {
  field_reader fields{"", why};
  fields.text(args, "run", run_id_limit, out.run);
  fields.whole(args, "realtime_ns", 0, clock_limit - 1, out.realtime_ns);
  return fields.ok();
}

}  // namespace ombt::wire::control
