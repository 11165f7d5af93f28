// SPDX-License-Identifier: Apache-2.0
#pragma once
// Short texts from processes of this machine to another one that never wait: what finds no room is
// dropped. Names are in the kernel's abstract space, so nothing is left in a folder, and of one
// form only, so that who is told a name can't be made to write anywhere else. Only processes of the
// same user are heard. Source: unix(7).

#include "drivers/loop.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ombt::drivers {

/// "ombt-" and 32 lower-case hexadecimal digits.
bool is_datagram_name(std::string_view name) noexcept;

/// Hears under a name. One thread, its loop's.
class datagram_receiver {
 public:
  /// Longer ones are dropped, bytes.
  static constexpr std::size_t most_bytes = 16'384;
  /// A text and the id of the process that sent it; the text is valid in the call only.
  using handler = std::function<void(std::string_view text, std::int64_t process)>;

  /// Listens at once; see is_listening().
  datagram_receiver(loop& on, std::string name, handler take);
  /// Hears nothing more.
  ~datagram_receiver();
  datagram_receiver(const datagram_receiver&) = delete;
  datagram_receiver& operator=(const datagram_receiver&) = delete;

  const std::string& name() const noexcept { return name_; }
  /// False: the kernel would not have it, or the name is none or taken.
  bool is_listening() const noexcept { return state_ != nullptr; }
  /// What was not taken so far: too long, or another user's.
  std::uint64_t refused() const noexcept;

 private:
  struct state;
  std::string name_;
  std::shared_ptr<state> state_;
};

/// Sends to a name. One thread.
class datagram_sender {
 public:
  /// Nothing is sent to what is no name.
  explicit datagram_sender(std::string_view name) noexcept;
  ~datagram_sender();
  datagram_sender(const datagram_sender&) = delete;
  datagram_sender& operator=(const datagram_sender&) = delete;

  /// Never waits. False: nobody listens there, or has room.
  bool send(std::string_view text) noexcept;

 private:
  int descriptor_ = -1;
};

}  // namespace ombt::drivers
