// SPDX-License-Identifier: Apache-2.0
#pragma once
// What happens before AMQP's first frame: which protocol the peer's first bytes are of, and SASL's
// decisions at either end. The states are the engine's.
// Internal to wire/amqp10.
//
// SASL is not proton's. Its plug-in interface (proton/sasl_plugin.h) keeps the password in the
// connection for life, leaks a mechanism's name each time a peer sends init again, takes frames of
// any size, and wants a SASL layer on a server as soon as it is touched. The few frames that three
// mechanisms with one step need are written and read here, ahead of proton.
// Source: OASIS AMQP 1.0, part 5, 5.3; RFC 4616 (PLAIN), RFC 4505 (ANONYMOUS), RFC 4422 A
// (EXTERNAL).

#include "wire/amqp10/connection.hpp"
#include "wire/amqp10/frame.hpp"

#include <string>
#include <string_view>

namespace ombt::wire::amqp10 {

constexpr std::string_view amqp_header("AMQP\0\1\0\0", 8);
constexpr std::string_view sasl_header("AMQP\3\1\0\0", 8);
/// A SASL frame may have 512 bytes (5.3.1); a little more is read.
constexpr std::size_t sasl_frame_limit = 4096;

enum class greeting : std::uint8_t { undecided, amqp, sasl, foreign };
/// Judges the first bytes; `words` says what a foreign peer speaks.
greeting judge_greeting(std::string_view input, std::string& words);

/// True when a space-separated list has that name.
bool has_name(std::string_view list, std::string_view name) noexcept;

/// Text of a peer for a message: printable ASCII, at most 200 characters.
std::string printable(std::string_view text);

/// What a login needs; freed when it is over.
struct login {
  std::string user;
  std::string password;
  std::string external_user;
  std::string mechanisms;  ///< a client's: those allowed
  bool encrypted = false;
  bool used = false;  ///< init was sent, or answered

  login() = default;
  ~login();
  login(const login&) = delete;
  login& operator=(const login&) = delete;
};

/// A client's answer to the server's mechanisms: appends init, returns the mechanism chosen:
/// EXTERNAL over TLS, else PLAIN with a user, else ANONYMOUS, of those that both know. Empty: none.
std::string_view choose_mechanism(std::string& out, const login& with, std::string_view offered);

/// A server's judgement of init: the mechanism's name, its response. True: `user` is who it is,
/// empty for ANONYMOUS.
bool judge_init(const connection_options& options, const login& with, std::string_view mechanism,
                std::string_view response, std::string& user);

/// Overwrites a text and empties it.
void wipe(std::string& secret) noexcept;

}  // namespace ombt::wire::amqp10
