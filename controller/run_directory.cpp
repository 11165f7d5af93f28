// SPDX-License-Identifier: Apache-2.0
#include "controller/run_directory.hpp"

#include "wire/configuration_error.hpp"

#include "controller/whole_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace ombt::controller {
namespace {

/// 0, or why the folder cannot take so many bytes. Not every file system can reserve them; one that
/// can't is believed.
int lacks_room(const std::string& folder, long bytes) {
  const std::string name = folder + "/.room";
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

}  // namespace

run_directory::run_directory(std::string path) : path_{std::move(path)} {
  const auto refuse = [&](int cause) {
    return configuration_error("--out " + path_ + ": " + std::strerror(cause));
  };
  if (path_.empty()) throw configuration_error("--out: empty folder name");
  if (::mkdir(path_.c_str(), 0777) != 0) {
    if (errno != EEXIST) throw refuse(errno);
    throw configuration_error("--out " + path_ +
                              ": exists already; a run gets a folder of its own");
  }
  if (const int cause = lacks_room(path_, room); cause != 0) {
    ::rmdir(path_.c_str());
    throw refuse(cause);
  }
}

run_directory::~run_directory() { ::rmdir(path_.c_str()); }  // fails where there is a file in it

bool run_directory::put(std::string_view name, std::string_view content, std::string& why) const
    try {
  return whole_file(path_ + '/' + std::string{name}, "--out").commit(content, why);
} catch (const configuration_error& e) {
  why = e.what();
  return false;
}

}  // namespace ombt::controller
