// SPDX-License-Identifier: Apache-2.0
// Answers for wire/amqp10/message: a JSON request a line on standard input, a JSON answer a line on
// standard output. Encodings and bodies are in hexadecimal digits. compare_messages.py asks it and
// proton the same questions.
#include "wire/amqp10/message.hpp"

#include <nlohmann/json.hpp>

#include <charconv>
#include <iostream>
#include <stdexcept>
#include <string>

using namespace ombt::wire::amqp10;
using nlohmann::json;

namespace {

using kind = message::body_kind;
constexpr std::string_view kind_names[] = {"none", "text", "binary", "other"};

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char byte : bytes) {
    out += digits[static_cast<unsigned char>(byte) >> 4];
    out += digits[static_cast<unsigned char>(byte) & 0xf];
  }
  return out;
}

std::string from_hex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned byte = 0;
    std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    out += static_cast<char>(byte);
  }
  return out;
}

kind kind_of(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kind_names); ++i) {
    if (name == kind_names[i]) return static_cast<kind>(i);
  }
  throw std::invalid_argument("unknown kind of body");
}

std::string text(const json& q, const char* key) { return q.value(key, std::string{}); }

std::string append(const json& q) {
  const std::string id = text(q, "id"), to = text(q, "to"), reply_to = text(q, "reply_to"),
                    correlation_id = text(q, "correlation_id"), body = from_hex(text(q, "body"));
  message m;
  if (q.contains("ttl")) m.ttl = std::chrono::milliseconds{q["ttl"].get<std::int64_t>()};
  m.id = id;
  m.to = to;
  m.reply_to = reply_to;
  m.correlation_id = correlation_id;
  if (q.contains("expiry")) m.absolute_expiry_time = q["expiry"].get<std::int64_t>();
  m.kind = kind_of(text(q, "kind"));
  m.body = body;
  std::string out;
  append_message(out, m);
  return to_hex(out);
}

json read(const std::string& bytes) {
  message m;
  if (read_message(bytes, m)) return nullptr;
  return {{"ttl", m.ttl ? m.ttl->count() : 0},
          {"id", m.id},
          {"to", m.to},
          {"reply_to", m.reply_to},
          {"correlation_id", m.correlation_id},
          {"expiry", m.absolute_expiry_time.value_or(0)},
          {"kind", kind_names[static_cast<std::size_t>(m.kind)]},
          {"body", to_hex(m.body)}};
}

json answer(const json& q) {
  if (q.at("what") == "append") return append(q);
  if (q.at("what") == "read") return read(from_hex(text(q, "bytes")));
  throw std::invalid_argument("unknown question");
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) std::cout << answer(json::parse(line)).dump() << std::endl;
}
