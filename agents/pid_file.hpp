// SPDX-License-Identifier: Apache-2.0
#pragma once
// The file of --pid-file: has the process's id while it is there for others, and is removed at the
// end. Never half written, and what another process has written since is left alone. One thread.

#include <string>

namespace ombt::agents {

class pid_file {
 public:
  /// Nothing is written yet, but that it can be is known. Throws configuration_error.
  explicit pid_file(const std::string& path);
  /// Removes it, if it is this process's.
  ~pid_file();
  pid_file(const pid_file&) = delete;
  pid_file& operator=(const pid_file&) = delete;

  /// Writes the id, in place of what is there. Empty, or why it could not.
  std::string write();

 private:
  std::string path_;       ///< absolute: the process may leave its folder
  std::string temporary_;  ///< beside it
  std::string text_;
  bool written_ = false;
};

}  // namespace ombt::agents
