// SPDX-License-Identifier: Apache-2.0
// Very many agents that speak control only, for a controller: so many processes on one local
// socket, each with so many agents, of which those of the last are servers in part. They are found,
// held and told to begin by the real code of an agents' process; there is no bus, what they report
// was made when they began: calls of a millisecond or so, each of which some server has had. Each
// process writes a line when it is ready, and when it was asked or has answered what a bench
// measures:
// "<what> <process> <CLOCK_MONOTONIC, s>".
#include "wire/control/ledger.hpp"

#include "drivers/loop.hpp"

#include "agents/control/direct_carrier.hpp"
#include "agents/measure/boot_id.hpp"
#include "agents/measure/recorder.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace ombt;
using wire::control::agent_kind;

struct given_options {
  std::string socket;
  std::string topic = "simulated";
  int processes = 100;
  int agents = 100;
  int servers = 20;
  int calls = 100;
};

const std::string digits = "0123456789abcdef0123456789abcdef";

/// A line at once, whole: all processes write to one pipe.
void tell(const char* what, int process) {
  char line[100];
  const auto now = std::chrono::duration<double>(drivers::steady_clock::now().time_since_epoch());
  const int length = std::snprintf(line, sizeof line, "%s %d %.6f\n", what, process, now.count());
  if (::write(STDOUT_FILENO, line, static_cast<std::size_t>(length)) != length) ::_exit(1);
}

