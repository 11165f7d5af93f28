// SPDX-License-Identifier: Apache-2.0
// Writes the corpora of the AMQP 0-9-1 fuzz targets from the test scenarios:
// amqp091_make_corpus tests/fuzz/corpus
#include "tests/wire/amqp091/script.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

using namespace ombt::wire::amqp091::script;

namespace {

std::filesystem::path root;

void write(const std::string& target, std::string name, const std::string& bytes) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == ' ' || c == '.' || c == ','; }, '_');
  std::filesystem::create_directories(root / target);
  std::ofstream file(root / target / name, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// Everything that the owner in the fuzz target waits for, on both channels.
std::string conversation() {
  std::string all = handshake();
  for (const unsigned channel : {1u, 2u}) {
    all += channel_open_ok(channel) + method(channel, 60, 11) + method(channel, 40, 11) +
           method(channel, 50, 11, short_text("q") + u32(0) + u32(0)) + method(channel, 50, 21) +
           method(channel, 85, 11) + method(channel, 60, 21, short_text("2")) +
           method(channel, 60, 21, short_text("1")) + method(channel, 50, 41, u32(0)) +
           method(channel, 40, 21) + ack(channel, 2, true);
  }
  return all;
}

/// The frames' payloads, method frames under '\0', headers under '\1'.
void write_payloads(const std::string& name, std::string_view bytes) {
  int number = 0;
  while (bytes.size() >= 8 && (bytes[0] == 1 || bytes[0] == 2)) {
    const auto at = [&](std::size_t i) {
      return std::size_t{static_cast<unsigned char>(bytes[i])};
    };
    const std::size_t length = at(3) << 24 | at(4) << 16 | at(5) << 8 | at(6);
    write("amqp091_methods", name + "_" + std::to_string(number++),
          std::string(1, bytes[0] == 2 ? '\1' : '\0') + std::string(bytes.substr(7, length)));
    bytes.remove_prefix(length + 8);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  root = argv[1];
  for (const scenario& one : all_scenarios()) {
    write("amqp091_frames", one.name, one.bytes());
    write("amqp091_connection", one.name, std::string("\0\1", 2) + one.bytes());
    write("amqp091_connection", one.name + "_in_pieces", std::string("\7\5", 2) + one.bytes());
  }
  const std::string talk = conversation();
  write("amqp091_connection", "set_up_of_both_channels", std::string("\0\1", 2) + talk);
  write("amqp091_connection", "everything_on_two_channels",
        std::string("\x40\1", 2) + talk + message(1, "1", 1, "ex", "key", "body") +
            deliver(1, "1", 2, "ex", "key") + message(2, "1", 7, "ex", "key", "closes") +
            message_header(1, 4) + body(1, "bo") + heartbeat() + body(1, "dy") +
            channel_close_ok(2) + channel_open_ok(2) + nack(1, 0, true) +
            returned(1, 312, "NO_ROUTE", "", "q") + message_header(1, 1) + body(1, "x") +
            method(1, 60, 30, short_text("1") + u8(0)) + method(1, 60, 31, short_text("2")) +
            method(1, 20, 20, u8(0)) + method(0, 10, 60, short_text("memory")) + method(0, 10, 61) +
            channel_close(1, 404, "NOT_FOUND", 60, 40) + channel_open_ok(1) +
            message(1, "1", 63, "ex", "key", "closes all") + connection_close_ok());
  write(
      "amqp091_connection", "body_in_many_frames",
      std::string("\xff\1", 2) + talk + message(1, "1", 1, "e", "k", std::string(9000, 'x'), 500));
  write("amqp091_connection", "header_deeply_nested",
        std::string("\0\1", 2) + talk + deliver(1, "1", 1, "e", "k") +
            header(1, 0, 0x2000, nested_tables(17)));
  // The second byte chooses a limit of ten bytes.
  write("amqp091_connection", "messages_beyond_limits",
        std::string("\0\5", 2) + talk + message(1, "1", 1, "e", "k", "0123456789x", 4) +
            message(1, "1", 2, "e", "k", "fits") + deliver(2, "1", 1, "e", "k") +
            deliver(1, "1", 3, "e", "k") + header(1, 6, 0x2000, nested_tables(17)) +
            message_header(2, 20) + body(1, "abc") + body(2, "0123456789") + body(1, "def") +
            returned(1, 312, "NO_ROUTE", "", "q") + message_header(1, 11) + body(1, "0123456789x") +
            body(2, "0123456789") + message(2, "1", 2, "e", "k", "fits"));

  write_payloads("handshake", handshake());
  write_payloads("channel", channel_open_ok(1) + channel_close(1, 404, "NOT_FOUND", 60, 40) +
                                channel_close_ok(1) + method(1, 20, 20, u8(1)));
  write_payloads("basic", message(1, "1", 1, "ex", "key", "") +
                              returned(1, 312, "NO_ROUTE", "ex", "key") + ack(1, 1) + nack(1, 2) +
                              method(1, 60, 30, short_text("1") + u8(0)));
  write_payloads("connection", connection_close(320, "CONNECTION_FORCED") +
                                   method(0, 10, 60, short_text("memory")) +
                                   method(0, 10, 20, long_text("challenge")));
  const std::string headers = table(entry("compression", 'S', long_text("application/x-gzip")) +
                                    entry("deep", 'F', nested_tables(14)) +
                                    entry("array", 'A', table("I" + u32(1) + "t" + u8(1))));
  write_payloads("headers",
                 header(1, 5, 0xfffc,
                        short_text("text") + short_text("utf-8") + headers + u8(1) + u8(9) +
                            short_text("corr") + short_text("reply") + short_text("2000") +
                            short_text("id") + u64(1) + short_text("type") + short_text("user") +
                            short_text("app") + short_text("cluster")) +
                     header(1, 0, 0x2000, nested_tables(40)) +
                     frame(1, 0, u16(10) + u16(10) + u8(0) + u8(9) + nested_tables(40)));
  write("amqp091_frames", "table_deeply_nested", nested_tables(600));
  write("amqp091_frames", "table_of_everything", headers);
  write("amqp091_frames", "tls_alert", std::string("\x15\3\3\0\2\2\x46", 7));
  write("amqp091_frames", "amqp_1_0", std::string("AMQP\3\1\0\0", 8));
  return 0;
}
