// SPDX-License-Identifier: Apache-2.0
// Prints, a line each, sets of samples and the record that wire/control makes of them, for
// results_check.py: {"parts": [[ms, …], …], "record": …, "text": …}.
#include "wire/control/results.hpp"

#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

using namespace ombt::wire;

namespace {

void print(const std::vector<std::vector<double>>& parts) {
  control::results sum;
  std::string line = "{\"parts\": [";
  for (std::size_t p = 0; p < parts.size(); ++p) {
    control::results part;
    if (p > 0) line += ", ";
    line += '[';
    for (std::size_t i = 0; i < parts[p].size(); ++i) {
      if (i > 0) line += ", ";
      json::append_number(line, parts[p][i]);
      part.add_success(parts[p][i]);
      part.saw_time(1542827906.25 + static_cast<double>(i + 100 * p));
    }
    line += ']';
    sum.merge(part);
  }
  line += "], \"record\": ";
  control::append_results(line, sum);
  line += ", \"record_text\": ";
  std::string record;
  control::append_results(record, sum);
  json::append_string(line, record);
  line += ", \"text\": ";
  std::string text;
  control::append_results_text(text, sum);
  json::append_string(line, text);
  std::printf("%s}\n", line.c_str());
}

}  // namespace

int main() {
  print({{}});
  print({{0.0}});
  print({{0.25}, {}, {0.5, 0.125}});
  print({{1.0, 9.75, 10.0, 99.0, 100.0, 1000.0, 999.5, 123456.0, 2.0, 0.999}});
  std::mt19937_64 random{11};
  for (int round = 0; round < 200; ++round) {
    std::lognormal_distribution<double> shape{0.0, 0.1 + round * 0.02};
    std::vector<std::vector<double>> parts(1 + random() % 5);
    for (auto& part : parts) {
      part.resize(random() % 400);
      for (double& sample : part) sample = shape(random);
    }
    print(parts);
  }
  return 0;
}
