// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/amqp_probe.hpp"

#include "wire/amqp091/connection.hpp"

#include <cerrno>
#include <netinet/in.h>
#include <optional>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ombt::tools::bus {
namespace {

using wire::amqp091::connection;
namespace event = wire::amqp091::event;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connect_to(std::uint16_t port, int flags, int& error) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  const auto address = loopback(port);
  error = 0;
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    error = errno;
  }
  return fd;
}

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == EINPROGRESS ||
         error == ENOTCONN;
}

}  // namespace

struct amqp_probe::state {
  wire::amqp091::connection_options options;
  wire::amqp091::thread_memory memory;
  std::optional<connection> engine;
  int fd = -1;
  bool open = false;
  result outcome = result::pending;
  std::string detail;

  ~state() {
    if (fd >= 0) ::close(fd);
  }

  // The engine's events; everything but these two is impossible before a channel is open.
  template <class Event>
  void operator()(const Event&) {}
  void operator()(const event::opened&) {
    open = true;
    outcome = result::serving;
    engine->close();
  }
  void operator()(const event::closed& end) {
    if (open) return;
    detail = std::string(end.text);
    // A broker that is just starting or stopping hangs up; that is no answer.
    outcome = end.why == event::closed::cause::transport ? result::refused : result::foreign;
  }

  void read_all(std::chrono::steady_clock::time_point now) {
    for (;;) {
      const auto room = engine->read_buffer();
      if (room.empty()) return;
      const auto got = recv(fd, room.data(), room.size(), 0);
      if (got > 0) {
        engine->read_done(static_cast<std::size_t>(got), now);
      } else {
        engine->read_done(0, now);
        if (got < 0 && would_block(errno)) return;
        engine->transport_closed(got == 0 ? error_code(errc::connection_lost)
                                          : error_code(errno, boost::system::generic_category()));
      }
      engine->drain(*this);
      if (outcome != result::pending || got <= 0) return;
    }
  }

  void write_all(std::chrono::steady_clock::time_point now) {
    while (!engine->write_buffer().empty()) {
      const auto bytes = engine->write_buffer();
      const auto put = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put > 0) {
        engine->write_done(static_cast<std::size_t>(put), now);
        continue;
      }
      if (!would_block(errno) && outcome == result::pending) outcome = result::refused;
      return;
    }
  }
};

amqp_probe::amqp_probe(std::uint16_t port) : state_(std::make_unique<state>()) {
  int error = 0;
  state_->fd = connect_to(port, SOCK_NONBLOCK, error);
  if (error != 0 && !would_block(error)) state_->outcome = result::refused;
  state_->options.product = "ombt-bus";
  state_->options.product_version = OMBT_VERSION;
  state_->engine.emplace(state_->options, state_->memory, "ombt-bus probe", "guest", "guest",
                         std::chrono::steady_clock::now());
}

amqp_probe::~amqp_probe() = default;

amqp_probe::result amqp_probe::step(std::chrono::steady_clock::time_point now) {
  if (state_->outcome != result::pending) return state_->outcome;
  state_->write_all(now);
  state_->read_all(now);
  state_->write_all(now);
  return state_->outcome;
}

const std::string& amqp_probe::detail() const noexcept { return state_->detail; }

bool accepts_connections(std::uint16_t port) {
  int error = 0;
  const int fd = connect_to(port, 0, error);  // blocking: the loopback answers at once
  if (fd >= 0) close(fd);
  return error == 0;
}

bool port_is_free(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  // As the broker does: ports in TIME_WAIT from a run before are free.
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const auto address = loopback(port);
  const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return free;
}

std::uint16_t pick_port() {
  constexpr std::uint16_t first = 12000, last = 31999;  // Linux gives out 32768 and above
  for (int attempt = 0; attempt < 200; ++attempt) {
    std::uint32_t random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random) continue;
    const auto port = static_cast<std::uint16_t>(first + random % (last - first + 1));
    if (port_is_free(port)) return port;
  }
  return 0;
}

}  // namespace ombt::tools::bus
