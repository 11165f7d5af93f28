// SPDX-License-Identifier: Apache-2.0
// SASL at both ends, right and wrong, and what comes before it.
#include "wire/amqp10/handshake.hpp"

#include "tests/wire/amqp10/couple.hpp"
#include "tests/wire/amqp10/script.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::wire::amqp10;
using namespace ombt::wire::amqp10::test;
namespace script = ombt::wire::amqp10::script;

namespace {

struct outcome_of {
  lines client, server;
};

couple couple_with(const char* allowed, const char* offered) {
  couple on;
  on.client.options.mechanisms = allowed;
  on.server.options.mechanisms = offered;
  on.server.options.check_password = [](std::string_view user, std::string_view password) {
    return user == "me" && password == "secret";
  };
  return on;
}

lines play_client(end& client, std::string_view bytes, time_point now) {
  client.start(now);
  client.feed(bytes, now);
  client.drain();
  return client.take_events();
}

bool has(const lines& events, std::string_view part) {
  return !events.empty() && events.back().find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("EXTERNAL takes the name of the certificate, and needs one") {
  for (const char* user : {"", "alice", "mallory"}) {
    for (const char* name : {"alice", ""}) {
      INFO(user << " with the certificate of " << name);
      couple on = couple_with("EXTERNAL PLAIN ANONYMOUS", "EXTERNAL ANONYMOUS");
      on.client.user = user;
      on.server.external_user = name;
      on.server.encrypted = on.client.encrypted = true;
      on.start();
      on.run();
      // Who the client is elsewhere plays no part.
      if (*name != 0) {
        CHECK(on.client.events == lines{"opened 'server'"});
        CHECK(on.server.events == lines{"opened 'client' user 'alice'"});
        CHECK(on.client.bus().mechanism() == "EXTERNAL");
        CHECK(on.server.bus().mechanism() == "EXTERNAL");
      } else {
        CHECK(has(on.client.events, "closed protocol authentication_failed"));
        CHECK(has(on.server.events, "closed protocol authentication_failed"));
      }
    }
  }
}

TEST_CASE("EXTERNAL lets nobody ask to be somebody else") {
  connection_options options;
  options.mechanisms = "EXTERNAL";
  login with;
  with.external_user = "alice";
  std::string user;
  CHECK(judge_init(options, with, "EXTERNAL", "", user));
  CHECK(judge_init(options, with, "EXTERNAL", "alice", user));
  CHECK(user == "alice");
  CHECK_FALSE(judge_init(options, with, "EXTERNAL", "mallory", user));
  with.external_user.clear();
  CHECK_FALSE(judge_init(options, with, "EXTERNAL", "", user));
}

TEST_CASE("Without TLS there is no certificate: EXTERNAL is not tried") {
  couple on = couple_with("EXTERNAL PLAIN", "EXTERNAL PLAIN");
  on.client.user = "me";
  on.client.password = "secret";
  on.start();
  on.run();
  CHECK(on.client.bus().mechanism() == "PLAIN");
}

TEST_CASE("A user logs in by PLAIN, and by ANONYMOUS where only that is offered") {
  for (const char* offered : {"PLAIN", "ANONYMOUS PLAIN", "ANONYMOUS"}) {
    couple on = couple_with("", offered);
    on.client.user = "me";
    on.client.password = "secret";
    on.start();
    on.run();
    const bool plain = std::string_view(offered) != "ANONYMOUS";
    CHECK(on.client.bus().mechanism() == (plain ? "PLAIN" : "ANONYMOUS"));
    CHECK(on.server.events == lines{plain ? "opened 'client' user 'me'" : "opened 'client'"});
  }
}

TEST_CASE("Without a user PLAIN is not tried, and without a check it is refused") {
  couple nobody = couple_with("PLAIN", "PLAIN");
  nobody.start();
  nobody.run();
  CHECK(has(nobody.client.events, "no common login mechanism; the peer offers: PLAIN"));

  couple unchecked = couple_with("PLAIN", "PLAIN");
  unchecked.client.user = "me";
  unchecked.client.password = "secret";
  unchecked.server.options.check_password = nullptr;
  unchecked.start();
  unchecked.run();
  CHECK(has(unchecked.server.events, "authentication_failed"));
}

TEST_CASE("A mechanism that the server does not offer is refused, even if it is known") {
  couple on = couple_with("", "PLAIN");
  on.server.start(on.now);
  on.server.feed(script::sasl_header() + script::init("ANONYMOUS", "x"), on.now);
  CHECK(on.server.take_events() ==
        lines{"closed protocol authentication_failed 'a login by ANONYMOUS was refused'"});
  CHECK(on.server.take_sent(on.now).find(script::u8(0x44)) != std::string::npos);
}

TEST_CASE("PLAIN's response must be whole, and for oneself") {
  for (const auto& [response, right] : std::initializer_list<std::pair<std::string, bool>>{
           {std::string("\0me\0secret", 10), true},
           {std::string("me\0me\0secret", 12), true},
           {std::string("you\0me\0secret", 13), false},
           {std::string("\0me\0secre", 9), false},
           {std::string("\0me\0secret\0", 11), false},
           {std::string("\0me", 3), false},
           {"", false},
           {std::string("\0\0secret", 8), false}}) {
    couple on = couple_with("", "PLAIN");
    on.server.start(on.now);
    on.server.feed(
        script::sasl_header() + script::init("PLAIN", response) + script::header() + script::open(),
        on.now);
    CHECK(has(on.server.events, right ? "opened 'peer' user 'me'" : "authentication_failed"));
  }
}

TEST_CASE("A server takes a peer without SASL unless a login is required") {
  for (const bool required : {false, true}) {
    couple on = couple_with("", "PLAIN ANONYMOUS");
    on.server.options.authentication_required = required;
    on.start();
    on.run();
    if (required) {
      CHECK(on.client.events ==
            lines{"closed protocol authentication_failed 'the peer asks for a login (SASL), and "
                  "none is set'"});
      CHECK(on.server.events ==
            lines{"closed protocol authentication_failed 'the peer did not log in (SASL)'"});
    } else {
      CHECK(on.server.events == lines{"opened 'client'"});
    }
  }
}

TEST_CASE("A server without SASL refuses a peer that wants to log in") {
  couple on = couple_with("ANONYMOUS", "");
  on.start();
  on.run();
  CHECK(on.client.events ==
        lines{"closed protocol authentication_failed 'the peer takes no login (SASL)'"});
  CHECK(on.server.events == lines{"closed protocol authentication_failed 'the peer wants to log in "
                                  "(SASL), and there is no login here'"});
}

TEST_CASE("A peer that hangs up during SASL has refused the login; our own time limit has not") {
  const std::string all = script::sasl_header() + script::mechanisms({"PLAIN"});
  for (std::size_t at = 0; at <= all.size(); ++at) {
    INFO("after " << at << " bytes");
    end client;
    client.user = "me";
    const time_point now{std::chrono::hours(1)};
    client.start(now);
    client.feed(all.substr(0, at), now);
    client.bus().transport_closed(errc::connection_lost);
    client.drain();
    CHECK(has(client.take_events(), at < 8 ? "closed transport connection_lost"
                                           : "closed transport authentication_failed"));
  }
  end client;
  client.user = "me";
  client.start({});
  client.feed(script::sasl_header(), {});
  client.bus().transport_closed(
      boost::system::errc::make_error_code(boost::system::errc::timed_out));
  client.drain();
  CHECK(!has(client.take_events(), "authentication_failed"));
}

TEST_CASE("A login of several steps is not gone into") {
  end client;
  client.user = "me";
  CHECK(has(play_client(client,
                        script::sasl_header() + script::mechanisms({"PLAIN"}) +
                            script::sasl(0x42, {script::binary("challenge")}),
                        {}),
            "closed protocol authentication_failed"));
}

TEST_CASE("SASL frames out of order, malformed or too large are a breach of the protocol") {
  for (const std::string& bytes :
       {script::outcome(0), script::mechanisms({"PLAIN"}) + script::mechanisms({"PLAIN"}),
        script::init("PLAIN", ""), script::open(), script::sasl(0x99, {}), script::frame(1, 0, "x"),
        script::u32(5000) + "\2\1", script::u32(7),
        script::frame(1, 0, script::described(0x40, script::nested(100)))}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{SIZE_MAX}}) {
      end client;
      client.user = "me";
      client.start({});
      client.feed(script::sasl_header() + bytes, {}, piece);
      CHECK(has(client.take_events(), "closed protocol protocol_error"));
      CHECK(client.bus().read_buffer().empty());
    }
  }
}

