// SPDX-License-Identifier: Apache-2.0
#include "controller/watch/bus_watch.hpp"

#include <algorithm>
#include <utility>

namespace ombt::controller {
namespace {

constexpr double shortest_for_most = 0.5;
constexpr double shortest_for_cpu = 0.1;

constexpr drivers::ip_address any_v4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
constexpr drivers::ip_address any_v6{};

bool is_v4(const drivers::ip_address& a) {
  return std::equal(a.begin(), a.begin() + 12, any_v4.begin());
}

/// How exactly a listener is meant for an address: the kernel prefers it in this order. 0: it is
/// not.
int fit(const drivers::ip_address& listener, const drivers::ip_address& address) {
  if (listener == address) return 3;
  if (listener == any_v4 && is_v4(address)) return 2;
  return listener == any_v6 ? 1 : 0;
}

bool reaches(const socket_row& listener, const drivers::ip_address& address, std::uint16_t port) {
  return listener.port == port && fit(listener.address, address) > 0;
}

/// "127.0.0.1:5672", "[::1]:5672"
std::string name_of_place(const bus_place& where) {
  const bool v6 = where.host.find(':') != std::string::npos;
  return (v6 ? '[' + where.host + ']' : where.host) + ':' + std::to_string(where.port);
}

template <class Number>
void raise(std::optional<Number>& most, const std::optional<Number>& to) {
  if (to) most = std::max(most.value_or(*to), *to);
}

}  // namespace

std::optional<double> cpu_between(const bus_sample& a, const bus_sample& b) noexcept {
  if (b.at - a.at < shortest_for_cpu) return {};
  return (b.cpu_seconds - a.cpu_seconds) / (b.at - a.at);
}

void bus_process::add(const bus_sample& sample) {
  rss_most = std::max(rss_most, sample.rss_bytes);
  raise(descriptors_most, sample.descriptors);
  raise(tcp_connections_most, sample.tcp_connections);
  if (before_ && sample.at - before_->at >= shortest_for_most) {
    raise(cpu_most, cpu_between(*before_, sample));
  }
  // One that is left out later stands at the end until the next comes.
  if (before_ && (taken_ - 1) % stride_ != 0) samples.pop_back();
  before_ = sample;
  samples.push_back(sample);
  ++taken_;
  if (samples.size() <= sample_limit) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < samples.size(); i += 2) samples[kept++] = samples[i];
  samples.resize(kept);
  stride_ *= 2;
}

std::optional<double> bus_process::cpu_mean() const noexcept {
  if (samples.empty()) return {};
  return cpu_between(samples.front(), samples.back());
}

bus_watch::bus_watch(std::vector<bus_place> places, proc_files files, double ticks_per_second,
                     std::uint64_t page_bytes)
    : files_(std::move(files)), ticks_per_second_(ticks_per_second), page_bytes_(page_bytes) {
  for (bus_place& one : places) {
    if (!one.addresses.empty()) places_.push_back({std::move(one), {}, false, {}});
  }
}

void bus_watch::sample(double epoch, const std::function<double()>& cpu, bool last) {
  const auto timed_read = [&] {
    const double before = cpu();
    read_tables();
    tables_due_ = epoch + rest_factor * (cpu() - before);
  };
  bool tables = last || epoch >= tables_due_;
  if (tables) timed_read();
  const std::size_t before = live_.size();
  forget_ended(epoch);
  const bool lost = live_.size() < before;
  if (lost && !tables) {
    timed_read();
    tables = true;
  }
  std::set<std::uint64_t> inodes;
  for (const place& p : places_) {
    for (const socket_row& row : p.listeners) inodes.insert(row.inode);
  }
  if (lost || inodes != looked_for_) {
    looked_for_ = std::move(inodes);
    look_for_processes(epoch);
  }
  take_samples(epoch, tables);
}

void bus_watch::read_tables() {
  ends_.clear();
  listeners_.clear();
  files_.each_socket([this](const socket_row& row) {
    if (row.state != tcp_listen && row.state != tcp_established) return;
    if (std::none_of(places_.begin(), places_.end(),
                     [&](const place& p) { return p.where.port == row.port; })) {
      return;
    }
    if (row.state == tcp_listen) {
      listeners_.push_back(row);
      return;
    }
    const auto known = std::find_if(ends_.begin(), ends_.end(), [&](const local_end& e) {
      return e.port == row.port && e.address == row.address;
    });
    if (known != ends_.end()) {
      ++known->connections;
    } else {
      ends_.push_back({row.address, row.port, 1});
    }
  });
  for (place& p : places_) p.listeners = listeners_of(p.where);
}

