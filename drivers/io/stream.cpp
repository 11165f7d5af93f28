// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/stream.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/io/psk.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <sys/socket.h>
#include <unistd.h>

namespace ombt::drivers::io {
namespace {

// --- words ------------------------------------------------------------------------------------

std::string reason_of(unsigned long code) {
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown TLS error" : reason;
}

std::string openssl_words() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  return reason_of(code);
}

std::string certificate_words(long verified) {
  switch (verified) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "it has expired";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return "it is self-signed and not among the trusted ones (ssl_ca_file)";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "no trusted authority has signed it (ssl_ca_file)";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "it does not name the host of the URL";
    default:
      return X509_verify_cert_error_string(verified);
  }
}

/// Alerts of the peer, RFC 8446 section 6.
std::string alert_words(int alert) {
  switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:
      return "the peer refuses: no cipher in common, or it requires a client certificate "
             "(ssl_cert_file)";
    case SSL_AD_PROTOCOL_VERSION:
      return "the peer refuses this version of TLS (ssl_version)";
    case SSL_AD_CERTIFICATE_REQUIRED:
      return "the peer requires a client certificate (ssl_cert_file)";
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
      return std::string("the peer refuses the client certificate (ssl_cert_file): ") +
             SSL_alert_desc_string_long(alert);
    default:
      return std::string("the peer broke off: ") + SSL_alert_desc_string_long(alert);
  }
}

/// A value of the category: OpenSSL's packed code, or a result of verification, negated.
class tls_words final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int value) const override {
    if (value < 0) return "the peer's certificate is refused: " + certificate_words(-long{value});
    const auto code = static_cast<unsigned long>(value);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
      const int reason = ERR_GET_REASON(code);
      if (reason == SSL_R_WRONG_VERSION_NUMBER) {
        return "what the peer sent is not TLS (ssl=1 in the URL asks for it)";
      }
      if (reason >= SSL_AD_REASON_OFFSET) return alert_words(reason - SSL_AD_REASON_OFFSET);
    }
    return reason_of(code);
  }
};

error_code last_error() { return {errno, boost::system::system_category()}; }

// --- settings ---------------------------------------------------------------------------------

[[noreturn]] void refuse(const std::string& what, const std::string& file, const std::string& why) {
  ERR_clear_error();
  throw configuration_error(what + " '" + file + "': " + why);
}

void check_readable(const std::string& what, const std::string& file) {
  if (::access(file.c_str(), R_OK) != 0) refuse(what, file, std::strerror(errno));
}

/// What OpenSSL asks a key's password of, instead of the terminal.
struct key_password {
  const std::string& text;
  bool asked = false;
};

int give_password(char* into, int size, int, void* from) {
  auto& password = *static_cast<key_password*>(from);
  password.asked = true;
  if (password.text.empty() || password.text.size() > static_cast<std::size_t>(size)) return -1;
  std::copy(password.text.begin(), password.text.end(), into);
  return static_cast<int>(password.text.size());
}

void set_version(SSL_CTX* context, const std::string& version) {
  int only = 0;
  if (version == "TLSv1") only = TLS1_VERSION;
  if (version == "TLSv1_1") only = TLS1_1_VERSION;
  if (version == "TLSv1_2") only = TLS1_2_VERSION;
  SSL_CTX_set_min_proto_version(context, only == 0 ? TLS1_2_VERSION : only);
  SSL_CTX_set_max_proto_version(context, only);
}

void load_authorities(SSL_CTX* context, const std::string& file, bool system_too) {
  if (file.empty() || system_too) SSL_CTX_set_default_verify_paths(context);
  if (file.empty()) return;
  check_readable("ssl_ca_file", file);
  ERR_clear_error();
  if (SSL_CTX_load_verify_locations(context, file.c_str(), nullptr) != 1) {
    refuse("ssl_ca_file", file, "no usable certificate (PEM): " + openssl_words());
  }
}

