// SPDX-License-Identifier: Apache-2.0
#include "wire/control/arrivals.hpp"

#include "wire/control/results.hpp"
#include "wire/hdr/base64.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <string>
#include <vector>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

struct timed {
  std::uint64_t sequence;
  std::uint64_t servers;
  std::vector<arrival_time> times;
  friend bool operator==(const timed&, const timed&) = default;
};

std::string bytes_of(const std::vector<timed>& messages, bool ends = false) {
  std::string out;
  arrival_writer writer{out, ends};
  for (const timed& m : messages) writer.add(m.sequence, m.servers, m.times);
  return out;
}

/// Empty where the bytes are refused.
std::vector<timed> messages_of(std::string_view bytes, bool ends = false) {
  std::vector<timed> out;
  arrival_reader reader{bytes, ends};
  while (reader.next()) {
    const auto times = reader.times();
    out.push_back({reader.sequence(), reader.servers(), {times.begin(), times.end()}});
  }
  return reader.ok() ? out : std::vector<timed>{};
}

std::string arrivals_text(const arrival_report& told) {
  std::string out;
  append_arrivals(out, told);
  return out;
}

bool read_arrivals_text(const std::string& text, arrival_report& out, std::string& why) {
  json::reader reader;
  json::value root;
  REQUIRE_FALSE(reader.parse(text, root));
  return read_arrivals(root, out, why);
}

std::string base64_of(const std::string& bytes) {
  std::string out;
  hdr::append_base64(out, bytes);
  return out;
}

const std::string id_a(16, 'a');
const std::string id_b(16, 'b');

}  // namespace

