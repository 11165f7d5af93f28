// SPDX-License-Identifier: Apache-2.0
// Our side of java_test.py, which says what SAMPLES and the answer look like.
//   hdr_log_peer write SAMPLES LOG    writes a log of the samples
//   hdr_log_peer read LOG             prints what a log holds
#include "wire/hdr/interval_log.hpp"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

using namespace ombt;
using namespace ombt::wire::hdr;

namespace {

constexpr double base_time = 1'700'000'000;

struct samples {
  std::string tag;
  double start = 0;
  double length = 0;
  histogram dense;
  sparse_histogram sparse;
};

/// Every other interval is written from a dense histogram, the others from sparse ones.
bool append(std::string& out, const samples& s, bool dense) {
  return dense ? append_interval(out, s.tag, s.start, s.length, s.dense)
               : append_interval(out, s.tag, s.start, s.length, s.sparse);
}

int write(const char* from, const char* to) {
  std::ifstream in(from);
  std::string out;
  bool right = append_log_head(out, "[ombt: a test]\n a second line", base_time, base_time);
  std::optional<samples> now;
  bool dense = false;
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    if (line.rfind("interval ", 0) == 0) {
      if (now) right = append(out, *now, dense) && right;
      dense = !dense;
      std::string word;
      fields >> word >> now.emplace().tag >> now->start >> now->length;
      if (now->tag == "-") now->tag.clear();
    } else if (now) {
      std::uint64_t value = 0;
      std::uint64_t times = 0;
      fields >> value >> times;
      now->dense.record(value, times);
      now->sparse.record(value, times);
    }
  }
  if (now) right = append(out, *now, dense) && right;
  std::ofstream(to, std::ios::binary) << out;
  return right && now ? 0 : 1;
}

void print(const interval& i) {
  std::printf("interval %s %lld %lld\n", i.tag.empty() ? "-" : i.tag.c_str(),
              std::llround(i.start * 1000), std::llround(i.length * 1000));
  histogram all;
  all.merge(i.values);
  std::printf("count %llu\nmax %llu\n", static_cast<unsigned long long>(all.count()),
              static_cast<unsigned long long>(all.max()));
  for (const double p : {50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    std::printf("percentile %.2f %llu\n", p,
                static_cast<unsigned long long>(all.value_at_percentile(p)));
  }
  for (const bucket& b : i.values.buckets()) {
    std::printf("bucket %llu %llu %llu\n",
                static_cast<unsigned long long>(lowest_value_at(b.index)),
                static_cast<unsigned long long>(highest_value_at(b.index)),
                static_cast<unsigned long long>(b.count));
  }
}

int read(const char* from) {
  std::ifstream in(from);
  interval_log_reader reader;
  std::optional<interval> got;
  std::string why;
  std::string line;
  while (std::getline(in, line)) {
    if (const error_code error = reader.read_line(line, got, why)) {
      std::printf("refused %s: %s\n", name_of(static_cast<errc>(error.value())), why.c_str());
    } else if (got) {
      print(*got);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "write" && argc == 4) return write(argv[2], argv[3]);
  if (command == "read" && argc == 3) return read(argv[2]);
  std::fputs("usage: hdr_log_peer write SAMPLES LOG | read LOG\n", stderr);
  return 2;
}
