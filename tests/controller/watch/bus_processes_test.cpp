// SPDX-License-Identifier: Apache-2.0
// Against real processes: a listener in Python, with connections to itself.
#include "controller/watch/bus_processes.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace ombt::controller;
using namespace std::chrono_literals;

namespace {

/// Listens, connects to itself so many times, and works all the time if told to.
class listener {
 public:
  explicit listener(int connections, bool works = false, int at = 0,
                    const std::string& address = "127.0.0.1", bool hidden = false) {
    const std::string script =
        "import ctypes,os,socket,sys,time\n"
        "s=socket.create_server((sys.argv[1],int(sys.argv[2])),backlog=1000)\n"
        "p=s.getsockname()[1]\n"
        "held=[]\n"
        "for _ in range(int(sys.argv[3])):\n"
        "  held.append(socket.create_connection((\"127.0.0.1\",p)))\n"
        "  held.append(s.accept())\n" +
        std::string(hidden ? "ctypes.CDLL(None).prctl(4,0)\n" : "") +
        "print(os.getpid(),p,len(os.listdir(\"/proc/self/fd\"))-1,flush=True)\n"
        "end=time.time()+60\n"
        "while time.time()<end and os.getppid()!=1:\n"
        "  works=" +
        std::string(works ? "sum(range(10000))" : "time.sleep(0.05)") + "\n";
    const std::string command = "exec /usr/bin/python3 -c '" + script + "' " + address + " " +
                                std::to_string(at) + " " + std::to_string(connections);
    pipe_ = ::popen(command.c_str(), "re");
    REQUIRE(pipe_ != nullptr);
    REQUIRE(std::fscanf(pipe_, "%d %d %d", &pid, &port, &descriptors) == 3);
  }
  ~listener() {
    ::kill(pid, SIGKILL);
    ::pclose(pipe_);
  }

  int pid = 0;
  int port = 0;
  int descriptors = 0;

 private:
  std::FILE* pipe_;
};

std::uint16_t port_of(const listener& l) { return static_cast<std::uint16_t>(l.port); }

}  // namespace

TEST_CASE("a listener of another process is watched: connections, descriptors, memory, CPU") {
  const listener busy{25, true};
  bus_processes watched{{{"localhost", port_of(busy)}, {"192.0.2.1", 5672}}};
  watched.start();
  std::this_thread::sleep_for(2300ms);
  const bus_watched seen = watched.take();
  CHECK(seen.notes.empty());
  REQUIRE(seen.processes.size() == 1);
  const bus_process& p = seen.processes[0];
  CHECK(p.pid == busy.pid);
  CHECK(p.command == "python3");
  CHECK(p.ports == std::vector<std::uint16_t>{port_of(busy)});
  CHECK(p.samples.size() >= 3);
  CHECK(p.samples.size() <= 5);
  CHECK(p.tcp_connections_most == 25);
  CHECK(p.descriptors_most == busy.descriptors);
  CHECK(p.rss_most > 4'000'000);
  CHECK(p.rss_most < 100'000'000);
  REQUIRE(p.cpu_mean());
  CHECK(*p.cpu_mean() > 0.02);  // the machine may be busy with others
  CHECK(*p.cpu_mean() < 1.1);
  CHECK_FALSE(p.ended);
}

TEST_CASE("a listener at any address is found, and its successor on the same port") {
  std::optional<listener> first{std::in_place, 3, false, 0, "0.0.0.0"};
  const auto port = first->port;
  const int pid = first->pid;
  bus_processes watched{{{"127.0.0.1", port_of(*first)}}};
  watched.start();
  watched.start();  // a second time: nothing
  std::this_thread::sleep_for(1300ms);
  first.reset();
  const listener second{2, false, port};
  std::this_thread::sleep_for(1500ms);
  const bus_watched seen = watched.take();
  REQUIRE(seen.processes.size() == 2);
  CHECK(seen.processes[0].pid == pid);
  CHECK(seen.processes[0].ended);
  CHECK(seen.processes[0].tcp_connections_most == 3);
  CHECK(seen.processes[1].pid == second.pid);
  CHECK_FALSE(seen.processes[1].ended);
  CHECK(seen.processes[1].tcp_connections_most == 2);
}

TEST_CASE("a run of no length has a sample; a bus elsewhere, and one never started, have nothing") {
  const listener idle{0};
  bus_processes watched{{{"127.0.0.1", port_of(idle)}}};
  watched.start();
  watched.end();
  const bus_watched seen = watched.take();
  REQUIRE(seen.processes.size() == 1);
  CHECK(seen.processes[0].tcp_connections_most == 0);
  CHECK(watched.take().processes.empty());

  bus_processes elsewhere{{{"192.0.2.1", 5672}}};
  elsewhere.start();
  const bus_watched nothing = elsewhere.take();
  CHECK(nothing.processes.empty());
  CHECK(nothing.notes.empty());
  bus_processes never{{{"127.0.0.1", port_of(idle)}}};
  CHECK(never.take().processes.empty());
}

TEST_CASE("a port of this machine that nobody listens on is said") {
  std::uint16_t port = 0;
  {
    const listener gone{0};
    port = port_of(gone);
  }
  bus_processes watched{{{"127.0.0.1", port}}};
  watched.start();
  CHECK(watched.take().notes ==
        std::vector<std::string>{"127.0.0.1:" + std::to_string(port) +
                                 ": nothing on this machine listens there"});
}

TEST_CASE("a listener whose descriptors are not ours to see is said to be there") {
  const listener hidden{1, false, 0, "127.0.0.1", true};
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // To root nothing is hidden.
    std::string said = "cannot change the user";
    if (::geteuid() != 0 || (::setgid(65'534) == 0 && ::setuid(65'534) == 0)) {
      bus_processes watched{{{"127.0.0.1", port_of(hidden)}}};
      watched.start();
      const bus_watched seen = watched.take();
      said = std::to_string(seen.processes.size()) + ' ';
      for (const std::string& note : seen.notes) said += note;
    }
    const auto written = ::write(ends[1], said.data(), said.size());
    ::_exit(written > 0 ? 0 : 1);
  }
  ::close(ends[1]);
  char said[512];
  const auto size = ::read(ends[0], said, sizeof said);
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  REQUIRE(size > 0);
  CHECK(std::string(said, static_cast<std::size_t>(size)) ==
        "0 127.0.0.1:" + std::to_string(hidden.port) + ": its listener belongs to user id " +
            std::to_string(::getuid()) + " and to no process whose descriptors are ours to see");
}
