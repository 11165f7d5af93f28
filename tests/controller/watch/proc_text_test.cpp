// SPDX-License-Identifier: Apache-2.0
#include "controller/watch/proc_text.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace ombt::controller;

namespace {

const std::string heading =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode                                                     \n";
const std::string table =
    heading +
    "   0: 0100007F:1628 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 "
    "93860 1 0000000092b17325 100 0 0 10 0                     \n"
    "   1: 0100007F:1628 0100007F:9C40 01 00000000:00000000 02:00000A3B 00000000   105        0 "
    "93861 2 0000000092b17326 20 4 30 10 -1                    \n"
    "12345: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
    "77 1 0000000092b17327 100 0 0 10 0                     \n";
const std::string table6 =
    "   0: 00000000000000000000000000000000:1628 00000000000000000000000000000000:0000 0A "
    "00000000:00000000 00:00000000 00000000   105        0 4711 1 0000000092b17325 100 0 0 10 0\n"
    "   1: 0000000000000000FFFF00000100007F:1628 0000000000000000FFFF00000100007F:9C40 01 "
    "00000000:00000000 00:00000000 00000000   105        0 4712 1 0000000092b17325 100 0 0 10 0\n";

ombt::drivers::ip_address v4(int a, int b, int c, int d) {
  return {0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0xff,
          0xff,
          static_cast<std::uint8_t>(a),
          static_cast<std::uint8_t>(b),
          static_cast<std::uint8_t>(c),
          static_cast<std::uint8_t>(d)};
}

std::vector<socket_row> rows_of(const std::string& text, std::size_t piece) {
  std::vector<socket_row> out;
  socket_table reader;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    reader.feed(std::string_view{text}.substr(at, piece),
                [&](const socket_row& row) { out.push_back(row); });
  }
  return out;
}

const std::string stat_tail =
    " S 1 123 123 0 -1 4194560 5210 70 3 0 150 25 9 9 20 0 21 0 987654 1000000 2048 "
    "18446744073709551615 1 1 0 0 0 0 0 4096 134234626 0 0 0 17 1 0 0 0 0 0\n";

}  // namespace

TEST_CASE("a socket table is read whole, and in pieces of any size") {
  for (const std::size_t piece : {table.size(), std::size_t{1}, std::size_t{7}, std::size_t{64}}) {
    INFO(piece);
    const auto rows = rows_of(table, piece);
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].address == v4(127, 0, 0, 1));
    CHECK(rows[0].port == 5672);
    CHECK(rows[0].state == tcp_listen);
    CHECK(rows[0].uid == 105);
    CHECK(rows[0].inode == 93860);
    CHECK(rows[1].state == tcp_established);
    CHECK(rows[2].address == v4(0, 0, 0, 0));
    CHECK(rows[2].inode == 77);
  }
  const auto rows = rows_of(table6, 13);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].address == ombt::drivers::ip_address{});
  CHECK(rows[0].inode == 4711);
  CHECK(rows[1].address == v4(127, 0, 0, 1));
}

TEST_CASE("a line that is cut, wrong or endless is passed over, and the next one read") {
  const std::string line =
      table.substr(heading.size(), table.find('\n', heading.size()) + 1 - heading.size());
  REQUIRE(rows_of(line, 1).size() == 1);
  // No prefix of a listener's line without its inode is believed.
  for (std::size_t size = 0; size < line.find("93860"); ++size) {
    INFO(size);
    CHECK_FALSE(read_socket_row(std::string_view{line}.substr(0, size)));
  }
  CHECK(rows_of(line.substr(0, line.size() - 1), 5).empty());  // no newline: not over yet
  for (const char* wrong :
       {"", " ", ":", "0: :", "0: 0100007F 0: 0A", "0: 010007F:1628 0:0 0A 0 0 0 1 0 5",
        "0: 0100007F:16281 0:0 0A 0 0 0 1 0 5", "0: 0100007G:1628 0:0 0A 0 0 0 1 0 5",
        "0: 0100007F:1628 0:0 10A 0 0 0 1 0 5", "0: 0100007F:1628 0:0 0A 0 0 0 -1 0 5",
        "0: 0100007F:1628 0:0 0A 0 0 0 1 0 x"}) {
    INFO(wrong);
    CHECK_FALSE(read_socket_row(wrong));
    CHECK(rows_of(wrong + std::string("\n") + line, 3).size() == 1);
  }
  CHECK(rows_of(std::string(10'000'000, 'x') + '\n' + line, 4'096).size() == 1);
  CHECK(rows_of(std::string(1'000, '\n') + line, 9).size() == 1);
}

TEST_CASE("what a process used is read whatever its name is") {
  for (const auto& [name, told] : std::vector<std::pair<std::string, std::string>>{
           {"beam.smp", "beam.smp"},
           {"a b", "a b"},
           {") S 1 2 3 (", ") S 1 2 3 ("},
           {"(((", "((("},
           {")))", ")))"},
           {"", ""},
           {"red\x1b[31m\n\x7f\xff", "red?[31m???"},
           {std::string(100, 'x'), std::string(64, 'x')}}) {
    INFO(name);
    const auto read = read_process_stat("123 (" + name + ")" + stat_tail);
    REQUIRE(read);
    CHECK(read->command == told);
    CHECK(read->cpu_ticks == 175);
    CHECK(read->start_ticks == 987654);
    CHECK(read->rss_pages == 2048);
    CHECK_FALSE(read->ended);
  }
}

TEST_CASE("a process that has ended is told from one that runs") {
  for (const char state : {'R', 'S', 'D', 'T', 'I', 'Z', 'X'}) {
    std::string text = "1 (a)" + stat_tail;
    text[6] = state;
    const auto read = read_process_stat(text);
    REQUIRE(read);
    CHECK(read->ended == (state == 'Z' || state == 'X'));
  }
}

TEST_CASE("a process's text that is cut or wrong is none") {
  const std::string whole = "123 (a b)" + stat_tail;
  for (std::size_t size = 0; size <= whole.find("18446744073709551615"); ++size) {
    INFO(size);
    CHECK_FALSE(read_process_stat(whole.substr(0, size)));
  }
  std::string wrong = whole;
  wrong.replace(wrong.find(" 150 "), 5, " -15 ");
  CHECK_FALSE(read_process_stat(wrong));
  CHECK_FALSE(read_process_stat("123 )a(" + stat_tail));
  CHECK_FALSE(read_process_stat("123 a" + stat_tail));
}

TEST_CASE("a descriptor's link names a socket, or is another thing") {
  CHECK(socket_inode("socket:[4711]") == 4711);
  for (const char* other : {"", "socket:[", "socket:[]", "socket:[x]", "socket:[1", "pipe:[4711]",
                            "/tmp/socket:[4711]", "socket:[99999999999999999999999]"}) {
    INFO(other);
    CHECK_FALSE(socket_inode(other));
  }
}
