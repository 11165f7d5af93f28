// SPDX-License-Identifier: Apache-2.0
#include "drivers/direct/connection.hpp"

#include "wire/control/direct.hpp"

#include "drivers/direct/jitter.hpp"
#include "drivers/io/local.hpp"
#include "drivers/io/peer.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <utility>

namespace ombt::drivers::direct {
namespace {

/// For writing what is queued, and for the peer to end it then.
constexpr auto finishing_limit = std::chrono::seconds(5);
/// What has been written stays at most so long in front of what waits.
constexpr std::size_t most_written = std::size_t{1} << 20;
/// A buffer that is not larger is kept.
constexpr std::size_t little = 4096;

enum connection_timer : std::uint64_t { limit_tag, retry_tag };

std::string place_text(const direct_place& to) {
  if (to.host.empty()) return to.socket;
  const bool v6 = to.host.find(':') != std::string::npos;
  return (v6 ? "[" + to.host + "]" : to.host) + ":" + std::to_string(to.port);
}

/// Who closes what it has not read all of ends it by a reset.
bool is_end(error_code error) {
  return error == io::asio::error::eof || error == io::asio::error::connection_reset ||
         error == io::asio::error::broken_pipe;
}

}  // namespace

connection::connection(io::context& on, channel& face, const channel_limits& limits)
    : context_(on), face_(&face), limits_(limits), splitter_(limits.frame) {}

connection::~connection() { drop(); }

// --- Opening ----------------------------------------------------------------------------------

void connection::connect(const direct_place& to, std::string_view process,
                         std::shared_ptr<const token> secret) {
  to_ = to;
  route_ = wire::control::route_to(process);
  secret_ = std::move(secret);
  peer_ = place_text(to_);
  first_ = false;  // an answer to our hello may be long
  set_timer(limits_.opening, limit_tag);
  if (to_.host.empty()) {
    return io::asio::post(context_.asio(), [self = shared_from_this()] { self->connect_local(); });
  }
  if (!secret_) {
    return io::asio::post(context_.asio(), [self = shared_from_this()] {
      self->over(errc::authentication_failed, "TCP needs a token");
    });
  }
  const auto made = std::make_shared<io::connector>(context_.asio());
  connector_ = made;
  made->start(to_.host, to_.port, nullptr,
              [self = shared_from_this()](std::unique_ptr<io::stream> stream, error_code error,
                                          std::string detail) {
                if (error) return self->over(error, std::move(detail));
                self->reached(std::move(stream));
              });
}

void connection::connect_local() {
  if (state_ != state::opening) return;
  error_code error;
  auto stream = io::connect_local(context_.asio(), to_.socket, error);
  if (stream) return reached(std::move(stream));
  if (error == io::asio::error::would_block) {  // hundreds connect at once
    retry_timer_ = context_.start_timer(steady_clock::now() + jitter(), *this, retry_tag);
    return;
  }
  if (error == io::asio::error::no_permission) {
    return over(errc::authentication_failed, "another user's process listens there");
  }
  over(error, error.message());
}

void connection::reached(std::unique_ptr<io::stream> stream) {
  if (state_ != state::opening) return;
  const io::io_result r = stream->write_some(route_);
  if (r.status != io::io_status::done || r.bytes != route_.size()) {
    const error_code error = r.error && !is_end(r.error) ? r.error : errc::connection_lost;
    return over(error, "it closed the connection at once");
  }
  if (to_.host.empty()) return opened(std::move(stream));
  io::watch_peer(*stream);
  stream->start_tls(secret_->tls(), false);
  const auto its = std::make_shared<io::handshake>(std::move(stream));
  handshake_ = its;
  its->start([self = shared_from_this()](std::unique_ptr<io::stream> done, error_code error) {
    self->secured(std::move(done), error);
  });
}

void connection::secured(std::unique_ptr<io::stream> stream, error_code error) {
  if (state_ != state::opening) return;
  if (!error) return opened(std::move(stream));
  if (is_end(error)) {
    return over(errc::connection_lost,
                "it closed the connection before it was opened: that process is gone, or it is no "
                "agent that listens there");
  }
  if (error.category() != io::tls_category()) return over(error, error.message());
  if (io::is_wrong_key(error)) {
    return over(errc::authentication_failed,
                "it has another token: the file of --token-file, OMBT_TOKEN_FILE or "
                "~/.config/ombt/token must be the same");
  }
  over(errc::wrong_protocol, "it is no agent that listens there, or has another token");
}

void connection::opened(std::unique_ptr<io::stream> stream) {
  const auto keep = shared_from_this();
  start(std::move(stream));
  handler_->on_open(*face_);
}

void connection::accept(std::unique_ptr<io::stream> from, std::string peer) {
  peer_ = std::move(peer);
  splitter_.set_limit(std::min(limits_.frame, channel::first_frame_limit));
  start(std::move(from));
}

void connection::start(std::unique_ptr<io::stream> stream) {
  context_.cancel_timer(std::exchange(limit_timer_, 0));
  state_ = state::open;
  pump_ = std::make_shared<engine_pump>(context_, std::move(stream), *this, *this);
  pump_->start();
}

// --- Open -------------------------------------------------------------------------------------

void connection::send(std::string_view frame) {
  if (state_ > state::open || overrun_) return;
  if (unsent() > limits_.unsent) {
    overrun_ = true;
    return io::asio::post(context_.asio(), [self = shared_from_this()] {
      self->over(errc::limit_exceeded,
                 "it does not read: " + std::to_string(self->unsent()) + " bytes wait for it");
    });
  }
  wire::control::append_frame(out_, frame);
  if (pump_) pump_->wake();
}

void connection::read_done(std::size_t n, time_point) {
  splitter_.read_done(n);
  if (n == 0) splitter_.next();  // gives back its room: on_bytes() has taken what there was
}

void connection::write_done(std::size_t n, time_point) {
  written_ += n;
  if (written_ == out_.size()) {
    out_.capacity() > little ? std::string().swap(out_) : out_.clear();
    written_ = 0;
  } else if (written_ >= most_written && written_ >= out_.size() / 2) {
    out_.erase(0, written_);
    written_ = 0;
  }
}

void connection::on_written() {
  if (state_ == state::finishing) return pump_->end_writing();
  if (state_ == state::open && handler_ != nullptr) handler_->on_written(*face_);
}

void connection::transport_closed(error_code why) { ended_ = why; }

void connection::on_bytes() {
  const auto keep = shared_from_this();
  while (state_ == state::open) {
    const auto frame = splitter_.next();
    if (!frame) break;
    if (std::exchange(first_, false)) splitter_.set_limit(limits_.frame);
    if (handler_ != nullptr) handler_->on_frame(*face_, *frame);
  }
  while (state_ == state::finishing && splitter_.next()) {
  }
  if (!splitter_.failure().empty()) return over(errc::protocol_error, splitter_.failure());
  if (!ended_) return;
  if (!is_end(ended_)) return over(ended_, ended_.message());
  over(errc::connection_lost,
       splitter_.has_part() ? "it ended in the middle of a frame" : std::string());
}

// --- The end ----------------------------------------------------------------------------------

void connection::finish() {
  if (state_ == state::opening) return close();
  if (state_ != state::open) return;
  state_ = state::finishing;
  context_.keep(shared_from_this());
  set_timer(finishing_limit, limit_tag);
  if (unsent() == 0) pump_->end_writing();
}

void connection::close() {
  const auto keep = weak_from_this().lock();
  const bool kept = state_ == state::finishing;
  state_ = state::closed;
  drop();
  if (kept) context_.drop(keep);
}

void connection::abandon() {
  face_ = nullptr;
  if (state_ != state::finishing) close();
}

void connection::over(error_code error, std::string detail) {
  if (state_ == state::closed) return;
  const bool told = state_ != state::finishing && face_ != nullptr && handler_ != nullptr;
  const auto keep = shared_from_this();
  close();
  if (told) handler_->on_closed(*face_, error, detail);
}

void connection::drop() {
  context_.cancel_timer(std::exchange(limit_timer_, 0));
  context_.cancel_timer(std::exchange(retry_timer_, 0));
  if (const auto its = connector_.lock()) its->cancel();
  if (const auto its = handshake_.lock()) its->cancel();
  if (pump_) pump_->close();
}

void connection::set_timer(duration after, std::uint64_t tag) {
  context_.cancel_timer(limit_timer_);
  limit_timer_ = context_.start_timer(steady_clock::now() + after, *this, tag);
}

void connection::on_timer(std::uint64_t tag) {
  const auto keep = shared_from_this();
  if (tag == retry_tag) {
    retry_timer_ = 0;
    return connect_local();
  }
  limit_timer_ = 0;
  over(errc::messaging_timeout, "it did not answer in time");
}

}  // namespace ombt::drivers::direct
