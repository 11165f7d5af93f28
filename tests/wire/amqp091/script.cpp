// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/amqp091/script.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace ombt::wire::amqp091::script {

std::string u8(unsigned v) { return std::string(1, static_cast<char>(v)); }
std::string u16(unsigned v) { return u8(v >> 8 & 255) + u8(v & 255); }
std::string u32(std::uint64_t v) {
  return u16(static_cast<unsigned>(v >> 16 & 0xffff)) + u16(static_cast<unsigned>(v & 0xffff));
}
std::string u64(std::uint64_t v) { return u32(v >> 32) + u32(v & 0xffffffff); }
std::string short_text(std::string_view text) {
  return u8(static_cast<unsigned>(text.size())) + std::string(text);
}
std::string long_text(std::string_view text) { return u32(text.size()) + std::string(text); }
std::string entry(std::string_view name, char type, std::string_view value) {
  return short_text(name) + type + std::string(value);
}
std::string table(std::string_view entries) { return long_text(entries); }
std::string nested_tables(std::size_t depth) {
  std::string value = table();
  for (std::size_t i = 1; i < depth; ++i) value = table(entry("", 'F', value));
  return value;
}

std::string frame(unsigned type, unsigned channel, std::string_view payload) {
  return u8(type) + u16(channel) + u32(payload.size()) + std::string(payload) + u8(0xCE);
}
std::string method(unsigned channel, unsigned class_id, unsigned method_id,
                   std::string_view values) {
  return frame(1, channel, u16(class_id) + u16(method_id) + std::string(values));
}
std::string heartbeat() { return frame(8, 0, {}); }
std::string header(unsigned channel, std::uint64_t body_size, unsigned flags,
                   std::string_view values) {
  return frame(2, channel, u16(60) + u16(0) + u64(body_size) + u16(flags) + std::string(values));
}
std::string body(unsigned channel, std::string_view bytes) { return frame(3, channel, bytes); }

std::string start(std::string_view mechanisms) {
  const std::string capabilities =
      table(entry("publisher_confirms", 't', u8(1)) + entry("consumer_cancel_notify", 't', u8(1)) +
            entry("connection.blocked", 't', u8(1)));
  const std::string properties = entry("capabilities", 'F', capabilities) +
                                 entry("product", 'S', long_text("RabbitMQ")) +
                                 entry("version", 'S', long_text("3.10.8"));
  return method(0, 10, 10,
                u8(0) + u8(9) + table(properties) + long_text(mechanisms) + long_text("en_US"));
}
std::string tune(unsigned channel_max, std::uint32_t frame_max, unsigned heartbeat) {
  return method(0, 10, 30, u16(channel_max) + u32(frame_max) + u16(heartbeat));
}
std::string open_ok() { return method(0, 10, 41, short_text("")); }
std::string handshake() { return start() + tune() + open_ok(); }
std::string connection_close(unsigned code, std::string_view text) {
  return method(0, 10, 50, u16(code) + short_text(text) + u16(0) + u16(0));
}
std::string connection_close_ok() { return method(0, 10, 51); }
std::string channel_open_ok(unsigned channel) { return method(channel, 20, 11, long_text("")); }
std::string channel_close(unsigned channel, unsigned code, std::string_view text, unsigned class_id,
                          unsigned method_id) {
  return method(channel, 20, 40, u16(code) + short_text(text) + u16(class_id) + u16(method_id));
}
std::string channel_close_ok(unsigned channel) { return method(channel, 20, 41); }
std::string deliver(unsigned channel, std::string_view consumer_tag, std::uint64_t delivery_tag,
                    std::string_view exchange, std::string_view routing_key) {
  return method(channel, 60, 60,
                short_text(consumer_tag) + u64(delivery_tag) + u8(0) + short_text(exchange) +
                    short_text(routing_key));
}
std::string message_header(unsigned channel, std::uint64_t body_size) {
  return header(channel, body_size, 0xf800,
                short_text("application/json") + short_text("utf-8") + table() + u8(2) + u8(0));
}
std::string message(unsigned channel, std::string_view consumer_tag, std::uint64_t delivery_tag,
                    std::string_view exchange, std::string_view routing_key, std::string_view bytes,
                    std::size_t chunk) {
  std::string all = deliver(channel, consumer_tag, delivery_tag, exchange, routing_key) +
                    message_header(channel, bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += chunk) {
    all += body(channel, bytes.substr(at, chunk));
  }
  return all;
}
std::string returned(unsigned channel, unsigned code, std::string_view text,
                     std::string_view exchange, std::string_view routing_key) {
  return method(channel, 60, 50,
                u16(code) + short_text(text) + short_text(exchange) + short_text(routing_key));
}
std::string ack(unsigned channel, std::uint64_t tag, bool multiple) {
  return method(channel, 60, 80, u64(tag) + u8(multiple ? 1 : 0));
}
std::string nack(unsigned channel, std::uint64_t tag, bool multiple) {
  return method(channel, 60, 120, u64(tag) + u8(multiple ? 1 : 0));
}

