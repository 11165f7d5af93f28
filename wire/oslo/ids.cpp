// SPDX-License-Identifier: Apache-2.0
// Message ids: version 4 UUIDs from xoshiro256++ (Blackman and Vigna), one generator a thread,
// seeded by the system. They need to be unique, not secret.
#include "wire/oslo/messages.hpp"

#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

namespace ombt::wire::oslo {
namespace {

/// Counts forks on the child's side, so that a child does not repeat its parent's ids.
std::atomic<unsigned> forks{0};

class generator {
 public:
  std::uint64_t next() {
    const unsigned now = forks.load(std::memory_order_relaxed);
    if (!seeded_ || seeded_at_ != now) seed(now);
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

 private:
  void seed(unsigned at) {
    [[maybe_unused]] static const int registered =
        pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
    std::size_t filled = 0;
    while (filled < sizeof state_) {
      const ssize_t got =
          getrandom(reinterpret_cast<char*>(state_) + filled, sizeof state_ - filled, 0);
      if (got > 0) {
        filled += static_cast<std::size_t>(got);
      } else if (errno != EINTR) {
        // No getrandom (an old sandbox): unique within the host is what is left.
        timespec now{};
        clock_gettime(CLOCK_REALTIME, &now);
        state_[0] ^= static_cast<std::uint64_t>(now.tv_nsec) * 0x9e3779b97f4a7c15ULL;
        state_[1] ^= static_cast<std::uint64_t>(now.tv_sec);
        state_[2] ^= static_cast<std::uint64_t>(getpid()) * 0xbf58476d1ce4e5b9ULL;
        state_[3] ^= reinterpret_cast<std::uintptr_t>(this) | 1;
        break;
      }
    }
    if ((state_[0] | state_[1] | state_[2] | state_[3]) == 0) state_[0] = 1;
    seeded_ = true;
    seeded_at_ = at;
  }

  std::uint64_t state_[4] = {};
  unsigned seeded_at_ = 0;
  bool seeded_ = false;
};

/// The two digits of each byte.
constexpr auto hex_pairs = [] {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = {digits[i >> 4], digits[i & 0xf]};
  return pairs;
}();

void put_hex(char* to, std::uint64_t bits) noexcept {
  for (int shift = 56; shift >= 0; shift -= 8, to += 2) {
    std::memcpy(to, hex_pairs[(bits >> shift) & 0xff].data(), 2);
  }
}

}  // namespace

hex_id make_hex_id() {
  thread_local generator random;
  // RFC 4122: version 4 in the high nibble of byte 6, variant 10 in the high bits of byte 8.
  const std::uint64_t high = (random.next() & ~std::uint64_t{0xf000}) | 0x4000;
  const std::uint64_t low = (random.next() & ~(std::uint64_t{3} << 62)) | std::uint64_t{1} << 63;
  hex_id id;
  put_hex(id.data(), high);
  put_hex(id.data() + 16, low);
  return id;
}

std::string make_dashed_uuid() {
  const hex_id id = make_hex_id();
  std::string out;
  out.reserve(36);
  std::size_t at = 0;
  for (const std::size_t group : {8, 4, 4, 4, 12}) {
    if (at != 0) out += '-';
    out.append(id.data() + at, group);
    at += group;
  }
  return out;
}

}  // namespace ombt::wire::oslo
