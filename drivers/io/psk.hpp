// SPDX-License-Identifier: Apache-2.0
#pragma once
// TLS 1.3 between two who have the same key and no certificates: an external pre-shared key (RFC
// 8446, 2.2 and 4.2.11) with a fresh Diffie-Hellman exchange, TLS_AES_128_GCM_SHA256, no tickets,
// no early data. Each end has proven that it has the key when the handshake is over. Immutable, any
// thread; outlives the streams that use it.

#include <array>
#include <memory>
#include <string_view>

struct ssl_ctx_st;

namespace ombt::drivers::io {

class psk_settings {
 public:
  using key = std::array<unsigned char, 32>;
  /// What a peer may send before it has proven itself, bytes.
  static constexpr std::size_t unproven_limit = 4096;

  /// HKDF-SHA256 (RFC 5869) of the secret, without salt, with this info.
  static key derive(std::string_view secret, std::string_view info);

  /// `identity`: the key's name in the clear. Throws configuration_error where OpenSSL can't.
  psk_settings(std::string_view identity, const key& with);
  psk_settings(const psk_settings&) = delete;
  psk_settings& operator=(const psk_settings&) = delete;
  ~psk_settings();

 private:
  friend class stream;
  struct shared;
  std::unique_ptr<const shared> shared_;
  ssl_ctx_st* context_;
};

}  // namespace ombt::drivers::io
