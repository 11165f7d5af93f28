// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the threads of a router say to each other: notes, gathered during a turn for each other
// thread and handed over together. A note names its object by a pointer that only the object's own
// thread follows. Notes of one thread to another keep their order. Owns the notes until they are
// taken. One thread.
//
//   from the peer's thread      to the address's      means
//   attach_sender, _receiver    link                  a link has come; its state is the core's now
//   detach_sender, _receiver    link                  it is gone; answered with gone
//   message                     in_link               a message, with its delivery unless settled
//   given_up                    delivery              its sender has settled it; answered with
//                                                     forgotten
//   credit                      out_link              its credit, and what has been taken; asks
//                                                     with `settled` for drained, after what is
//                                                     sent of it
//   update                      flight                what its receiver says; it is settled there
//
//   from the address's thread   to the peer's         means
//   give_credit                 far_sender            credit for its peer
//   settle                      far_delivery          its outcome
//   forgotten                   far_delivery          nobody here names it any more
//   send                        far_receiver          a message for its peer
//   drained                     far_receiver          nothing more of the credit will be used
//   gone                        far_sender, _receiver the link is forgotten here
//
//   from any                    to any                means
//   deliver                     an address            a message of the router's own
//   taken                                             so many bytes of messages were read

#include "tools/router/links.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ombt::tools::router {

struct note {
  enum class kind : std::uint8_t {
    attach_sender,
    attach_receiver,
    detach_sender,
    detach_receiver,
    message,
    given_up,
    credit,
    update,
    give_credit,
    settle,
    forgotten,
    send,
    drained,
    gone_sender,
    gone_receiver,
    deliver,
    taken,
  };
  kind what;
  bool settled = false;
  amqp::outcome::kind outcome = amqp::outcome::kind::none;
  bool delivery_failed = false;
  bool undeliverable_here = false;
  union {
    in_link* sender;
    out_link* receiver;
    far_sender* sender_stub;
    far_receiver* receiver_stub;
  };
  union {
    flight* message;
    far_delivery* delivery;
  };
  std::int64_t number = 0;  ///< message: credit used in all; credit: messages allowed in all
  std::uint64_t bytes = 0;  ///< credit: taken in all; taken
  std::size_t unsent = 0;   ///< credit
  std::string text;         ///< a message; an address; of rejected, the condition
  std::string more;         ///< deliver: the message; of rejected, the description
  std::shared_ptr<const std::string> shared;  ///< the message of a multicast

  explicit note(kind of) noexcept : what(of), sender(nullptr), message(nullptr) {}
  void set(const amqp::outcome& how);
  amqp::outcome how() const noexcept;
};

class notes {
 public:
  /// `wanted` is called when there is something to hand over and was not before.
  notes(std::size_t threads, std::function<void()> wanted)
      : gathered_(threads), wanted_(std::move(wanted)) {}

  std::size_t threads() const noexcept { return gathered_.size(); }
  /// A new one; valid until the next.
  note& add(std::size_t to, note::kind what) {
    if (!std::exchange(any_, true) && wanted_) wanted_();
    return gathered_[to].emplace_back(what);
  }
  /// Gives all that was gathered to give(thread, notes), thread by thread.
  template <class Give>
  void hand_over(Give&& give) {
    any_ = false;
    for (std::size_t to = 0; to < gathered_.size(); ++to) {
      if (!gathered_[to].empty()) give(to, std::exchange(gathered_[to], {}));
    }
  }

 private:
  std::vector<std::vector<note>> gathered_;
  std::function<void()> wanted_;
  bool any_ = false;
};

}  // namespace ombt::tools::router
