// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/audit.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace ombt::agents {

using drivers::steady_clock;
using std::chrono::nanoseconds;
using wire::control::agent_kind;
using wire::control::agent_kinds;

namespace {

// Finer than that no threshold is, and it keeps the histogram small.
constexpr std::int64_t lag_grain = 10'000;  // ns

double seconds(nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

std::optional<nanoseconds> run_delay_in(std::string_view schedstat) noexcept {
  const std::size_t blank = schedstat.find(' ');
  if (blank == std::string_view::npos) return {};
  schedstat.remove_prefix(blank + 1);
  std::int64_t delay = 0;
  const auto [end, error] =
      std::from_chars(schedstat.data(), schedstat.data() + schedstat.size(), delay);
  // Only what ends in a blank is known to be whole.
  if (error != std::errc{} || end == schedstat.data() + schedstat.size() || *end != ' ' ||
      delay < 0) {
    return {};
  }
  return nanoseconds(delay);
}

thread_reading read_thread() {
  thread_reading out;
  timespec cpu{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
  out.cpu = std::chrono::seconds(cpu.tv_sec) + nanoseconds(cpu.tv_nsec);
  const int file = ::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    char text[128];
    const auto size = ::read(file, text, sizeof text);
    ::close(file);
    if (size > 0) out.waited = run_delay_in({text, static_cast<std::size_t>(size)});
  }
  out.at = steady_clock::now();
  return out;
}

void audit_window::open(const thread_reading& now) {
  figures_ = {};
  open_ = any_ = true;
  before_ = now;
}

void audit_window::probed(nanoseconds lag, int instants) {
  if (!open_) return;
  const std::int64_t grains = (lag.count() + lag_grain / 2) / lag_grain;
  figures_.lag.record(static_cast<std::uint64_t>(std::max<std::int64_t>(grains, 0) * lag_grain),
                      static_cast<std::uint64_t>(instants));
}

void audit_window::add_late(std::uint64_t late, std::uint64_t of) noexcept {
  if (!any_) return;
  figures_.late += late;
  figures_.scheduled += of;
}

bool audit_window::second_is_over(drivers::time_point now) const noexcept {
  return open_ && now - before_.at >= std::chrono::seconds(1);
}

double audit_window::end_second(const thread_reading& now) {
  if (!open_) return 0;
  const double time = seconds(now.at - before_.at);
  const double cpu = seconds(now.cpu - before_.cpu);
  figures_.add_time(time, cpu);
  if (now.waited && before_.waited) {
    figures_.run_delay_seconds =
        figures_.run_delay_seconds.value_or(0) + seconds(*now.waited - *before_.waited);
  }
  before_ = now;
  return time > 0 ? cpu / time : 0;
}

void audit_window::close(const thread_reading& now) {
  end_second(now);
  open_ = false;
}

std::optional<wire::control::audit_report> audit_window::take(const thread_reading& now) {
  if (!any_) return {};
  close(now);
  any_ = false;
  return std::exchange(figures_, {});
}

thread_audit::thread_audit(drivers::loop& on, std::uint32_t thread,
                           std::function<bool(agent_kind)> wanted,
                           std::function<thread_reading()> read)
    : loop_(on), thread_(thread), wanted_(std::move(wanted)), read_(std::move(read)) {}

thread_audit::~thread_audit() {
  if (timer_ != 0) loop_.cancel_timer(timer_);
}

void thread_audit::open(agent_kind kind) {
  const thread_reading now = read_();
  window(kind).open(now);
  if (timer_ != 0) return;
  beat_.start(now.at);
  timer_ = loop_.start_timer(beat_.next(), *this, 0);
}

void thread_audit::add_late(agent_kind kind, std::uint64_t late, std::uint64_t of) noexcept {
  window(kind).add_late(late, of);
}

std::optional<wire::control::audit_report> thread_audit::take(agent_kind kind) {
  auto taken = window(kind).take(read_());
  if (taken) taken->thread = thread_;
  if (!any_open() && timer_ != 0) loop_.cancel_timer(std::exchange(timer_, 0));
  return taken;
}

bool thread_audit::any_open() const noexcept {
  return std::any_of(windows_.begin(), windows_.end(),
                     [](const audit_window& w) { return w.is_open(); });
}

void thread_audit::on_timer(std::uint64_t) {
  const drivers::time_point now = steady_clock::now();
  beat_.fired(now, [this](nanoseconds lag, int instants) {
    for (audit_window& w : windows_) w.probed(lag, instants);
  });
  for (const agent_kind kind : agent_kinds) {
    if (!window(kind).second_is_over(now)) continue;
    if (wanted_(kind)) {
      beat_.set_seldom(window(kind).end_second(read_()) < little);
    } else {
      window(kind).close(read_());
    }
  }
  timer_ = any_open() ? loop_.start_timer(beat_.next(), *this, 0) : 0;
}

}  // namespace ombt::agents
