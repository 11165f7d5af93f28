// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/handshake.hpp"

#include <boost/asio/error.hpp>

#include <utility>

namespace ombt::drivers::io {

void handshake::start(handler done) {
  done_ = std::move(done);
  step();
}

void handshake::step() {
  const io_result r = stream_->handshake();
  switch (r.status) {
    case io_status::done:
      return finish({});
    case io_status::want_read:
      return wait(stream::socket_type::wait_read);
    case io_status::want_write:
      return wait(stream::socket_type::wait_write);
    case io_status::end_of_file:
      return finish(asio::error::eof);
    case io_status::failed:
      return finish(r.error);
  }
}

void handshake::wait(stream::socket_type::wait_type side) {
  stream_->socket().async_wait(side, [self = shared_from_this()](const error_code& error) {
    if (!self->done_) return;
    if (error) return self->finish(error);
    self->step();
  });
}

void handshake::finish(error_code error) {
  const handler done = std::exchange(done_, nullptr);
  done(error ? nullptr : std::move(stream_), error);
}

void handshake::cancel() {
  done_ = nullptr;
  if (stream_) stream_->close();
}

}  // namespace ombt::drivers::io