void load_certificate(SSL_CTX* context, const tls_settings::wishes& w) {
  check_readable("ssl_cert_file", w.cert_file);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, w.cert_file.c_str()) != 1) {
    refuse("ssl_cert_file", w.cert_file, "no usable certificate (PEM): " + openssl_words());
  }
  const bool apart = !w.key_file.empty();
  const std::string& file = apart ? w.key_file : w.cert_file;
  const std::string option = apart ? "ssl_key_file" : "ssl_cert_file without ssl_key_file";
  if (apart) check_readable(option, file);
  key_password password{w.key_password};
  ERR_clear_error();
  SSL_CTX_set_default_passwd_cb(context, give_password);
  SSL_CTX_set_default_passwd_cb_userdata(context, &password);
  const bool loaded = SSL_CTX_use_PrivateKey_file(context, file.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (loaded) return;
  if (password.asked) {
    refuse(option, file,
           w.key_password.empty() ? "the key is encrypted, and there is no password for it"
                                  : "the key is encrypted with another password");
  }
  const unsigned long code = ERR_peek_error();
  if (ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH) {
    refuse(option, file, "the key belongs to another certificate than '" + w.cert_file + "'");
  }
  refuse(option, file, "no usable private key (PEM): " + openssl_words());
}

// --- the socket under TLS ---------------------------------------------------------------------

int send_quietly(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const auto n = ::send(static_cast<int>(BIO_get_fd(bio, nullptr)), bytes,
                        static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (n < 0 && BIO_sock_should_retry(static_cast<int>(n)) != 0) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

using read_function = int (*)(BIO*, char*, int);

/// OpenSSL's socket, but a peer that is gone is an error there and not a SIGPIPE.
const BIO_METHOD* make_quiet_socket(read_function read) {
  BIO_METHOD* const method = BIO_meth_new(BIO_TYPE_SOCKET, "socket without SIGPIPE");
  const BIO_METHOD* const plain = BIO_s_socket();
  BIO_meth_set_write(method, send_quietly);
  BIO_meth_set_read(method, read);
  BIO_meth_set_puts(method, BIO_meth_get_puts(plain));
  BIO_meth_set_ctrl(method, BIO_meth_get_ctrl(plain));
  BIO_meth_set_create(method, BIO_meth_get_create(plain));
  BIO_meth_set_destroy(method, BIO_meth_get_destroy(plain));
  return method;
}

/// The end of the file where a peer has sent too much in its handshake.
int receive_little(BIO* bio, char* into, int size) {
  static const read_function plain = BIO_meth_get_read(BIO_s_socket());
  if (BIO_get_app_data(bio) != nullptr) {
    const std::uint64_t had = BIO_number_read(bio);
    if (had >= psk_settings::unproven_limit) {
      BIO_clear_retry_flags(bio);
      return 0;
    }
    size = static_cast<int>(std::min<std::uint64_t>(static_cast<std::uint64_t>(size),
                                                    psk_settings::unproven_limit - had));
  }
  return plain(bio, into, size);
}

const BIO_METHOD* quiet_socket(bool limited) {
  static const BIO_METHOD* const free = make_quiet_socket(BIO_meth_get_read(BIO_s_socket()));
  static const BIO_METHOD* const little = make_quiet_socket(receive_little);
  return limited ? little : free;
}

/// What SSL_ERROR_SSL means.
io_result tls_failure(SSL* tls) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) {
    return {io_status::failed, 0, {ERR_GET_REASON(code), boost::system::system_category()}};
  }
  const int reason = ERR_GET_REASON(code);
  // A connection that was cut. AMQP frames tell whether something is missing.
  if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) return {io_status::end_of_file, 0, {}};
  int value = static_cast<int>(code);
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    value = -static_cast<int>(SSL_get_verify_result(tls));
  }
  if (value == 0) value = ERR_PACK(ERR_LIB_SSL, 0, ERR_R_INTERNAL_ERROR);
  return {io_status::failed, 0, {value, tls_category()}};
}

int length_of(std::size_t size) {
  return static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
}

}  // namespace

