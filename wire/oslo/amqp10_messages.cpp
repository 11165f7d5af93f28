// SPDX-License-Identifier: Apache-2.0
// Key order and separators are those of json.dumps over the dicts that oslo.messaging builds.
#include "wire/oslo/amqp10_messages.hpp"

#include "wire/oslo/message_parts.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace ombt::wire::oslo {
namespace {

/// In the order of amqp10_message_reader::field: what a body has, then what a request has.
constexpr std::string_view field_names[] = {"request",  "context", "call_monitor_timeout",
                                            "response", "failure", "_ombt",
                                            "method",   "args",    "namespace",
                                            "version"};
constexpr std::size_t body_fields = 6;

constexpr std::string_view request_open = R"({"request": )";

void append_context(std::string& out, std::string_view context_json) {
  out += R"(, "context": )";
  out += context_json.empty() ? "{}" : context_json;
}

}  // namespace

void append_amqp10_request(std::string& out, const request& r) {
  out += request_open;
  message_writer to{out, false};
  write_request(to, r);
  to.fixed<"}">();
  append_context(out, r.context_json);
  if (r.call_monitor_timeout && std::isfinite(*r.call_monitor_timeout)) {
    to.fixed<R"(, "call_monitor_timeout": )">();
    write_timeout(to, r.call_monitor_timeout);
  }
  to.fixed<"}">();
}

void append_amqp10_reply(std::string& out, std::string_view result_json,
                         std::string_view note_json) {
  out += R"({"response": )";
  out += result_json;
  if (!note_json.empty()) {
    out += R"(, "_ombt": )";
    out += note_json;
  }
  out += '}';
}

void append_amqp10_failure(std::string& out, std::string_view failure_json) {
  out += R"({"failure": )";
  json::append_string(out, failure_json);
  out += '}';
}

void append_amqp10_notification(std::string& out, const notification& n, bool envelope) {
  out += request_open;
  message_writer to{out, envelope};
  write_notification(to, n);
  to.fixed<"}">();
  to.close();
  append_context(out, n.context_json);
  out += '}';
}

error_code amqp10_message_reader::read(std::string_view body) {
  message_ = {};
  fields_ = {};
  static_assert(std::size(field_names) == std::tuple_size_v<decltype(fields_)>);

  json::value root;
  if (const error_code error = outer_.parse(body, root)) return error;
  if (!root.is_object()) return errc::malformed_message;
  const auto find = [this](json::value object, std::size_t from, std::size_t to) {
    object.for_each_member([&](std::string_view key, json::value member) {
      const auto* const begin = field_names + from;
      const auto* const found = std::find(begin, field_names + to, key);
      if (found != field_names + to)
        fields_[static_cast<std::size_t>(found - field_names)] = member;
    });
  };
  find(root, 0, body_fields);
  json::value inside = get(field::request);
  if (!inside || inside.is_null()) return {};
  if (const error_code error = open_envelope(inside, inner_)) {
    fields_ = {};
    return error;
  }
  find(inside, body_fields, std::size(field_names));
  message_ = inside;
  return {};
}

void amqp10_message_reader::release() noexcept {
  message_ = {};
  fields_ = {};
  outer_.release();
  inner_.release();
}

std::string_view amqp10_message_reader::method() const noexcept {
  return text_of(get(field::method));
}

json::value amqp10_message_reader::args() const noexcept { return get(field::args); }

std::optional<std::string_view> amqp10_message_reader::name_space() const noexcept {
  return name_space_of(get(field::name_space));
}

std::optional<std::string_view> amqp10_message_reader::version() const noexcept {
  return version_of(get(field::version));
}

std::optional<double> amqp10_message_reader::call_monitor_timeout() const noexcept {
  return get(field::timeout).number();
}

std::optional<std::string_view> amqp10_message_reader::failure() const noexcept {
  const json::value v = get(field::failure);
  // Unlike in the rabbit driver anything but null is one, even what Python calls false.
  if (!v || v.is_null()) return std::nullopt;
  return v.string().value_or("");
}

}  // namespace ombt::wire::oslo
