// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/stream.hpp"

#include "wire/configuration_error.hpp"

#include <boost/asio/error.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <sys/socket.h>

namespace ombt::drivers::io {
namespace {

std::string openssl_words() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown TLS error" : reason;
}

[[noreturn]] void refuse(const std::string& what, const std::string& file) {
  throw configuration_error(what + " '" + file + "': " + openssl_words());
}

error_code last_error() { return {errno, boost::system::system_category()}; }

}  // namespace

tls_settings::tls_settings(const files& f)
    : context_(SSL_CTX_new(TLS_client_method())), verify_hostname_(f.verify_hostname) {
  if (context_ == nullptr) throw configuration_error("TLS cannot be set up: " + openssl_words());
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> guard(context_, SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
  if (!f.ca_file.empty()) {
    if (SSL_CTX_load_verify_locations(context_, f.ca_file.c_str(), nullptr) != 1) {
      refuse("ssl_ca_file", f.ca_file);
    }
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  }
  if (!f.cert_file.empty()) {
    if (!f.key_password.empty()) {
      SSL_CTX_set_default_passwd_cb_userdata(context_, const_cast<char*>(f.key_password.c_str()));
    }
    if (SSL_CTX_use_certificate_chain_file(context_, f.cert_file.c_str()) != 1) {
      refuse("ssl_cert_file", f.cert_file);
    }
    const std::string& key = f.key_file.empty() ? f.cert_file : f.key_file;
    if (SSL_CTX_use_PrivateKey_file(context_, key.c_str(), SSL_FILETYPE_PEM) != 1) {
      refuse("ssl_key_file", key);
    }
    SSL_CTX_set_default_passwd_cb_userdata(context_, nullptr);
  }
  guard.release();
}

tls_settings::~tls_settings() { SSL_CTX_free(context_); }

stream::stream(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
}

stream::~stream() { close(); }

void stream::start_tls(const tls_settings& settings, const std::string& host) {
  tls_ = SSL_new(settings.context_);
  SSL_set_fd(tls_, static_cast<int>(socket_.native_handle()));
  SSL_set_connect_state(tls_);
  SSL_set_tlsext_host_name(tls_, host.c_str());
  if (settings.verify_hostname_) SSL_set1_host(tls_, host.c_str());
}

io_result stream::handshake() { return tls_result(SSL_do_handshake(tls_)); }

io_result stream::tls_result(int outcome) {
  if (outcome > 0) return {io_status::done, static_cast<std::size_t>(outcome), {}};
  const int saved_errno = errno;
  switch (SSL_get_error(tls_, outcome)) {
    case SSL_ERROR_WANT_READ:
      return {io_status::want_read, 0, {}};
    case SSL_ERROR_WANT_WRITE:
      return {io_status::want_write, 0, {}};
    case SSL_ERROR_ZERO_RETURN:
      return {io_status::end_of_file, 0, {}};
    case SSL_ERROR_SYSCALL:
      if (saved_errno == 0) return {io_status::end_of_file, 0, {}};
      return {io_status::failed, 0, {saved_errno, boost::system::system_category()}};
    default: {
      const long verified = SSL_get_verify_result(tls_);
      tls_error_ = openssl_words();
      if (verified != X509_V_OK) {
        tls_error_ += std::string(": ") + X509_verify_cert_error_string(verified);
      }
      return {io_status::failed, 0, errc::wrong_protocol};
    }
  }
}

io_result stream::read_some(std::span<char> into) {
  if (tls_ != nullptr) {
    errno = 0;
    ERR_clear_error();
    return tls_result(SSL_read(tls_, into.data(), static_cast<int>(into.size())));
  }
  for (;;) {
    const auto n = ::recv(socket_.native_handle(), into.data(), into.size(), 0);
    if (n > 0) return {io_status::done, static_cast<std::size_t>(n), {}};
    if (n == 0) return {io_status::end_of_file, 0, {}};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {io_status::want_read, 0, {}};
    return {io_status::failed, 0, last_error()};
  }
}

io_result stream::write_some(std::span<const char> from) {
  if (tls_ != nullptr) {
    errno = 0;
    ERR_clear_error();
    return tls_result(SSL_write(tls_, from.data(), static_cast<int>(from.size())));
  }
  for (;;) {
    const auto n = ::send(socket_.native_handle(), from.data(), from.size(), MSG_NOSIGNAL);
    if (n >= 0) return {io_status::done, static_cast<std::size_t>(n), {}};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {io_status::want_write, 0, {}};
    return {io_status::failed, 0, last_error()};
  }
}

bool stream::has_pending() const noexcept { return tls_ != nullptr && SSL_pending(tls_) > 0; }

void stream::close() noexcept {
  if (tls_ != nullptr) {
    if (SSL_is_init_finished(tls_)) SSL_shutdown(tls_);
    ERR_clear_error();
    SSL_free(tls_);
    tls_ = nullptr;
  }
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace ombt::drivers::io
