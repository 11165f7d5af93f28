// SPDX-License-Identifier: Apache-2.0
#include "drivers/direct/membership.hpp"

#include "wire/control/direct.hpp"

#include "drivers/io/local.hpp"

#include <boost/asio/error.hpp>

#include <chrono>
#include <unistd.h>
#include <utility>

namespace ombt::drivers::direct {
namespace {

constexpr auto answer_limit = std::chrono::seconds(5);

}  // namespace

membership::~membership() { close(); }

error_code membership::start(const std::string& socket, const std::string& process) {
  error_code error;
  stream_ = io::connect_local(context_.asio(), socket, error);
  if (error) return error;
  expected_ = wire::control::route_to(process);
  const std::string words = std::string(wire::control::register_route) + expected_;
  const io::io_result r = stream_->write_some(words);
  if (r.status != io::io_status::done || r.bytes != words.size()) {
    return io::asio::error::connection_reset;
  }
  timer_ = context_.start_timer(steady_clock::now() + answer_limit, *this, 0);
  wait();
  return {};
}

void membership::wait() {
  stream_->socket().async_wait(io::stream::socket_type::wait_read,
                               [self = shared_from_this()](const error_code& error) {
                                 if (self->over_) return;
                                 if (error) return self->lose();
                                 self->read();
                               });
}

void membership::resume() {
  if (!over_ && std::exchange(full_, false)) wait();
}

void membership::read() {
  if (!registered_) return read_answer();
  if (!told_.has_room()) {
    full_ = true;
    return;
  }
  // One at a time: it is not known whether another one waits.
  const auto one = io::receive_descriptor(*stream_);
  const auto status = one.result.status;
  if (status != io::io_status::done && status != io::io_status::want_read) return lose();
  if (one.descriptor) {  // else none was left for it: its peer sees it closed
    if (const auto socket = io::as_socket(*one.descriptor)) {
      told_.taken(std::make_unique<io::stream>(context_.asio(), *socket));
    } else {
      ::close(*one.descriptor);
    }
  }
  if (!over_) wait();
}

void membership::read_answer() {
  char buffer[wire::control::route_bytes];
  const auto room = std::span(buffer).first(expected_.size() - answer_.size());
  const io::io_result r = stream_->read_some(room);
  if (r.status == io::io_status::done) {
    answer_.append(buffer, r.bytes);
    if (!expected_.starts_with(answer_)) return lose();
    if (answer_.size() == expected_.size()) {
      registered_ = true;
      context_.cancel_timer(std::exchange(timer_, 0));
      told_.registered();
    }
  } else if (r.status != io::io_status::want_read) {
    return lose();
  }
  if (!over_) wait();
}

void membership::lose() {
  const auto keep = shared_from_this();
  const auto lost = std::move(told_.lost);
  close();
  lost();
}

void membership::close() {
  over_ = true;
  context_.cancel_timer(std::exchange(timer_, 0));
  if (stream_) stream_->close();
}

void membership::on_timer(std::uint64_t) {
  timer_ = 0;
  lose();
}

}  // namespace ombt::drivers::direct
