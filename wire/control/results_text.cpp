// SPDX-License-Identifier: Apache-2.0
// A results record as the lines that ombt prints.
#include "wire/control/results.hpp"
#include "wire/format.hpp"

#include <cmath>

namespace ombt::wire::control {

void append_results_text(std::string& out, const results& r) {
  using ull = unsigned long long;
  if (r.msgs_fail > 0) {
    append_format(out, "Error: %llu message transfers failed\n", static_cast<ull>(r.msgs_fail));
  }
  if (!r.errors.empty()) {
    out += "Error: errors detected:\n";
    for (const auto& [text, times] : r.errors) {
      out += "  '";
      out += text;
      append_format(out, "' (occurred %llu times)\n", static_cast<ull>(times));
    }
  }
  append_format(out, "Total Messages: %llu\n", static_cast<ull>(r.msgs_ok + r.msgs_fail));
  if (r.start_time && r.stop_time) {
    append_format(out, "Test Interval: %f - %f (%f secs)\n", *r.start_time, *r.stop_time,
                  *r.stop_time - *r.start_time);
  } else {
    out += "Test Interval: n/a (nothing was seen)\n";
  }
  if (const auto rate = r.throughput()) {
    append_format(out, "Aggregate throughput: %f msgs/sec\n", *rate);
  }
  const latency_statistics& latency = r.latency;
  if (latency.count == 0) return;
  append_format(out, "Latency %llu samples (msecs): Average %f StdDev %f Min %f Max %f\n",
                static_cast<ull>(latency.count), latency.average(), latency.std_dev(),
                latency.min.value_or(0), latency.max.value_or(0));
  out += "Latency Distribution: \n";
  for (const auto& row : latency.distribution) {
    // Below 10 ms the row begins at 0; above, index 0 would repeat the row before.
    const double unit = std::pow(10.0, row.decade);
    for (std::size_t i = row.decade == 0 ? 0 : 1; i < row.counts.size(); ++i) {
      append_format(out, "[%.0f..<%.0f):  %llu\n", unit * static_cast<double>(i),
                    unit * static_cast<double>(i + 1), static_cast<ull>(row.counts[i]));
    }
  }
}

}  // namespace ombt::wire::control
