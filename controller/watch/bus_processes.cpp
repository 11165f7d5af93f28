// SPDX-License-Identifier: Apache-2.0
#include "controller/watch/bus_processes.hpp"

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <thread>
#include <unistd.h>

namespace ombt::controller {
namespace {

using steady_clock = std::chrono::steady_clock;
constexpr std::chrono::seconds sample_gap{1};
constexpr std::chrono::seconds patience{1};  // with a thread that is told to end

double epoch_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double thread_cpu_seconds() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

std::vector<bus_place> places_of(const bus_hosts& hosts) {
  std::vector<bus_place> out;
  for (const auto& [host, port] : hosts) {
    out.push_back({host, port, drivers::local_addresses_of(host)});
  }
  return out;
}

}  // namespace

struct bus_processes::shared {
  std::mutex mutex;
  std::condition_variable changed;
  bool stop = false;
  bool ended = false;
  bus_watched seen;
  std::thread thread;

  void run(const bus_hosts& hosts) {
    bus_watch watch{places_of(hosts), proc_files{}, static_cast<double>(::sysconf(_SC_CLK_TCK)),
                    static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
    std::unique_lock lock(mutex);
    auto next = steady_clock::now();
    while (!stop && !watch.nothing_to_watch()) {
      lock.unlock();
      watch.sample(epoch_seconds(), &thread_cpu_seconds);
      lock.lock();
      // By a fixed beat; one that was missed is left out.
      next += sample_gap;
      if (const auto now = steady_clock::now(); next < now) next = now + sample_gap;
      changed.wait_until(lock, next, [this] { return stop; });
    }
    if (!watch.nothing_to_watch()) watch.sample(epoch_seconds(), &thread_cpu_seconds, true);
    seen = watch.take();
    ended = true;
    changed.notify_all();
  }
};

bus_processes::bus_processes(bus_hosts hosts) : hosts_(std::move(hosts)) {}

bus_processes::~bus_processes() { take(); }

void bus_processes::start() {
  if (shared_) return;
  shared_ = std::make_shared<shared>();
  shared_->thread = std::thread([on = shared_, hosts = hosts_] { on->run(hosts); });
}

void bus_processes::end() {
  if (!shared_) return;
  const std::lock_guard lock(shared_->mutex);
  shared_->stop = true;
  shared_->changed.notify_all();
}

bus_watched bus_processes::take() {
  if (!shared_ || !shared_->thread.joinable()) return {};
  end();
  std::unique_lock lock(shared_->mutex);
  if (!shared_->changed.wait_for(lock, patience, [this] { return shared_->ended; })) {
    shared_->thread.detach();
    return {};
  }
  lock.unlock();
  shared_->thread.join();
  return std::move(shared_->seen);
}

}  // namespace ombt::controller
