// SPDX-License-Identifier: Apache-2.0
// A client that says anything to the router, beside honest ones on the same address. Another honest
// pair, which it cannot come between, must not notice; nothing of it may be left when it has gone.
#include "tests/tools/router/bed.hpp"
#include "tools/router/management.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <vector>

namespace {

using namespace ombt::tools::router;

constexpr auto now = amqp::time_point(std::chrono::hours(1000));

class hostile final : private peer::host {
 public:
  explicit hostile(test::bed& at)
      : bed_(at),
        engine_(at.server, "router", "", "", false, now),
        peer_(at.part(0), *this, at.limits) {}

  void say(std::string_view bytes) {
    while (!bytes.empty() && !over_) {
      const auto room = engine_.read_buffer();
      if (room.empty()) break;
      const std::size_t n = std::min({room.size(), bytes.size(), std::size_t{200}});
      std::copy_n(bytes.begin(), n, room.begin());
      bytes.remove_prefix(n);
      engine_.read_done(n, now);
      engine_.drain(peer_);
      listen();
      bed_.run();
    }
    engine_.transport_closed(ombt::errc::connection_lost);
    engine_.drain(peer_);
    if (!over_) std::abort();
  }

 private:
  void listen() {
    for (auto bytes = engine_.write_buffer(); !bytes.empty(); bytes = engine_.write_buffer()) {
      engine_.write_done(bytes.size(), now);
    }
    peer_.on_writable();
  }
  void wake() override {}
  void on_opened() override {}
  void hold(bool) override {}
  void on_closed(const amqp::event::closed&) override { over_ = true; }

  test::bed& bed_;
  amqp::connection engine_;
  peer peer_;
  bool over_ = false;
};

/// With several cores most of what it says goes to another one.
void converse(std::string_view said, std::size_t cores) {
  core_limits limits;
  limits.queue_bytes = 10'000;
  limits.buffer_messages = 5;
  limits.unsent_bytes = 5000;
  test::bed router(limits, {}, cores);
  std::vector<const core*> all;
  for (std::size_t i = 0; i < cores; ++i) all.push_back(&router.part(i));
  const management answering(router.part(0), all,
                             [](const std::function<void()>& work) { work(); });
  router.server.max_frame_size = 4096;
  router.server.message_limit = 20'000;
  router.limits.links = 20;
  test::client& left = router.add();
  test::client& right = router.add();
  test::client_link& to = right.receiver("exclusive.honest", 100);
  test::client_link& from = left.sender("exclusive.honest");
  for (const char* const address : {"a", "broadcast"}) {
    right.receiver(address, 3);
    right.receiver(address, 3).hold = true;
    test::client_link& sends = left.sender(address);
    router.run();
    for (int i = 0; i < 12; ++i) left.send(sends, std::to_string(i), "x", i % 2 == 0);
  }
  router.run();
  const std::size_t links = router.router().links();
  {
    hostile other(router);
    other.say(said);
  }
  router.run();
  left.send(from, "t", "unharmed", false);
  router.run();
  const bool well = to.messages.size() >= 1 && to.messages.back() == "unharmed" &&
                    !from.outcomes.empty() && from.outcomes.back() == "t: accepted" &&
                    router.router().links() == links;
  if (!well) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const std::size_t cores : {1, 3}) {
    converse({reinterpret_cast<const char*>(data), size}, cores);
  }
  return 0;
}