std::vector<socket_row> bus_watch::listeners_of(const bus_place& where) const {
  std::vector<socket_row> out;
  for (const drivers::ip_address& address : where.addresses) {
    int best = 1;
    for (const socket_row& row : listeners_) {
      if (row.port == where.port) best = std::max(best, fit(row.address, address));
    }
    for (const socket_row& row : listeners_) {
      if (row.port == where.port && fit(row.address, address) == best) out.push_back(row);
    }
  }
  return out;
}

std::uint64_t bus_watch::connections_of(const live& process) const {
  std::uint64_t sum = 0;
  for (const local_end& end : ends_) {
    const bool ours =
        std::any_of(process.places.begin(), process.places.end(), [&](std::size_t index) {
          const auto& listeners = places_[index].listeners;
          return std::any_of(listeners.begin(), listeners.end(), [&](const socket_row& row) {
            return reaches(row, end.address, end.port);
          });
        });
    if (ours) sum += end.connections;
  }
  return sum;
}

void bus_watch::forget_ended(double epoch) {
  std::erase_if(live_, [&](live& one) {
    bus_process& process = found_.processes[one.index];
    const auto now = files_.stat(process.pid);
    if (now && !now->ended && now->start_ticks == process.start_ticks) {
      one.now = *now;
      return false;
    }
    process.ended = epoch;
    return true;
  });
}

void bus_watch::take_samples(double epoch, bool tables) {
  for (const live& one : live_) {
    bus_process& process = found_.processes[one.index];
    process.command = one.now.command;  // a new process has its parent's until it execs
    bus_sample sample;
    sample.at = epoch;
    sample.cpu_seconds = static_cast<double>(one.now.cpu_ticks) / ticks_per_second_;
    sample.rss_bytes = one.now.rss_pages * page_bytes_;
    if (tables) {
      sample.descriptors = files_.descriptors(process.pid);
      sample.tcp_connections = connections_of(one);
    }
    process.add(sample);
  }
}

void bus_watch::look_for_processes(double epoch) {
  const socket_holders holders = files_.holders(looked_for_);
  for (place& p : places_) {
    const bool held = std::any_of(holders.inodes.begin(), holders.inodes.end(), [&](auto& one) {
      return std::any_of(p.listeners.begin(), p.listeners.end(),
                         [&](const socket_row& row) { return one.second.contains(row.inode); });
    });
    p.found = p.found || held;
    p.unseen.reset();
    if (!held && !p.listeners.empty()) p.unseen = p.listeners.front().uid;
  }
  std::vector<live> listening;
  for (const auto& [pid, inodes] : holders.inodes) {
    const auto now = files_.stat(pid);
    if (!now || now->ended) continue;
    live one{0, {}, *now};
    for (std::size_t i = 0; i < places_.size(); ++i) {
      for (const socket_row& row : places_[i].listeners) {
        if (inodes.contains(row.inode)) one.places.insert(i);
      }
    }
    auto& all = found_.processes;
    const auto known = std::find_if(all.begin(), all.end(), [&, id = pid](const bus_process& p) {
      return p.pid == id && p.start_ticks == now->start_ticks;
    });
    one.index = static_cast<std::size_t>(known - all.begin());
    if (known == all.end()) {
      if (all.size() >= process_limit) continue;
      all.emplace_back();
      all.back().pid = pid;
      all.back().command = now->command;
      all.back().start_ticks = now->start_ticks;
    }
    bus_process& process = all[one.index];
    process.ended.reset();
    for (const std::size_t i : one.places) {
      const std::uint16_t port = places_[i].where.port;
      const auto at = std::lower_bound(process.ports.begin(), process.ports.end(), port);
      if (at == process.ports.end() || *at != port) process.ports.insert(at, port);
    }
    listening.push_back(std::move(one));
  }
  for (const live& one : live_) {
    const bool listens = std::any_of(listening.begin(), listening.end(),
                                     [&](const live& l) { return l.index == one.index; });
    if (!listens) found_.processes[one.index].ended = epoch;
  }
  live_ = std::move(listening);
}

bus_watched bus_watch::take() {
  for (const place& p : places_) {
    if (p.found) continue;
    if (p.unseen) {
      found_.notes.push_back(name_of_place(p.where) + ": its listener belongs to user id " +
                             std::to_string(*p.unseen) +
                             " and to no process whose descriptors are ours to see");
    } else {
      found_.notes.push_back(name_of_place(p.where) + ": nothing on this machine listens there");
    }
  }
  return std::move(found_);
}

}  // namespace ombt::controller
