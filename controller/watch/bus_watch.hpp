// SPDX-License-Identifier: Apache-2.0
#pragma once
// Watches the processes of this machine that listen where the bus under test is: finds them by
// their port, takes a sample of each whenever it is told to, notices that one ended and finds its
// successor. Owns the figures; has no clock and no thread (bus_processes.hpp). One thread.

#include "controller/watch/proc_files.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace ombt::controller {

/// A host of the bus's URL, and what it is on this machine.
struct bus_place {
  std::string host;  ///< as the URL has it
  std::uint16_t port = 0;
  std::vector<drivers::ip_address> addresses;  ///< of this machine; empty: it is elsewhere
};

/// What a process used at an instant.
struct bus_sample {
  double at = 0;           ///< epoch seconds
  double cpu_seconds = 0;  ///< since the process began
  std::uint64_t rss_bytes = 0;
  std::optional<std::uint64_t> descriptors;  ///< none: not ours to see
  /// Established ones at its ports; none: not counted this time.
  std::optional<std::uint64_t> tcp_connections;
};

/// The CPU that a process used between two of its samples, of a core; none where they are less than
/// 0.1 s apart, as the kernel counts in ticks of 10 ms.
std::optional<double> cpu_between(const bus_sample& a, const bus_sample& b) noexcept;

/// A process that listened at one of the places, and its samples.
struct bus_process {
  /// Where there are more, every second one is left out, and from then on of those that come.
  static constexpr std::size_t sample_limit = 1'200;

  std::int64_t pid = 0;
  std::string command;               ///< its name in the kernel; never its arguments
  std::vector<std::uint16_t> ports;  ///< of the bus's URL, ascending
  std::vector<bus_sample> samples;   ///< by time; the first and the last are always there
  std::optional<double> ended;       ///< epoch seconds; found gone, or no listener any more
  std::uint64_t start_ticks = 0;

  // Of all samples, those left out included.
  std::optional<double> cpu_most;  ///< of a core, 1 is one; over no less than half a second
  std::uint64_t rss_most = 0;
  std::optional<std::uint64_t> descriptors_most;
  std::optional<std::uint64_t> tcp_connections_most;

  /// Adds a sample.
  void add(const bus_sample& sample);
  /// Of a core, from the first sample to the last.
  std::optional<double> cpu_mean() const noexcept;

 private:
  std::uint64_t taken_ = 0;
  std::uint64_t stride_ = 1;
  std::optional<bus_sample> before_;
};

/// What came of watching.
struct bus_watched {
  std::vector<bus_process> processes;  ///< in the order in which they were found
  /// Where something listens on this machine, or should, and no process was found: why.
  std::vector<std::string> notes;
};

class bus_watch {
 public:
  /// More processes are not watched.
  static constexpr std::size_t process_limit = 16;
  /// From connection table to connection table so many times as long as reading one takes.
  static constexpr double rest_factor = 20;

  /// Places that are elsewhere are left out.
  bus_watch(std::vector<bus_place> places, proc_files files, double ticks_per_second,
            std::uint64_t page_bytes);

  bool nothing_to_watch() const noexcept { return places_.empty(); }
  /// Takes a sample of every process. `cpu` tells this thread's CPU time, seconds: tables that take
  /// long to read are read more rarely, so that watching costs at most a 20th of a core.
  void sample(double epoch, const std::function<double()>& cpu, bool last = false);
  bus_watched take();

 private:
  /// Rows of one local address and port.
  struct local_end {
    drivers::ip_address address;
    std::uint16_t port;
    std::uint64_t connections;
  };
  struct place {
    bus_place where;
    std::vector<socket_row> listeners;
    bool found = false;                   ///< a process, at some time
    std::optional<std::uint32_t> unseen;  ///< the user of a listener that no process was found for
  };
  struct live {
    std::size_t index;             ///< in found_.processes
    std::set<std::size_t> places;  ///< whose listener it has
    process_stat now;
  };

  void read_tables();
  std::vector<socket_row> listeners_of(const bus_place& where) const;
  std::uint64_t connections_of(const live& process) const;
  void forget_ended(double epoch);
  void look_for_processes(double epoch);
  void take_samples(double epoch, bool tables);

  std::vector<place> places_;
  proc_files files_;
  double ticks_per_second_;
  std::uint64_t page_bytes_;
  std::vector<local_end> ends_;
  std::vector<socket_row> listeners_;   ///< at the ports of places
  std::set<std::uint64_t> looked_for_;  ///< inodes of the last search
  std::vector<live> live_;
  double tables_due_ = 0;
  bus_watched found_;
};

}  // namespace ombt::controller
