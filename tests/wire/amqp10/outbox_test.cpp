// SPDX-License-Identifier: Apache-2.0
// What is written in the place of tokens: the outbox alone, and behind a connection.
#include "wire/amqp10/outbox.hpp"

#include "wire/amqp10/states.hpp"

#include "tests/wire/amqp10/couple.hpp"
#include "tests/wire/amqp10/script.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace ombt::wire::amqp10::test {
using namespace script;

namespace {

std::string_view view(const outbox::token& from) { return {from.data(), from.size()}; }

/// The message that the token stands for; "none" if there is none.
std::string taken(outbox& from, std::string_view token) {
  std::string out = "none";
  from.take(token, [&](std::string_view message) { out = message; });
  return out;
}

/// Takes everything that the peer begins, and gives credit.
void take_all(const any_event& event) {
  if (const auto* s = std::get_if<event::session_opened>(&event); s != nullptr && s->by_peer) {
    s->on.accept();
  }
  if (const auto* l = std::get_if<event::link_opened>(&event); l != nullptr && l->by_peer) {
    l->on.accept({"a"}, {"b"});
    l->on.add_credit(1000);
  }
}

/// A flow of a session alone: so many more transfers from `next` on.
std::string window(unsigned channel, std::uint64_t next, std::uint64_t size) {
  return script::performative(channel, 0x13, {uint(next), uint(size), uint(0), uint(0x7fffffff)});
}

}  // namespace

TEST_CASE("An outbox gives each message once, in any order, for its token only") {
  block_cache blocks;
  outbox box(blocks);
  CHECK(box.empty());
  const auto one = box.put("one", nullptr);
  const auto nothing = box.put("", nullptr);
  const auto three = box.put("three", nullptr);
  CHECK_FALSE(box.empty());
  CHECK(box.size() == 8);
  for (const std::string& text :
       {std::string(), std::string("one"), std::string(24, '\0'), std::string(view(one)) + "x",
        std::string(view(one)).substr(1), std::string(23, 'x') + "\1"}) {
    CHECK(taken(box, text) == "none");
  }
  std::string later(view(three));
  ++later[outbox::secret_size];
  CHECK(taken(box, later) == "none");
  CHECK(taken(box, view(three)) == "three");
  CHECK(taken(box, view(three)) == "none");
  CHECK(taken(box, view(one)) == "one");
  CHECK(taken(box, view(one)) == "none");
  CHECK(box.size() == 0);
  CHECK_FALSE(box.empty());
  CHECK(taken(box, view(nothing)).empty());
  CHECK(box.empty());
  CHECK(taken(box, view(nothing)) == "none");
  CHECK(taken(box, view(box.put("again", nullptr))) == "again");
}

TEST_CASE("An outbox keeps messages whole, whichever are taken when") {
  block_cache blocks;
  outbox box(blocks);
  std::mt19937 random(5);
  std::map<std::string, std::string> in;
  std::size_t bytes = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 2 == 0) {
      const std::string text(random() % 3000, static_cast<char>('a' + i % 26));
      in[std::string(view(box.put(text, nullptr)))] = text;
      bytes += text.size();
    } else if (!in.empty()) {
      auto which = in.begin();
      std::advance(which, static_cast<std::ptrdiff_t>(random() % std::min(in.size(), 5ul)));
      REQUIRE(taken(box, which->first) == which->second);
      bytes -= which->second.size();
      in.erase(which);
    }
    REQUIRE(box.size() == bytes);
    REQUIRE(box.empty() == in.empty());
  }
}

TEST_CASE("A link that ends leaves its messages to the connection") {
  block_cache blocks;
  outbox box(blocks);
  const link_state one{};
  const link_state two{};
  box.put("12345", &one);
  const auto kept = box.put("678", &two);
  const auto gone = box.put("90", &one);
  taken(box, view(gone));
  CHECK(box.disown(&one) == 5);
  CHECK(box.disown(&one) == 0);
  CHECK(box.size() == 8);
  CHECK(taken(box, view(kept)) == "678");
  CHECK(box.disown(&two) == 0);
}

