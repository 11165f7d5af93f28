// SPDX-License-Identifier: Apache-2.0
#pragma once
// One channel's state: its phase, the answers that it waits for, its publish count and a message
// whose frames did not all come at once. Sends nothing itself: the engine does.
// Internal to wire/amqp091.
//
//   phase    what                         next     the engine does
//   closed   open_channel()               opening  channel.open
//   opening  channel.open-ok              open     event channel_opened
//   open     close_channel()              closing  channel.close (also for what can't be encoded)
//   open     channel.close of the broker  closed   channel.close-ok, event channel_closed (by_peer)
//   closing  channel.close-ok             closed   event channel_closed
//   closing  channel.close of the broker  closed   as open; the answer to ours is still to come
//   closing  any other frame              closing  nothing: the broker had not seen our close yet
//   closed   any frame                    -        a protocol error

#include "wire/amqp091/content.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace ombt::wire::amqp091 {

enum class channel_phase : std::uint8_t { closed, opening, open, closing };

/// What synchronous commands wait for. Answers are reported in the order of the commands, but come
/// in another: a RabbitMQ queue answers basic.consume by itself, after what the channel answers to
/// later commands.
class answer_queue {
 public:
  void push(event::command what) { waiting_.push_back({what, false}); }
  /// Marks the oldest open command of that kind; false if there is none.
  bool answer(event::command what) noexcept {
    for (std::size_t i = next_; i < waiting_.size(); ++i) {
      if (waiting_[i].what != what || waiting_[i].answered) continue;
      waiting_[i].answered = true;
      return true;
    }
    return false;
  }
  /// True when the oldest command was answered and can be reported.
  bool ready() const noexcept { return next_ < waiting_.size() && waiting_[next_].answered; }
  /// Takes the oldest; only when ready().
  event::command take() noexcept {
    const event::command what = waiting_[next_].what;
    if (++next_ == waiting_.size()) clear();
    return what;
  }
  /// Gives the memory back too: commands come at set-up, then no more.
  void clear() noexcept {
    next_ = 0;
    std::vector<entry>().swap(waiting_);
  }

 private:
  struct entry {
    event::command what;
    bool answered;
  };
  std::vector<entry> waiting_;
  std::size_t next_ = 0;
};

struct channel {
  channel_phase phase = channel_phase::closed;
  bool confirming = false;       ///< confirm.select was sent
  bool stray_close_ok = false;   ///< both sides closed at once: a close-ok is still to come
  std::uint16_t close_code = 0;  ///< why this side closed it, for the event; 0: asked to
  const char* close_text = "";
  std::uint64_t published = 0;  ///< since confirm.select was sent
  answer_queue expected;
  std::unique_ptr<content> suspended;

  /// Back to closed, as if never opened.
  void forget() noexcept {
    const bool stray = stray_close_ok;
    *this = channel{};
    stray_close_ok = stray;
  }
};

}  // namespace ombt::wire::amqp091
