// SPDX-License-Identifier: Apache-2.0
#pragma once
// The private folder of a bus: made, locked as long as this lives, removed when destroyed. Knows
// the file of the broker's process and how to show the end of a log; what else is in it is its
// owner's.

#include <cstddef>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace ombt::tools::bus {

class bus_folder {
 public:
  /// Makes `<parent>/ombt-bus-<pid>-<random>` (mode 0700) and removes folders there whose owner
  /// was killed. Throws std::runtime_error with a plain sentence.
  explicit bus_folder(const std::string& parent);
  ~bus_folder();
  bus_folder(const bus_folder&) = delete;
  bus_folder& operator=(const bus_folder&) = delete;

  const std::string& name() const noexcept { return name_; }
  std::string path(const char* file) const { return name_ + "/" + file; }
  /// Where the broker's stdout and stderr go.
  std::string output_file() const { return path("broker.out"); }
  /// Writes the broker's pid to `broker.pid`, whole or not at all.
  void record_pid(int pid) const;

 private:
  std::string name_;
  int lock_ = -1;  ///< held as long as this lives, so that others can tell
};

/// Replaces the file's content. Throws std::runtime_error with a plain sentence.
void write_file(const std::string& path, std::string_view text, mode_t mode);
/// All of a file; empty if it cannot be read.
std::string read_file(const std::string& path);
/// At most so many lines, the last ones.
std::string last_lines(const std::string& text, std::size_t lines);

}  // namespace ombt::tools::bus
