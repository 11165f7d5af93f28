// SPDX-License-Identifier: Apache-2.0
// What the results of very many clients cost the controller: they are made as agents make them, one
// after the other, and read and added up as a controller does that, without a bus. Tells the length
// of the results, the time that they take, and the memory that the controller had at most.
#include "agents/measure/recorder.hpp"
#include "controller/json_report.hpp"
#include "controller/session.hpp"
#include "controller/text_report.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace ombt;
using controller::session;
using wire::control::agent_kind;

struct given_options {
  int clients = 10'000;
  int servers = 20;
  int calls = 1'000;
  int per_process = 1'000;
  double failing = 0;
};

const std::string digits = "0123456789abcdef0123456789abcdef";

/// CPU time of this process, seconds: what runs beside it is not in it.
double cpu_now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// MB, from the kernel's status of this process.
double memory(const std::string& key) {
  std::ifstream status{"/proc/self/status"};
  std::string word;
  double kb = 0;
  while (status >> word) {
    if (word == key && status >> kb) break;
  }
  return kb / 1024;
}

std::string name_of(agent_kind kind, int number, int per_process) {
  return wire::control::agent_name("bench", kind, "host-1.example", 1'000 + number / per_process,
                                   digits) +
         '-' + std::to_string(number % per_process);
}

/// Plays the agents to a session, and counts the time that it takes for them.
class player {
 public:
  explicit player(const given_options& given) : given_{given} {
    controller::plan what;
    what.what = controller::task::rpc_call;
    what.topic = "bench";
    what.expect = {{agent_kind::rpc_client, static_cast<std::uint32_t>(given.clients)},
                   {agent_kind::rpc_server, static_cast<std::uint32_t>(given.servers)}};
    what.parameters.count = given.calls;
    what.parameters.data = std::string(1024, 'X');
    const wire::control::reply_address own{
        "ombt-control", "controller-bench",
        wire::control::controller_name("bench", "host-1.example", 1, digits)};
    run_ = std::string{wire::control::run_tag_of(own.server)} + "-1";
    machine_ = std::make_unique<session>(std::move(what), own, run_, now());
  }

  bool run() {
    machine_->on_listening(now());
    answer_all();
    const double before = memory("VmRSS:");
    const auto roll_call = cpu_now();
    for (int i = 0; i < given_.clients; ++i) pong(agent_kind::rpc_client, i, given_.per_process);
    for (int i = 0; i < given_.servers; ++i) pong(agent_kind::rpc_server, i, given_.servers);
    answer_all();
    std::printf("seconds are of CPU\nroll call of %d agents: %.3f s\n",
                given_.clients + given_.servers, cpu_now() - roll_call);
    for (int i = 0; i < given_.servers; ++i) {
      merge(agent_kind::rpc_server, i, given_.servers, {}, servers_);
    }
    if (machine_->current() != controller::phase::running) return false;
    servers_ = {};
    answer_all();

    std::vector<wire::control::server_ledger> had(static_cast<std::size_t>(given_.servers));
    std::vector<agents::recorder> receivers(had.size());
    const double mine = memory("VmRSS:");
    for (int i = 0; i < given_.clients; ++i) one_client(i, had, receivers);
    const double theirs = memory("VmRSS:");
    answer_all();
    for (int i = 0; i < given_.servers; ++i) {
      const auto place = static_cast<std::size_t>(i);
      agents::report told = receivers[place].take();
      told.details.received =
          std::make_shared<wire::control::server_ledger>(std::exchange(had[place], {}));
      merge(agent_kind::rpc_server, i, given_.servers, std::move(told), servers_);
    }
    if (!machine_->finished()) return false;
    tell("clients", clients_, given_.clients, given_.per_process);
    tell("servers", servers_, given_.servers, given_.servers);
    const auto reporting = cpu_now();
    const auto found = machine_->take_result();
    const std::size_t text = controller::test_report(machine_->what(), found).size();
    const std::size_t json = controller::json_report({}, machine_->what(), found).size();
    std::printf("reports: %.3f s, text %zu bytes, JSON %.1f MB\n", cpu_now() - reporting, text,
                static_cast<double>(json) / 1e6);
    std::printf(
        "memory: %.0f MB before the agents, %.0f with them, %.0f with the clients' results (and "
        "what "
        "the bench keeps for the servers), %.0f at the peak\n",
        before, mine, theirs, memory("VmHWM:"));
    return found.ok() || given_.failing > 0;
  }

