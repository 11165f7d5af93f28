// SPDX-License-Identifier: Apache-2.0
#pragma once
// A connection that has come to the owner of a port, until its route has been read: that and not a
// byte more, since the rest is for another process. One thread.

#include "drivers/io/context.hpp"
#include "drivers/io/pump.hpp"
#include "drivers/io/stream.hpp"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace ombt::drivers::direct {

/// Where a connection wants to go.
struct destination {
  bool registers = false;  ///< the process of that key
  std::string process;     ///< empty: the owner
};

class arrival final : public std::enable_shared_from_this<arrival> {
 public:
  /// Gets the stream, or null if it was no route or the peer is gone.
  using handler = std::function<void(std::unique_ptr<io::stream>, const destination&)>;

  arrival(io::context& on, std::unique_ptr<io::stream> from);
  /// done runs once, never inside start(), not at all after close().
  void start(handler done);
  void close();

  // The pump's engine and owner.
  std::span<char> read_buffer() { return std::span(text_).subspan(size_, wanted_ - size_); }
  void read_done(std::size_t n, time_point) { size_ += n; }
  std::span<const char> write_buffer() const { return {}; }
  void write_done(std::size_t, time_point) {}
  void transport_closed(error_code) { wanted_ = 0; }
  void on_bytes();

 private:
  void finish(const std::optional<destination>& to);

  handler done_;
  std::shared_ptr<io::pump<arrival, arrival>> pump_;
  std::array<char, 48> text_{};  ///< a route, behind register_route where a process registers
  std::size_t size_ = 0;
  std::size_t wanted_;
};

}  // namespace ombt::drivers::direct
