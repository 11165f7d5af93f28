// SPDX-License-Identifier: Apache-2.0
#include "drivers/direct/port_lock.hpp"

#include "wire/configuration_error.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace ombt::drivers::direct {

bool port_lock::take() {
  if (descriptor_ < 0) open();
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK || errno == EINTR) return false;
    throw configuration_error("the lock '" + file_ + "': " + std::strerror(errno));
  }
  // Somebody may have removed the file, and others lock the one that was made after it.
  struct stat ours {
  }, there{};
  if (::fstat(descriptor_, &ours) == 0 && ::stat(file_.c_str(), &there) == 0 &&
      ours.st_dev == there.st_dev && ours.st_ino == there.st_ino) {
    return true;
  }
  release();
  return false;
}

port_use port_lock::use() const {
  const int there = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (there < 0) return port_use::never;
  const bool owned = ::flock(there, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(there);
  return owned ? port_use::owned : port_use::free;
}

void port_lock::open() {
  const auto refuse = [this](const std::string& why) {
    release();
    throw configuration_error("the lock '" + file_ + "': " + why);
  };
  constexpr int how = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  descriptor_ = ::open(file_.c_str(), how | O_EXCL, 0600);
  made_ = descriptor_ >= 0;
  if (!made_) descriptor_ = ::open(file_.c_str(), how, 0600);
  if (descriptor_ < 0) refuse(std::strerror(errno));
  struct stat what {};
  if (::fstat(descriptor_, &what) != 0) refuse(std::strerror(errno));
  if (!S_ISREG(what.st_mode)) refuse("not a regular file");
  if (what.st_uid != ::geteuid()) refuse("it is another user's");
}

void port_lock::release() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

}  // namespace ombt::drivers::direct
