// SPDX-License-Identifier: Apache-2.0
#include "controller/load_options.hpp"

#include "wire/configuration_error.hpp"
#include "wire/json/value.hpp"
#include "wire/time_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <random>
#include <utility>

namespace ombt::controller {
namespace {

using wire::control::load_time_limit;
using wire::control::rate_limit;
using wire::control::rate_segment;
using wire::control::size_range;

constexpr std::size_t pieces_in_words = 3;

std::string number_text(double number) {
  std::string out;
  wire::json::append_number(out, number);
  return out.ends_with(".0") ? out.substr(0, out.size() - 2) : out;
}

[[noreturn]] void refuse(std::string_view option, std::string_view text,
                         const std::string& expected) {
  throw configuration_error(std::string{option} + ' ' +
                            std::string{text.substr(0, refused_text_shown)} + ": expected " +
                            expected);
}

[[noreturn]] void contradict(std::string_view a, std::string_view b, std::string_view why) {
  throw configuration_error(std::string{a} + " and " + std::string{b} +
                            " contradict each other: " + std::string{why});
}

template <class Integer>
std::optional<Integer> whole_number(std::string_view text) {
  Integer number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto end = text.find(at);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

constexpr const char* times = "such as 500ms, 30s, 2m or 1h, at most 168h";

std::optional<double> time_of(std::string_view text) {
  const auto time = seconds_of_time(text, 1);
  if (!time || !(*time > 0 && *time <= load_time_limit)) return {};
  return time;
}

/// Of a part of the option's text.
double read_time_in(std::string_view option, std::string_view whole, std::string_view text) {
  const auto time = time_of(text);
  if (!time) refuse(option, whole, std::string{"times "} + times);
  return *time;
}

double read_rate_in(std::string_view option, std::string_view whole, std::string_view text,
                    bool may_be_zero = false) {
  const auto rate = take_number(text);
  if (!rate || !text.empty() || *rate > rate_limit || !(*rate > 0 || (may_be_zero && *rate == 0))) {
    refuse(option, whole, "rates above 0, at most 10000000 messages/s");
  }
  return *rate;
}

/// "N" or "MIN-MAX".
std::optional<size_range> read_range(std::string_view text, std::size_t limit) {
  const auto dash = text.find('-');
  const auto least = whole_number<std::uint32_t>(text.substr(0, dash));
  const auto most =
      dash == std::string_view::npos ? least : whole_number<std::uint32_t>(text.substr(dash + 1));
  if (!least || !most || *least > *most || *most > limit) return {};
  return size_range{*least, *most, 1};
}

std::vector<size_range> read_sizes_file(const std::string& name, std::size_t limit) {
  std::ifstream file(name);
  if (!file) throw configuration_error("--length @" + name + ": the file cannot be read");
  std::vector<size_range> out;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const auto text = std::string_view(line).substr(0, line.find('#'));
    std::array<std::string_view, 3> words;
    std::size_t count = 0;
    for (const std::string_view word : split(text, ' ')) {
      for (const std::string_view part : split(word, '\t')) {
        if (part.empty() || part == "\r") continue;
        if (count < words.size()) words[count] = part;
        ++count;
      }
    }
    if (count == 0) continue;
    const auto where = "--length @" + name + ", line " + std::to_string(number);
    auto range = read_range(words[0], limit);
    std::string_view rest =
        words[1].ends_with('\r') ? words[1].substr(0, words[1].size() - 1) : words[1];
    const auto weight = take_number(rest);
    if (count != 2 || !range || !weight || !rest.empty() || !(*weight > 0 && *weight <= 1e9)) {
      throw configuration_error(where + ": expected SIZE WEIGHT, a size of 0 to " +
                                std::to_string(limit) + " bytes and a weight above 0");
    }
    range->weight = *weight;
    out.push_back(*range);
    if (out.size() > wire::control::load_list_limit) {
      throw configuration_error(where + ": more than " +
                                std::to_string(wire::control::load_list_limit) + " sizes");
    }
  }
  if (file.bad() || out.empty()) {
    throw configuration_error("--length @" + name + ": no sizes in it");
  }
  return out;
}

/// A rate option that was given, and what it says.
struct rate_choice {
  std::string_view option;
  std::vector<rate_segment> profile;
  bool ends = false;  ///< by its own time
};

std::optional<rate_choice> choose_rate(const load_settings& given) {
  const std::array<std::pair<std::string_view, const std::string*>, 3> options = {
      {{"--rate", &given.rate},
       {"--rate-per-client", &given.rate_per_client},
       {"--ramp", &given.ramp}}};
  std::optional<rate_choice> chosen;
  for (const auto& [option, text] : options) {
    if (text->empty()) continue;
    if (chosen) contradict(chosen->option, option, "one of them says how much is sent");
    chosen.emplace().option = option;
    if (text == &given.ramp) {
      chosen->profile = {read_ramp(*text)};
    } else {
      chosen->profile = read_profile(option, *text);
    }
    chosen->ends = chosen->profile.front().seconds > 0;
  }
  return chosen;
}

void check_alone(const load_settings& given, bool sizes) {
  constexpr std::string_view needs = " says nothing without --rate, --rate-per-client or --ramp";
  const std::array<std::pair<std::string_view, bool>, 3> options = {
      {{"--outstanding", given.outstanding.has_value()},
       {"--max-late", !given.max_late.empty()},
       {"--arrivals", !given.arrivals.empty()}}};
  for (const auto& [option, is_given] : options) {
    if (is_given) throw configuration_error(std::string{option} + std::string{needs});
  }
  if (given.seed && !sizes) {
    throw configuration_error("--seed" + std::string{needs} + ", or a --length of several sizes");
  }
}

/// A schedule of less than one message in all its time would be a run without any. How many clients
/// there are of which each has one is not known yet.
void check_sends_any(std::string_view option, const std::vector<rate_segment>& profile,
                     bool of_each_client) {
  constexpr auto most_clients = static_cast<double>(wire::control::load_clients_limit);
  const double messages = wire::control::messages_of(profile) * (of_each_client ? most_clients : 1);
  // A rate times its time may be rounded to just below one.
  if (messages >= 1 - 1e-9) return;
  throw configuration_error(std::string{option} + " sends nothing: its schedule has " +
                            number_text(messages) + " messages in " +
                            number_text(wire::control::seconds_of(profile)) + " s");
}

void add_rate(plan& to, wire::control::load& load, const load_settings& given, rate_choice& rate,
              std::optional<long long> count) {
  const std::string_view counting = to.what == task::notify ? "--events" : "--calls";
  if (to.parameters.pause > 0) {
    contradict("--pause", rate.option, "an open loop sends by its schedule");
  }
  if (rate.ends && !given.duration.empty()) {
    contradict(rate.option, "--duration", "a profile ends by its own time");
  }
  if (rate.ends && count) contradict(rate.option, counting, "a profile ends by its own time");
  if (!rate.ends && given.duration.empty() && !count) {
    throw configuration_error(std::string{rate.option} + " does not say when the test ends: give " +
                              "--duration or " + std::string{counting} +
                              ", or times in it (1000:30s)");
  }
  if (!rate.ends) {
    rate.profile.front().seconds = load.duration.value_or(load_time_limit);
    load.duration.reset();
  }
  load.profile = std::move(rate.profile);
  to.rate_per_client = rate.option == "--rate-per-client";
  check_sends_any(rate.option, load.profile, to.rate_per_client);
  if (!given.arrivals.empty()) {
    const auto arrive = wire::control::arrivals_from(given.arrivals);
    if (!arrive) refuse("--arrivals", given.arrivals, "uniform or poisson");
    load.arrive = *arrive;
  }
  if (given.outstanding) {
    if (*given.outstanding < 1 || *given.outstanding > wire::control::outstanding_limit) {
      refuse("--outstanding", std::to_string(*given.outstanding),
             "a number from 1 to " + std::to_string(wire::control::outstanding_limit));
    }
    load.outstanding = static_cast<std::uint32_t>(*given.outstanding);
  }
  if (!given.max_late.empty()) load.max_late = read_time("--max-late", given.max_late);
}

std::int64_t random_seed() {
  std::random_device device;
  // Short enough to be typed again.
  return static_cast<std::int64_t>(device() & 0x7fffffffu);
}

}  // namespace

double read_time(std::string_view option, std::string_view text) {
  const auto time = time_of(text);
  if (!time) refuse(option, text, std::string{"a time "} + times);
  return *time;
}

double read_rate(std::string_view option, std::string_view text) {
  return read_rate_in(option, text, text);
}

std::vector<rate_segment> read_profile(std::string_view option, std::string_view text) {
  const auto parts = split(text, ',');
  std::vector<rate_segment> out;
  if (parts.size() == 1 && text.find(':') == std::string_view::npos) {
    const double rate = read_rate(option, text);
    return {{rate, rate, 0}};
  }
  if (parts.size() > wire::control::load_list_limit) {
    refuse(option, text, "at most " + std::to_string(wire::control::load_list_limit) + " pieces");
  }
  for (const std::string_view part : parts) {
    const auto colon = part.find(':');
    if (colon == std::string_view::npos) refuse(option, text, "R or R:TIME,R:TIME,…");
    const double rate = read_rate_in(option, text, part.substr(0, colon));
    out.push_back({rate, rate, read_time_in(option, text, part.substr(colon + 1))});
  }
  if (wire::control::seconds_of(out) > load_time_limit) {
    refuse(option, text, "a profile of at most 168h");
  }
  return out;
}

rate_segment read_ramp(std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() != 3) refuse("--ramp", text, "FROM:TO:TIME");
  const rate_segment out{read_rate_in("--ramp", text, parts[0], true),
                         read_rate_in("--ramp", text, parts[1], true),
                         read_time_in("--ramp", text, parts[2])};
  if (out.from + out.to <= 0) refuse("--ramp", text, "a rate above 0 at one end");
  return out;
}

