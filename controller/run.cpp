// SPDX-License-Identifier: Apache-2.0
#include "wire/configuration_error.hpp"
#include "wire/oslo/messages.hpp"
#include "wire/oslo/transport_url.hpp"

#include "drivers/local_host.hpp"
#include "drivers/loop.hpp"
#include "drivers/transport.hpp"

#include "agents/measure/boot_id.hpp"
#include "controller/bus_carrier.hpp"
#include "controller/control_places.hpp"
#include "controller/direct_carrier.hpp"
#include "controller/direct_links.hpp"
#include "controller/early_signals.hpp"
#include "controller/json_report.hpp"
#include "controller/latency_log.hpp"
#include "controller/run_session.hpp"
#include "controller/session_runner.hpp"
#include "controller/settings.hpp"
#include "controller/spectator.hpp"
#include "controller/text_report.hpp"
#include "controller/verdict.hpp"
#include "controller/watch/bus_processes.hpp"

#include <algorithm>
#include <cstdio>
#include <set>
#include <unistd.h>
#include <utility>

namespace ombt::controller {
namespace {

constexpr std::chrono::milliseconds watch_interval{200};
constexpr std::size_t most_bus_hosts = 100;  // that processes tell

/// Ends a session as soon as `trouble` says something.
class watch final : private drivers::timer_target {
 public:
  using asked = std::function<std::string(const std::string& lost)>;

  watch(drivers::loop& on, session_runner& what, const asked& trouble)
      : loop_(on), session_(what), trouble_(trouble) {
    if (trouble_) look_later();
  }
  ~watch() { loop_.cancel_timer(timer_); }
  watch(const watch&) = delete;
  watch& operator=(const watch&) = delete;

 private:
  void look_later() { timer_ = loop_.start_timer(clock::now() + watch_interval, *this, 0); }
  void on_timer(std::uint64_t) override {
    timer_ = 0;
    const std::string why = trouble_(session_.lost_contact());
    if (why.empty()) return look_later();
    session_.cancel(why);
  }

  drivers::loop& loop_;
  session_runner& session_;
  const asked& trouble_;
  drivers::loop::timer_id timer_ = 0;
};

constexpr std::chrono::seconds connecting_patience{2};

/// Says what the session is connecting to, if that takes long.
class connecting_note final : private drivers::timer_target {
 public:
  connecting_note(drivers::loop& on, const session_runner& what, spectator& shown,
                  const checked_settings& checked)
      : loop_(on), session_(what), shown_(shown), checked_(checked) {
    timer_ = loop_.start_timer(clock::now() + connecting_patience, *this, 0);
  }
  ~connecting_note() { loop_.cancel_timer(timer_); }
  connecting_note(const connecting_note&) = delete;
  connecting_note& operator=(const connecting_note&) = delete;

 private:
  void on_timer(std::uint64_t) override {
    timer_ = 0;
    if (session_.machine().current() != phase::connecting) return;
    shown_.clear_line();
    const std::string why = session_.lost_contact();
    say_error(checked_.given.program,
              "connecting to " + checked_.masked_control + (why.empty() ? "" : " (" + why + ")"));
  }

  drivers::loop& loop_;
  const session_runner& session_;
  spectator& shown_;
  const checked_settings& checked_;
  drivers::loop::timer_id timer_ = 0;
};

/// The hosts of the buses that processes say they are on.
bus_hosts hosts_of(const std::vector<process_record>& processes) {
  bus_hosts out;
  for (const process_record& one : processes) {
    try {
      for (const auto& host : wire::oslo::transport_url::parse(one.told.bus).hosts) {
        const std::pair<std::string, std::uint16_t> at{host.host, host.port};
        if (std::find(out.begin(), out.end(), at) == out.end()) out.push_back(at);
      }
    } catch (const configuration_error&) {  // of another version, perhaps
    }
    if (out.size() >= most_bus_hosts) break;
  }
  return out;
}

/// The same as they say it.
std::string buses_of(const outcome& found) {
  std::set<std::string> buses;
  for (const process_record& one : found.processes) {
    if (!one.told.bus.empty() && buses.size() < most_bus_hosts) buses.insert(one.told.bus);
  }
  std::string out;
  for (const std::string& one : buses) out += (out.empty() ? "" : ", ") + one;
  return out;
}

/// Says once that a session waits for agents, and whose they are.
class waiting_note {
 public:
  waiting_note(spectator& shown, const std::string& program) : shown_(shown), program_(program) {}
  void see(const session& machine) {
    if (told_ || machine.held_by().empty()) return;
    told_ = true;
    shown_.clear_line();
    say_error(program_, "waiting: " + machine.held_by());
  }

