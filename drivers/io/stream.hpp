// SPDX-License-Identifier: Apache-2.0
#pragma once
// A connected, non-blocking byte stream: TCP or a Unix socket, or TLS over it. Reads and writes
// what is possible now and says what to wait for; the pump does the waiting. One thread.

#include "wire/error.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>

struct ssl_ctx_st;
struct ssl_st;

namespace ombt::drivers::io {

namespace asio = boost::asio;

class psk_settings;

/// What TLS found wrong: its messages are words for people. Never a fault of the socket.
const boost::system::error_category& tls_category() noexcept;

/// Whether it says, at either end, that the other one has another key (psk.hpp).
bool is_wrong_key(const error_code& error) noexcept;

/// TLS settings of a driver, loaded once a process. Errors are ombt::configuration_error.
class tls_settings {
 public:
  struct wishes {
    std::string version;  ///< TLSv1, TLSv1_1 or TLSv1_2: that one; else the best of both, from 1.2
    bool verify = true;   ///< whether an authority must have signed the peer's certificate
    std::string ca_file;  ///< the authorities, PEM; empty: the system's
    bool system_too = false;  ///< the system's beside those of ca_file
    std::string cert_file;    ///< client certificate, PEM
    std::string key_file;     ///< its key; empty: in cert_file
    std::string key_password;
    bool verify_hostname = false;
  };
  explicit tls_settings(const wishes& w);

 private:
  friend class stream;
  struct free_context {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  std::unique_ptr<ssl_ctx_st, free_context> context_;
  bool verify_hostname_;
};

enum class io_status { done, want_read, want_write, end_of_file, failed };

struct io_result {
  io_status status = io_status::done;
  std::size_t bytes = 0;
  error_code error;  ///< with failed
};

/// A connected socket that is on no loop; whoever has it passes it to a stream.
struct loose_socket {
  asio::generic::stream_protocol protocol;
  int descriptor;
};

class stream {
 public:
  using socket_type = asio::generic::stream_protocol::socket;

  /// Takes a connected socket and makes it non-blocking, a TCP one with TCP_NODELAY.
  explicit stream(socket_type socket);
  /// Puts a socket on a loop, on whose thread it is called.
  stream(asio::io_context& on, const loose_socket& socket);
  ~stream();
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;

  /// Puts TLS on the stream as its client; handshake() is then to be called until done.
  void start_tls(const tls_settings& settings, const std::string& host);
  /// The same with a key that both ends have, as its client or server. Before the handshake is done
  /// no more than psk_settings::unproven_limit bytes of the peer are read: then it has failed.
  void start_tls(const psk_settings& settings, bool server);
  io_result handshake();

  io_result read_some(std::span<char> into);
  io_result write_some(std::span<const char> from);
  /// True if read_some() may have more without the socket being readable.
  bool has_pending() const noexcept;

  socket_type& socket() noexcept { return socket_; }
  /// Says to the peer that nothing more comes; what it sends is still read.
  void end_writing() noexcept;
  void close() noexcept;
  /// Takes the socket off its loop, for another one's; the stream is as closed. Nothing where that
  /// cannot be.
  std::optional<loose_socket> release();

 private:
  void prepare() noexcept;
  void set_tls(ssl_ctx_st* context, bool limited);
  io_result tls_result(int outcome);

  socket_type socket_;
  ssl_st* tls_ = nullptr;
};

}  // namespace ombt::drivers::io
