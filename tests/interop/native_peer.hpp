// SPDX-License-Identifier: Apache-2.0
#pragma once
// The test peer on drivers/transport.hpp: the same programs, options, commands and lines as the
// Python peers of tests/peers (peer.py says the protocol), so that one suite drives either side.
// Owns the line protocol; what a peer does is native_rpc.cpp and native_notify.cpp. Everything but
// the reading of standard input is on the loop's thread.

#include "wire/json/value.hpp"

#include "drivers/transport.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ombt::interop {

using json = nlohmann::ordered_json;

/// Writes one line; the only thing that writes to standard output.
void say(const json& line);

/// A document as Python's json.dumps writes it.
std::string python_text(const json& document);

/// The value as a document; null for a missing one.
json document_of(const wire::json::value& value);

/// A value of the driver as Python text; "null" for a missing one.
std::string text_of(const wire::json::value& value);

/// The target of a command or of a server's options.
drivers::target target_of(const json& given);

/// The fields of a line that say how an operation failed.
void describe_failure(json& line, const drivers::outcome& result);

/// What a peer's program does. Destroyed when the loop has ended.
class peer {
 public:
  virtual ~peer() = default;
  /// One command; its last line is done(id), said by the peer.
  virtual void command(const json& given) = 0;
};

/// Says the last line of a command.
void done(const json& given);

/// What a peer is given: its loop, its options and one transport made from them.
struct environment {
  drivers::loop& loop;
  const json& options;
  drivers::transport& transport;
};

std::unique_ptr<peer> make_rpc_server(environment& in);
std::unique_ptr<peer> make_rpc_client(environment& in);
std::unique_ptr<peer> make_notifier(environment& in);
std::unique_ptr<peer> make_listener(environment& in);

}  // namespace ombt::interop
