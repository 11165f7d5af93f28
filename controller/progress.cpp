// SPDX-License-Identifier: Apache-2.0
#include "controller/progress.hpp"

#include "wire/format.hpp"

#include "controller/columns.hpp"
#include "controller/load_options.hpp"
#include "controller/session_text.hpp"
#include "controller/text_report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

namespace ombt::controller {
namespace {

constexpr std::size_t usual_columns = 80;

/// Of the terminal; a line that fills its last column may wrap.
std::size_t columns_of_terminal() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return (known ? size.ws_col : usual_columns) - 1;
}

/// "12 s", "3 min", "2 h"
std::string short_time(duration time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  if (seconds < 600) return std::to_string(seconds) + " s";
  if (seconds < 36'000) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds / 3'600) + " h";
}

/// "0.12", "4.8", "131"
std::string short_ms(double ms) { return format(ms < 1 ? "%.2f" : ms < 100 ? "%.1f" : "%.0f", ms); }

}  // namespace

std::string progress_text(phase p, session::progress how_far, duration elapsed,
                          std::string_view name) {
  std::string out{name.empty() ? name_of(p) : name};
  if (elapsed >= std::chrono::seconds{1}) out += ' ' + short_time(elapsed);
  const std::string done = std::to_string(how_far.done);
  const std::string of = done + " of " + std::to_string(how_far.total);
  switch (p) {
    case phase::roll_call:
      out += ": " + count_text(how_far.done, "agent");
      break;
    case phase::resetting:
      out += ": " + of;
      break;
    case phase::running:
      out += ": " + of + " clients done";
      break;
    case phase::settling:
    case phase::polling:
      out += ": " + of + " messages accounted for";
      break;
    default:
      break;
  }
  return out;
}

std::string running_text(std::string_view name, duration elapsed, std::optional<duration> left,
                         const live_view::figures& now, std::size_t columns) {
  struct part {
    std::string text;
    int weight;  ///< the lightest goes first
  };
  const auto p50 = percentile_ms(now.latency, 50);
  const auto p99 = percentile_ms(now.latency, 99);
  std::string latency = "  p50 " + (p50 ? short_ms(*p50) : "n/a");
  latency += " p99 " + (p99 ? short_ms(*p99) : "n/a") + " ms";
  std::array<part, 7> parts = {{
      {std::string{name} + ' ' + short_time(elapsed), 7},
      {left ? ", " + short_time(*left) + " left" : "", 3},
      {"  " + grouped(now.ok + now.failed) + " msgs", 6},
      {"  " + grouped(now.last_second) + "/s", 5},
      {std::move(latency), 2},
      {"  " + grouped(now.failed) + " err", 4},
      {"  " + grouped(now.agents) + " up", 1},
  }};
  const auto size = [&] {
    std::size_t sum = 0;
    for (const part& one : parts) sum += one.text.size();
    return sum;
  };
  for (int weight = 1; weight < 7 && size() > columns; ++weight) {
    for (part& one : parts) {
      if (one.weight == weight) one.text.clear();
    }
  }
  std::string out;
  for (const part& one : parts) out += one.text;
  return cut_at_word(out, columns);
}

std::optional<duration> time_left(const plan& what, std::uint32_t clients, bool warming_up,
                                  duration elapsed, const live_view::figures& now) {
  const double gone = std::chrono::duration<double>(elapsed).count();
  std::optional<double> left;
  const auto at_most = [&](double seconds) { left = std::clamp(seconds, 0.0, left.value_or(1e9)); };
  std::optional<std::int64_t> each = what.parameters.count;
  double lead = 0;
  if (auto load = what.parameters.load) {
    load->clients = what.rate_per_client ? 1 : std::max(1U, clients);
    if (load->open_loop()) {
      lead = load->start.in = lead_of(clients);
      at_most(least_seconds(*load) - gone);
    }
    if (load->duration) at_most(*load->duration - gone);
    each = load->count;
  }
  if (warming_up) {
    at_most(what.warmup + lead - gone);
  } else if (each && now.last_second > 0) {
    const double all = static_cast<double>(*each) * clients;
    at_most((all - static_cast<double>(now.ok + now.failed)) /
            static_cast<double>(now.last_second));
  }
  if (!left) return {};
  return from_seconds(*left);
}

progress_line::progress_line() : terminal_{::isatty(STDERR_FILENO) == 1} {}

void progress_line::show(const session& machine, const live_view& live) {
  if (!terminal_ || machine.finished()) return;
  const time_point now = clock::now();
  if (machine.current() == last_ && now < next_) return;
  last_ = machine.current();
  next_ = now + gap;
  const std::size_t columns = columns_of_terminal();
  const duration elapsed = now - machine.phase_began();
  const live_view::figures figures = live.at(now);
  const std::string name = heading_ + std::string{machine.phase_words()};
  std::string text;
  if (last_ == phase::running && figures.any) {
    const auto test = *test_of(machine.what().what);
    const auto clients = machine.result().count(wire::control::client_kind(test));
    text = running_text(name, elapsed,
                        time_left(machine.what(), clients, machine.warming_up(), elapsed, figures),
                        figures, columns);
  } else {
    text = cut_at_word(progress_text(last_, machine.how_far(), elapsed, name), columns);
  }
  // Written over the line before; the rest of that is erased.
  std::fprintf(stderr, "\r%s\x1b[K", text.c_str());
  std::fflush(stderr);
  shown_ = true;
}

void progress_line::clear() {
  if (!shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace ombt::controller
