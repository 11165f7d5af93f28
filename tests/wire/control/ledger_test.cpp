// SPDX-License-Identifier: Apache-2.0
#include "wire/control/ledger.hpp"

#include "wire/control/results.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

constexpr std::size_t plenty = std::size_t{64} << 20;
constexpr auto no_room = sequence_set::inserted::no_room;

sequence_set set_of(const std::string& text) {
  ledger_room room{plenty};
  sequence_set out;
  std::uint64_t not_kept = 0;
  REQUIRE(sequence_set::read_text(text, room, out, not_kept));
  return out;
}

template <class Ledger>
std::string text_of(const Ledger& ledger) {
  std::string out;
  append_ledger(out, ledger);
  return out;
}

template <class Ledger>
bool read(const std::string& text, Ledger& out, std::string& why, std::size_t bytes = plenty) {
  json::reader reader;
  json::value root;
  INFO(text);
  REQUIRE_FALSE(reader.parse(text, root));
  ledger_room room{bytes};
  return read_ledger(root, room, out, why);
}

template <class Ledger>
Ledger again(const Ledger& ledger) {
  Ledger out;
  std::string why;
  const bool ok = read(text_of(ledger), out, why);
  INFO(why);
  REQUIRE(ok);
  return out;
}

}  // namespace

TEST_CASE("a message id is the run's tag, the client and the sequence") {
  const auto id = read_message_id("0123456789abcdeffedcba9876543210:42");
  REQUIRE(id);
  CHECK(id->tag == 0x0123456789abcdef);
  CHECK(id->client == 0xfedcba9876543210);
  CHECK(id->sequence == 42);
  std::array<char, 32> hex{};
  const std::string_view digits = "0123456789abcdeffedcba9876543210";
  std::copy(digits.begin(), digits.end(), hex.begin());
  CHECK(client_of(hex) == id->client);
  for (const char* text :
       {"", "x:1", "0123456789abcdeffedcba9876543210", "0123456789abcdeffedcba9876543210:",
        "0123456789abcdeffedcba9876543210:x", "0123456789abcdeffedcba9876543210:-1",
        "0123456789abcdeffedcba9876543210:1 ", "0123456789ABCDEFfedcba9876543210:1",
        "0123456789abcdeffedcba987654321:1", "0123456789abcdeffedcba98765432100:1",
        "0123456789abcdeffedcba9876543210:99999999999999999999"}) {
    INFO(text);
    CHECK_FALSE(read_message_id(text));
  }
  std::string out;
  append_hex16(out, 0x00f0);
  CHECK(out == "00000000000000f0");
}

TEST_CASE(
    "deliveries tell the first arrival of a message from its copies, within and across receivers") {
  ledger_room room{plenty};
  deliveries a;
  for (const std::uint64_t n : {0, 1, 2, 2, 2, 5}) CHECK(a.arrived(n, room) != no_room);
  CHECK(a.seen == set_of("0-2,5"));
  CHECK(a.again == set_of("2"));
  CHECK(a.extra == 2);
  CHECK(a.arrivals() == 6);
  deliveries b;
  for (const std::uint64_t n : {2, 3, 4, 4, 5}) CHECK(b.arrived(n, room) != no_room);
  CHECK(a.merge(b, room) == 0);
  CHECK(a.seen == set_of("0-5"));
  CHECK(a.again == set_of("2,4-5"));
  CHECK(a.extra == 5);  // 2 thrice, 4 once, 5 once
  CHECK(a.arrivals() == 11);
}