 private:
  spectator& shown_;
  const std::string& program_;
  bool told_ = false;
};

/// Watches the bus's processes from just before the run that counts until the bus has nothing of it
/// left to do: when the clients of calls have reported, or when the servers have been asked.
void watch_bus(bus_processes& bus, const session& machine, bool named, std::size_t& known) {
  const phase now = machine.current();
  const auto& processes = machine.result().processes;
  if (!named && now == phase::resetting && known < processes.size()) {
    known = processes.size();
    bus.know(hosts_of(processes));
  }
  if (machine.warming_up()) return;
  if (now == phase::resetting || now == phase::preparing || now == phase::comparing ||
      now == phase::running) {
    bus.start();
  } else if (machine.what().what == task::rpc_call || now == phase::comparing_again ||
             machine.finished()) {
    bus.end();
  }
}

}  // namespace

double epoch_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void say_error(const std::string& program, const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), wire::oslo::mask_passwords(what).c_str());
}

bool flush_output(const std::string& program) {
  if (std::fflush(stdout) == 0) return true;
  say_error(program, "standard output cannot be written");
  return false;
}

session_loop::session_loop(const checked_settings& checked) : looks{loop, checked.metrics} {
  if (!looks.url().empty()) {
    say_error(checked.given.program, "figures are at " + looks.url());
  }
  loop.on_termination([this](int) {
    interrupted = true;
    if (present != nullptr) present->cancel("interrupted");
  });
  if (early_signals::arrived()) interrupted = true;
}

std::unique_ptr<direct_links> links_for(const checked_settings& checked, drivers::loop& loop,
                                        const std::string& controller) {
  const auto connect = [&loop, secret = checked.secret](const drivers::direct_place& to,
                                                        const std::string& process,
                                                        drivers::channel_handler& told) {
    return drivers::connect_channel(loop, to, process, secret, told);
  };
  wire::control::controller_hello hello;
  hello.controller = controller;
  hello.host = drivers::host_name();
  hello.pid = ::getpid();
  hello.merged = !checked.what.per_agent;
  return std::make_unique<direct_links>(loop, checked.places, connect, hello);
}

namespace {

/// Direct control comes first: it knows for sure which processes it reaches.
std::vector<std::unique_ptr<session_carrier>> carriers_for(const checked_settings& checked,
                                                           const wire::control::reply_address& own,
                                                           session_loop& on) {
  std::vector<std::unique_ptr<session_carrier>> out;
  drivers::loop& loop = on.loop;
  if (!checked.places.empty()) {
    if (!on.links) on.links = links_for(checked, loop, own.server);
    out.push_back(std::make_unique<direct_carrier>(*on.links, !checked.what.expect.empty()));
  }
  for (const auto& bus : checked.control_buses) {
    out.push_back(std::make_unique<bus_carrier>(loop, drivers::transport::make(loop, bus)));
  }
  return out;
}

}  // namespace

session_loop::~session_loop() = default;

outcome run_session(const checked_settings& checked, const plan& asked, session_loop& on) {
  drivers::loop& loop = on.loop;
  const auto id = wire::oslo::make_hex_id();
  const std::string_view hex = wire::oslo::view(id);
  const wire::control::reply_address own{
      std::string{wire::control::control_exchange},
      wire::control::controller_topic(asked.topic_at(asked.topic_count() - 1)),
      wire::control::controller_name(asked.topic, drivers::host_name(), ::getpid(), hex,
                                     asked.what == task::rpc_fanout)};
  if (own.topic.size() + 1 + own.server.size() > wire::control::name_limit) {
    throw configuration_error("--topic and the name of this host are too long together");
  }
  const std::string run_id = std::string{wire::control::run_tag_of(own.server)} + "-1";
  plan what = asked;
  what.boot_id = agents::boot_id();
  spectator& looks = on.looks;
  looks.ask_in(what);
  session machine{std::move(what), own, run_id, clock::now()};
  bus_processes watched{checked.bus_hosts};
  std::unique_ptr<session_runner> runner;
  std::size_t asked_for_bus = 0;  // processes
  waiting_note waits{looks, checked.given.program};
  runner = std::make_unique<session_runner>(
      loop, carriers_for(checked, own, on), std::move(machine),
      [&] {
        looks.changed();
        waits.see(runner->machine());
        watch_bus(watched, runner->machine(), !checked.bus_hosts.empty(), asked_for_bus);
      },
      [&] { loop.stop(); });
  on.present = runner.get();
  if (checked.given.debug) {
    std::fprintf(stderr, "%s: %s on %s\n", checked.given.program.c_str(), own.server.c_str(),
                 checked.masked_control.c_str());
  }
  runner->on_live([&looks](const wire::control::live_report& report, process_number from) {
    looks.hear(report, -static_cast<std::int64_t>(from));
  });
  looks.look_at(runner->machine());
  runner->start();
  if (on.interrupted) runner->cancel("interrupted");
  const watch over{loop, *runner, checked.trouble};
  const connecting_note slow{loop, *runner, looks, checked};
  loop.run();
  on.present = nullptr;
  looks.end_look();
  outcome found = runner->take_result();
  // What others say is in them.
  found.failure = wire::oslo::mask_passwords(found.failure);
  for (std::string& problem : found.problems) problem = wire::oslo::mask_passwords(problem);
  for (std::string& note : found.notes) note = wire::oslo::mask_passwords(note);
  found.bus = watched.take();
  return found;
}

