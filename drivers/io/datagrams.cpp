// SPDX-License-Identifier: Apache-2.0
#include "drivers/datagrams.hpp"

#include "wire/error.hpp"

#include "drivers/io/context.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace ombt::drivers {
namespace {

constexpr std::string_view name_prefix = "ombt-";
constexpr std::size_t name_digits = 32;
/// Taken in one turn; the loop has other things to do.
constexpr int datagrams_a_turn = 64;

/// A first byte of 0 makes the name an abstract one.
socklen_t abstract_address(std::string_view name, sockaddr_un& out) noexcept {
  out = {};
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path + 1, name.data(), name.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

int make_datagram_socket() noexcept {
  return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

}  // namespace

bool is_datagram_name(std::string_view name) noexcept {
  if (name.size() != name_prefix.size() + name_digits || !name.starts_with(name_prefix)) {
    return false;
  }
  return std::all_of(name.begin() + name_prefix.size(), name.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

struct datagram_receiver::state : std::enable_shared_from_this<state> {
  state(io::context& on, int bound, handler its_take)
      : descriptor(on.asio(), bound), take(std::move(its_take)), buffer(most_bytes + 1) {}

  void wait() {
    descriptor.async_wait(io::asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const error_code& error) {
                            if (error || !self->open) return;
                            self->read();
                            if (self->open) self->wait();
                          });
  }

  void read() {
    for (int i = 0; i < datagrams_a_turn && open; ++i) {
      iovec part{buffer.data(), buffer.size()};
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const ssize_t size = ::recvmsg(descriptor.native_handle(), &message, MSG_DONTWAIT);
      if (size < 0) return;
      const auto from = sender_of(message);
      if (!from || from->uid != ::geteuid() || static_cast<std::size_t>(size) > most_bytes ||
          (message.msg_flags & MSG_TRUNC) != 0) {
        ++refused;
        continue;
      }
      take({buffer.data(), static_cast<std::size_t>(size)}, from->pid);
    }
  }

  /// As the kernel says it, not the sender.
  static std::optional<ucred> sender_of(msghdr& message) {
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
      if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_CREDENTIALS) continue;
      ucred out{};
      std::memcpy(&out, CMSG_DATA(one), sizeof out);
      return out;
    }
    return {};
  }

  io::asio::posix::stream_descriptor descriptor;
  handler take;
  bool open = true;  ///< false once the receiver is gone
  std::vector<char> buffer;
  std::uint64_t refused = 0;
};

datagram_receiver::datagram_receiver(loop& on, std::string name, handler take)
    : name_(std::move(name)) {
  if (!is_datagram_name(name_)) return;
  const int made = make_datagram_socket();
  if (made < 0) return;
  sockaddr_un address;
  const socklen_t length = abstract_address(name_, address);
  const int yes = 1;
  if (::setsockopt(made, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0 ||
      ::bind(made, reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    ::close(made);
    return;
  }
  state_ = std::make_shared<state>(on.context(), made, std::move(take));
  state_->wait();
}

datagram_receiver::~datagram_receiver() {
  if (!state_) return;
  state_->open = false;
  error_code ignored;
  state_->descriptor.close(ignored);
}

std::uint64_t datagram_receiver::refused() const noexcept { return state_ ? state_->refused : 0; }

datagram_sender::datagram_sender(std::string_view name) noexcept {
  if (!is_datagram_name(name)) return;
  descriptor_ = make_datagram_socket();
  if (descriptor_ < 0) return;
  sockaddr_un address;
  const socklen_t length = abstract_address(name, address);
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), length) == 0) return;
  ::close(descriptor_);
  descriptor_ = -1;
}

datagram_sender::~datagram_sender() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool datagram_sender::send(std::string_view text) noexcept {
  if (descriptor_ < 0) return false;
  return ::send(descriptor_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

}  // namespace ombt::drivers
