// SPDX-License-Identifier: Apache-2.0
// A broker that says anything, to a connection whose owner uses every command. The first byte is
// the size of the pieces that the rest is read in, the second one chooses options. The closed
// event must come once, as the last, and views must be readable.
#include "wire/amqp091/connection.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace ombt::wire::amqp091;

namespace {

/// An owner that reads every byte it is given and answers with commands.
struct owner {
  connection& bus;
  bool closed = false;
  std::size_t read = 0;

  void look(std::string_view bytes) {
    for (const char c : bytes) read += static_cast<unsigned char>(c);
  }
  void live() const {
    if (closed) std::abort();
  }
  void operator()(const event::opened& e) {
    live();
    look(e.product);
    look(e.product_version);
    bus.open_channel(1);
    bus.open_channel(2);
  }
  void operator()(const event::closed& e) {
    live();
    look(e.text);
    closed = true;
  }
  void operator()(const event::channel_opened& e) {
    live();
    const argument args[] = {{"x-expires", std::int64_t{1800000}}, {"x-flag", true}};
    bus.basic_qos(e.channel, 10);
    bus.exchange_declare(e.channel, "ex", "topic", false, false);
    bus.queue_declare(e.channel, "q", false, false, args);
    bus.queue_bind(e.channel, "q", "ex", "key");
    bus.basic_consume(e.channel, "q", "1", {});
    bus.basic_consume(e.channel, "q", "2", {});
    bus.confirm_select(e.channel);
    bus.queue_delete(e.channel, "old", true, true);
    bus.exchange_delete(e.channel, "old", true);
    for (int i = 0; i < 6; ++i) bus.publish(e.channel, "", "q", true, {}, "body");
  }
  void operator()(const event::channel_closed& e) {
    live();
    look(e.text);
    bus.open_channel(e.channel);
  }
  void operator()(const event::completed&) { live(); }
  void operator()(const event::delivered& e) {
    live();
    look(e.consumer_tag);
    look(e.exchange);
    look(e.routing_key);
    look(e.body);
    look(e.header.compression);
    for (const auto& text :
         {e.header.content_type, e.header.content_encoding, e.header.expiration}) {
      if (text) look(*text);
    }
    bus.ack(e.channel, e.delivery_tag, false);
    if (e.delivery_tag % 8 == 7) bus.close_channel(e.channel);
    if (e.delivery_tag % 64 == 63) bus.close();
  }
  void operator()(const event::returned& e) {
    live();
    look(e.text);
    look(e.exchange);
    look(e.routing_key);
    look(e.body);
  }
  void operator()(const event::confirmed& e) {
    live();
    if (e.delivery_tag == 0 || e.delivery_tag > 6) std::abort();
  }
  void operator()(const event::cancelled& e) {
    live();
    look(e.consumer_tag);
    bus.basic_cancel(e.channel, "2");
  }
  void operator()(const event::blocked& e) {
    live();
    look(e.reason);
  }
  void operator()(const event::unblocked&) { live(); }
  void operator()(const event::oversized& e) {
    live();
    look(e.why);
    if (e.why.empty()) std::abort();
    if (e.delivery_tag != 0) bus.reject(e.channel, e.delivery_tag, false);
    if (e.delivery_tag % 8 == 7) bus.close_channel(e.channel);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t piece = data[0] == 0 ? size : data[0];
  connection_options options;
  options.mechanism = static_cast<sasl_mechanism>(data[1] % 3);
  if ((data[1] & 4) != 0) options.body_limit = 10;
  if ((data[1] & 8) != 0) options.heartbeat = 0;
  std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);

  static thread_memory memory;
  time_point now{};
  connection bus(options, memory, "fuzz:1:x", "user", "password", now);
  owner events{bus};
  while (!rest.empty()) {
    const auto room = bus.read_buffer();
    if (room.empty()) break;
    const std::size_t n = std::min({room.size(), rest.size(), piece});
    std::copy_n(rest.begin(), n, room.begin());
    rest.remove_prefix(n);
    bus.read_done(n, now);
    bus.drain([&](const auto& one) { events(one); });
    now += std::chrono::seconds(1);
    bus.tick(now);
    const auto waiting = bus.write_buffer();
    if (waiting.size() > 1 << 20) std::abort();
    bus.write_done((waiting.size() + 1) / 2, now);
  }
  if (events.closed != bus.is_closed()) std::abort();
  bus.transport_closed(ombt::errc::connection_lost);
  bus.drain([&](const auto& one) { events(one); });
  if (!events.closed || !bus.read_buffer().empty()) std::abort();
  bus.drain([&](const auto& one) { events(one); });
  return 0;
}
