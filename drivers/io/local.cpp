// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/local.hpp"

#include "drivers/io/peer.hpp"

#include <boost/asio/error.hpp>

#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace ombt::drivers::io {
namespace {

error_code kernel_error() { return {errno, boost::system::system_category()}; }

/// False: the path does not fit.
bool local_address(const std::string& path, sockaddr_un& out) noexcept {
  out = {};
  out.sun_family = AF_UNIX;
  // An empty path would be one of the abstract space, where every user may listen.
  if (path.empty() || path.size() > local_path_limit) return false;
  std::memcpy(out.sun_path, path.data(), path.size());
  return true;
}

int open_local(error_code& error) noexcept {
  const int made = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (made < 0) error = kernel_error();
  return made;
}

const sockaddr* plain(const sockaddr_un& address) noexcept {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

std::unique_ptr<stream> connect_local(asio::io_context& on, const std::string& path,
                                      error_code& error) {
  error = {};
  sockaddr_un address;
  if (!local_address(path, address)) {
    error = asio::error::name_too_long;
    return nullptr;
  }
  const int made = open_local(error);
  if (made < 0) return nullptr;
  if (::connect(made, plain(address), sizeof address) != 0) {
    error = kernel_error();
    ::close(made);
    return nullptr;
  }
  auto out = std::make_unique<stream>(on, loose_socket{{AF_UNIX, 0}, made});
  const auto who = peer_of(*out);
  if (who && who->is_friend()) return out;
  error = asio::error::no_permission;
  return nullptr;
}

int bind_local(const std::string& path, error_code& error) noexcept {
  error = {};
  sockaddr_un address;
  if (!local_address(path, address)) {
    error = asio::error::name_too_long;
    return -1;
  }
  const int made = open_local(error);
  if (made < 0) return -1;
  // Linux gives the file the mode of the socket, so that it is never open to others.
  if (::fchmod(made, 0600) == 0 && ::bind(made, plain(address), sizeof address) == 0) return made;
  error = kernel_error();
  ::close(made);
  return -1;
}

io_result send_descriptor(stream& over, int descriptor) noexcept {
  char byte = '\n';
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  for (;;) {
    if (::sendmsg(over.socket().native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1) {
      return {io_status::done, 1, {}};
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {io_status::want_write, 0, {}};
    return {io_status::failed, 0, kernel_error()};
  }
}

received_descriptor receive_descriptor(stream& over) noexcept {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = 0;
  do {
    size = ::recvmsg(over.socket().native_handle(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size == 0) return {{io_status::end_of_file, 0, {}}, {}};
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    return {{io_status::want_read, 0, {}}, {}};
  }
  if (size < 0) return {{io_status::failed, 0, kernel_error()}, {}};
  received_descriptor out{{io_status::done, 1, {}}, {}};
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS ||
        one->cmsg_len != CMSG_LEN(sizeof(int))) {
      continue;
    }
    std::memcpy(&out.descriptor.emplace(), CMSG_DATA(one), sizeof(int));
  }
  return out;
}

std::optional<loose_socket> as_socket(int descriptor) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  int type = 0;
  socklen_t type_size = sizeof type;
  if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 ||
      type != SOCK_STREAM) {
    return {};
  }
  switch (address.ss_family) {
    case AF_UNIX:
      return loose_socket{{AF_UNIX, 0}, descriptor};
    case AF_INET:
    case AF_INET6:
      return loose_socket{{address.ss_family, IPPROTO_TCP}, descriptor};
    default:
      return {};
  }
}

}  // namespace ombt::drivers::io