properties oslo_properties() {
  properties values;
  values.content_type = "application/json";
  values.content_encoding = "utf-8";
  values.headers = true;
  values.delivery_mode = std::uint8_t{2};
  values.priority = std::uint8_t{0};
  return values;
}

bool sent_frame::is(unsigned class_id, unsigned method_id) const {
  return type == 1 && payload.substr(0, 4) == u16(class_id) + u16(method_id);
}

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string quote(std::string_view bytes) {
  if (bytes.size() <= 64) return "'" + std::string(bytes) + "'";
  std::uint64_t sum = 14695981039346656037u;
  for (const char c : bytes) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return number(bytes.size()) + " bytes, checksum " + number(sum);
}

std::string words(const std::optional<std::string_view>& text) {
  return text ? std::string(*text) : "-";
}
std::string words(const std::optional<std::uint8_t>& value) { return value ? number(*value) : "-"; }

const char* name_of(event::command what) {
  switch (what) {
    case event::command::exchange_declare:
      return "exchange_declare";
    case event::command::exchange_delete:
      return "exchange_delete";
    case event::command::queue_declare:
      return "queue_declare";
    case event::command::queue_bind:
      return "queue_bind";
    case event::command::queue_delete:
      return "queue_delete";
    case event::command::basic_qos:
      return "basic_qos";
    case event::command::basic_consume:
      return "basic_consume";
    case event::command::basic_cancel:
      return "basic_cancel";
    case event::command::confirm_select:
      return "confirm_select";
  }
  return "?";
}

const char* name_of(event::closed::cause why) {
  switch (why) {
    case event::closed::cause::requested:
      return "requested";
    case event::closed::cause::by_peer:
      return "by_peer";
    case event::closed::cause::protocol:
      return "protocol";
    case event::closed::cause::heartbeat:
      return "heartbeat";
    case event::closed::cause::transport:
      return "transport";
  }
  return "?";
}

