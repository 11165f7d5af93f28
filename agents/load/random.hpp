// SPDX-License-Identifier: Apache-2.0
#pragma once
// Random numbers of a load: 8 bytes of state, the same sequence from a seed on every machine, as
// the standard library's distributions don't promise. One thread each.
// Source: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).

#include <cmath>
#include <cstdint>
#include <string_view>

namespace ombt::agents {

class random_source {
 public:
  explicit random_source(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t bits() noexcept {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  /// Evenly in [0, 1).
  double unit() noexcept { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  /// Exponentially distributed with mean 1.
  double exponential() noexcept { return -std::log1p(-unit()); }

 private:
  std::uint64_t state_;
};

/// A number that stands for a text (FNV-1a), the same everywhere.
inline std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

/// The seed of one client: every client has random numbers of its own, the same in each run of that
/// seed.
inline std::uint64_t client_seed(std::uint64_t seed, std::string_view client) noexcept {
  return random_source(seed ^ hash_of(client)).bits();
}

/// Where between two messages client `place` of the `of` of a process begins, [0, 1): evenly spread
/// over them, and apart from other processes'.
inline double phase_of(std::string_view process, std::size_t place, std::size_t of) noexcept {
  const double whole =
      random_source(hash_of(process)).unit() + static_cast<double>(place) / static_cast<double>(of);
  return whole - std::floor(whole);
}

}  // namespace ombt::agents