TEST_CASE("A single mechanism may come without an array") {
  end client;
  client.options.mechanisms = "ANONYMOUS";
  CHECK(play_client(client,
                    script::sasl_header() + script::sasl(0x40, {script::symbol("ANONYMOUS")}) +
                        script::outcome(0) + script::header() + script::open(),
                    {}) == lines{"opened 'peer'"});
  CHECK(client.bus().mechanism() == "ANONYMOUS");
}

TEST_CASE("Another protocol is told by its name") {
  using namespace std::string_literals;
  for (const auto& [bytes, words] : std::initializer_list<std::pair<std::string, std::string>>{
           {"AMQP\0\0\x09\x01"s, "the peer speaks AMQP 0-9-1, not AMQP 1.0"},
           {"AMQP\1\1\x09\1"s, "the peer speaks AMQP 9-1, not AMQP 1.0"},
           {"AMQP\1\1\x08\0"s, "the peer speaks AMQP 0-8, not AMQP 1.0"},
           {"AMQP\2\1\0\0"s, "the peer speaks AMQP 1.0 with TLS inside"},
           {"AMQP\7\7\7\7"s, "another version of AMQP (header 07 07 07 07)"},
           {"HTTP/1.1 400 Bad Request\r\n"s, "the peer speaks HTTP, not AMQP 1.0"},
           {"GET / HTTP/1.1\r\n"s, "the peer speaks HTTP, not AMQP 1.0"},
           {"\x15\3\1\0\2\2\x0a"s, "the peer speaks TLS"},
           {"\x16\3\1\0\xff"s, "the peer speaks TLS"},
           {"SSH-2.0-OpenSSH\r\n"s, "its first bytes are 53 53 48 2d"}}) {
    for (const role side : {role::client, role::server}) {
      for (const std::size_t piece : {std::size_t{1}, std::size_t{SIZE_MAX}}) {
        end one;
        one.options.side = side;
        one.start({});
        one.feed(bytes, {}, piece);
        INFO(words);
        CHECK(has(one.events, "closed protocol wrong_protocol"));
        // As soon as one byte shows it, it is said.
        CHECK(has(one.events, piece == 1 ? words.substr(0, 22) : words));
        CHECK(one.take_events().size() == 1);
      }
    }
  }
}