struct describer {
  std::string operator()(const event::opened& e) const {
    return "opened " + std::string(e.product) + " " + std::string(e.product_version) + " " +
           number(e.channel_max) + " " + number(e.frame_max) + " " + number(e.heartbeat);
  }
  std::string operator()(const event::closed& e) const {
    const std::string error = !e.error ? "none"
                              : e.error.category() == ombt_category()
                                  ? ombt::name_of(static_cast<errc>(e.error.value()))
                                  : e.error.message();
    return "closed " + std::string(name_of(e.why)) + " " + error + " " + number(e.code) + " '" +
           std::string(e.text) + "'";
  }
  std::string operator()(const event::channel_opened& e) const {
    return number(e.channel) + " channel_opened";
  }
  std::string operator()(const event::channel_closed& e) const {
    return number(e.channel) + " channel_closed " + (e.by_peer ? "by_peer " : "by_us ") +
           number(e.code) + " '" + std::string(e.text) + "' " + number(e.class_id) + "." +
           number(e.method_id);
  }
  std::string operator()(const event::completed& e) const {
    return number(e.channel) + " completed " + name_of(e.what);
  }
  std::string operator()(const event::delivered& e) const {
    return number(e.channel) + " delivered " + std::string(e.consumer_tag) + " " +
           number(e.delivery_tag) + (e.redelivered ? " again" : "") + " " +
           std::string(e.exchange) + "/" + std::string(e.routing_key) + " [" +
           words(e.header.content_type) + " " + words(e.header.content_encoding) + " " +
           (e.header.headers ? "headers " : "") +
           (e.header.compression.empty() ? "" : std::string(e.header.compression) + " ") +
           words(e.header.delivery_mode) + " " + words(e.header.priority) + " " +
           words(e.header.expiration) + "] " + quote(e.body);
  }
  std::string operator()(const event::returned& e) const {
    return number(e.channel) + " returned " + number(e.code) + " '" + std::string(e.text) + "' " +
           std::string(e.exchange) + "/" + std::string(e.routing_key) + " " + quote(e.body);
  }
  std::string operator()(const event::confirmed& e) const {
    return number(e.channel) + (e.nack ? " nacked " : " acked ") + number(e.delivery_tag) +
           (e.multiple ? " multiple" : "");
  }
  std::string operator()(const event::cancelled& e) const {
    return number(e.channel) + " cancelled " + std::string(e.consumer_tag);
  }
  std::string operator()(const event::blocked& e) const {
    return "blocked '" + std::string(e.reason) + "'";
  }
  std::string operator()(const event::unblocked&) const { return "unblocked"; }
  std::string operator()(const event::oversized& e) const {
    return number(e.channel) + " oversized " + number(e.delivery_tag) + " " + number(e.body_size) +
           " '" + std::string(e.why) + "'";
  }
};

}  // namespace

std::string describe(const any_event& event) { return std::visit(describer{}, event); }

client::client(connection_options with, std::string user, std::string password)
    : options(std::move(with)),
      bus(options, memory, "test:1:uuid", std::move(user), std::move(password), now) {}

void client::feed(std::string_view bytes, std::size_t piece) {
  while (!bytes.empty()) {
    const std::span<char> room = bus.read_buffer();
    if (room.empty()) {
      was_full = true;
      return;
    }
    const std::size_t n = std::min({bytes.size(), piece, room.size()});
    std::memcpy(room.data(), bytes.data(), n);
    bytes.remove_prefix(n);
    bus.read_done(n, now);
    drain();
  }
}

void client::drain() {
  bus.drain([this](const auto& one) {
    const any_event event = one;
    events.push_back(describe(event));
    if (on_event) on_event(event);
  });
}

std::string client::take_sent_bytes() {
  std::string bytes;
  while (!bus.write_buffer().empty()) {
    // In odd pieces, so that a half-written buffer is an everyday thing.
    const auto waiting = bus.write_buffer();
    const std::size_t n = std::min<std::size_t>(waiting.size(), 1000);
    bytes.append(waiting.data(), n);
    bus.write_done(n, now);
  }
  return bytes;
}

std::vector<sent_frame> client::take_sent() {
  const std::string bytes = take_sent_bytes();
  std::vector<sent_frame> frames;
  std::string_view rest = bytes;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest.at(i)); };
  while (!rest.empty()) {
    if (rest.front() == 'A') {
      frames.push_back({'A', 0, std::string(rest.substr(0, 8))});
      rest.remove_prefix(8);
      continue;
    }
    const std::size_t size = std::size_t{byte(3)} << 24 | std::size_t{byte(4)} << 16 |
                             std::size_t{byte(5)} << 8 | byte(6);
    frames.push_back({byte(0), static_cast<unsigned>(byte(1) << 8 | byte(2)),
                      std::string(rest.substr(7, size))});
    if (byte(7 + size) != 0xCE) throw std::runtime_error("a frame was sent without its end");
    rest.remove_prefix(8 + size);
  }
  return frames;
}

void client::open(std::initializer_list<unsigned> channels, std::string_view hello) {
  feed(hello.empty() ? handshake() : std::string(hello));
  for (const unsigned channel : channels) {
    bus.open_channel(static_cast<channel_id>(channel));
    feed(channel_open_ok(channel));
  }
  events.clear();
  take_sent_bytes();
}

}  // namespace ombt::wire::amqp091::script
