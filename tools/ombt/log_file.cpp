// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt/log_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace ombt::tools {

log_file::~log_file() { finish(0); }

std::string log_file::refusal() const {
  if (prefix_.empty()) return {};
  const std::size_t slash = prefix_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : prefix_.substr(0, slash + 1);
  if (::access(folder.c_str(), W_OK | X_OK) == 0) return {};
  return "--logfile-prefix " + prefix_ + ": " + std::strerror(errno);
}

void log_file::start() {
  if (prefix_.empty() || saved_ >= 0) return;
  path_ = prefix_ + std::to_string(::getpid());
  const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) {
    std::fprintf(stderr, "ombt: --logfile-prefix: %s: %s\n", path_.c_str(), std::strerror(errno));
    return;
  }
  std::fflush(stderr);
  saved_ = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  ::dup2(file, STDERR_FILENO);
  ::close(file);
}

void log_file::finish(int status) {
  if (saved_ < 0) return;
  std::fflush(stderr);
  ::dup2(saved_, STDERR_FILENO);
  ::close(std::exchange(saved_, -1));
  if (status != 0) std::fprintf(stderr, "ombt: failed; the log is %s\n", path_.c_str());
}

}  // namespace ombt::tools
