// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file that is written whole or not at all: a temporary name beside it, then a rename. Made
// before a run, so that a folder that cannot be written, or has no room, shows before anything
// connects.

#include <string>
#include <string_view>

namespace ombt::controller {

/// Bytes that must be free where results are to go, so that a full disk shows early.
inline constexpr long room_for_results = 1L << 20;

/// 0, or why a new file of this name could not take so many bytes (errno); none of 0. What has the
/// name goes.
/// Not every file system can reserve them; one that can't is believed.
int lacks_room(const std::string& name, long bytes);

/// The place of a report. "-" is standard output; a file that exists and is no regular one (a
/// pipe, /dev/null) is written directly.
class whole_file {
 public:
  /// Nothing, until given a path.
  whole_file() = default;
  /// Throws configuration_error ("--json FILE: cause") if it cannot be written or there is no room
  /// for so many bytes; option is the name to say.
  whole_file(std::string path, std::string_view option, long room = room_for_results);

  explicit operator bool() const noexcept { return !path_.empty(); }
  /// Writes the content and puts it in place. False: why says the cause, the file is as it
  /// was.
  bool commit(std::string_view content, std::string& why) const;

 private:
  std::string path_;
  std::string temporary_;  ///< empty: written directly
};

}  // namespace ombt::controller