 private:
  struct cost {
    std::uint64_t bytes = 0;
    double seconds = 0;
    double longest = 0;
  };

  controller::time_point now() const { return controller::time_point{} + std::chrono::hours{1}; }

  void answer_all() {
    controller::action next;
    while (machine_->next_action(next)) machine_->on_complete(next.tag, {}, {}, now());
  }

  void pong(agent_kind kind, int number, int per_process) {
    machine_->on_pong({kind, name_of(kind, number, per_process), std::string{}}, now());
  }

  /// A client's calls, a millisecond or so each, of which each goes to some server.
  void one_client(int number, std::vector<wire::control::server_ledger>& had,
                  std::vector<agents::recorder>& receivers) {
    const auto id = static_cast<std::uint64_t>(number) * 0x9e3779b97f4a7c15;
    agents::recorder recorder;
    for (int n = 0; n < given_.calls; ++n) {
      const auto sequence = static_cast<std::uint64_t>(n);
      const double at = 1'000 + n * 1e-3;
      const std::chrono::nanoseconds took{static_cast<std::int64_t>(usual_(random_))};
      if (chance_(random_) < given_.failing) {
        recorder.failure(at, "messaging_timeout", sequence, took);
        continue;
      }
      recorder.success(at, took);
      const std::size_t server = random_() % had.size();
      had[server].arrived(id, sequence, room_);
      receivers[server].arrival(at, at - static_cast<double>(took.count()) / 3e9);
    }
    agents::report told = recorder.take(id, static_cast<std::uint64_t>(given_.calls));
    told.details.run = run_;
    merge(agent_kind::rpc_client, number, given_.per_process, std::move(told), clients_);
  }

  void merge(agent_kind kind, int number, int per_process, agents::report told, cost& into) {
    std::string args;
    append_client_result_args(args, name_of(kind, number, per_process), kind, told.results,
                              &told.details);
    told = {};
    const auto start = cpu_now();
    wire::json::value root;
    wire::control::client_result_request request;
    std::string why;
    if (reader_.parse(args, root) || !read_client_result_args(root, request, why)) {
      std::fprintf(stderr, "results are refused: %s\n", why.c_str());
      return;
    }
    machine_->on_result(request, now());
    const double seconds = cpu_now() - start;
    into.bytes += args.size();
    into.seconds += seconds;
    into.longest = std::max(into.longest, seconds);
  }

  static void tell(const char* who, const cost& of, int agents, int per_process) {
    const auto bytes = static_cast<double>(of.bytes);
    std::printf(
        "results of %d %s: %.1f MB, %.0f bytes each, %.0f KB a process of %d; merged in %.3f s, "
        "%.0f "
        "us each, the longest %.1f ms\n",
        agents, who, bytes / 1e6, bytes / agents, bytes / agents * per_process / 1e3, per_process,
        of.seconds, of.seconds * 1e6 / agents, of.longest * 1e3);
  }

  const given_options given_;
  std::string run_;
  std::unique_ptr<session> machine_;
  wire::json::reader reader_;
  wire::control::ledger_room room_{std::size_t{4} << 30};
  std::mt19937_64 random_{1};
  std::lognormal_distribution<double> usual_{14, 0.6};  // nanoseconds: 1.2 ms, 99 % below 5 ms
  std::uniform_real_distribution<double> chance_{0, 1};
  cost clients_;
  cost servers_;
};

}  // namespace

int main(int argc, char** argv) {
  given_options given;
  CLI::App app("Reads and adds up the results of many clients, as a controller does.");
  app.add_option("--clients", given.clients, "RPC clients")->capture_default_str();
  app.add_option("--servers", given.servers, "RPC servers")->capture_default_str();
  app.add_option("--calls", given.calls, "calls a client")->capture_default_str();
  app.add_option("--per-process", given.per_process, "clients a process")->capture_default_str();
  app.add_option("--failing", given.failing, "share of calls that fail")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (given.clients < 1 || given.servers < 1 || given.calls < 1 || given.per_process < 1) {
    std::fprintf(stderr, "numbers must be 1 or more\n");
    return 2;
  }
  if (player{given}.run()) return 0;
  std::fprintf(stderr, "the session did not come to its end\n");
  return 1;
}
