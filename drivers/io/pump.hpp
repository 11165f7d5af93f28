// SPDX-License-Identifier: Apache-2.0
#pragma once
// Moves bytes between a stream and a sans-I/O protocol engine: reads when the socket is readable,
// lets the owner take the engine's events, writes once a turn. Knows no protocol. One thread.
//
//   Engine: read_buffer(), read_done(n, now) (0: there was nothing to read), write_buffer(),
//           write_done(n, now), transport_closed(error)
//   Owner:  on_bytes() after every read and when the transport ended: drain the engine there;
//           shared_from_this(), so that a handler in flight keeps it; may have on_written(),
//           called when all that the engine had to say has been written

#include "drivers/io/context.hpp"
#include "drivers/io/stream.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <memory>

namespace ombt::drivers::io {

template <class Engine, class Owner>
class pump final : public flushable, public std::enable_shared_from_this<pump<Engine, Owner>> {
 public:
  pump(context& on, std::unique_ptr<stream> s, Engine& engine, Owner& owner)
      : context_(on), stream_(std::move(s)), engine_(engine), owner_(owner) {}
  ~pump() { context_.forget(*this); }
  pump(const pump&) = delete;
  pump& operator=(const pump&) = delete;

  /// Starts reading, and writes what the engine has.
  void start() {
    wait_read();
    wake();
  }
  /// To be called after giving the engine commands: its output is written at the end of the turn.
  void wake() { context_.flush_soon(*this); }
  /// Stops reading until resume(): back-pressure.
  void pause() { paused_ = true; }
  void resume() {
    if (!paused_) return;
    paused_ = false;
    wait_read();
  }
  bool is_paused() const noexcept { return paused_; }
  /// Ends it all; nothing of the owner is called afterwards.
  void close() {
    stopped_ = true;
    if (stream_) stream_->close();
  }
  /// Says to the peer that nothing more comes; its bytes still do.
  void end_writing() { stream_->end_writing(); }
  /// Ends it as close() does, but for the stream. From an owner's on_bytes().
  std::unique_ptr<stream> take_stream() {
    stopped_ = true;
    return std::move(stream_);
  }

  void flush() override {
    bool wrote = false;
    while (!stopped_ && !writing_) {
      const auto bytes = engine_.write_buffer();
      if (bytes.empty()) {
        if constexpr (requires { owner_.on_written(); }) {
          if (wrote) owner_.on_written();
        }
        return;
      }
      wrote = true;
      const io_result r = stream_->write_some(bytes);
      switch (r.status) {
        case io_status::done:
          engine_.write_done(r.bytes, steady_clock::now());
          break;
        case io_status::want_read:
        case io_status::want_write:
          return wait_write(r.status);
        case io_status::end_of_file:
          return ended(boost::asio::error::eof);
        case io_status::failed:
          return ended(r.error);
      }
    }
  }

 private:
  using socket = stream::socket_type;

  static socket::wait_type side_of(io_status what) {
    return what == io_status::want_write ? socket::wait_write : socket::wait_read;
  }

  /// what: a TLS read may have to write first.
  void wait_read(io_status what = io_status::want_read) {
    if (reading_ || stopped_) return;
    reading_ = true;
    auto go_on = [this, keep = owner_.shared_from_this(),
                  self = this->shared_from_this()](const error_code& error) {
      reading_ = false;
      if (stopped_ || paused_) return;
      if (error) return ended(error);
      read();
    };
    if (what == io_status::want_read && stream_->has_pending()) {
      // Decrypted bytes wait in the TLS layer: the socket need not become readable again.
      asio::post(context_.asio(), [go_on = std::move(go_on)]() mutable { go_on({}); });
    } else {
      stream_->socket().async_wait(side_of(what), std::move(go_on));
    }
  }

  void wait_write(io_status what) {
    writing_ = true;
    stream_->socket().async_wait(side_of(what),
                                 [this, keep = owner_.shared_from_this(),
                                  self = this->shared_from_this()](const error_code& error) {
                                   writing_ = false;
                                   if (stopped_) return;
                                   if (error) return ended(error);
                                   flush();
                                 });
  }

  void read() {
    // A connection that always has more gives way to the others after some reads.
    for (int turns = 0; turns < 8 && !paused_; ++turns) {
      const auto room = engine_.read_buffer();
      if (room.empty()) return;
      const io_result r = stream_->read_some(room);
      if (r.status == io_status::want_read) {
        engine_.read_done(0, {});
        break;
      }
      if (r.status == io_status::want_write) return wait_read(r.status);
      if (r.status == io_status::end_of_file) return ended(boost::asio::error::eof);
      if (r.status == io_status::failed) return ended(r.error);
      engine_.read_done(r.bytes, steady_clock::now());
      owner_.on_bytes();
      if (stopped_) return;
      if (r.bytes < room.size() && !stream_->has_pending()) break;
    }
    if (!paused_) wait_read();
  }

  void ended(error_code why) {
    if (stopped_) return;
    close();
    engine_.transport_closed(why);
    owner_.on_bytes();
  }

  context& context_;
  std::unique_ptr<stream> stream_;
  Engine& engine_;
  Owner& owner_;
  bool reading_ = false;
  bool writing_ = false;
  bool paused_ = false;
  bool stopped_ = false;
};

}  // namespace ombt::drivers::io
