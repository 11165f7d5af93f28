// SPDX-License-Identifier: Apache-2.0
#include "controller/settings.hpp"

#include "wire/configuration_error.hpp"
#include "wire/control/messages.hpp"
#include "wire/oslo/options.hpp"
#include "wire/oslo/transport_url.hpp"

#include "drivers/loop.hpp"
#include "drivers/token.hpp"
#include "drivers/transport.hpp"

#include "controller/control_places.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <system_error>
#include <utility>

namespace ombt::controller {
namespace {

// The payload travels in run_test too, beside some hundred bytes and within the body limit.
constexpr std::size_t longest_payload = wire::control::data_limit - 65'536;
// It does so once a topic.
constexpr std::size_t most_of_run_test = std::size_t{256} << 20;

/// Agents have their results returned until the controller listens again after the bus was gone.
constexpr std::chrono::milliseconds longest_wait{250};
constexpr std::size_t most_places_told = 10;
/// Longer than anybody waits.
constexpr duration endless = std::chrono::hours{24 * 3650};

/// NaN for what is none.
double number_of(const std::string& text) {
  double out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() ? out : std::nan("");
}

std::string number_text(double number) {
  std::string out;
  wire::json::append_number(out, number);
  return out.ends_with(".0") ? out.substr(0, out.size() - 2) : out;
}

duration seconds_between(std::string_view option, double value, double least, double most) {
  if (!(value >= least && value <= most)) {  // so a NaN is refused too
    throw configuration_error(
        std::string{option} + (!std::isfinite(value) ? "" : ' ' + number_text(value)) +
        ": expected seconds from " + number_text(least) + " to " + number_text(most));
  }
  return std::chrono::duration_cast<duration>(std::chrono::duration<double>(value));
}

void check_between(std::string_view option, long long value, long long least, long long most) {
  if (value < least || value > most) {
    throw configuration_error(std::string{option} + ' ' + std::to_string(value) +
                              ": expected a number from " + std::to_string(least) + " to " +
                              std::to_string(most));
  }
}

/// As far as the names tell, taken from the working directory; "-" is standard output.
bool same_file(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return false;
  if (a == "-" || b == "-") return a == b;
  const auto normal = [](const std::string& name) {
    std::error_code none;
    const auto whole = std::filesystem::absolute(name, none);
    return (none ? std::filesystem::path{name} : whole).lexically_normal();
  };
  return normal(a) == normal(b);
}

void add_expectation(plan& to, const std::string& text) {
  const expectation one = expectation::parse(text);
  for (const expectation& other : to.expect) {
    if (other.kind != one.kind) continue;
    throw configuration_error("--expect " + text + ": another --expect says " +
                              std::to_string(other.count) + " of the same");
  }
  to.expect.push_back(one);
}

plan make_plan(const settings& given) {
  plan out;
  const auto what = task_from(given.task);
  if (!what) throw configuration_error("unknown command " + given.task);
  out.what = *what;
  auto topics = wire::control::topics_of(given.topic, given.topics, given.unique);
  out.topic = given.topic;
  if (given.topics) out.topics = std::move(topics);
  out.unique = given.unique;
  out.timeout = seconds_between("--timeout", given.timeout, 0.001, 1e6);
  out.idle = seconds_between("--idle", given.idle, 0, 86'400);
  out.delay = seconds_between("--delay", given.delay.value_or(default_delay), 0, 86'400);
  if (given.wait) {
    out.wait =
        given.wait->empty() ? endless : seconds_between("--wait", number_of(*given.wait), 0, 1e6);
  }
  for (const std::string& text : given.expect) add_expectation(out, text);
  out.others_too = given.others_too;
  for (const std::string& text : given.audit) out.audit.set(text);
  out.strict = given.strict;
  out.per_agent = given.per_agent || !given.output.empty();
  const bool notify = *what == task::notify;
  if (test_of(*what)) {
    const long long count = given.count.value_or(1);
    check_between(notify ? "--events" : "--calls", count, 1, wire::control::count_limit);
    const lengths payload = read_length(given.length, longest_payload);
    seconds_between("--pause", given.pause, 0, wire::control::pause_limit);
    if (notify && (!wire::control::is_severity(given.severity) || given.severity == "sample")) {
      throw configuration_error("--severity " + given.severity.substr(0, 60) +
                                ": expected audit, debug, info, warn, error or critical");
    }
    if (out.topic_count() * payload.longest > most_of_run_test) {
      throw configuration_error("--topics " + std::to_string(out.topic_count()) +
                                " with --length " + given.length + ": more than " +
                                std::to_string(most_of_run_test >> 20) +
                                " MiB, since each topic's clients are sent the payload");
    }
    out.parameters.count = count;
    out.parameters.data.assign(payload.longest, 'X');
    out.parameters.pause = given.pause;
    out.parameters.severity = given.severity;
    out.parameters.verbose = given.verbose;
    add_load(out, given.load, given.count, payload);
  }
  return out;
}

/// A message that is so late at its client that no target is in reach any more; find-rate's probes
/// don't wait for those.
double usual_max_late(const rate_goal& goal) { return std::max(1.0, goal.ms / 1e3 * 10); }

/// What find-rate decides itself is refused, and what each probe is to be is set.
settings probe_settings(const settings& given, const rate_goal& goal) {
  const load_settings& load = given.load;
  const std::array<std::pair<const char*, bool>, 7> decided = {
      {{"--rate", !load.rate.empty()},
       {"--rate-per-client", !load.rate_per_client.empty()},
       {"--ramp", !load.ramp.empty()},
       {"--duration", !load.duration.empty()},
       {given.search.test == "notify" ? "--events" : "--calls", given.count.has_value()},
       {"--pause", given.pause != 0},
       {"--output", !given.output.empty()}}};
  for (const auto& [option, is_given] : decided) {
    if (!is_given) continue;
    throw configuration_error(
        std::string{option} +
        (option == std::string_view{"--output"}
             ? " is of one run, and find-rate makes many: --out keeps them"
             : " and find-rate contradict each other: it chooses the rates "
               "itself (--from, --min-rate, --max-rate) and sends for --step"));
  }
  if (given.delay && given.search.test == name_of(task::rpc_call)) {
    throw configuration_error(
        "--delay is for rpc-cast, rpc-fanout and notify: a call that has its reply has arrived");
  }
  settings out = given;
  out.task = given.search.test;
  out.load.rate = number_text(goal.limits.first);
  out.load.duration = given.search.step;
  if (out.load.max_late.empty()) out.load.max_late = number_text(usual_max_late(goal));
  return out;
}

/// What assign has of the others' settings is status's.
settings assign_settings_of(const settings& given) {
  const std::array<std::pair<const char*, bool>, 4> of_others = {
      {{"--expect", !given.expect.empty()},
       {"--output", !given.output.empty()},
       {"--out", !given.out.empty()},
       {"--metrics", !given.metrics.empty()}}};
  for (const auto& [option, is_given] : of_others) {
    if (is_given) throw configuration_error(std::string{option} + " is not for assign");
  }
  settings out = given;
  out.task = name_of(task::status);
  return out;
}

wire::oslo::options_file file_of(const settings& given) {
  if (given.oslo_config.empty()) return {};
  return wire::oslo::options_file::load(given.oslo_config);
}

std::shared_ptr<const drivers::transport_settings> control_over(
    const settings& given, const wire::oslo::options_file& file, const std::string& url) {
  auto out = std::make_shared<drivers::transport_settings>();
  out->messaging = wire::oslo::make_messaging_options(file, url);
  out->program = given.program;
  out->own_topic = given.own_topic;
  out->longest_wait = longest_wait;
  // An address a topic: they share a connection.
  if (given.topics) out->topology.mode = drivers::topology::kind::lean;
  return out;
}

void set_bus(checked_settings& out, const wire::oslo::options_file& file, const std::string& url) {
  const auto bus = wire::oslo::make_messaging_options(file, url);
  out.masked_url = bus.url.masked();
  out.bus_hosts.clear();
  for (const auto& one : bus.url.hosts) out.bus_hosts.emplace_back(one.host, one.port);
}

void set_control(checked_settings& out, const wire::oslo::options_file& file,
                 const control_places& to, const std::string& url) {
  out.control_buses.clear();
  out.masked_control.clear();
  out.places = to.places;
  for (std::size_t i = 0; i < std::min(to.places.size(), most_places_told); ++i) {
    out.masked_control += (i == 0 ? "" : ", ") + to.places[i].name;
  }
  if (to.places.size() > most_places_told) {
    out.masked_control += " and " + std::to_string(to.places.size() - most_places_told) + " more";
  }
  std::vector<std::string> urls = to.buses;
  if (to.same_bus) urls.push_back(url);
  for (const std::string& one : urls) {
    out.control_buses.push_back(control_over(out.given, file, one));
    out.masked_control +=
        (out.masked_control.empty() ? "" : ", ") + out.control_buses.back()->messaging.url.masked();
  }
  out.secret = to.over_tcp ? drivers::token::find(out.given.token_file) : nullptr;
  out.what.direct = !out.places.empty();
  out.what.over_bus = !out.control_buses.empty();
  out.what.hold = out.what.direct && out.what.what != task::status &&
                  !(out.what.what == task::shutdown && out.given.force);
}

}  // namespace

bool names_a_place(const settings& given) {
  return names_agents(given) || !given.url.empty() || !given.expect.empty() ||
         !file_of(given).defaults.transport_url.empty();
}

void use_bus(checked_settings& checked, const std::string& url) {
  const auto file = file_of(checked.given);
  set_bus(checked, file, url);
  control_places over;
  over.same_bus = true;
  set_control(checked, file, over, url);
}

const std::string& test_name(const settings& given) noexcept {
  return given.task == find_rate_task ? given.search.test : given.task;
}

checked_settings check_settings(const settings& given) {
  checked_settings out;
  out.given = given;
  if (given.task == find_rate_task) {
    out.goal = read_goal(given.search);
    out.what = make_plan(probe_settings(given, *out.goal));
    out.what.native_clients_for = find_rate_task;
  } else if (given.task == assign_task) {
    out.what = make_plan(assign_settings_of(given));
    out.assign = read_placement(
        given.assign, out.what.topics.empty() ? std::vector{out.what.topic} : out.what.topics,
        given.topics);
  } else {
    out.what = make_plan(given);
  }
  const auto file = file_of(given);
  std::string url = given.url;
  if (url.empty()) url = file.defaults.transport_url;
  const control_places control = places_of(given);
  if (url.empty() && (control.same_bus || control.places.empty())) url = default_url;
  if (!url.empty()) set_bus(out, file, url);
  set_control(out, file, control, url);
  if (out.assign && out.places.empty()) {
    throw configuration_error(
        "assign needs direct control: --control tcp://HOST or unix:/PATH, or --hosts");
  }
  if (!given.metrics.empty()) {
    out.metrics = drivers::listen_address::parse(given.metrics, "--metrics");
    // Before anything is started for the run; it listens when there is a session to tell of.
    drivers::loop unused;
    drivers::metrics_server(unused, [](const auto& to) {
      to("");
    }).listen(*out.metrics, "--metrics");
  }
  if (same_file(given.output, given.json)) {
    throw configuration_error("--json and --output name the same file: " + given.json);
  }
  if (!given.output.empty()) out.output = whole_file(given.output, "--output");
  if (!given.json.empty()) out.json = whole_file(given.json, "--json");
  if (!given.out.empty()) out.out = std::make_shared<run_directory>(given.out);
  return out;
}

}  // namespace ombt::controller
