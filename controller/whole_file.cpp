// SPDX-License-Identifier: Apache-2.0
#include "controller/whole_file.hpp"

#include "wire/configuration_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace ombt::controller {
namespace {

/// Where a symbolic link leads, so that the rename replaces the file and not the link.
std::string resolved(const std::string& path) {
  char* const real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string out = real;
  std::free(real);
  return out;
}

/// 0, or why a device takes nothing (/dev/full); others than character devices are not tried.
int refuses_writing(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return errno;
  if (!S_ISCHR(status.st_mode)) return 0;
  return ::write(descriptor, "", 0) == 0 ? 0 : errno;
}

int refuses_writing(const std::string& device) {
  const int file = ::open(device.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file < 0) return errno;
  const int cause = refuses_writing(file);
  ::close(file);
  return cause;
}

std::string told_name(const std::string& path) { return path == "-" ? "standard output" : path; }

}  // namespace

int lacks_room(const std::string& name, long bytes) {
  if (bytes <= 0) return 0;
  ::unlink(name.c_str());
  const int file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return errno;
  ::unlink(name.c_str());  // at once: whatever ends this process, the name does not stay
  int cause = 0;
  do {
    cause = ::posix_fallocate(file, 0, bytes);
  } while (cause == EINTR);
  ::close(file);
  return cause == EOPNOTSUPP || cause == EINVAL ? 0 : cause;
}

whole_file::whole_file(std::string path, std::string_view option, long room)
    : path_{std::move(path)} {
  const auto refuse = [&](int cause) {
    return configuration_error(std::string{option} + ' ' + told_name(path_) + ": " +
                               std::strerror(cause));
  };
  if (path_.empty()) throw configuration_error(std::string{option} + ": empty file name");
  if (path_ == "-") {
    if (const int cause = refuses_writing(STDOUT_FILENO); cause != 0) throw refuse(cause);
    return;
  }
  path_ = resolved(path_);
  struct stat status {};
  if (::stat(path_.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) throw refuse(EISDIR);
    if (S_ISCHR(status.st_mode)) {
      if (const int cause = refuses_writing(path_); cause != 0) throw refuse(cause);
    }
    if (!S_ISREG(status.st_mode)) return;  // opened when it is written: a pipe may block
    if (::access(path_.c_str(), W_OK) != 0) throw refuse(errno);
  }
  // The temporary file is made when it is written: a run that is killed leaves none behind.
  const auto slash = path_.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : path_.substr(0, std::max<std::size_t>(slash, 1));
  if (::access(folder.c_str(), W_OK | X_OK) != 0) throw refuse(errno);
  temporary_ = path_ + ".ombt-" + std::to_string(::getpid());
  if (const int cause = lacks_room(temporary_, room); cause != 0) throw refuse(cause);
}

bool whole_file::commit(std::string_view content, std::string& why) const {
  const bool direct = temporary_.empty();
  int to = STDOUT_FILENO;
  if (path_ != "-") {
    to = direct ? ::open(path_.c_str(), O_WRONLY | O_CLOEXEC)
                : ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  }
  bool ok = to >= 0;
  while (ok && !content.empty()) {
    const ssize_t written = ::write(to, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    ok = written >= 0;
    if (ok) content.remove_prefix(static_cast<std::size_t>(written));
  }
  int cause = ok ? 0 : errno;
  if (to > STDOUT_FILENO && ::close(to) != 0 && ok) {
    cause = errno;
    ok = false;
  }
  if (ok && !direct && ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    cause = errno;
    ok = false;
  }
  if (!ok && !direct) ::unlink(temporary_.c_str());
  if (!ok) why = told_name(path_) + ": " + std::strerror(cause);
  return ok;
}

}  // namespace ombt::controller