const boost::system::error_category& tls_category() noexcept {
  static const tls_words instance;
  return instance;
}

bool is_wrong_key(const error_code& error) noexcept {
  if (error.category() != tls_category() || error.value() < 0) return false;
  const int reason = ERR_GET_REASON(static_cast<unsigned long>(error.value()));
  return reason == SSL_R_BINDER_DOES_NOT_VERIFY ||
         reason == SSL_AD_REASON_OFFSET + SSL_AD_ILLEGAL_PARAMETER;
}

void tls_settings::free_context::operator()(ssl_ctx_st* context) const noexcept {
  SSL_CTX_free(context);
}

tls_settings::tls_settings(const wishes& w)
    : context_(SSL_CTX_new(TLS_client_method())), verify_hostname_(w.verify_hostname) {
  if (context_ == nullptr) throw configuration_error("TLS cannot be set up: " + openssl_words());
  SSL_CTX* const context = context_.get();
  set_version(context, w.version);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  if (w.verify) {
    load_authorities(context, w.ca_file, w.system_too);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  if (!w.cert_file.empty()) load_certificate(context, w);
}

stream::stream(socket_type socket) : socket_(std::move(socket)) { prepare(); }

stream::stream(asio::io_context& on, const loose_socket& socket) : socket_(on) {
  error_code error;
  socket_.assign(socket.protocol, socket.descriptor, error);
  if (error) ::close(socket.descriptor);  // reading will say so
  prepare();
}

void stream::prepare() noexcept {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);  // of a Unix socket refused
}

std::optional<loose_socket> stream::release() {
  error_code error;
  const asio::generic::stream_protocol protocol = socket_.local_endpoint(error).protocol();
  if (error) return std::nullopt;
  const int descriptor = socket_.release(error);
  if (error) return std::nullopt;
  return loose_socket{protocol, descriptor};
}

stream::~stream() { close(); }

void stream::set_tls(ssl_ctx_st* context, bool limited) {
  tls_ = SSL_new(context);
  BIO* const bio = BIO_new(quiet_socket(limited));
  BIO_set_fd(bio, static_cast<int>(socket_.native_handle()), BIO_NOCLOSE);
  BIO_set_app_data(bio, tls_);  // in the handshake
  SSL_set_bio(tls_, bio, bio);
}

void stream::start_tls(const psk_settings& settings, bool server) {
  set_tls(settings.context_, true);
  if (server) return SSL_set_accept_state(tls_);
  SSL_set_connect_state(tls_);
  // No authority is trusted: who comes with a certificate instead of the key is refused.
  SSL_set_verify(tls_, SSL_VERIFY_PEER, nullptr);
}

void stream::start_tls(const tls_settings& settings, const std::string& host) {
  set_tls(settings.context_.get(), false);
  SSL_set_connect_state(tls_);
  error_code no_address;
  asio::ip::make_address(host, no_address);
  // RFC 6066 section 3: a server name is never an address.
  if (no_address) SSL_set_tlsext_host_name(tls_, host.c_str());
  if (settings.verify_hostname_) {
    SSL_set_hostflags(tls_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(tls_, host.c_str());
  }
}

io_result stream::handshake() {
  errno = 0;
  ERR_clear_error();
  const io_result r = tls_result(SSL_do_handshake(tls_));
  if (r.status == io_status::done) BIO_set_app_data(SSL_get_rbio(tls_), nullptr);
  return r;
}

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
    default:
      return tls_failure(tls_);
  }
}

io_result stream::read_some(std::span<char> into) {
  if (tls_ != nullptr) {
    errno = 0;
    ERR_clear_error();
    return tls_result(SSL_read(tls_, into.data(), length_of(into.size())));
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
    return tls_result(SSL_write(tls_, from.data(), length_of(from.size())));
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

void stream::end_writing() noexcept {
  if (tls_ != nullptr && SSL_is_init_finished(tls_)) SSL_shutdown(tls_);
  ERR_clear_error();
  error_code ignored;
  socket_.shutdown(socket_type::shutdown_send, ignored);
}

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
