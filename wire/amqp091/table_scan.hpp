// SPDX-License-Identifier: Apache-2.0
#pragma once
// Checks the bytes of a field table before a recursive decoder may see them: nesting at most
// max_table_depth, every length inside what encloses it, every type known. Iterative, no
// allocation. Internal to wire/amqp091.
// Source: AMQP 0-9-1 specification 4.2.5.5, with RabbitMQ's type letters.

#include <cstddef>
#include <string_view>

namespace ombt::wire::amqp091 {

/// Tables and arrays within each other, the outermost counted.
inline constexpr std::size_t max_table_depth = 16;

/// What scan_table() says of a table that may be right but is nested deeper than that.
inline constexpr char nested_too_deeply[] = "tables nested too deeply";

/// Checks the table that begins (with its 4-byte length) at input[offset] and moves offset behind
/// it. Returns nullptr, or static text that says what is wrong.
const char* scan_table(std::string_view input, std::size_t& offset) noexcept;

}  // namespace ombt::wire::amqp091
