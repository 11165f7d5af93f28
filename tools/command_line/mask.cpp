// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line/mask.hpp"

#include "wire/oslo/transport_url.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

namespace ombt::tools {
namespace {

/// The masked form of an argument, never longer than the argument itself.
std::string masked(std::string_view text) {
  std::string result = wire::oslo::mask_passwords(text);
  if (result.size() <= text.size()) return result;
  // A password of one or two characters: star what differs, so that the text still fits.
  std::size_t head = 0;
  while (head < text.size() && text[head] == result[head]) ++head;
  std::size_t tail = 0;
  while (tail < text.size() - head &&
         text[text.size() - 1 - tail] == result[result.size() - 1 - tail]) {
    ++tail;
  }
  result.assign(text);
  std::fill(result.begin() + static_cast<std::ptrdiff_t>(head),
            result.end() - static_cast<std::ptrdiff_t>(tail), '*');
  return result;
}

}  // namespace

void mask_command_line(int argc, char** argv) {
  if (argc <= 0 || argv == nullptr || argv[0] == nullptr) return;
  // The kernel lays the arguments out one after the other; shortened ones are moved together, so
  // that a reader of /proc sees no empty arguments in between.
  bool contiguous = true;
  for (int i = 1; i < argc; ++i) {
    contiguous = contiguous && argv[i] == argv[i - 1] + std::strlen(argv[i - 1]) + 1;
  }
  char* const end = argv[argc - 1] + std::strlen(argv[argc - 1]);
  char* write = argv[0];
  for (int i = 0; i < argc; ++i) {
    const std::string text = masked(argv[i]);
    const std::size_t length = std::strlen(argv[i]);
    char* const place = contiguous ? write : argv[i];
    if (!contiguous) std::memset(argv[i], 0, length);
    std::memcpy(place, text.c_str(), text.size() + 1);
    argv[i] = place;
    write = place + text.size() + 1;
  }
  if (contiguous && write < end) std::memset(write, 0, static_cast<std::size_t>(end - write));
}

}  // namespace ombt::tools