lengths read_length(std::string_view text, std::size_t limit) {
  lengths out;
  if (text.starts_with('@')) {
    out.sizes = read_sizes_file(std::string{text.substr(1)}, limit);
  } else {
    const auto range = read_range(text, limit);
    if (!range) {
      refuse("--length", text,
             "N, MIN-MAX or @FILE, sizes from 0 to " + std::to_string(limit) + " bytes");
    }
    out.sizes = {*range};
  }
  for (const size_range& range : out.sizes) {
    out.longest = std::max<std::size_t>(out.longest, range.most);
  }
  // One size needs nobody to choose it, not even ombt's clients.
  if (std::all_of(out.sizes.begin(), out.sizes.end(),
                  [&](const size_range& r) { return r.least == out.longest; })) {
    out.sizes.clear();
  }
  return out;
}

void add_load(plan& to, const load_settings& given, std::optional<long long> count,
              const lengths& payload) {
  auto rate = choose_rate(given);
  if (!rate) check_alone(given, !payload.sizes.empty());
  if (given.legs && to.what != task::rpc_call) {
    throw configuration_error("--legs is for rpc-call: only a call has a reply");
  }
  to.parameters.legs = to.what == task::rpc_call && (given.legs || rate);
  const std::array<std::pair<std::string_view, bool>, 4> reasons = {
      {{rate ? rate->option : "", rate.has_value()},
       {"--duration", !given.duration.empty()},
       {"--warmup", !given.warmup.empty()},
       {"--length with several sizes", !payload.sizes.empty()}}};
  const auto reason =
      std::find_if(reasons.begin(), reasons.end(), [](const auto& r) { return r.second; });
  if (reason == reasons.end()) return;
  to.native_clients_for = reason->first;
  wire::control::load load;
  if (!given.duration.empty()) load.duration = read_time("--duration", given.duration);
  load.sizes = payload.sizes;
  if (given.seed && *given.seed < 0) {
    refuse("--seed", std::to_string(*given.seed), "a number from 0 up");
  }
  load.seed = given.seed ? *given.seed : random_seed();
  if (rate) add_rate(to, load, given, *rate, count);
  if (!given.warmup.empty()) {
    to.warmup = read_time("--warmup", given.warmup);
    if (load.open_loop() && !(load.profile.front().from > 0)) {
      contradict("--warmup", "--ramp", "a warm-up has the rate that the ramp begins with");
    }
  }
  if (count) {
    load.count = *count;
  } else if (!load.open_loop() && !load.duration) {
    load.count = to.parameters.count;
  }
  to.parameters.load = std::move(load);
}

