// SPDX-License-Identifier: Apache-2.0
#pragma once
// --logfile-prefix: what a process would say on standard error goes to the file PREFIX<pid>, as
// ombt names it. One per process; main thread.

#include <string>

namespace ombt::tools {

class log_file {
 public:
  /// An empty prefix: nothing happens, all goes to standard error.
  explicit log_file(std::string prefix) : prefix_{std::move(prefix)} {}
  /// Gives standard error back.
  ~log_file();
  log_file(const log_file&) = delete;
  log_file& operator=(const log_file&) = delete;

  /// Why no file of this prefix can be made, one line; empty: its folder may be written.
  std::string refusal() const;
  /// Redirects standard error from here on. If the file cannot be opened that is said, and all
  /// stays as it is.
  void start();
  /// Gives standard error back, and says there where the log is if the status is no success.
  void finish(int status);

 private:
  std::string prefix_;
  std::string path_;
  int saved_ = -1;
};

}  // namespace ombt::tools
