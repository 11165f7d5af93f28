// SPDX-License-Identifier: Apache-2.0
// Encoded histograms and interval logs. The first byte says what the others are: p a plain
// encoding, z a compressed one, else the lines of a log. What was believed is fit for sums, JSON
// and every encoding, and comes back the same.
#include "wire/hdr/encoding.hpp"
#include "wire/hdr/interval_log.hpp"
#include "wire/json/value.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

using namespace ombt;
using namespace ombt::wire;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool same_buckets(const hdr::sparse_histogram& a, const hdr::sparse_histogram& b) {
  if (a.buckets().size() != b.buckets().size()) return false;
  for (std::size_t i = 0; i < a.buckets().size(); ++i) {
    if (a.buckets()[i].index != b.buckets()[i].index) return false;
    if (a.buckets()[i].count != b.buckets()[i].count) return false;
  }
  return true;
}

void check_refused(const hdr::sparse_histogram& out, const std::string& why) {
  require(!why.empty() && why.find('\n') == why.npos);
  require(out.buckets().empty() && out.totals().count == 0);
}

void check_believed(const hdr::sparse_histogram& read) {
  std::string text;
  std::string why;
  hdr::sparse_histogram back;
  read.append_json(text);
  json::reader reader;
  json::value root;
  require(!reader.parse(text, root) && hdr::sparse_histogram::read_json(root, back, why));
  text.clear();
  hdr::append_base64_v2(text, read);
  require(!hdr::read_base64_v2(text, back, why) && same_buckets(read, back));
  hdr::histogram all;
  all.merge(read);
  require(all.value_at_percentile(100) == all.max());
}

void check_log(std::string_view text) {
  hdr::interval_log_reader reader;
  std::optional<hdr::interval> got;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string why;
    if (reader.read_line(text.substr(0, end), got, why)) {
      require(!got && why.substr(0, 5) == "line " && why.find('\n') == why.npos);
    } else if (got) {
      check_believed(got->values);
      // A start may be beyond the limit of times once the base is added.
      std::string line;
      if (hdr::append_interval(line, got->tag, got->start, got->length, got->values)) {
        hdr::interval_log_reader second;
        std::optional<hdr::interval> back;
        require(!second.read_line(line, back, why) && back && back->tag == got->tag);
        require(std::abs(back->start - got->start) <= 0.001);
        require(same_buckets(back->values, got->values));
      }
    }
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (text.empty()) return 0;
  hdr::sparse_histogram read;
  std::string why;
  if (text[0] != 'p' && text[0] != 'z') {
    check_log(text);
  } else if (text[0] == 'p' ? hdr::read_v2(text.substr(1), read, why)
                            : hdr::read_compressed_v2(text.substr(1), read, why)) {
    check_refused(read, why);
  } else {
    check_believed(read);
  }
  return 0;
}
