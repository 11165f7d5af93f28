// SPDX-License-Identifier: Apache-2.0
#include "wire/control/direct_address.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ombt::wire::control;
using ombt::configuration_error;

namespace {

/// What the error says; empty: there is none.
template <class Parse>
std::string why_not(Parse&& parse) {
  try {
    parse();
  } catch (const configuration_error& error) {
    return error.what();
  }
  return {};
}

std::string address_refusal(const std::string& text) {
  return why_not([&] { parse_control_address(text); });
}

std::string list_refusal(const std::string& text) {
  return why_not([&] { parse_host_list(text); });
}

std::string file_refusal(const std::string& text) {
  return why_not([&] { parse_hosts_file(text, "nodes"); });
}

std::string host_lines(std::size_t n) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += "h" + std::to_string(i) + "\n";
  return out;
}

}  // namespace

TEST_CASE("a value of --control names a port, a socket, the bus under test or another bus") {
  const auto [text, address] = GENERATE(table<std::string, control_address>({
      {"tcp://h:5701", tcp_place{"h", 5701}},
      {"tcp://h", tcp_place{"h", 5700}},
      {"tcp://:5701", tcp_place{"", 5701}},
      {"tcp://127.0.0.1:1", tcp_place{"127.0.0.1", 1}},
      {"tcp://[::1]:65535", tcp_place{"::1", 65535}},
      {"tcp://[fe80::1%eth0]", tcp_place{"fe80::1%eth0", 5700}},
      {"tcp://Node-7.a_b.example.", tcp_place{"Node-7.a_b.example.", 5700}},
      {"unix:/run/ombt/a b.sock", socket_place{"/run/ombt/a b.sock"}},
      {"unix:/" + std::string(106, 'x'), socket_place{"/" + std::string(106, 'x')}},
      {"bus", same_bus{}},
      {"rabbit://u:p@h:5672/v", control_bus{"rabbit://u:p@h:5672/v"}},
      {"amqp://h", control_bus{"amqp://h"}},
  }));
  INFO(text);
  CHECK(parse_control_address(text) == address);
}

TEST_CASE("values of --control that cannot be used say why") {
  const std::string port = "--control: a port is no number from 1 to 65535";
  for (const std::string bad :
       {"0", "65536", "99999999999999999999", "-1", "+1", " 1", "1x", "1/", "", "0x10", "1\n"}) {
    INFO(bad);
    CHECK(address_refusal("tcp://h:" + bad) == port);
    CHECK(address_refusal("tcp://[::1]:" + bad) == port);
  }
  CHECK(address_refusal("tcp://[::1]5700") == port);
  CHECK(address_refusal("tcp://") == "--control: neither a host nor a port is named");
  CHECK(address_refusal("tcp://[::1:5700") == "--control: a bracket is not closed");
  for (const std::string bad : {"[]", "[h]", "[1.2.3.4]", "[::1 ]", "[:/]"}) {
    CHECK(address_refusal("tcp://" + bad) == "--control: in brackets there is no IPv6 address");
  }
  CHECK(address_refusal("tcp://::1") ==
        "--control: an IPv6 address is to be in brackets, like [::1]:5700");
  for (const std::string bad : {"a b", "a\x01", "u@h", "h/", "h?x", "h,i", "h]", "h\xc3\xa4"}) {
    CHECK(address_refusal("tcp://" + bad) == "--control: a character that no host's name has");
  }
  CHECK(address_refusal("tcp://" + std::string(256, 'h')) ==
        "--control: a host's name is longer than 255 bytes");
  CHECK(address_refusal("unix:") == "--control: a socket's path is to begin with /");
  CHECK(address_refusal("unix:run/x") == "--control: a socket's path is to begin with /");
  CHECK(address_refusal("unix:/a\n") == "--control: a socket's path has control characters");
  CHECK(address_refusal(std::string("unix:/a\0b", 9)) ==
        "--control: a socket's path has control characters");
  CHECK(address_refusal("unix:/" + std::string(107, 'x')) ==
        "--control: a socket's path is longer than 107 bytes, for which the system has no room");
  for (const std::string bad : {"", "Bus", "tcp:h", "h:5700", "://h", "rabbit:/u:secret@h"}) {
    CHECK(address_refusal(bad) ==
          "--control: expected bus, unix:/PATH, the URL of a bus, or tcp://HOST");
  }
  CHECK(why_not([] { parse_control_address("x", "OMBT_CONTROL"); }).substr(0, 14) ==
        "OMBT_CONTROL: ");
}

