// SPDX-License-Identifier: Apache-2.0
#pragma once
// A broker made of bytes, for tests: encodes what a server sends, by hand, so that the codec under
// test is not its own judge; and a client that feeds it to a connection, records every event as
// a line of text and collects what the connection wants to send.

#include "wire/amqp091/connection.hpp"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ombt::wire::amqp091::script {

// Values
std::string u8(unsigned v);
std::string u16(unsigned v);
std::string u32(std::uint64_t v);
std::string u64(std::uint64_t v);
std::string short_text(std::string_view text);
std::string long_text(std::string_view text);
/// A field table's entry: name, type letter, encoded value.
std::string entry(std::string_view name, char type, std::string_view value);
/// A field table (or array) of encoded entries, with its length.
std::string table(std::string_view entries = {});
/// Tables within each other, so many in all.
std::string nested_tables(std::size_t depth);

// Frames
std::string frame(unsigned type, unsigned channel, std::string_view payload);
std::string method(unsigned channel, unsigned class_id, unsigned method_id,
                   std::string_view values = {});
std::string heartbeat();
/// A content header: property flags and the encoded properties.
std::string header(unsigned channel, std::uint64_t body_size, unsigned flags = 0,
                   std::string_view values = {});
std::string body(unsigned channel, std::string_view bytes);

// What a broker says
std::string start(std::string_view mechanisms = "EXTERNAL PLAIN AMQPLAIN");
std::string tune(unsigned channel_max = 2047, std::uint32_t frame_max = 131072,
                 unsigned heartbeat = 60);
std::string open_ok();
/// start, tune and open-ok.
std::string handshake();
std::string connection_close(unsigned code, std::string_view text);
std::string connection_close_ok();
std::string channel_open_ok(unsigned channel);
std::string channel_close(unsigned channel, unsigned code, std::string_view text,
                          unsigned class_id = 0, unsigned method_id = 0);
std::string channel_close_ok(unsigned channel);
std::string deliver(unsigned channel, std::string_view consumer_tag, std::uint64_t delivery_tag,
                    std::string_view exchange, std::string_view routing_key);
/// deliver, a header with the five properties of oslo.messaging, and the body in frames of at
/// most `chunk` bytes.
std::string message(unsigned channel, std::string_view consumer_tag, std::uint64_t delivery_tag,
                    std::string_view exchange, std::string_view routing_key, std::string_view bytes,
                    std::size_t chunk = 131064);
std::string message_header(unsigned channel, std::uint64_t body_size);
std::string returned(unsigned channel, unsigned code, std::string_view text,
                     std::string_view exchange, std::string_view routing_key);
std::string ack(unsigned channel, std::uint64_t tag, bool multiple = false);
std::string nack(unsigned channel, std::uint64_t tag, bool multiple = false);

/// The properties that oslo.messaging's rabbit driver publishes with.
properties oslo_properties();

/// One frame that the connection sent.
struct sent_frame {
  unsigned type;
  unsigned channel;
  std::string payload;
  bool is(unsigned class_id, unsigned method_id) const;
  /// A method's arguments.
  std::string values() const { return payload.substr(4); }
};

/// A line for an event; bodies above 64 bytes as length and checksum.
std::string describe(const any_event& event);

/// A connection with everything around it that a test needs.
class client {
 public:
  explicit client(connection_options options = {}, std::string user = "guest",
                  std::string password = "guest");

  /// Feeds bytes as a socket would, in pieces of at most `piece`, draining after each.
  void feed(std::string_view bytes, std::size_t piece = SIZE_MAX);
  void drain();
  /// Everything that waits to be written, as frames; the protocol header as one of type 'A'.
  std::vector<sent_frame> take_sent();
  std::string take_sent_bytes();
  /// Through the handshake and the opening of channel 1; forgets events and bytes so far.
  void open(std::initializer_list<unsigned> channels = {1}, std::string_view hello = {});
  /// Events since the last call.
  std::vector<std::string> take_events() { return std::exchange(events, {}); }

  connection_options options;
  thread_memory memory;
  time_point now{std::chrono::hours(1000)};
  connection bus;
  std::vector<std::string> events;
  /// Called with each event, after it was recorded.
  std::function<void(const any_event&)> on_event;
  bool was_full = false;  ///< read_buffer() was empty while bytes were left
};

/// A scenario: what the broker sends, what the owner does then, and the events that come of it.
struct step {
  std::string bytes;
  std::function<void(connection&)> then;
};
struct scenario {
  std::string name;
  connection_options options;
  std::vector<step> steps;
  std::vector<std::string> expected;  ///< events, as describe() writes them

  /// Everything that the broker sends.
  std::string bytes() const;
};
/// Every scenario that is run whole, bytewise, cut and corrupted.
std::vector<scenario> all_scenarios();

}  // namespace ombt::wire::amqp091::script