void finish_header(report_header& header, const outcome& found) {
  header.finished = epoch_seconds();
  if (header.url.empty()) header.url = buses_of(found);
}

namespace {

std::string text_of(const checked_settings& checked, const outcome& found) {
  switch (checked.what.what) {
    case task::status:
      return status_report(checked.what, found, checked.given.verbose);
    case task::shutdown:
      return shutdown_report(checked.what, found);
    default:
      return test_report(checked.what, found, checked.given.bus);
  }
}

/// Each of its files that can be written; says which could not.
bool write_folder(const checked_settings& checked, const std::string& report,
                  const report_header& header, const outcome& found) {
  run_directory& to = *checked.out;
  std::string why;
  const auto put = [&](std::string_view name, const std::string& content) {
    if (!to.put(name, content, why)) say_error(checked.given.program, why);
  };
  put("run.json", report);
  if (test_of(checked.what.what)) put("latency.hlog", latency_log(header, checked.what, found));
  put("agents.jsonl", agent_lines(checked.what, found));
  if (to.finish(why)) return true;
  say_error(checked.given.program, why);
  return false;
}

}  // namespace

report_header header_of(const checked_settings& checked) {
  report_header header;
  header.program = checked.given.program;
  header.bus = checked.given.bus;
  header.url = checked.masked_url;
  header.control_url = checked.masked_control;
  header.started = epoch_seconds();
  return header;
}

int run_controller(const checked_settings& checked) {
  if (checked.goal) return run_find_rate(checked);
  if (checked.assign) return run_assign(checked);
  const settings& given = checked.given;
  report_header header = header_of(checked);
  session_loop loop{checked};
  const outcome found = run_session(checked, checked.what, loop);
  finish_header(header, found);

  bool ok = succeeded(checked.what, found);
  if (!found.failure.empty()) {
    std::string text = found.failure;
    if (!found.connected && !loop.interrupted &&
        text.find(checked.masked_control) == std::string::npos) {
      text = checked.masked_control + ": " + text;
    }
    if (found.processes.empty() && !loop.interrupted && uses_local_place(given)) {
      text += "; agents that are reached over a bus: --control bus";
    }
    say_error(given.program, text);
  } else if (checked.given.json != "-") {
    const std::string text = text_of(checked, found);
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  // A report has them too, on a terminal in the same place.
  const bool shown = found.failure.empty() && given.json != "-" && ::isatty(STDOUT_FILENO) == 1 &&
                     ::isatty(STDERR_FILENO) == 1 && test_of(checked.what.what);
  for (const std::string& problem : found.problems) {
    if (!shown) say_error(given.program, problem);
  }
  for (const std::string& note : found.notes) say_error(given.program, note);
  if (given.strict) {
    for (const std::string& reason : judge(found.audits, checked.what.audit).reasons) {
      if (!shown) say_error(given.program, reason);
    }
  }
  std::string why;
  if (checked.output && found.failure.empty() &&
      !checked.output.commit(output_lines(checked.what, found), why)) {
    say_error(given.program, why);
    ok = false;
  }
  std::string report;
  if (checked.json || checked.out) report = json_report(header, checked.what, found);
  if (checked.json && !checked.json.commit(report, why)) {
    say_error(given.program, why);
    ok = false;
  }
  if (checked.out && !write_folder(checked, report, header, found)) ok = false;
  if (!flush_output(given.program)) ok = false;
  if (given.debug) {
    std::fprintf(stderr,
                 "%s: %llu foreign results, %llu duplicate pongs, %llu malformed requests\n",
                 given.program.c_str(), static_cast<unsigned long long>(found.foreign_results),
                 static_cast<unsigned long long>(found.duplicate_pongs),
                 static_cast<unsigned long long>(found.malformed_requests));
  }
  return ok ? exit_ok : exit_incomplete;
}

int run_controller(const settings& given) {
  const early_signals taken;
  try {
    return run_controller(check_settings(given));
  } catch (const configuration_error& e) {
    say_error(given.program, e.what());
    return early_signals::arrived() ? exit_incomplete : exit_configuration;
  }
}

}  // namespace ombt::controller