std::string name_of(agent_kind kind, const std::string& topic, int process, int number) {
  return wire::control::agent_name(topic, kind, "host-1.example", 1'000 + process, digits) + '-' +
         std::to_string(number);
}

/// The agents of a process, who do as they are told, at once.
class simulated_process final : public agents::command_handler {
 public:
  simulated_process(const given_options& given, int number)
      : given_{given},
        number_{number},
        servers_{number == given.processes - 1 ? given.servers : 0},
        random_{static_cast<std::uint64_t>(number)} {
    for (int i = 0; i < clients(); ++i) sent_.push_back(calls_of(i));
    add_thread(sent_.back());
    for (int i = 0; i < servers_; ++i) received_.push_back(calls_at(i));
  }

  void run() {
    drivers::loop loop;
    loop.on_termination([&](int) { loop.stop(); });
    agents::direct_carrier_settings settings;
    settings.port.socket = given_.socket;
    settings.port.tcp = false;
    char key[17];
    std::snprintf(key, sizeof key, "%016x", static_cast<unsigned>(number_ + 1));
    settings.port.process = settings.hello.process = key;
    settings.hello.program = "bench_simulated_agents";
    settings.hello.host = "host-1.example";
    settings.hello.boot = agents::boot_id();
    settings.hello.pid = 1'000 + number_;
    settings.hello.topics = {given_.topic};
    settings.hello.topology = "none";
    for (const agent_kind kind : {agent_kind::rpc_client, agent_kind::rpc_server}) {
      if (agents(kind) > 0) settings.endpoints.push_back({kind, "", given_.topic, this});
    }
    agents::direct_carrier carrier{loop, settings, *this, agents::join_port};
    carrier.start();
    loop.run();
  }

 private:
  using path = std::shared_ptr<agents::answer_path>;

  int clients() const noexcept { return given_.agents - servers_; }
  std::size_t agents(agent_kind kind) const override {
    return kind == agent_kind::rpc_client   ? static_cast<std::size_t>(clients())
           : kind == agent_kind::rpc_server ? static_cast<std::size_t>(servers_)
                                            : 0;
  }
  std::string on_prepare(agent_kind, const wire::control::run_test_request&) override { return {}; }
  void on_forget(agent_kind) override {}
  void on_ping(agent_kind kind, path from) override {
    for (std::size_t i = 0; i < agents(kind); ++i) {
      from->send_pong(kind, name_of(kind, given_.topic, number_, static_cast<int>(i)), "");
    }
    tell("found", number_);
  }
  void on_run(agent_kind kind, const wire::control::run_test_request& request, path from) override {
    from->run_begun(request.parameters.run);
    send(kind, sent_, request.parameters.run, *from);
    had_ = true;
    tell("reported", number_);
  }
  void on_cancel(agent_kind, const std::string&, path) override {}
  void on_collect(agent_kind kind, path from) override {
    tell("asked", number_);
    const std::vector<agents::report> nothing(received_.size());
    send(kind, had_ ? received_ : nothing, "", *from);
    had_ = false;
  }
  void on_shutdown(agent_kind) override { std::raise(SIGTERM); }
  void on_gone(const agents::answer_path&) override {}
  void on_carrier_ready() override { tell("ready", number_); }
  void on_carrier_failed(std::string why) override {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::raise(SIGTERM);
  }

  void send(agent_kind kind, const std::vector<agents::report>& what, const std::string& run,
            agents::answer_path& to) const {
    for (std::size_t i = 0; i < what.size(); ++i) {
      agents::report figures = what[i];
      figures.details.run = run;
      to.send_result(kind, name_of(kind, given_.topic, number_, static_cast<int>(i)),
                     std::move(figures), true);
    }
    to.results_complete(kind);
  }

  std::uint64_t id_of(int process, int client) const {
    return static_cast<std::uint64_t>(process) * 1'000'000 + static_cast<std::uint64_t>(client);
  }

  std::chrono::nanoseconds a_while() {
    return std::chrono::nanoseconds{static_cast<std::int64_t>(usual_(random_))};
  }

  agents::report calls_of(int client) {
    agents::recorder recorder;
    for (int n = 0; n < given_.calls; ++n) recorder.success(1e9 + n * 1e-2, a_while());
    return recorder.take(id_of(number_, client), static_cast<std::uint64_t>(given_.calls));
  }

  /// What the thread of a process says of itself, and of its seconds.
  void add_thread(agents::report& last) {
    auto audit = std::make_shared<wire::control::audit_report>();
    auto seconds = std::make_shared<wire::control::interval_series>();
    for (int i = 0; i < 10; ++i) {
      audit->add_time(1, 0.4);
      wire::control::interval_row row;
      row.start = 1'000'000'000 + i;
      for (int n = 0; n < 1'000; ++n) {
        row.latency.record(static_cast<std::uint64_t>(a_while().count()));
        audit->lag.record(static_cast<std::uint64_t>(a_while().count() / 10));
      }
      row.ok = 1'000;
      seconds->add(std::move(row));
    }
    last.details.audit = std::move(audit);
    last.details.intervals = std::move(seconds);
  }

  /// Call n of each client was answered by server n modulo their number.
  agents::report calls_at(int server) {
    agents::recorder recorder;
    auto ledger = std::make_shared<wire::control::server_ledger>();
    for (int process = 0; process < given_.processes; ++process) {
      const int with = process == given_.processes - 1 ? clients() : given_.agents;
      for (int client = 0; client < with; ++client) {
        for (int n = server; n < given_.calls; n += servers_) {
          const auto sequence = static_cast<std::uint64_t>(n);
          ledger->arrived(id_of(process, client), sequence, room_);
          recorder.arrival(1e9, 1e9 - static_cast<double>(a_while().count()) / 3e9);
        }
      }
    }
    agents::report told = recorder.take();
    told.details.received = std::move(ledger);
    return told;
  }

  const given_options& given_;
  const int number_;
  const int servers_;
  std::mt19937_64 random_;
  std::lognormal_distribution<double> usual_{14, 0.6};  // nanoseconds: 1.2 ms, 99 % below 5 ms
  wire::control::ledger_room room_{std::size_t{8} << 30};
  std::vector<agents::report> sent_;
  std::vector<agents::report> received_;
  bool had_ = false;  ///< a run's messages that have not been told
};

}  // namespace

int main(int argc, char** argv) {
  given_options given;
  CLI::App app("Agents in many processes that speak control only, until they are shut down.");
  app.add_option("--socket", given.socket, "path of the local socket that they share")->required();
  app.add_option("--topic", given.topic)->capture_default_str();
  app.add_option("--processes", given.processes)->capture_default_str();
  app.add_option("--agents", given.agents, "agents of each process")->capture_default_str();
  app.add_option("--servers", given.servers, "RPC servers of the last process")
      ->capture_default_str();
  app.add_option("--calls", given.calls, "calls of each client")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (given.processes < 1 || given.servers < 1 || given.agents <= given.servers ||
      given.calls < 1) {
    std::fprintf(stderr, "a process at least, with more agents than servers; calls from 1 on\n");
    return 2;
  }
  const pid_t parent = ::getpid();
  for (int i = 0; i < given.processes; ++i) {
    const pid_t child = ::fork();
    if (child < 0) {
      std::perror("fork");
      return 1;
    }
    if (child > 0) continue;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) return 1;
    simulated_process{given, i}.run();
    return 0;
  }
  while (::wait(nullptr) > 0) {
  }
  return 0;
}