TEST_CASE("the times of messages come back as they were, in a few bytes") {
  const std::vector<timed> all = {{0, 3, {-5, 0, 700}},
                                  {1, 1, {INT32_MIN}},
                                  {2, 2, {INT32_MIN, INT32_MAX}},
                                  {9, 4, {12, 12, 12, 13}},
                                  {sequence_limit - 1, 1, {INT32_MAX}}};
  CHECK(messages_of(bytes_of(all)) == all);
  CHECK(bytes_of({}).empty());
  // A thousand servers within 100 ms: a byte or two each.
  timed wide{0, 1000, {}};
  for (int i = 0; i < 1000; ++i) wide.times.push_back(5'000 + 100 * i);
  CHECK(bytes_of({wide}).size() < 1100);
}

TEST_CASE("the ends of messages are told where the times between are not") {
  const std::string bytes = bytes_of({{3, 5, {-1, 2, 3, 4, 9}}, {4, 1, {7}}, {8, 2, {1, 1}}}, true);
  CHECK(messages_of(bytes, true) ==
        std::vector<timed>{{3, 5, {-1, 9}}, {4, 1, {7}}, {8, 2, {1, 1}}});
}

TEST_CASE("a one-way time is kept in microseconds, and stays within its range") {
  CHECK(arrival_time_of(0.001'234'4) == 1'234);
  CHECK(arrival_time_of(-0.000'001) == -1);
  CHECK(arrival_time_of(2147.483'646) == longest_arrival - 1);
  CHECK(arrival_time_of(1e9) == longest_arrival);
  CHECK(arrival_time_of(-1e9) == INT32_MIN);
  CHECK(arrival_time_of(std::nan("")) == longest_arrival);
}

TEST_CASE(
    "arrivals are read as they were written, and what has nothing to say is an empty object") {
  arrival_report told;
  CHECK(arrivals_text(told) == "{}");
  told.clients.push_back({0xaaaaaaaaaaaaaaaa, bytes_of({{0, 2, {1, 2}}, {1, 1, {5}}}), 2, 3});
  told.clients.push_back({0xbbbbbbbbbbbbbbbb, bytes_of({{7, 1, {-3}}}), 1, 1});
  CHECK(arrivals_text(told) == R"({"clients": {")" + id_a + R"(": ")" +
                                   base64_of(told.clients[0].bytes) + R"(", ")" + id_b + R"(": ")" +
                                   base64_of(told.clients[1].bytes) + R"("}})");
  arrival_report back;
  std::string why;
  REQUIRE(read_arrivals_text(arrivals_text(told), back, why));
  CHECK(back == told);
  told = {};
  told.ends = true;
  told.not_kept = 12;
  CHECK(arrivals_text(told) == R"({"ends": true, "not_kept": 12})");
  REQUIRE(read_arrivals_text(arrivals_text(told), back, why));
  CHECK(back == told);
}

TEST_CASE("results carry arrivals, and are refused with such that are none") {
  result_details details;
  auto told = std::make_shared<arrival_report>();
  told->clients.push_back({1, bytes_of({{0, 2, {1, 2}}}), 1, 2});
  details.arrivals = told;
  std::string text;
  append_client_result_args(text, "s", agent_kind::rpc_server, {}, &details);
  const auto read = [](const std::string& from, client_result_request& out, std::string& why) {
    json::reader reader;
    json::value root;
    REQUIRE_FALSE(reader.parse(from, root));
    return read_client_result_args(root, out, why);
  };
  client_result_request back;
  std::string why;
  REQUIRE(read(text, back, why));
  REQUIRE(back.details.arrivals);
  CHECK(*back.details.arrivals == *told);
  const auto at = text.find("0000000000000001");
  text.replace(at, 16, "x000000000000001");
  CHECK_FALSE(read(text, back, why));
  CHECK(why ==
        "results.ombt.arrivals: clients has something else than times of messages, once a client");
}

TEST_CASE("bytes that are no times are refused") {
  using namespace std::string_literals;
  const std::string message = bytes_of({{0, 2, {1, 2}}});
  REQUIRE_FALSE(messages_of(message).empty());
  for (std::size_t cut = 1; cut < message.size(); ++cut) {
    CHECK(messages_of(message.substr(0, cut)).empty());
  }
  for (const std::string& bytes : {
           "\0\0\0"s,                          // no server
           "\0\x80\0\0"s,                      // a number that is longer than it must be
           "\0\x01\xff\xff\xff\xff\x7f"s,      // a time out of range
           "\0\x02\xfe\xff\xff\xff\x0f\x01"s,  // one that leaves it
           "\0\x01\x80\x80\x80\x80\x80\x01"s,  // no number at all
           "\x80\x80\x80\x08\x01\0"s,          // a sequence out of range
           "\xff\xff\xff\x07\x01\0\0\x01\0"s,  // the one behind the last
           "\0\x80\x80\x80\x08\0"s,            // more servers than bytes
           "\0\x81\x80\x80\x08\0"s,            // more than there can be
       }) {
    CHECK(messages_of(bytes).empty());
  }
  CHECK(messages_of("\0\x81\x80\x80\x08\0\0"s, true).empty());
  CHECK(messages_of("\0\x80\x80\x80\x08\0\0"s, true).size() == 1);
}

TEST_CASE("arrivals that no thread can have told are refused") {
  const std::string good = base64_of(bytes_of({{0, 1, {1}}}));
  const auto client = [](const std::string& id, const std::string& text) {
    return '"' + id + "\": \"" + text + '"';
  };
  const auto clients = [](const std::string& members) {
    return R"({"clients": {)" + members + "}}";
  };
  arrival_report out;
  std::string why;
  REQUIRE(read_arrivals_text(clients(client(id_a, good)), out, why));
  for (const std::string& text :
       {std::string{"[]"}, std::string{"7"}, std::string{R"({"clients": []})"},
        std::string{R"({"ends": 1})"}, std::string{R"({"not_kept": -1})"},
        clients(client(id_a, "")), clients(client(id_a, good + "=")),
        clients(client(id_a, good.substr(1))), clients(client(id_a.substr(1), good)),
        clients("\"" + id_a + "\": 7"), clients(client(id_b, good) + ", " + client(id_a, good)),
        clients(client(id_a, good) + ", " + client(id_a, good))}) {
    INFO(text);
    why.clear();
    CHECK_FALSE(read_arrivals_text(text, out, why));
    CHECK_FALSE(why.empty());
  }
}

TEST_CASE("more than an answer's worth of arrivals is refused") {
  // Messages of one server at no time, one after the other: three bytes each.
  std::string bytes;
  arrival_writer writer{bytes, false};
  const arrival_time none[] = {0};
  const std::size_t most = arrival_bytes_limit / 3;
  for (std::size_t i = 0; i < most; ++i) writer.add(i, 1, none);
  REQUIRE(bytes.size() <= arrival_bytes_limit);
  arrival_report out;
  std::string why;
  const auto text = [&] {
    return "{\"clients\": {\"" + id_a + "\": \"" + base64_of(bytes) + "\"}}";
  };
  CHECK(read_arrivals_text(text(), out, why));
  for (std::size_t i = most; i < most + 3; ++i) writer.add(i, 1, none);
  CHECK_FALSE(read_arrivals_text(text(), out, why));
}
