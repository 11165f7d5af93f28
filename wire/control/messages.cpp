// SPDX-License-Identifier: Apache-2.0
#include "wire/control/messages.hpp"

#include "wire/configuration_error.hpp"
#include "wire/control/field_reader.hpp"
#include "wire/format.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace ombt::wire::control {
namespace {

constexpr std::string_view native_suffix = "-native";
constexpr std::string_view fanout_mark = "fanout";
constexpr std::string_view cancel_test = "cancel_run";
constexpr std::size_t hex_length = 32;
constexpr std::size_t tag_length = 16;
constexpr std::size_t run_limit = 64;
constexpr std::size_t longest_topic = 64;

constexpr std::array<std::string_view, 4> kind_names = {"RPCClient", "RPCServer", "Listener",
                                                        "Notifier"};
constexpr std::array<std::string_view, 4> kind_words = {"RPC client", "RPC server", "Listener",
                                                        "Notifier"};
constexpr std::array<std::string_view, 4> test_names = {"test_call", "test_cast", "test_fanout",
                                                        "test_notify"};
constexpr std::array<std::string_view, 8> method_names = {
    "self_ready",    "client_ping",        "client_pong", "run_test",
    "client_result", "get_server_results", "shutdown",    "clock"};
constexpr std::array<std::string_view, 7> severities = {"audit", "debug",    "info",  "warn",
                                                        "error", "critical", "sample"};

template <class Enum, std::size_t n>
std::optional<Enum> find_name(const std::array<std::string_view, n>& names, std::string_view name) {
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return {};
  return static_cast<Enum>(at - names.begin());
}

bool is_hex(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

template <class Integer>
bool parse_whole(std::string_view text, Integer& out) noexcept {
  if (text.empty() || text.front() == '-') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

/// Takes the part after the last '-' off the text.
bool take_last_part(std::string_view& text, std::string_view& part) noexcept {
  const auto dash = text.rfind('-');
  if (dash == std::string_view::npos) return false;
  part = text.substr(dash + 1);
  text = text.substr(0, dash);
  return true;
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out += part;
  return out;
}

void append_reply_addr(std::string& out, const reply_address& reply_to) {
  out += "\"reply_addr\": {\"exchange\": ";
  json::append_string(out, reply_to.exchange);
  out += ", \"topic\": ";
  json::append_string(out, reply_to.topic);
  out += ", \"server\": ";
  json::append_string(out, reply_to.server);
  out += '}';
}

bool read_reply_addr(json::value args, reply_address& out, std::string& why) {
  const json::value from = args["reply_addr"];
  if (!from.is_object()) {
    why = from ? "reply_addr is no object" : "reply_addr is missing";
    return false;
  }
  if (!read_text(from["exchange"], "reply_addr.exchange", name_limit, out.exchange, why) ||
      !read_text(from["topic"], "reply_addr.topic", name_limit, out.topic, why) ||
      !read_text(from["server"], "reply_addr.server", name_limit, out.server, why)) {
    return false;
  }
  // The answer's routing key is <topic>.<server>, a short string as well.
  if (out.topic.size() + 1 + out.server.size() > name_limit) {
    why = "reply_addr.topic and server are too long together";
    return false;
  }
  return true;
}

bool read_place(json::value from, process_place& out, std::string& why) {
  if (!from["process"]) return true;
  if (!read_text(from["process"], "ombt.process", name_limit, out.process, why) ||
      !read_text(from["boot"], "ombt.boot", boot_limit, out.boot, why)) {
    return false;
  }
  if (const json::value corrected = from["corrected"]) {
    const auto number = corrected.integer();
    if (!number || *number <= -clock_limit || *number >= clock_limit) {
      why = "ombt.corrected is no whole number of nanoseconds that a clock may have";
      return false;
    }
    out.corrected = *number;
  }
  return true;
}

bool read_progress(json::value from, progress_address& out, std::string& why) {
  field_reader fields{"kwargs.ombt.progress.", why};
  fields.flag(from, "direct", out.direct);
  if (!fields.ok()) return false;
  if (out.direct) return true;
  return read_text(from["boot"], "kwargs.ombt.progress.boot", name_limit, out.boot, why) &&
         read_text(from["name"], "kwargs.ombt.progress.name", name_limit, out.name, why);
}

bool read_native_parameters(json::value from, test_parameters& out, std::string& why) {
  if (!from) return true;
  if (!from.is_object()) {
    why = "kwargs.ombt is no object";
    return false;
  }
  if (!read_text(from["run"], "kwargs.ombt.run", run_limit, out.run, why)) return false;
  if (const json::value detail = from["detail"]) {
    const auto number = detail.integer();
    if (!number || *number < 0 || *number > 1'000) {
      why = "kwargs.ombt.detail is no small whole number";
      return false;
    }
    out.detail = static_cast<int>(*number);
  }
  field_reader fields{"kwargs.ombt.", why};
  fields.flag(from, "legs", out.legs);
  if (!fields.ok()) return false;
  if (const json::value progress = from["progress"]) {
    if (!read_progress(progress, out.progress.emplace(), why)) return false;
  }
  const json::value load = from["load"];
  return !load || read_load(load, out.data, out.load.emplace(), why);
}

bool read_parameters(json::value from, test_parameters& out, std::string& why) {
  out = {};
  if (!from.is_object()) {
    why = from ? "kwargs is no object" : "kwargs is missing";
    return false;
  }
  field_reader fields{"kwargs.", why};
  fields.flag(from, "verbose", out.verbose);
  if (!fields.ok()) return false;
  if (const json::value pause = from["pause"]) {
    const auto seconds = pause.number();
    // Written so that a NaN is refused too.
    if (!seconds || !(*seconds >= 0 && *seconds <= pause_limit)) {
      why = "kwargs.pause is no number of seconds from 0 to 86400";
      return false;
    }
    out.pause = *seconds;
  }
  if (const json::value data = from["data"]) {
    const auto text = data.string();
    if (!text) {
      why = "kwargs.data is no string";
      return false;
    }
    if (text->size() > data_limit) {
      why = "kwargs.data is longer than 64 MiB";
      return false;
    }
    out.data = *text;
  }
  const auto count = from["count"].integer();
  if (!count || *count < 1 || *count > count_limit) {
    why = "kwargs.count is no whole number from 1 to 1000000000";
    return false;
  }
  out.count = *count;
  if (const json::value severity = from["severity"]) {
    const auto text = severity.string();
    if (!text || !is_severity(*text)) {
      why = "kwargs.severity is no severity of notifications";
      return false;
    }
    out.severity = *text;
  }
  return read_native_parameters(from["ombt"], out, why);
}

}  // namespace

std::string_view wire_name(agent_kind kind) noexcept {
  return kind_names[static_cast<std::size_t>(kind)];
}

std::string_view words(agent_kind kind) noexcept {
  return kind_words[static_cast<std::size_t>(kind)];
}

std::string kinds_in_words(const agents_by_kind& agents) {
  std::string out;
  for (const agent_kind kind : agent_kinds) {
    const std::uint32_t count = agents[static_cast<std::size_t>(kind)];
    if (count == 0) continue;
    if (!out.empty()) out += ", ";
    out += grouped(count) + ' ' + std::string(words(kind)) + (count == 1 ? "" : "s");
  }
  return out.empty() ? "none" : out;
}

std::optional<agent_kind> agent_kind_from(std::string_view name) noexcept {
  return find_name<agent_kind>(kind_names, name);
}

void check_topic(std::string_view topic) {
  if (topic.empty() || topic.size() > longest_topic) {
    throw configuration_error("--topic: expected 1 to " + std::to_string(longest_topic) + " bytes");
  }
  const bool plain = std::all_of(topic.begin(), topic.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
  });
  if (!plain) throw configuration_error("--topic: no spaces or control characters, please");
  if (!json::is_utf8(topic)) throw configuration_error("--topic is no UTF-8");
}

std::string agent_topic(agent_kind kind, std::string_view topic, bool unique) {
  return joined({"client-", wire_name(kind), "-", unique ? unique_topic : topic});
}

std::string controller_topic(std::string_view topic) { return joined({"controller-", topic}); }

std::string rpc_test_topic(std::string_view topic) { return joined({"rpc-", topic}); }

std::string notify_test_topic(std::string_view topic) { return joined({"notify-", topic}); }

std::string agent_name(std::string_view topic, agent_kind kind, std::string_view host,
                       std::int64_t pid, std::string_view hex32) {
  return joined(
      {"ombt-", topic, "-", wire_name(kind), "-", host, "-", std::to_string(pid), "-", hex32});
}

std::string controller_name(std::string_view topic, std::string_view host, std::int64_t pid,
                            std::string_view hex32, bool fanout) {
  return joined({"ombt-", topic, "-None-", host, "-", std::to_string(pid), "-",
                 fanout ? fanout_mark : "", fanout ? "-" : "", hex32, native_suffix});
}

std::optional<parsed_agent_name> parse_agent_name(std::string_view name) noexcept {
  constexpr std::string_view prefix = "ombt-";
  if (!name.starts_with(prefix)) return {};
  std::string_view rest = name.substr(prefix.size());
  if (rest.ends_with(native_suffix)) rest.remove_suffix(native_suffix.size());
  parsed_agent_name out;
  std::string_view part;
  if (!take_last_part(rest, part)) return {};
  if (part.size() != hex_length || !is_hex(part)) {
    std::uint32_t index = 0;
    if (!parse_whole(part, index) || !take_last_part(rest, part)) return {};
    out.index = index;
  }
  if (part.size() != hex_length || !is_hex(part)) return {};
  out.id = part;
  if (std::string_view before = rest;
      name.ends_with(native_suffix) && take_last_part(before, part) && part == fanout_mark) {
    rest = before;
  }
  if (!take_last_part(rest, part) || !parse_whole(part, out.pid)) return {};
  // Topics and host names may have dashes: the kind between them is what can be recognised.
  std::size_t at = std::string_view::npos;
  for (const std::string_view kind :
       {kind_names[0], kind_names[1], kind_names[2], kind_names[3], std::string_view{"None"}}) {
    for (auto found = rest.find(kind); found != std::string_view::npos;
         found = rest.find(kind, found + 1)) {
      const auto end = found + kind.size();
      if (found < 2 || rest[found - 1] != '-' || end + 1 >= rest.size() || rest[end] != '-') {
        continue;
      }
      if (at != std::string_view::npos && found < at) continue;
      at = found;
      out.kind = rest.substr(found, kind.size());
    }
  }
  if (at == std::string_view::npos) return {};
  out.topic = rest.substr(0, at - 1);
  out.host = rest.substr(at + out.kind.size() + 1);
  return out;
}

bool is_native_controller(std::string_view server) noexcept { return !run_tag_of(server).empty(); }

std::string_view run_tag_of(std::string_view server) noexcept {
  if (!server.ends_with(native_suffix)) return {};
  server.remove_suffix(native_suffix.size());
  std::string_view id;
  if (!take_last_part(server, id) || id.size() != hex_length || !is_hex(id)) return {};
  return id.substr(0, tag_length);
}

bool asks_for_arrivals(std::string_view server) noexcept {
  if (!is_native_controller(server)) return false;
  server.remove_suffix(native_suffix.size());
  std::string_view part;
  return take_last_part(server, part) && take_last_part(server, part) && part == fanout_mark;
}

void apply_run_tag(std::array<char, 32>& hex32, std::string_view tag) noexcept {
  std::copy_n(tag.begin(), std::min(tag.size(), tag_length), hex32.begin());
}

std::string_view wire_name(test_kind test) noexcept {
  return test_names[static_cast<std::size_t>(test)];
}

std::optional<test_kind> test_kind_from(std::string_view name) noexcept {
  return find_name<test_kind>(test_names, name);
}

agent_kind client_kind(test_kind test) noexcept {
  return test == test_kind::notify ? agent_kind::notifier : agent_kind::rpc_client;
}

agent_kind server_kind(test_kind test) noexcept {
  return test == test_kind::notify ? agent_kind::listener : agent_kind::rpc_server;
}

std::string_view wire_name(method m) noexcept { return method_names[static_cast<std::size_t>(m)]; }

std::optional<method> method_from(std::string_view name) noexcept {
  return find_name<method>(method_names, name);
}

bool is_severity(std::string_view severity) noexcept {
  return std::find(severities.begin(), severities.end(), severity) != severities.end();
}

void append_reply_addr_args(std::string& out, const reply_address& reply_to) {
  out += '{';
  append_reply_addr(out, reply_to);
  out += '}';
}

void append_client_pong_args(std::string& out, agent_kind kind, std::string_view name,
                             const std::optional<std::string>& run, const process_place& place) {
  out += "{\"kind\": \"";
  out += wire_name(kind);
  out += "\", \"name\": ";
  json::append_string(out, name);
  if (run) {
    out += ", \"ombt\": {\"run\": ";
    json::append_string(out, *run);
    if (!place.process.empty()) {
      out += ", \"process\": ";
      json::append_string(out, place.process);
      out += ", \"boot\": ";
      json::append_string(out, place.boot);
      if (place.corrected != 0) out += ", \"corrected\": " + std::to_string(place.corrected);
    }
    out += '}';
  }
  out += '}';
}

void append_cancel_run_args(std::string& out, std::string_view run, const reply_address& reply_to) {
  out.append("{\"test\": \"").append(cancel_test).append("\", \"kwargs\": {\"ombt\": {\"run\": ");
  json::append_string(out, run);
  out += "}}, ";
  append_reply_addr(out, reply_to);
  out += '}';
}

void append_run_test_args(std::string& out, test_kind test, const test_parameters& parameters,
                          const reply_address& reply_to) {
  out += "{\"test\": \"";
  out += wire_name(test);
  out += "\", \"kwargs\": {\"verbose\": ";
  out += parameters.verbose ? "true" : "false";
  out += ", \"pause\": ";
  json::append_number(out, parameters.pause);
  out += ", \"data\": ";
  json::append_string(out, parameters.data);
  out += ", \"count\": ";
  out += std::to_string(parameters.count);
  if (test == test_kind::notify) {
    out += ", \"severity\": ";
    json::append_string(out, parameters.severity);
  }
  if (!parameters.run.empty()) {
    out += ", \"ombt\": {\"run\": ";
    json::append_string(out, parameters.run);
    out += ", \"detail\": ";
    out += std::to_string(parameters.detail);
    if (parameters.legs) out += ", \"legs\": true";
    if (parameters.load) {
      out += ", \"load\": ";
      append_load(out, *parameters.load);
    }
    if (parameters.progress && parameters.progress->direct) {
      out += ", \"progress\": {\"direct\": true}";
    } else if (parameters.progress) {
      out += ", \"progress\": {\"boot\": ";
      json::append_string(out, parameters.progress->boot);
      out += ", \"name\": ";
      json::append_string(out, parameters.progress->name);
      out += '}';
    }
    out += '}';
  }
  out += "}, ";
  append_reply_addr(out, reply_to);
  out += '}';
}

bool read_reply_addr_args(json::value args, reply_address& out, std::string& why) {
  return read_reply_addr(args, out, why);
}

bool read_client_pong_args(json::value args, client_pong_request& out, std::string& why) {
  std::string kind;
  if (!read_text(args["kind"], "kind", name_limit, kind, why)) return false;
  const auto known = agent_kind_from(kind);
  if (!known) {
    why = "kind is none of RPCClient, RPCServer, Listener, Notifier";
    return false;
  }
  out.kind = *known;
  out.run.reset();
  out.place = {};
  if (const json::value extra = args["ombt"]) {
    const auto run = extra["run"].string();
    if (!run || run->size() > run_limit) {
      why = "ombt.run is no short string";
      return false;
    }
    out.run = *run;
    if (!read_place(extra, out.place, why)) return false;
  }
  return read_text(args["name"], "name", name_limit, out.name, why);
}

bool read_run_test_args(json::value args, run_test_request& out, std::string& why) {
  std::string test;
  if (!read_text(args["test"], "test", name_limit, test, why)) return false;
  out.test = test_kind_from(test);
  out.cancel = test == cancel_test;
  if (out.cancel) {
    return read_text(args["kwargs"]["ombt"]["run"], "kwargs.ombt.run", run_limit,
                     out.parameters.run, why) &&
           read_reply_addr(args, out.reply_to, why);
  }
  if (!out.test) return true;
  return read_parameters(args["kwargs"], out.parameters, why) &&
         read_reply_addr(args, out.reply_to, why);
}

}  // namespace ombt::wire::control
