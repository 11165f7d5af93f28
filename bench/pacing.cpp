// SPDX-License-Identifier: Apache-2.0
// How exactly an open loop is paced: clients with schedules on one thread, against a transport that
// takes every message and completes it in the next turn of the loop. What is left of the delay is
// the timers', the loop's and the machine's.
#include "drivers/loop.hpp"

#include "agents/load/random.hpp"
#include "agents/rpc_client.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <utility>
#include <vector>

namespace {

using namespace ombt;
using wire::control::series;

/// Takes everything and does nothing with it. One post completes all that a turn has brought.
class null_transport final : public drivers::transport {
 public:
  explicit null_transport(drivers::loop& on) : loop_(on) {}
  void call(const drivers::target&, const drivers::request_message&, const drivers::call_options&,
            drivers::completion& done, std::uint64_t tag) override {
    taken_.emplace_back(&done, tag);
    if (taken_.size() == 1) loop_.post([this] { complete(); });
  }
  void cast(const drivers::target& to, const drivers::request_message& request,
            const drivers::call_options& options, drivers::completion& done,
            std::uint64_t tag) override {
    call(to, request, options, done, tag);
  }
  void notify(const drivers::target&, const drivers::notification_message&,
              const drivers::call_options&, drivers::completion&, std::uint64_t) override {}
  std::unique_ptr<drivers::listener> listen(const drivers::target&, const drivers::serve_options&,
                                            drivers::request_handler&) override {
    return nullptr;
  }
  std::unique_ptr<drivers::listener> listen_for_notifications(
      const drivers::target&, const std::vector<std::string>&, std::string_view,
      drivers::notification_handler&) override {
    return nullptr;
  }
  void reach(drivers::reach_handler&) override {}
  void close(drivers::duration, std::function<void()>) override {}
  void remove_declarations(bool) override {}
  bool in_contact() const noexcept override { return true; }
  const drivers::transport_counters& counters() const noexcept override { return none_; }
  std::string last_error() const override { return {}; }

 private:
  void complete() {
    completing_.swap(taken_);
    const drivers::outcome ok;
    for (const auto& [done, tag] : completing_) done->on_complete(tag, ok);
    completing_.clear();
  }

  drivers::loop& loop_;
  std::vector<std::pair<drivers::completion*, std::uint64_t>> taken_;
  std::vector<std::pair<drivers::completion*, std::uint64_t>> completing_;
  drivers::transport_counters none_;
};

struct owner final : agents::sender_owner {
  drivers::loop& loop;
  int left;
  agents::report sum;
  owner(drivers::loop& on, int clients) : loop(on), left(clients) {}
  void on_reached(agents::sender&) override {}
  void on_unreachable(agents::sender&, std::string) override {}
  void on_run_done(agents::sender& from) override {
    sum.merge(from.take());
    if (--left == 0) loop.stop();
  }
};

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  double rate = 10'000;
  double seconds = 10;
  int clients = 100;
  bool poisson = false;
  CLI::App app("Paces messages into nothing and tells how far behind schedule they were sent.");
  app.add_option("--rate", rate, "messages/s of all clients")->capture_default_str();
  app.add_option("--seconds", seconds, "how long")->capture_default_str();
  app.add_option("--clients", clients, "clients on one thread")->capture_default_str();
  app.add_flag("--poisson", poisson, "Poisson arrivals");
  CLI11_PARSE(app, argc, argv);

  drivers::loop loop;
  owner all(loop, clients);
  const agents::sender_context context{loop, all, std::chrono::seconds(60), {}, {}, {}};
  wire::control::run_test_request request;
  request.test = wire::control::test_kind::call;
  request.parameters.data = std::string(1024, 'X');
  auto& load = request.parameters.load.emplace();
  load.profile = {{rate, rate, seconds}};
  load.clients = clients;
  load.seed = 1;
  if (poisson) load.arrive = wire::control::arrivals::poisson;
  load.start.in = 0.1;
  const auto text = std::make_shared<agents::message_text>(agents::make_test_plan(request));
  std::vector<std::unique_ptr<agents::rpc_client>> senders;
  for (int i = 0; i < clients; ++i) {
    const auto number = static_cast<std::uint32_t>(i);
    senders.push_back(std::make_unique<agents::rpc_client>(
        "client-" + std::to_string(i), number, context, std::make_unique<null_transport>(loop)));
    senders.back()->spread(agents::phase_of("bench", number, static_cast<std::size_t>(clients)));
  }
  const double cpu_before = cpu_seconds();
  for (const auto& s : senders) s->run(text);
  loop.run();
  const double cpu = cpu_seconds() - cpu_before;

  const auto& details = all.sum.details;
  wire::hdr::histogram slip;
  if (const auto* values = details.series.find(series::slip)) slip.merge(*values);
  const auto microseconds = [&](double percentile) {
    return static_cast<double>(slip.value_at_percentile(percentile)) / 1e3;
  };
  std::printf(
      "%d clients, %g messages/s, %g s: %llu sent of %llu, %llu late, %.2f us of CPU each\n",
      clients, rate, seconds, static_cast<unsigned long long>(slip.count()),
      static_cast<unsigned long long>(details.load.scheduled),
      static_cast<unsigned long long>(details.load.late),
      cpu * 1e6 / static_cast<double>(slip.count()));
  std::printf("behind schedule (us): 50%% %.0f 90%% %.0f 99%% %.0f 99.9%% %.0f max %.0f\n",
              microseconds(50), microseconds(90), microseconds(99), microseconds(99.9),
              microseconds(100));
  return 0;
}
