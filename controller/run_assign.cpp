// SPDX-License-Identifier: Apache-2.0
// The command assign: one assignment on a loop of its own, and what is said of it.
#include "wire/oslo/messages.hpp"

#include "drivers/local_host.hpp"

#include "controller/assignment.hpp"
#include "controller/early_signals.hpp"
#include "controller/run_session.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <unistd.h>
#include <utility>

namespace ombt::controller {
namespace {

using json = nlohmann::ordered_json;
using wire::control::agent_kind;

std::string assign_document(const json& what) {
  return what.dump(2, ' ', false, json::error_handler_t::replace) + '\n';
}

json role_counts(const wire::control::assign_request& of) {
  json out;
  for (const agent_kind kind : wire::control::agent_kinds) {
    std::uint64_t count = 0;
    for (const auto& one : of.agents) count += one.kind == kind ? one.count : 0;
    out[std::string{wire_name(kind)}] = count;
  }
  return out;
}

std::string assign_json(const report_header& header, const placement& wanted,
                        const assignment_result& found) {
  json out;
  out["schema_version"] = json_schema_version;
  out["program"] = header.program;
  out["version"] = OMBT_VERSION;
  out["task"] = std::string{assign_task};
  out["control"] = header.control_url;
  out["started"] = header.started;
  out["finished"] = header.finished;
  out["ok"] = found.ok();
  out["failure"] = found.failure.empty() ? json(nullptr) : json(found.failure);
  out["problems"] = found.problems;
  json counts;
  for (const agent_kind kind : wire::control::agent_kinds) {
    counts[std::string{wire_name(kind)}] = wanted.agents[static_cast<std::size_t>(kind)];
  }
  out["agent_counts"] = std::move(counts);
  out["topics"] = wanted.topics;
  json processes = json::array();
  for (const auto& one : found.processes) {
    processes.push_back({{"host", one.told.host},
                         {"pid", one.told.pid},
                         {"capacity", one.told.capacity},
                         {"agents", role_counts(one.is_to_be)},
                         {"bus", one.is_to_be.bus.empty() ? json(nullptr) : json(one.is_to_be.bus)},
                         {"done", one.is}});
  }
  out["processes"] = std::move(processes);
  return assign_document(out);
}

/// One line on standard error, where that is a terminal.
class assign_line {
 public:
  void show(const std::string& text) {
    if (!terminal_) return;
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    shown_ = true;
  }
  void clear() {
    if (std::exchange(shown_, false)) std::fputs("\r\033[K", stderr);
  }

 private:
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
};

}  // namespace

int run_assign(const checked_settings& checked) {
  const settings& given = checked.given;
  const placement& wanted = *checked.assign;
  report_header header = header_of(checked);
  drivers::loop loop;
  const auto id = wire::oslo::make_hex_id();
  const auto links =
      links_for(checked, loop,
                wire::control::controller_name(checked.what.topic, drivers::host_name(), ::getpid(),
                                               wire::oslo::view(id), false));
  bool over = false;
  assignment work{loop, *links, wanted, checked.what.timeout, checked.what.wait, [&] {
                    over = true;
                    loop.stop();
                  }};
  assign_line line;
  bool waits = false;
  work.on_progress([&line](const std::string& text) { line.show(text); });
  work.on_waiting([&](const std::string& why) {
    if (std::exchange(waits, true)) return;
    line.clear();
    say_error(given.program, "waiting: " + why);
  });
  loop.on_termination([&work](int) { work.cancel("interrupted"); });
  if (early_signals::arrived()) {
    work.cancel("interrupted");
  } else {
    work.start();
  }
  if (!over) loop.run();
  line.clear();
  header.finished = epoch_seconds();
  const assignment_result found = work.take();

  bool ok = found.ok();
  if (!found.failure.empty()) say_error(given.program, found.failure);
  for (const std::string& problem : found.problems) say_error(given.program, problem);
  const auto done = std::count_if(found.processes.begin(), found.processes.end(),
                                  [](const auto& one) { return one.is; });
  if (!found.problems.empty() && found.failure.empty()) {
    say_error(given.program, std::to_string(done) + " of " +
                                 std::to_string(found.processes.size()) +
                                 " processes have their new roles, the others those that they had; "
                                 "status says who has which");
  }
  const bool all =
      found.failure.empty() && std::all_of(found.processes.begin(), found.processes.end(),
                                           [](const auto& one) { return one.is; });
  if (all && given.json != "-") std::printf("%s\n", assignment_text(wanted, found).c_str());
  std::string why;
  if (checked.json && !checked.json.commit(assign_json(header, wanted, found), why)) {
    say_error(given.program, why);
    ok = false;
  }
  if (!flush_output(given.program)) ok = false;
  return ok ? exit_ok : exit_incomplete;
}

}  // namespace ombt::controller