wire::control::load warm_up_of(const wire::control::load& run, double seconds) {
  wire::control::load out = run;
  out.count.reset();
  if (run.open_loop()) {
    const double rate = run.profile.front().from;
    out.profile = {{rate, rate, seconds}};
  } else {
    out.duration = seconds;
  }
  return out;
}

double lead_of(std::uint32_t clients) noexcept { return std::min(10.0, 0.5 + 0.002 * clients); }

double least_seconds(const wire::control::load& run) noexcept {
  if (!run.open_loop()) return run.count ? 0 : run.duration.value_or(0);
  double least = wire::control::seconds_of(run.profile);
  if (run.count) {
    double peak = 0;
    for (const rate_segment& piece : run.profile) peak = std::max({peak, piece.from, piece.to});
    least =
        std::min(least, static_cast<double>(*run.count) * static_cast<double>(run.clients) / peak);
  }
  return least + run.start.in;
}

double offered_rate(const plan& what, std::uint32_t clients) noexcept {
  const auto& profile = what.parameters.load->profile;
  const double mean = wire::control::messages_of(profile) / wire::control::seconds_of(profile);
  return what.rate_per_client ? mean * clients : mean;
}

std::string load_words(const plan& what, std::uint32_t clients) {
  const wire::control::load& load = *what.parameters.load;
  const std::string of_clients = std::to_string(clients) + (clients == 1 ? " client" : " clients");
  if (!load.open_loop()) {
    return load.duration ? "closed loop, " + number_text(*load.duration) + " s" : "closed loop";
  }
  std::string out = "open loop, " + std::string{name_of(load.arrive)} + " arrivals, ";
  const auto& profile = load.profile;
  if (profile.size() > pieces_in_words) {
    const auto [least, most] =
        std::minmax_element(profile.begin(), profile.end(),
                            [](const auto& a, const auto& b) { return a.from < b.from; });
    out += std::to_string(profile.size()) + " rates of " + number_text(least->from) + " to " +
           number_text(most->from) + "/s in " + number_text(wire::control::seconds_of(profile)) +
           " s";
  } else {
    bool first = true;
    for (const rate_segment& piece : profile) {
      if (!std::exchange(first, false)) out += ", ";
      out += number_text(piece.from) + "/s";
      if (piece.to != piece.from) out += " to " + number_text(piece.to) + "/s";
      if (piece.seconds < load_time_limit) out += " for " + number_text(piece.seconds) + " s";
    }
  }
  return out + (what.rate_per_client ? " each of " : " over ") + of_clients;
}

}  // namespace ombt::controller