TEST_CASE("Messages of all lengths arrive as they were, in one frame or in several") {
  for (const std::uint32_t frame_size : {0u, 512u, 600u, 1000u, 100'000u}) {
    CAPTURE(frame_size);
    couple on;
    on.server.options.max_frame_size = frame_size;
    std::vector<std::string> arrived;
    on.server.on_event = [&](const any_event& event) {
      take_all(event);
      if (const auto* d = std::get_if<event::delivered>(&event)) {
        arrived.emplace_back(d->message);
        d->what.settle({outcome::kind::accepted, false, false, {}, {}});
      }
    };
    on.open();
    const link out = on.client.last_session.open_sender("out", {"a"}, {"b"});
    on.run();
    std::vector<std::string> sent;
    for (std::size_t size :
         {0, 1, 23, 24, 25, 87, 88, 89, 487, 488, 489, 511, 512, 999, 1001, 5000, 70'000}) {
      std::string text(size, '\0');
      for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + size);
      sent.push_back(text);
      (void)out.send("tag", text, size % 2 == 0);
    }
    on.run();
    CHECK(arrived == sent);
    CHECK(out.unsent() == 0);
  }
}

TEST_CASE("A message that its session's window holds back lets those of other sessions pass") {
  end client;
  const time_point now{std::chrono::hours(1)};
  client.start(now);
  const link slow = client.bus().open_session().open_sender("slow", {"a"}, {"a"});
  const link fast = client.bus().open_session().open_sender("fast", {"a"}, {"a"});
  client.take_sent(now);
  client.feed(header() + script::open() + begin_answer(0, 0) + begin_answer(1, 1) +
                  attach(0, 0, "slow", true) + attach(1, 0, "fast", true) + flow(0, 0, 0, 100) +
                  flow(1, 0, 0, 100) + window(0, 0, 0),
              now);
  CHECK(slow.send("1", "held back", true).operator bool() == false);
  CHECK(client.take_sent(now).empty());
  for (int i = 0; i < 50; ++i) {
    const std::string text = "passes " + std::to_string(i);
    fast.send(std::to_string(i), text, true);
    const std::string said = client.take_sent(now);
    CHECK(said.find(text) != std::string::npos);
    CHECK(said.find("held back") == std::string::npos);
    CHECK(slow.unsent() >= 9);
  }
  client.feed(window(0, 0, 1), now);
  const std::string said = client.take_sent(now);
  CHECK(said.find("held back") != std::string::npos);
  CHECK(slow.unsent() == 0);
}

TEST_CASE(
    "Messages held back go out in their order as the window opens, settled meanwhile or not") {
  end client;
  const time_point now{std::chrono::hours(1)};
  client.start(now);
  const link out = client.bus().open_session().open_sender("out", {"a"}, {"a"});
  client.take_sent(now);
  client.feed(header() + script::open() + begin_answer(0, 0) + attach(0, 0, "out", true) +
                  flow(0, 0, 0, 100) + window(0, 0, 0),
              now);
  for (int i = 0; i < 6; ++i) {
    const delivery one = out.send("t", "number " + std::to_string(i), i % 3 == 0);
    if (i % 3 == 1) one.settle();
  }
  for (unsigned i = 0; i < 6; i += 2) {
    client.feed(window(0, i, 2), now);
    const std::string said = client.take_sent(now);
    for (unsigned k = 0; k < 6; ++k) {
      CHECK((said.find("number " + std::to_string(k)) != std::string::npos) ==
            (k == i || k == i + 1));
    }
  }
}

TEST_CASE("What was sent before a close of its link or session goes out before it") {
  for (const bool whole_session : {false, true}) {
    end client;
    const time_point now{std::chrono::hours(1)};
    client.start(now);
    const session on = client.bus().open_session();
    const link out = on.open_sender("out", {"a"}, {"a"});
    client.take_sent(now);
    client.feed(header() + script::open() + begin_answer(0, 0) + attach(0, 0, "out", true) +
                    flow(0, 0, 0, 100),
                now);
    out.send("1", "the last words", true);
    if (whole_session) {
      on.close();
    } else {
      out.close();
    }
    const std::string said = client.take_sent(now);
    CHECK(said.find("the last words") != std::string::npos);
    CHECK(said.find("the last words") < said.find(described(whole_session ? 0x17 : 0x16, "")));
  }
}

}  // namespace ombt::wire::amqp10::test
