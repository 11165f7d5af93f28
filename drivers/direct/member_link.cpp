// SPDX-License-Identifier: Apache-2.0
#include "drivers/direct/member_link.hpp"

#include "drivers/io/local.hpp"

#include <unistd.h>
#include <utility>

namespace ombt::drivers::direct {

member_link::~member_link() { close(); }

bool member_link::start(std::string_view words) {
  const io::io_result r = stream_->write_some(words);
  if (r.status != io::io_status::done || r.bytes != words.size()) return false;
  watch();
  return true;
}

/// It has nothing more to say: what comes is its end.
void member_link::watch() {
  stream_->socket().async_wait(io::stream::socket_type::wait_read,
                               [self = shared_from_this()](const error_code&) { self->end(); });
}

void member_link::pass(std::unique_ptr<io::stream> connection) {
  if (waiting_.size() >= most_waiting) return;
  // Taken off our loop, not just closed here: the connection lives on elsewhere.
  const auto loose = connection->release();
  if (!loose) return;
  waiting_.push_back(loose->descriptor);
  if (!writing_) send();
}

void member_link::send() {
  while (!waiting_.empty()) {
    const io::io_result r = io::send_descriptor(*stream_, waiting_.front());
    if (r.status == io::io_status::want_write) {
      writing_ = true;
      stream_->socket().async_wait(io::stream::socket_type::wait_write,
                                   [self = shared_from_this()](const error_code& error) {
                                     self->writing_ = false;
                                     if (!error && self->ended_) self->send();
                                   });
      return;
    }
    // One that cannot be passed (too many are on their way) is closed, as one that is.
    ::close(waiting_.front());
    waiting_.pop_front();
  }
}

void member_link::end() {
  if (const auto ended = std::exchange(ended_, nullptr)) ended();
}

void member_link::close() {
  ended_ = nullptr;
  stream_->close();
  for (const int one : std::exchange(waiting_, {})) ::close(one);
}

}  // namespace ombt::drivers::direct