TEST_CASE("a place in words is read as itself") {
  for (const tcp_place& place : {tcp_place{"h", 1}, tcp_place{"::1", 5700}, tcp_place{"", 5800}}) {
    CHECK(parse_control_address("tcp://" + in_words(place)) == control_address{place});
  }
  CHECK(in_words({"h", 5700}) == "h:5700");
  CHECK(in_words({"::1", 5800}) == "[::1]:5800");
}

TEST_CASE("a list of hosts is in order and without repeats") {
  CHECK(parse_host_list("h1,h2:5800,[::1]") ==
        std::vector<tcp_place>{{"h1", 5700}, {"h2", 5800}, {"::1", 5700}});
  CHECK(parse_host_list("h2, h1 ,h2,H1:5700,h1:5701,h2:5700,[::1],[::1]:5700") ==
        std::vector<tcp_place>{{"h2", 5700}, {"h1", 5700}, {"h1", 5701}, {"::1", 5700}});
}

TEST_CASE("lists of hosts that cannot be used say which host is wrong") {
  CHECK(list_refusal("") == "--hosts, host 1: the host is missing");
  CHECK(list_refusal("h1,,h2") == "--hosts, host 2: the host is missing");
  CHECK(list_refusal("h1,") == "--hosts, host 2: the host is missing");
  CHECK(list_refusal("h1,:5700") == "--hosts, host 2: the host is missing");
  CHECK(list_refusal("h1,h2:0") == "--hosts, host 2: a port is no number from 1 to 65535");
  CHECK(list_refusal("h1\nh2") == "--hosts, host 1: a character that no host's name has");
  CHECK(list_refusal("tcp://h1") == "--hosts, host 1: a port is no number from 1 to 65535");
  CHECK(list_refusal("h[1-2]") ==
        "--hosts, host 1: several hosts in one word; 'scontrol show hostnames' makes a list of "
        "them");
}

TEST_CASE("files of hosts are read as batch systems write them") {
  // OAR_NODE_FILE and PBS_NODEFILE: a line a core.
  CHECK(parse_hosts_file("a-1.lyon.grid.example\na-1.lyon.grid.example\na-2.lyon.grid.example\n",
                         "OAR_NODE_FILE") ==
        std::vector<tcp_place>{{"a-1.lyon.grid.example", 5700}, {"a-2.lyon.grid.example", 5700}});
  CHECK(parse_hosts_file("# the two\n\n  h1:5800\t\r\nh2 # slow\n#h3\n[::1]\nh1:5800", "nodes") ==
        std::vector<tcp_place>{{"h1", 5800}, {"h2", 5700}, {"::1", 5700}});
}

TEST_CASE("files of hosts that cannot be used say which line is wrong") {
  CHECK(file_refusal("") == "nodes: no host is named");
  CHECK(file_refusal("\n# h1\n") == "nodes: no host is named");
  CHECK(file_refusal("h1\n\nh2:70000\n") == "nodes, line 3: a port is no number from 1 to 65535");
  CHECK(file_refusal("h1\n:5700\n") == "nodes, line 2: the host is missing");
  CHECK(file_refusal("[::1\nh1]\n") == "nodes, line 1: a bracket is not closed");
  CHECK(file_refusal("h1 h2\n") == "nodes, line 1: a character that no host's name has");
  CHECK(file_refusal("h1\x1b\n") == "nodes, line 1: a character that no host's name has");
  CHECK(file_refusal("h1,h2\n") == "nodes, line 1: a character that no host's name has");
  CHECK(file_refusal(std::string("h1\nh\0\n", 6)) ==
        "nodes, line 2: a character that no host's name has");
}

TEST_CASE("100,000 hosts are a list, one more is refused, repeats don't count") {
  const std::string most = host_lines(hosts_limit);
  CHECK(parse_hosts_file(most + most, "nodes").size() == hosts_limit);
  CHECK(file_refusal(most + "one.more\n") == "nodes: more than 100000 hosts");
}
