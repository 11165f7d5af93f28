// SPDX-License-Identifier: Apache-2.0
#include "drivers/token.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/io/psk.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <pwd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace ombt::drivers {
namespace {

constexpr std::string_view key_info = "ombt direct control 1";
constexpr std::string_view key_identity = "ombt";
constexpr std::string_view white_space = " \t\r\n\v\f";
constexpr std::size_t random_bytes = 32;

[[noreturn]] void refuse_token(const std::string& file, const std::string& why) {
  throw configuration_error("token file '" + file + "': " + why);
}

/// A descriptor that closes itself.
class open_file {
 public:
  open_file(const std::string& file, int flags, mode_t mode = 0) noexcept
      : descriptor_(::open(file.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode)) {}
  ~open_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;
  int descriptor() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

/// At most so many bytes, from where the file stands.
std::string read_most(const std::string& file, int descriptor, std::size_t most) {
  std::string text(most, '\0');
  std::size_t size = 0;
  while (size < most) {
    const ssize_t n = ::read(descriptor, text.data() + size, most - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) refuse_token(file, std::strerror(errno));
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  text.resize(size);
  return text;
}

std::string_view without_white_space(std::string_view text) {
  const auto first = text.find_first_not_of(white_space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

std::string home() {
  if (const char* named = std::getenv("HOME"); named != nullptr && *named != '\0') return named;
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr || found->pw_dir == nullptr || *found->pw_dir == '\0') {
    throw configuration_error(
        "there is no home folder for the token: name a file by --token-file or OMBT_TOKEN_FILE");
  }
  return found->pw_dir;
}

std::string random_hex() {
  unsigned char bytes[random_bytes];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) {
    throw configuration_error("the kernel gives no random bytes for a token");
  }
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

/// All folders that the file is in.
void make_folders(const std::string& file) {
  for (auto end = file.find('/', 1); end != std::string::npos; end = file.find('/', end + 1)) {
    const std::string folder = file.substr(0, end);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      // One that is there and cannot be written (EACCES, EROFS) matters only where the next is
      // made.
      struct stat there {};
      const int error = errno;
      if (::stat(folder.c_str(), &there) == 0) continue;
      refuse_token(file, "its folder '" + folder + "' cannot be made: " + std::strerror(error));
    }
  }
}

/// Nobody sees the file before it is whole, and nobody's is replaced.
void make_token(const std::string& file) {
  make_folders(file);
  const std::string text = random_hex() + '\n';
  const std::string unfinished = file + '.' + random_hex().substr(0, 16);
  const auto cannot = [&](const char* step) {
    const std::string words = std::strerror(errno);
    ::unlink(unfinished.c_str());
    refuse_token(file, std::string("it cannot be made (") + step + "): " + words +
                           "; name another by --token-file or OMBT_TOKEN_FILE");
  };
  {
    const open_file made(unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (made.descriptor() < 0) cannot("create");
    if (::fchmod(made.descriptor(), 0600) != 0) cannot("chmod");
    if (::write(made.descriptor(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(made.descriptor()) != 0) {
      cannot("write");
    }
  }
  if (::link(unfinished.c_str(), file.c_str()) != 0 && errno != EEXIST) cannot("link");
  ::unlink(unfinished.c_str());
}

std::shared_ptr<const token> read_token(const std::string& file) {
  // O_NONBLOCK: a pipe of that name does not hold us up.
  const open_file from(file, O_RDONLY | O_NONBLOCK);
  if (from.descriptor() < 0) {
    if (errno != ENOENT) refuse_token(file, std::strerror(errno));
    refuse_token(file, "there is none: copy it from where agents or controllers have it");
  }
  struct stat what {};
  if (::fstat(from.descriptor(), &what) != 0) refuse_token(file, std::strerror(errno));
  if (!S_ISREG(what.st_mode)) refuse_token(file, "not a regular file");
  if (what.st_uid != ::geteuid()) {
    refuse_token(file, "it is another user's (uid " + std::to_string(what.st_uid) +
                           "): copy it to a file of your own");
  }
  if ((what.st_mode & 077) != 0) {
    refuse_token(file, "others may read or write it; if nobody has: chmod 600 " + file);
  }
  // White space may stand around it, but no more than that.
  const std::string text = read_most(file, from.descriptor(), 2 * token::most_bytes);
  const std::string_view secret = without_white_space(text);
  const auto length = [](std::size_t bytes) { return std::to_string(bytes) + " bytes"; };
  if (secret.size() < token::least_bytes) {
    refuse_token(file, "too short, less than " + length(token::least_bytes) +
                           ": remove it, and a new one is made, or copy it again");
  }
  if (secret.size() > token::most_bytes || text.size() == 2 * token::most_bytes) {
    refuse_token(file, "too long, more than " + length(token::most_bytes));
  }
  return std::make_shared<const token>(secret);
}

}  // namespace

std::shared_ptr<const token> token::read(const std::string& file) { return read_token(file); }

std::shared_ptr<const token> token::read_or_make(const std::string& file) {
  struct stat there {};
  if (::lstat(file.c_str(), &there) != 0 && errno == ENOENT) make_token(file);
  return read_token(file);
}

std::shared_ptr<const token> token::find(const std::string& named) {
  if (!named.empty()) return read_token(named);
  if (const char* file = std::getenv("OMBT_TOKEN_FILE"); file != nullptr && *file != '\0') {
    return read_token(file);
  }
  return read_or_make(home() + "/.config/ombt/token");
}

token::token(std::string_view text)
    : key_(io::psk_settings::derive(text, key_info)),
      tls_(std::make_unique<const io::psk_settings>(key_identity, key_)) {}

token::~token() = default;

}  // namespace ombt::drivers
