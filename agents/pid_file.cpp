// SPDX-License-Identifier: Apache-2.0
#include "agents/pid_file.hpp"

#include "wire/configuration_error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace ombt::agents {
namespace {

/// Writes a new file; empty, or why it could not.
std::string write_new(const std::string& path, const std::string& text) {
  ::unlink(path.c_str());
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return std::strerror(errno);
  const auto size = static_cast<ssize_t>(text.size());
  errno = 0;
  const bool whole = ::write(file, text.data(), text.size()) == size;
  const int error = errno != 0 ? errno : EIO;
  if (::close(file) == 0 && whole) return {};
  ::unlink(path.c_str());
  return std::strerror(error);
}

}  // namespace

pid_file::pid_file(const std::string& path)
    : path_(std::filesystem::absolute(path)),
      temporary_(path_ + "." + std::to_string(::getpid())),
      text_(std::to_string(::getpid()) + "\n") {
  std::error_code error;
  if (std::filesystem::is_directory(path_, error)) {
    throw configuration_error("--pid-file " + path + ": is a folder");
  }
  if (const std::string why = write_new(temporary_, text_); !why.empty()) {
    throw configuration_error("--pid-file " + path + ": " + why);
  }
}

pid_file::~pid_file() {
  if (!written_) {
    ::unlink(temporary_.c_str());
    return;
  }
  std::ifstream file(path_);
  std::string now;
  if (std::getline(file, now) && now + "\n" == text_) ::unlink(path_.c_str());
}

std::string pid_file::write() {
  written_ = std::rename(temporary_.c_str(), path_.c_str()) == 0;
  return written_ ? "" : std::strerror(errno);
}

}  // namespace ombt::agents
