// SPDX-License-Identifier: Apache-2.0
#include "controller/watch/proc_files.hpp"

#include <cerrno>
#include <charconv>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace ombt::controller {
namespace {

using directory = std::unique_ptr<DIR, int (*)(DIR*)>;

directory open_directory(const std::string& path) { return {::opendir(path.c_str()), &::closedir}; }

/// Calls take(name) for every entry but "." and "..".
template <class Take>
void each_entry(DIR* in, Take take) {
  while (const dirent* entry = ::readdir(in)) {
    if (entry->d_name[0] != '.') take(entry->d_name);
  }
}

/// Calls take(piece) for what a file holds; false if it cannot be read.
template <class Take>
bool read_file(const std::string& path, Take take) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char buffer[65'536];
  ssize_t got = 0;
  while ((got = ::read(file, buffer, sizeof buffer)) > 0) {
    take(std::string_view{buffer, static_cast<std::size_t>(got)});
  }
  ::close(file);
  return got == 0;
}

/// Those of the sockets that a process has open.
std::set<std::uint64_t> held_in(const std::string& folder, DIR* in,
                                const std::set<std::uint64_t>& inodes) {
  std::set<std::uint64_t> out;
  each_entry(in, [&](const char* name) {
    char link[64];
    const auto size = ::readlink((folder + '/' + name).c_str(), link, sizeof link);
    if (size <= 0) return;
    const auto inode = socket_inode({link, static_cast<std::size_t>(size)});
    if (inode && inodes.contains(*inode)) out.insert(*inode);
  });
  return out;
}

}  // namespace

void proc_files::each_socket(const std::function<void(const socket_row&)>& take) const {
  for (const char* name : {"/net/tcp", "/net/tcp6"}) {
    socket_table table;
    read_file(root_ + name, [&](std::string_view piece) { table.feed(piece, take); });
  }
}

std::optional<process_stat> proc_files::stat(std::int64_t pid) const {
  std::string text;
  const bool read = read_file(root_ + '/' + std::to_string(pid) + "/stat",
                              [&](std::string_view piece) { text += piece; });
  if (!read) return {};
  return read_process_stat(text);
}

std::optional<std::uint64_t> proc_files::descriptors(std::int64_t pid) const {
  const std::string folder = root_ + '/' + std::to_string(pid) + "/fd";
  const directory open = open_directory(folder);
  if (!open) return {};
  // Linux 6.2 and later have the number at hand.
  struct stat about {};
  if (::fstat(::dirfd(open.get()), &about) == 0 && root_ == "/proc" && about.st_size > 0) {
    return static_cast<std::uint64_t>(about.st_size);
  }
  std::uint64_t count = 0;
  each_entry(open.get(), [&](const char*) { ++count; });
  return count;
}

socket_holders proc_files::holders(const std::set<std::uint64_t>& inodes) const {
  socket_holders out;
  const directory all = open_directory(root_);
  if (!all || inodes.empty()) return out;
  each_entry(all.get(), [&](const char* name) {
    std::int64_t pid = 0;
    const std::string_view text{name};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc{} || end != text.data() + text.size()) return;
    const std::string folder = root_ + '/' + name + "/fd";
    const directory open = open_directory(folder);
    if (!open) {
      out.refused = out.refused || errno == EACCES || errno == EPERM;
    } else if (auto held = held_in(folder, open.get(), inodes); !held.empty()) {
      out.inodes.emplace(pid, std::move(held));
    }
  });
  return out;
}

}  // namespace ombt::controller
