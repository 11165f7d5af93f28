// SPDX-License-Identifier: Apache-2.0
#pragma once
// HdrHistogram's V2 encoding of histograms: plain, compressed, and compressed as base64 text, which
// is what interval logs hold and every implementation reads. Stateless: any thread.
// V2 carries the counts of the buckets and nothing else. The overflow (samples above `highest`) is
// not carried, and min, max and total are those of the buckets again once they are read.
// Source: HdrHistogram 2.1.11, AbstractHistogram.java (encodeIntoByteBuffer, decodeFromByteBuffer
// and their compressed forms), ZigZagEncoding.java.

#include "wire/error.hpp"
#include "wire/hdr/histogram.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace ombt::wire::hdr {

/// The most bytes that are read of a histogram, compressed and inflated alike; ours need 304,168 at
/// most.
inline constexpr std::size_t encoded_limit = std::size_t{512} * 1024;
/// The most characters of base64 text.
inline constexpr std::size_t base64_limit = (encoded_limit + 2) / 3 * 4;

/// Appends the plain encoding: the bytes that HdrHistogram writes for the same counts.
void append_v2(std::string& out, const sparse_histogram& from);
/// Appends the compressed encoding (zlib's format inside).
void append_compressed_v2(std::string& out, const sparse_histogram& from);
void append_compressed_v2(std::string& out, const histogram& from);
/// Appends that as base64 text.
void append_base64_v2(std::string& out, const sparse_histogram& from);
void append_base64_v2(std::string& out, const histogram& from);

/// Reads a plain encoding. Histograms of other producers may have another lowest and highest value
/// or number of digits, as long as each bucket with samples lies within one of ours. Afterwards min
/// and max are the bounds of the lowest and highest bucket with samples (max at most `highest`),
/// total counts a sample as the middle of its bucket, and overflow is 0. Errors, with why as one
/// line and out empty: unreadable_content (not V2, shifted or scaled values, a layout that no
/// histogram has, buckets that ours do not hold), malformed_message (cut off, damaged, counts or
/// zeros beyond the array or above sample_limit), limit_exceeded (encoded_limit).
error_code read_v2(std::string_view bytes, sparse_histogram& out, std::string& why);
/// Reads a compressed encoding; the same errors.
error_code read_compressed_v2(std::string_view bytes, sparse_histogram& out, std::string& why);
/// Reads that from base64 text; the same errors.
error_code read_base64_v2(std::string_view text, sparse_histogram& out, std::string& why);

}  // namespace ombt::wire::hdr
