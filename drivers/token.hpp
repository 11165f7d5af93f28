// SPDX-License-Identifier: Apache-2.0
#pragma once
// The secret that controllers and agents of one owner share, in a file that nobody else can read;
// and the key of their TLS 1.3 connections, derived from it (HKDF-SHA256). Immutable, any thread.

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace ombt::drivers {

namespace io {
class psk_settings;
}

class token {
 public:
  static constexpr std::size_t least_bytes = 16;
  static constexpr std::size_t most_bytes = 4096;

  /// The file's text without white space at its ends. Throws configuration_error, which names the
  /// file and what to do: missing, not a regular file, another user's, readable by others, too
  /// short or long.
  static std::shared_ptr<const token> read(const std::string& file);
  /// The same of the usual file, which is made with mode 0600 and 256 random bits where there is
  /// none; two that do so at once agree.
  static std::shared_ptr<const token> read_or_make(const std::string& file);
  /// `named` (--token-file) if it is not empty, else OMBT_TOKEN_FILE, both of which must exist;
  /// else
  /// ~/.config/ombt/token, which is made.
  static std::shared_ptr<const token> find(const std::string& named);

  explicit token(std::string_view text);
  ~token();
  token(const token&) = delete;
  token& operator=(const token&) = delete;

  const std::array<unsigned char, 32>& key() const noexcept { return key_; }
  /// TLS with that key.
  const io::psk_settings& tls() const noexcept { return *tls_; }

 private:
  std::array<unsigned char, 32> key_;
  std::unique_ptr<const io::psk_settings> tls_;
};

}  // namespace ombt::drivers
