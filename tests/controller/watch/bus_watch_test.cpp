// SPDX-License-Identifier: Apache-2.0
#include "controller/watch/bus_watch.hpp"

#include "controller/watch/bus_text.hpp"

#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

using namespace ombt;
using namespace ombt::controller;
namespace fs = std::filesystem;

namespace {

drivers::ip_address v4(int a, int b, int c, int d) {
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
const auto loopback = v4(127, 0, 0, 1);
const auto outside = v4(10, 0, 0, 1);

/// A /proc of its own, in which processes come and go as told.
class fake_proc {
 public:
  fake_proc() {
    char name[] = "/tmp/ombt-proc-XXXXXX";
    root_ = ::mkdtemp(name);
    fs::create_directories(root_ / "net");
    sockets({});
  }
  ~fake_proc() { fs::remove_all(root_); }

  std::string root() const { return root_; }
  /// A row "0100007F:1628 0A 105 4711": address and port, state, user, inode.
  void sockets(const std::vector<std::string>& rows, const std::string& table = "tcp") {
    std::ofstream out(root_ / "net" / table);
    out << "  sl  local_address rem_address   st …\n";
    for (const std::string& row : rows) {
      char local[64];
      char state[8];
      int uid = 0;
      int inode = 0;
      REQUIRE(std::sscanf(row.c_str(), "%63s %7s %d %d", local, state, &uid, &inode) == 4);
      out << "   0: " << local << " 00000000:0000 " << state
          << " 00000000:00000000 00:00000000 00000000   " << uid << "        0 " << inode
          << " 1 0 100 0 0 10 0\n";
    }
  }
  void process(int pid, const std::string& name, int ticks, int start, int pages = 10,
               const std::vector<int>& inodes = {}, char state = 'S') {
    const auto folder = root_ / std::to_string(pid);
    fs::create_directories(folder / "fd");
    std::ofstream(folder / "stat")
        << pid << " (" << name << ") " << state << " 1 1 1 0 -1 0 0 0 0 0 " << ticks
        << " 0 0 0 20 0 1 0 " << start << " 1000 " << pages << " 1 1\n";
    int number = 3;
    for (const int inode : inodes) {
      const auto link = folder / "fd" / std::to_string(number++);
      fs::remove(link);
      fs::create_symlink("socket:[" + std::to_string(inode) + "]", link);
    }
  }
  void ends(int pid) { fs::remove_all(root_ / std::to_string(pid)); }

 private:
  fs::path root_;
};

const std::function<double()> free_of_charge = [] { return 0.0; };

bus_watch watch_of(const fake_proc& proc, std::vector<bus_place> places) {
  return {std::move(places), proc_files{proc.root()}, 100, 4'096};
}

bus_place here(std::uint16_t port, std::vector<drivers::ip_address> addresses = {loopback}) {
  return {"127.0.0.1", port, std::move(addresses)};
}

}  // namespace

TEST_CASE("a process is found by the port that it listens on, and sampled") {
  fake_proc proc;
  proc.process(7, "other", 1, 1, 1, {900});
  proc.process(12, "beam.smp", 100, 50, 10, {811, 4711});
  proc.sockets({"0100007F:1628 0A 105 4711", "0100007F:1628 01 105 811", "0100007F:9C40 01 0 900",
                "0100007F:1628 01 105 812", "0100007F:1628 06 0 0"});
  auto watch = watch_of(proc, {here(5672)});
  watch.sample(1'000, free_of_charge);
  proc.process(12, "beam.smp", 225, 50, 20);
  watch.sample(1'001, free_of_charge);
  proc.process(12, "beam.smp", 235, 50, 15);
  watch.sample(1'001.25, free_of_charge, true);
  const auto seen = watch.take();
  CHECK(seen.notes.empty());
  REQUIRE(seen.processes.size() == 1);
  const bus_process& p = seen.processes[0];
  CHECK(p.pid == 12);
  CHECK(p.command == "beam.smp");
  CHECK(p.ports == std::vector<std::uint16_t>{5672});
  CHECK_FALSE(p.ended);
  REQUIRE(p.samples.size() == 3);
  CHECK(p.samples[0].at == 1'000);
  CHECK(p.samples[0].cpu_seconds == 1.0);
  CHECK(p.samples[1].rss_bytes == 20 * 4'096);
  CHECK(p.samples[2].descriptors == 2);
  CHECK(p.samples[2].tcp_connections == 2);
  CHECK(p.cpu_mean() == Approx(1.35 / 1.25));
  CHECK(p.cpu_most == Approx(1.25));  // a quarter of a second is too short for it
  CHECK(p.rss_most == 20 * 4'096);
  std::string text;
  append_bus_text(text, seen);
  CHECK(text ==
        "beam.smp (pid 12, port 5672): CPU 108 % of a core mean, 125 % max;\n"
        "  RSS 0 MB, 2 descriptors, 2 TCP connections at most\n");
}

TEST_CASE(
    "a listener is found by a wildcard too, and one that is meant for the address before it") {
  fake_proc proc;
  proc.process(1, "any4", 0, 1, 1, {104});
  proc.process(2, "any6", 0, 1, 1, {106});
  proc.process(3, "exact", 0, 1, 1, {100});
  const auto found = [&](std::vector<std::string> tcp, std::vector<std::string> tcp6) {
    proc.sockets(tcp, "tcp");
    proc.sockets(tcp6, "tcp6");
    auto watch = watch_of(proc, {here(5672)});
    watch.sample(1, free_of_charge);
    std::string names;
    for (const auto& p : watch.take().processes) names += p.command + ' ';
    return names;
  };
  const std::string any4 = "00000000:1628 0A 0 104";
  const std::string any6 = "00000000000000000000000000000000:1628 0A 0 106";
  const std::string exact = "0100007F:1628 0A 0 100";
  const std::string mapped = "0000000000000000FFFF00000100007F:1628 0A 0 100";
  const std::string elsewhere = "0100000A:1628 0A 0 100";
  CHECK(found({any4}, {}) == "any4 ");
  CHECK(found({}, {any6}) == "any6 ");
  CHECK(found({any4}, {any6}) == "any4 ");
  CHECK(found({any4, exact}, {any6}) == "exact ");
  CHECK(found({any4}, {mapped}) == "exact ");
  CHECK(found({elsewhere}, {}).empty());
  CHECK(found({"0100007F:1629 0A 0 100"}, {}).empty());
}

TEST_CASE("connections are those to its listener: of its port, at an address that it listens on") {
  fake_proc proc;
  proc.process(1, "one", 0, 1, 1, {100});
  proc.process(2, "two", 0, 1, 1, {200});
  proc.sockets({"0100007F:1628 0A 0 100", "0100000A:1628 0A 0 200", "0100007F:1628 01 0 1",
                "0100000A:1628 01 0 2", "0100000A:1628 01 0 3", "0100000A:1629 01 0 4"});
  // Two hosts of a URL are the same listener here.
  auto watch = watch_of(proc, {here(5672), here(5672, {outside}), here(5672, {outside})});
  watch.sample(1, free_of_charge);
  const auto seen = watch.take();
  REQUIRE(seen.processes.size() == 2);
  CHECK(seen.processes[0].samples[0].tcp_connections == 1);
  CHECK(seen.processes[1].samples[0].tcp_connections == 2);
}

TEST_CASE("a process that ends is noticed, and its successor found, whatever its id") {
  for (const int successor : {12, 13}) {
    INFO(successor);
    fake_proc proc;
    proc.process(12, "broker", 100, 50, 10, {4711});
    proc.sockets({"0100007F:1628 0A 0 4711"});
    auto watch = watch_of(proc, {here(5672)});
    watch.sample(10, free_of_charge);
    proc.ends(12);
    proc.sockets({});
    watch.sample(11, free_of_charge);
    watch.sample(12, free_of_charge);
    proc.process(successor, "broker2", 3, 77, 10, {4800});
    proc.sockets({"0100007F:1628 0A 0 4800"});
    watch.sample(13, free_of_charge);
    watch.sample(14, free_of_charge);
    const auto seen = watch.take();
    CHECK(seen.notes.empty());
    REQUIRE(seen.processes.size() == 2);
    CHECK(seen.processes[0].ended == 11.0);
    CHECK(seen.processes[0].samples.size() == 1);
    CHECK(seen.processes[1].pid == successor);
    CHECK(seen.processes[1].command == "broker2");
    CHECK_FALSE(seen.processes[1].ended);
    CHECK(seen.processes[1].samples.size() == 2);
    std::string text;
    append_bus_text(text, seen);
    CHECK(text.find("broker (pid 12, port 5672): CPU n/a; ended;\n") == 0);
  }
}

TEST_CASE("a process replaced between two samples is two, also where the tables are not due") {
  fake_proc proc;
  proc.process(12, "broker", 100, 50, 10, {4711});
  proc.sockets({"0100007F:1628 0A 0 4711"});
  double spent = 0;
  const auto dear = [&] { return spent += 1; };  // a second for each table
  auto watch = watch_of(proc, {here(5672)});
  watch.sample(10, dear);
  watch.sample(11, dear);
  proc.process(12, "broker", 1, 99, 10, {4800});
  proc.sockets({"0100007F:1628 0A 0 4800", "0100007F:1628 01 0 5"});
  watch.sample(12, dear);
  const auto seen = watch.take();
  REQUIRE(seen.processes.size() == 2);
  CHECK(seen.processes[0].ended == 12.0);
  CHECK(seen.processes[0].samples.size() == 2);
  CHECK(seen.processes[1].samples[0].tcp_connections == 1);
}

TEST_CASE("a process that has ended and that nobody has buried is not there") {
  fake_proc proc;
  proc.process(12, "broker", 100, 50, 10, {4711});
  proc.sockets({"0100007F:1628 0A 0 4711"});
  auto watch = watch_of(proc, {here(5672)});
  watch.sample(10, free_of_charge);
  proc.process(12, "broker", 100, 50, 0, {4711}, 'Z');
  watch.sample(11, free_of_charge);
  const auto seen = watch.take();
  REQUIRE(seen.processes.size() == 1);
  CHECK(seen.processes[0].ended == 11.0);
  CHECK(seen.processes[0].samples.size() == 1);
}

TEST_CASE("a process that stops listening is watched no longer, and again when it listens again") {
  fake_proc proc;
  proc.process(12, "broker", 100, 50, 10, {4711});
  proc.sockets({"0100007F:1628 0A 0 4711"});
  auto watch = watch_of(proc, {here(5672)});
  watch.sample(10, free_of_charge);
  proc.sockets({});
  watch.sample(11, free_of_charge);
  watch.sample(12, free_of_charge);
  proc.process(12, "broker", 100, 50, 10, {4712});
  proc.sockets({"0100007F:1628 0A 0 4712"});
  watch.sample(13, free_of_charge);
  const auto seen = watch.take();
  REQUIRE(seen.processes.size() == 1);
  CHECK_FALSE(seen.processes[0].ended);
  CHECK(seen.processes[0].samples.size() == 2);  // none while it did not listen
}

TEST_CASE("tables that take long to read are read more rarely, CPU and memory every time") {
  fake_proc proc;
  proc.process(12, "broker", 0, 50, 10, {4711});
  proc.sockets({"0100007F:1628 0A 0 4711"});
  double spent = 0;
  bool called_before = false;
  const auto dear = [&] {  // 0.2 s for a table: one in 4 s
    if (called_before) spent += 0.2;
    called_before = !called_before;
    return spent;
  };
  auto watch = watch_of(proc, {here(5672)});
  for (int second = 0; second < 9; ++second) watch.sample(second, dear);
  watch.sample(9, dear, true);
  std::string counted;
  const auto seen = watch.take();
  for (const auto& sample : seen.processes.at(0).samples) {
    CHECK(sample.rss_bytes == 40'960);
    counted += sample.tcp_connections ? 'x' : '.';
  }
  CHECK(counted == "x...x...xx");
}

TEST_CASE("what cannot be found on this machine is said, what is elsewhere is not") {
  fake_proc proc;
  proc.sockets({"0100007F:1628 0A 105 4711"});
  auto watch = watch_of(proc, {here(5672), here(5673), {"far", 5672, {}}});
  CHECK_FALSE(watch.nothing_to_watch());
  watch.sample(1, free_of_charge);
  const auto seen = watch.take();
  CHECK(seen.processes.empty());
  CHECK(seen.notes == std::vector<std::string>{
                          "127.0.0.1:5672: its listener belongs to user id 105 and to no process "
                          "whose descriptors are ours to see",
                          "127.0.0.1:5673: nothing on this machine listens there"});
  std::string text;
  append_bus_text(text, seen);
  CHECK(text == seen.notes[0] + "\n" + seen.notes[1] + "\n");
  CHECK(watch_of(proc, {{"far", 5672, {}}}).nothing_to_watch());
}

TEST_CASE("a process seen once is not said to be missing") {
  fake_proc proc;
  proc.process(12, "broker", 0, 50, 10, {4711});
  proc.sockets({"0100007F:1628 0A 0 4711"});
  auto watch = watch_of(proc, {here(5672)});
  watch.sample(1, free_of_charge);
  proc.ends(12);
  proc.sockets({});
  watch.sample(2, free_of_charge);
  CHECK(watch.take().notes.empty());
}

TEST_CASE("a long run keeps a bounded number of samples, the first and the last, at even gaps") {
  bus_process p;
  for (int second = 0; second <= 10'000; ++second) {
    bus_sample one;
    one.at = second;
    one.cpu_seconds = second * 0.5 + (second > 4'321 ? 0.25 : 0);
    one.rss_bytes = second == 5'001 ? 99 : 1;
    p.add(one);
    REQUIRE(p.samples.size() <= bus_process::sample_limit);
    REQUIRE(p.samples.back().at == second);
    REQUIRE(p.samples.front().at == 0);
  }
  CHECK(p.samples.size() >= bus_process::sample_limit / 2);
  for (std::size_t i = 1; i + 1 < p.samples.size(); ++i) {
    REQUIRE(p.samples[i].at - p.samples[i - 1].at == p.samples[1].at);
  }
  CHECK(p.rss_most == 99);
  CHECK(p.cpu_most == Approx(0.75));
  CHECK(p.cpu_mean() == Approx(0.500025));
}
