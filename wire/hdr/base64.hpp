// SPDX-License-Identifier: Apache-2.0
#pragma once
// Base64 with padding and the standard alphabet, as interval logs hold histograms. Stateless: any
// thread. Source: RFC 4648, section 4.

#include <string>
#include <string_view>

namespace ombt::wire::hdr {

/// Appends the text of these bytes, 4 characters for each 3 bytes begun.
void append_base64(std::string& out, std::string_view bytes);

/// Replaces out by the bytes of a text. False for a text that append_base64 would not have written:
/// another alphabet, white space, no or wrong padding, bits beyond the last byte. The caller limits
/// the length.
bool read_base64(std::string_view text, std::string& out);

}  // namespace ombt::wire::hdr
