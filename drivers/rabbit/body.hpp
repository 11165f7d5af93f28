// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a delivered message to its JSON text: content type and encoding, and kombu's compression.
// Source: kombu/serialization.py, kombu/compression.py (gzip is zlib's format there).

#include "wire/amqp091/connection.hpp"
#include "wire/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace ombt::drivers::rabbit {

/// The text of a delivered body; with compression unpacked into scratch. Errors:
/// unreadable_content (no application/json, an encoding other than UTF-8 in any spelling, an
/// unknown compression, broken data), limit_exceeded (unpacked above limit bytes).
error_code readable_text(const wire::amqp091::properties& header, std::string_view body,
                         std::uint64_t limit, std::string& scratch, std::string_view& text);

/// Replaces a body by its compressed form.
void compress(std::string& body);

}  // namespace ombt::drivers::rabbit
