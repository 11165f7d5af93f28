// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which call a reply is for: the calls that the transports of an I/O thread have in flight, by the
// ids that their replies name. One table for all of them, as most have one call at a time. Owns no
// calls; who enters one forgets it. One thread.

#include "wire/oslo/messages.hpp"

#include "drivers/operations.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ombt::drivers {

class call_table {
 public:
  using handle = operations::handle;

  void enter(const wire::oslo::hex_id& id, const void* transport, handle call) {
    calls_.insert_or_assign(id, entry{transport, call});
  }
  void forget(const wire::oslo::hex_id& id) { calls_.erase(id); }
  /// The call of that transport that has the id; 0: none has.
  handle find(std::string_view id, const void* transport) const noexcept {
    wire::oslo::hex_id key{};
    if (id.size() != key.size()) return 0;
    std::copy(id.begin(), id.end(), key.begin());
    const auto found = calls_.find(key);
    return found != calls_.end() && found->second.transport == transport ? found->second.call : 0;
  }
  std::size_t size() const noexcept { return calls_.size(); }

 private:
  struct entry {
    const void* transport;
    handle call;
  };
  struct id_hash {
    std::size_t operator()(const wire::oslo::hex_id& id) const noexcept {
      // Random digits: a multiplication spreads the ASCII bytes' entropy over the word.
      std::uint64_t a;
      std::uint64_t b;
      std::memcpy(&a, id.data(), sizeof a);
      std::memcpy(&b, id.data() + 16, sizeof b);
      a = (a ^ (b * 0x9e3779b97f4a7c15U)) * 0xff51afd7ed558ccdU;
      return static_cast<std::size_t>(a ^ (a >> 32));
    }
  };

  boost::unordered_flat_map<wire::oslo::hex_id, entry, id_hash> calls_;
};

}  // namespace ombt::drivers
