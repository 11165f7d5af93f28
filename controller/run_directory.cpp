// SPDX-License-Identifier: Apache-2.0
#include "controller/run_directory.hpp"

#include "wire/configuration_error.hpp"

#include "controller/whole_file.hpp"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace ombt::controller {
namespace {

/// More folders of that name than this would be absurd.
constexpr int most_incomplete = 1000;

}  // namespace

run_directory::run_directory(std::string path) : path_{std::move(path)} {
  const auto refuse = [&](int cause) {
    return configuration_error("--out " + path_ + ": " + std::strerror(cause));
  };
  if (path_.empty()) throw configuration_error("--out: empty folder name");
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  if (::mkdir(path_.c_str(), 0777) != 0) {
    if (errno != EEXIST) throw refuse(errno);
    throw configuration_error("--out " + path_ +
                              ": exists already; a run gets a folder of its own");
  }
  if (const int cause = lacks_room(path_ + "/.room", room_for_results); cause != 0) {
    ::rmdir(path_.c_str());
    throw refuse(cause);
  }
}

run_directory::~run_directory() { ::rmdir(path_.c_str()); }  // fails where there is a file in it

bool run_directory::put(std::string_view name, std::string_view content, std::string& why) try {
  if (whole_file(path_ + '/' + std::string{name}, "--out", 0).commit(content, why)) return true;
  whole_ = false;
  return false;
} catch (const configuration_error& e) {
  why = e.what();
  whole_ = false;
  return false;
}

bool run_directory::finish(std::string& why) {
  if (whole_) return true;
  why = "--out " + path_ + ": ";
  if (::rmdir(path_.c_str()) == 0) {
    why += "nothing could be written";
    return false;
  }
  why += "incomplete";
  for (int number = 1; number <= most_incomplete; ++number) {
    const std::string name =
        path_ + ".incomplete" + (number > 1 ? "-" + std::to_string(number) : "");
    if (::rename(path_.c_str(), name.c_str()) == 0) {
      path_ = name;
      why += "; what could be written is in " + name;
      break;
    }
    if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR) break;
  }
  return false;
}

}  // namespace ombt::controller
