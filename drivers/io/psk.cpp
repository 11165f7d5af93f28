// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/psk.hpp"

#include "wire/configuration_error.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

#include <string>

namespace ombt::drivers::io {

struct psk_settings::shared {
  std::string identity;
  key secret;
};

namespace {

constexpr unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};  // RFC 8446, B.4

[[noreturn]] void cannot(const char* what) {
  ERR_clear_error();
  throw configuration_error(std::string("OpenSSL cannot ") + what);
}

int index_of_settings() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

template <class Shared>
const Shared& settings_of(SSL* tls) {
  return *static_cast<const Shared*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(tls), index_of_settings()));
}

/// The session that stands for the key; null where there is no memory.
SSL_SESSION* session_of(SSL* tls, const psk_settings::key& secret) {
  SSL_SESSION* const session = SSL_SESSION_new();
  const SSL_CIPHER* const cipher = SSL_CIPHER_find(tls, aes_128_gcm_sha256);
  if (session == nullptr || cipher == nullptr ||
      SSL_SESSION_set1_master_key(session, secret.data(), secret.size()) != 1 ||
      SSL_SESSION_set_cipher(session, cipher) != 1 ||
      SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) != 1) {
    SSL_SESSION_free(session);
    return nullptr;
  }
  return session;
}

template <class Shared>
int use_session(SSL* tls, const EVP_MD*, const unsigned char** identity, std::size_t* size,
                SSL_SESSION** session) {
  const Shared& ours = settings_of<Shared>(tls);
  *session = session_of(tls, ours.secret);
  *identity = reinterpret_cast<const unsigned char*>(ours.identity.data());
  *size = ours.identity.size();
  return *session == nullptr ? 0 : 1;
}

template <class Shared>
int find_session(SSL* tls, const unsigned char* identity, std::size_t size, SSL_SESSION** session) {
  const Shared& ours = settings_of<Shared>(tls);
  *session = nullptr;
  // Without a session it comes to certificates, of which there are none: the handshake fails.
  if (std::string_view(reinterpret_cast<const char*>(identity), size) != ours.identity) return 1;
  *session = session_of(tls, ours.secret);
  return *session == nullptr ? 0 : 1;
}

}  // namespace

psk_settings::key psk_settings::derive(std::string_view secret, std::string_view info) {
  const auto bytes = [](std::string_view from) {
    return const_cast<char*>(from.data());  // of OpenSSL's parameters, which it only reads
  };
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, bytes(secret), secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, bytes(info), info.size()),
      OSSL_PARAM_construct_end()};
  key out{};
  EVP_KDF* const method = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  EVP_KDF_CTX* const context = EVP_KDF_CTX_new(method);
  const bool derived =
      context != nullptr && EVP_KDF_derive(context, out.data(), out.size(), parameters) == 1;
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(method);
  if (!derived) cannot("derive a key (HKDF with SHA-256)");
  return out;
}

psk_settings::psk_settings(std::string_view identity, const key& with)
    : shared_(std::make_unique<const shared>(shared{std::string(identity), with})),
      context_(SSL_CTX_new(TLS_method())) {
  SSL_CTX* const context = context_;
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
      SSL_CTX_set_num_tickets(context, 0) != 1 ||
      SSL_CTX_set_ex_data(context, index_of_settings(), const_cast<shared*>(shared_.get())) != 1) {
    SSL_CTX_free(context);
    cannot("set up TLS 1.3");
  }
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_clear_options(context, SSL_OP_ENABLE_MIDDLEBOX_COMPAT | SSL_OP_ALLOW_NO_DHE_KEX);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_psk_use_session_callback(context, use_session<shared>);
  SSL_CTX_set_psk_find_session_callback(context, find_session<shared>);
}

psk_settings::~psk_settings() { SSL_CTX_free(context_); }

}  // namespace ombt::drivers::io
