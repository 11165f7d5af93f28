// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who owns a port: a file's lock (flock), which the kernel frees when its process ends, however
// that ends. The file stays. One thread.

#include "drivers/shared_port.hpp"

#include <string>

namespace ombt::drivers::direct {

class port_lock {
 public:
  explicit port_lock(std::string file) : file_(std::move(file)) {}
  ~port_lock() { release(); }
  port_lock(const port_lock&) = delete;
  port_lock& operator=(const port_lock&) = delete;

  /// Whether it is ours now; does not wait. Throws configuration_error where the file cannot be
  /// made, is none, or is another user's, who could keep the lock.
  bool take();
  /// What others have of it now; takes it for a moment, which may cost another a try.
  port_use use() const;
  void release();
  const std::string& file() const noexcept { return file_; }
  /// The file was there before: another process has had the lock, maybe until a moment ago.
  bool had_owners() const noexcept { return !made_; }

 private:
  void open();

  std::string file_;
  int descriptor_ = -1;
  bool made_ = false;  ///< the file, by this process
};

}  // namespace ombt::drivers::direct
