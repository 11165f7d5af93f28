// SPDX-License-Identifier: Apache-2.0
#include "drivers/local_ports.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ombt::drivers;

namespace {

const std::string head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n";

std::string row(const std::string& local, const std::string& peer, const std::string& state) {
  return "   0: " + local + " " + peer + " " + state +
         " 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n";
}

ip_endpoint peer(const std::string& address, std::uint16_t port) {
  return {read_address(address).value(), port};
}

}  // namespace

TEST_CASE("The range of local ports is read as the kernel writes it, less what is reserved") {
  const port_range usual = read_port_range("32768\t60999\n", "\n");
  CHECK(usual.size() == 28232);
  CHECK(usual.has(32768));
  CHECK(usual.has(60999));
  CHECK_FALSE(usual.has(32767));
  CHECK_FALSE(usual.has(61000));
  CHECK(usual.text() == "32768 60999");

  const port_range less = read_port_range("1000 1009", "900-1001,1005,1009-2000,7000");
  CHECK(less.size() == 6);
  for (const std::uint16_t taken : {1000, 1001, 1005, 1009}) CHECK_FALSE(less.has(taken));
  for (const std::uint16_t left : {1002, 1004, 1006, 1008}) CHECK(less.has(left));

  CHECK(read_port_range("1 65535", "").size() == 65535);
  CHECK(read_port_range("0 65535", "0-65535").size() == 0);
}

TEST_CASE("A range that cannot be read is taken for the usual one") {
  for (const char* text : {"", "nonsense", "5", "9 5", "1 70000", "-1 5"}) {
    CAPTURE(text);
    CHECK(read_port_range(text, "x,1-,-,,3-y").text() == "32768 60999");
    CHECK(read_port_range(text, "x,1-,-,,3-y").size() == 28232);
  }
  CHECK(local_port_range().size() > 0);
}

TEST_CASE("A port is in use by a connection to the same peer, or by who listens on it") {
  const port_range range = read_port_range("40000 40009", "");
  const std::vector<ip_endpoint> bus = {peer("10.0.0.1", 5672)};
  const std::string table = head + row("0100007F:9C40", "0100000A:1628", "01")  // 40000 to the bus
                            + row("0200007F:9C41", "0100000A:1628", "06")       // 40001, waiting
                            + row("0100007F:9C42", "0200000A:1628", "01")       // another host
                            + row("0100007F:9C43", "0100000A:1629", "01")       // another port
                            + row("00000000:9C44", "00000000:0000", "0A")       // 40004 listens
                            + row("0100007F:1628", "0100000A:1628", "01")       // out of the range
                            + row("0200007F:9C40", "0100000A:1628", "01");      // 40000 once more
  CHECK(ports_in_use(table, range, bus, std::nullopt) == 3);
  CHECK(ports_in_use(table, range, bus, read_address("127.0.0.1")) == 2);
  CHECK(ports_in_use(table, range, bus, read_address("127.0.0.2")) == 3);
  CHECK(ports_in_use(table, range, bus, read_address("127.0.0.3")) == 1);
  CHECK(ports_in_use(table, range, {}, std::nullopt) == 1);
  CHECK(ports_in_use(table, read_port_range("40000 40009", "40004"), bus, std::nullopt) == 2);
}

TEST_CASE("Sockets of version 6 count for peers of both versions") {
  const port_range range = read_port_range("40000 40009", "");
  const std::string one = "00000000000000000000000001000000";
  const std::string mapped = "0000000000000000FFFF00000100007F";
  const std::string table = head + row(one + ":9C40", one + ":1628", "01") +
                            row(mapped + ":9C41", mapped + ":1628", "01");
  CHECK(ports_in_use(table, range, {peer("::1", 5672)}, std::nullopt) == 1);
  CHECK(ports_in_use(table, range, {peer("127.0.0.1", 5672)}, read_address("127.0.0.1")) == 1);
  CHECK(ports_in_use(table, range, {peer("127.0.0.1", 5672)}, read_address("::1")) == 0);
}

TEST_CASE("What is no table of sockets counts nothing") {
  const port_range range = read_port_range("40000 40009", "");
  const std::vector<ip_endpoint> bus = {peer("10.0.0.1", 5672)};
  for (const std::string& text :
       {std::string(), head, std::string("\n\n"), std::string("1: 2 3 4"),
        row("0100007F", "0100000A:1628", "01"), row("0100007F:", "0100000A:1628", "01"),
        row("0100007F:9C40", "", "01"), row("xx00007F:9C40", "0100000A:1628", "01"),
        row("0100007F:19C40", "0100000A:1628", "01"), row(":9C40", ":1628", "01")}) {
    CAPTURE(text);
    CHECK(ports_in_use(text, range, bus, std::nullopt) == 0);
  }
}

TEST_CASE("An address to connect from is an IP address of this machine") {
  CHECK(trouble_with_local_address("127.0.0.1").empty());
  CHECK(trouble_with_local_address("127.8.9.10").empty());
  CHECK(trouble_with_local_address("localhost") == "no IP address");
  CHECK(trouble_with_local_address("") == "no IP address");
  CHECK(trouble_with_local_address("127.0.0.1:80") == "no IP address");
  CHECK(trouble_with_local_address("192.0.2.1") == "Cannot assign requested address");
  CHECK_FALSE(read_address("localhost"));
}
