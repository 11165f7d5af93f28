// SPDX-License-Identifier: Apache-2.0
#include "controller/watch/bus_text.hpp"

#include "wire/format.hpp"

namespace ombt::controller {
namespace {

std::string most(const std::optional<std::uint64_t>& number, const char* what) {
  if (!number) return std::string("n/a ") + what;
  return std::to_string(*number) + ' ' + what;
}

}  // namespace

void append_bus_text(std::string& out, const bus_watched& bus) {
  for (const bus_process& process : bus.processes) {
    out += process.command.substr(0, 20) +
           format(" (pid %lld, port", static_cast<long long>(process.pid));
    for (const std::uint16_t port : process.ports) {
      out += (port == process.ports.front() ? " " : ", ") + std::to_string(port);
    }
    out += "): CPU ";
    const auto mean = process.cpu_mean();
    out += mean ? format("%.0f %% of a core mean", *mean * 100) : "n/a";
    if (process.cpu_most) out += format(", %.0f %% max", *process.cpu_most * 100);
    if (process.ended) out += "; ended";
    out += format(";\n  RSS %.0f MB, ", static_cast<double>(process.rss_most) / 1e6) +
           most(process.descriptors_most, "descriptors") + ", " +
           most(process.tcp_connections_most, "TCP connections") + " at most\n";
  }
  for (const std::string& note : bus.notes) out += note + '\n';
}

}  // namespace ombt::controller
