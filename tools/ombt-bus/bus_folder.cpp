// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/bus_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace ombt::tools::bus {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view folder_prefix = "ombt-bus-";

// Folders of supervisors that were killed, told by their lock, which nobody holds any more. Young
// ones are left alone: their owner may not have locked them yet.
void remove_abandoned(const std::string& parent) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    if (entry.path().filename().string().rfind(folder_prefix, 0) != 0) continue;
    struct stat info {};
    if (lstat(entry.path().c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) continue;
    if (info.st_uid != geteuid() || std::time(nullptr) - info.st_mtime < 60) continue;
    const int lock = open((entry.path() / "lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0) continue;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) fs::remove_all(entry.path(), ignored);
    close(lock);
  }
}

}  // namespace

bus_folder::bus_folder(const std::string& parent) {
  remove_abandoned(parent);
  name_ = parent + "/" + std::string(folder_prefix) + std::to_string(getpid()) + "-XXXXXX";
  if (mkdtemp(name_.data()) == nullptr) {
    throw std::runtime_error("cannot make a folder in " + parent + ": " + std::strerror(errno));
  }
  lock_ = open(path("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (lock_ >= 0) flock(lock_, LOCK_EX | LOCK_NB);
}

bus_folder::~bus_folder() {
  std::error_code ignored;
  fs::remove_all(name_, ignored);
  if (lock_ >= 0) close(lock_);
}

void bus_folder::record_pid(int pid) const {
  write_file(path("broker.pid.new"), std::to_string(pid) + "\n", S_IRUSR | S_IWUSR);
  std::error_code ignored;
  fs::rename(path("broker.pid.new"), path("broker.pid"), ignored);
}

void write_file(const std::string& path, std::string_view text, mode_t mode) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  bool good = fd >= 0;
  while (good && !text.empty()) {
    const auto put = write(fd, text.data(), text.size());
    good = put > 0;
    if (good) text.remove_prefix(static_cast<std::size_t>(put));
  }
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!good) throw std::runtime_error("cannot write " + path + ": " + std::strerror(error));
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string last_lines(const std::string& text, std::size_t lines) {
  std::size_t start = text.size();
  if (start > 0 && text.back() == '\n') --start;
  while (start > 0 && lines > 0) {
    if (text[start - 1] == '\n' && --lines == 0) break;
    --start;
  }
  return text.substr(start);
}

}  // namespace ombt::tools::bus
