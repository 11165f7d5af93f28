// SPDX-License-Identifier: Apache-2.0
#pragma once
// The folder of a run's results (--out): made before the run, so that a place that cannot be
// written or has no room shows before anything connects; its files come at the end, each whole or
// not at all. A folder that lacks one is called so.

#include <string>
#include <string_view>

namespace ombt::controller {

class run_directory {
 public:
  /// Makes it. Throws configuration_error ("--out DIR: cause") if it exists already, cannot be
  /// made, or has no room.
  explicit run_directory(std::string path);
  /// Leaves nothing behind if no file was put into it.
  ~run_directory();
  run_directory(const run_directory&) = delete;
  run_directory& operator=(const run_directory&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// Writes a file of it. False: why says the cause, and there is no such file.
  bool put(std::string_view name, std::string_view content, std::string& why);
  /// When all have been put. False: one could not be written; then the folder with the others is
  /// path() + ".incomplete" (or ".incomplete-2", …), where it has any, and why says so.
  bool finish(std::string& why);

 private:
  std::string path_;
  bool whole_ = true;
};

}  // namespace ombt::controller