TEST_CASE("deliveries of whole runs are merged in a few steps") {
  ledger_room room{0};  // none is needed
  deliveries whole;
  whole.seen = set_of("0-16777215");
  deliveries sum;
  std::uint64_t refused = 0;
  for (int i = 0; i < 10'000; ++i) refused += sum.merge(whole, room);
  CHECK(refused == 0);
  CHECK(sum.extra == 9'999 * sequence_limit);
  CHECK(sum.again == whole.seen);
}

TEST_CASE("a receiver's ledger keeps clients apart and survives its way to the controller") {
  ledger_room room{plenty};
  server_ledger ledger;
  CHECK(text_of(ledger) == R"({"clients": {}})");
  CHECK(again(ledger) == ledger);
  for (std::uint64_t n = 0; n < 100; ++n) ledger.arrived(0xb, n, room);
  for (const std::uint64_t n : {3, 7, 7, 7}) ledger.arrived(0xa, n, room);
  ledger.unidentified = 2;
  ledger.arrived(0xc, sequence_limit, room);
  CHECK(ledger.not_kept == 1);
  CHECK(ledger.arrivals() == 104);
  CHECK(text_of(ledger) ==
        R"({"clients": {"000000000000000a": ["3,7", "7", 2], "000000000000000b": "0-99"}, )"
        R"("unidentified": 2, "not_kept": 1})");
  CHECK(again(ledger) == ledger);
  CHECK(room.left() == plenty - ledger.bytes());
}

TEST_CASE("a client's ledger says what it sent and what failed, by error") {
  ledger_room room{client_ledger::room_bytes};
  client_ledger ledger;
  ledger.client = 0xfedcba9876543210;
  ledger.sent = 100;
  CHECK(text_of(ledger) == R"({"client": "fedcba9876543210", "sent": 100})");
  CHECK(again(ledger) == ledger);
  for (const std::uint64_t n : {3, 4, 99}) ledger.fail("nacked", n, room);
  ledger.fail("messaging_timeout", 0, room);
  CHECK(text_of(ledger) == R"({"client": "fedcba9876543210", "sent": 100, )"
                           R"("failed": {"messaging_timeout": "0", "nacked": "3-4,99"}})");
  CHECK(again(ledger) == ledger);
  ledger.sent = sequence_limit + 2;
  ledger.fail("nacked", sequence_limit, room);
  CHECK(ledger.not_kept == 1);
  CHECK(again(ledger) == ledger);
}

TEST_CASE("ledgers that no agent can have are refused with the reason") {
  std::string why;
  client_ledger client;
  for (const char* text :
       {R"(7)", R"({})", R"({"client": 7})", R"({"client": "fedcba987654321"})",
        R"({"client": "FEDCBA9876543210"})", R"({"client": "fedcba9876543210", "sent": -1})",
        R"({"client": "fedcba9876543210", "sent": 1.5})",
        R"({"client": "fedcba9876543210", "sent": 9, "failed": []})",
        R"({"client": "fedcba9876543210", "sent": 9, "failed": {"e": 7}})",
        R"({"client": "fedcba9876543210", "sent": 9, "failed": {"e": "9"}})",
        R"({"client": "fedcba9876543210", "sent": 64, "failed": {"e": "0-64"}})",
        R"({"client": "fedcba9876543210", "sent": 9, "failed": {"e": "1-3", "f": "3"}})",
        R"({"client": "fedcba9876543210", "sent": 9, "failed": {"e": "1,"}})"}) {
    INFO(text);
    why.clear();
    CHECK_FALSE(read(text, client, why));
    CHECK_FALSE(why.empty());
  }
  server_ledger server;
  for (const char* text :
       {R"(7)", R"({})", R"({"clients": []})", R"({"clients": {"x": "0"}})",
        R"({"clients": {"000000000000000a": ""}})", R"({"clients": {"000000000000000a": 1}})",
        R"({"clients": {"000000000000000a": "0", "000000000000000a": "1"}})",
        R"({"clients": {"000000000000000a": ["0", "0"]}})",
        R"({"clients": {"000000000000000a": ["0", "0", 0]}})",
        R"({"clients": {"000000000000000a": ["0", "1", 1]}})",
        R"({"clients": {"000000000000000a": ["0", "0", -1]}})",
        R"({"clients": {"000000000000000a": ["0", "0", 1, 1]}})",
        R"({"clients": {}, "unidentified": "1"})", R"({"clients": {}, "not_kept": -1})"}) {
    INFO(text);
    why.clear();
    CHECK_FALSE(read(text, server, why));
    CHECK_FALSE(why.empty());
  }
}

TEST_CASE("errors in a client's ledger are masked and bounded as in results") {
  std::string text = R"({"client": "fedcba9876543210", "sent": 5000, "failed": {)";
  for (int i = 0; i < 1'000; ++i) {
    text += (i > 0 ? ", \"error " : "\"error ") + std::to_string(i) + "\\u001b\": \"" +
            std::to_string(i) + '"';
  }
  client_ledger ledger;
  std::string why;
  REQUIRE(read(text + "}}", ledger, why));
  CHECK(ledger.failed.size() == error_text_limit + 1);
  CHECK(ledger.failed.count("error 0 ") == 1);
  CHECK(ledger.failed.at(std::string{other_errors}).size() == 1'000 - error_text_limit);
}

TEST_CASE("a ledger beyond its room or its longest text says what it does not keep") {
  ledger_room small{10 * server_ledger::entry_bytes};
  server_ledger ledger;
  for (std::uint64_t client = 0; client < 1'000; ++client) ledger.arrived(client, 0, small);
  CHECK(ledger.clients.size() < 10);
  CHECK(ledger.clients.size() + ledger.not_kept == 1'000);
  const std::size_t taken = ledger.bytes();
  CHECK(taken <= 10 * server_ledger::entry_bytes);
  small.give(taken);
  CHECK(small.left() == 10 * server_ledger::entry_bytes);

  // What a reader has no room for it counts.
  ledger_room room{plenty};
  server_ledger much;
  for (std::uint64_t client = 0; client < 100; ++client) much.arrived(client, 5, room);
  server_ledger read_back;
  std::string why;
  REQUIRE(read(text_of(much), read_back, why, 2'000));
  CHECK(read_back.clients.size() <= 10);
  CHECK(read_back.arrivals() + read_back.not_kept == 100);

  // Bitmaps of 2 MiB that no ranges shorten: some 8 fit the text.
  std::string half = "0=";
  for (int i = 0; i < 2'796'202; ++i) half += 'V';
  server_ledger large;
  const sequence_set every_second = set_of(half);
  for (std::uint64_t client = 0; client < 10; ++client) large.clients[client].seen = every_second;
  const std::string text = text_of(large);
  CHECK(text.size() <= ledger_text_limit + 100);
  server_ledger kept;
  REQUIRE(read(text, kept, why));
  CHECK(kept.clients.size() == 8);
  CHECK(kept.arrivals() + kept.not_kept == large.arrivals());
}

TEST_CASE("results carry a ledger in their details") {
  result_details details;
  details.run = "r";
  results record;
  ledger_room room{plenty};
  const auto through = [&] {
    std::string text;
    append_results(text, record, &details);
    json::reader reader;
    json::value root;
    REQUIRE_FALSE(reader.parse(text, root));
    result_details out;
    bool present = false;
    std::string why;
    const bool ok = read_results(root, record, out, present, why);
    INFO(why);
    REQUIRE(ok);
    CHECK(present);
    return out;
  };
  auto out = through();
  CHECK_FALSE(out.sent);
  CHECK_FALSE(out.received);
  client_ledger sent;
  sent.sent = 4;
  sent.fail(record.add_failure("lost 00000000000000000000000000000000"), 3, room);
  details.sent = std::make_shared<client_ledger>(sent);
  out = through();
  REQUIRE(out.sent);
  CHECK(*out.sent == sent);
  CHECK(out.sent->failed.count("lost <id>") == 1);
  CHECK_FALSE(out.received);
  server_ledger received;
  received.arrived(1, 2, room);
  details.sent.reset();
  details.received = std::make_shared<server_ledger>(received);
  out = through();
  CHECK_FALSE(out.sent);
  REQUIRE(out.received);
  CHECK(*out.received == received);

  std::string text;
  append_results(text, record, &details);
  const std::size_t at = text.find(R"({"clients": )");
  text.replace(at, std::string::npos, R"({"clients": []}}})");
  json::reader reader;
  json::value root;
  REQUIRE_FALSE(reader.parse(text, root));
  bool present = false;
  std::string why;
  CHECK_FALSE(read_results(root, record, out, present, why));
  CHECK(why == "results.ombt.ledger: clients is no object");
}
