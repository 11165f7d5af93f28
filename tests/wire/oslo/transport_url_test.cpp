// SPDX-License-Identifier: Apache-2.0
// compare_urls.py holds the good ones against the Python library; here are fixed ones, bad ones and
// what is masked.
#include "wire/oslo/transport_url.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ombt;
using namespace ombt::wire::oslo;

namespace {

std::string error_of(std::string_view text) {
  try {
    transport_url::parse(text);
  } catch (const configuration_error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST_CASE("a whole URL is taken apart") {
  const auto url = transport_url::parse(
      "rabbit://u%3Ax:p%40%2F@h1:5673,[::1]:5674,u2@h3/my%2Fvhost?ssl=1&ssl_ca_file=/a+b%2B");
  CHECK(url.driver == driver_kind::rabbit);
  REQUIRE(url.hosts.size() == 3);
  CHECK(url.hosts[0].host == "h1");
  CHECK(url.hosts[0].port == 5673);
  CHECK(url.hosts[0].user == "u:x");
  CHECK(url.hosts[0].password == "p@/");
  CHECK(url.hosts[0].login_given);
  CHECK(url.hosts[1].host == "::1");
  CHECK(url.hosts[1].port == 5674);
  CHECK(url.hosts[1].user == "guest");
  CHECK(url.hosts[1].password == "guest");
  CHECK_FALSE(url.hosts[1].login_given);
  CHECK(url.hosts[2].user == "u2");
  CHECK(url.hosts[2].password == "guest");
  CHECK(url.hosts[2].port == 5672);
  CHECK(url.virtual_host == "my/vhost");
  REQUIRE(url.options.size() == 2);
  CHECK(url.options[0] == std::pair<std::string, std::string>{"ssl", "1"});
  CHECK(url.options[1] == std::pair<std::string, std::string>{"ssl_ca_file", "/a b+"});
}

TEST_CASE("what a URL leaves out has defaults") {
  for (const char* text : {"rabbit://", "kombu://", "rabbit:///", "Rabbit://localhost",
                           "rabbit://:5672", "rabbit://,,/"}) {
    INFO(text);
    const auto url = transport_url::parse(text);
    CHECK(url.driver == driver_kind::rabbit);
    REQUIRE(url.hosts.size() == 1);
    CHECK(url.hosts[0].host == "localhost");
    CHECK(url.hosts[0].port == 5672);
    CHECK(url.hosts[0].user == "guest");
    CHECK(url.hosts[0].password == "guest");
    CHECK_FALSE(url.virtual_host);
    CHECK(url.options.empty());
  }
  const auto url = transport_url::parse("amqp://");
  CHECK(url.driver == driver_kind::amqp10);
  REQUIRE(url.hosts.size() == 1);
  CHECK(url.hosts[0].user.empty());
  CHECK(url.hosts[0].password.empty());
}

TEST_CASE("the virtual host is what follows the first slash") {
  CHECK(transport_url::parse("rabbit://h/v").virtual_host == "v");
  CHECK(transport_url::parse("rabbit://h//").virtual_host == "/");
  CHECK(transport_url::parse("rabbit://h/%2F").virtual_host == "/");
  CHECK(transport_url::parse("rabbit://h/a/b").virtual_host == "a/b");
  CHECK_FALSE(transport_url::parse("rabbit://h/?ssl=1").virtual_host);
}

TEST_CASE("repeated query keys are joined, empty values kept aside") {
  const auto url =
      transport_url::parse("amqp://h/?pre_settled=notify&a=&pre_settled=rpc-call&a=1&&a=");
  REQUIRE(url.options.size() == 2);
  CHECK(url.options[0].second == "notify,rpc-call");
  CHECK(url.options[1].second == "1");
}

TEST_CASE("a bad URL is one line that names the part") {
  const std::pair<const char*, const char*> cases[] = {
      {"", "no ://"},
      {"localhost:5672", "no ://"},
      {"rabbit:/localhost", "no ://"},
      {"://h", "before :// is missing"},
      {"http://h:15672", "unknown transport http"},
      {"amqps://h", "TLS is the option ssl"},
      {"ssl://h", "TLS is the option ssl"},
      {"kafka://h", "unknown transport kafka"},
      {"kombu+memory://", "unknown transport kombu+memory"},
      {"rab_bit://h", "is no transport"},
      {"rabbit://h:0", "port 0 is not between 1 and 65535"},
      {"rabbit://h:65536", "port 65536 is not between 1 and 65535"},
      {"rabbit://h:99999999999999999999999", "is not between 1 and 65535"},
      {"rabbit://h:amqp", "a port is not a number"},
      {"rabbit://h:-1", "a port is not a number"},
      {"rabbit://h:1:2", "a port is not a number"},
      {"rabbit://::1", "an IPv6 address needs brackets"},
      {"rabbit://[::1", "no closing bracket"},
      {"rabbit://[::1]5672", "only a port can follow"},
      {"rabbit://[h]:1", "brackets are for IPv6"},
      {"rabbit://[]:1", "brackets are for IPv6"},
      {"rabbit://h x/", "space or control character"},
      {"rabbit://h\n/", "space or control character"},
      {"rabbit://h!", "a host name has a character"},
      {"rabbit://u%00:p@h", "the user has a zero byte"},
      {"rabbit://u:%00@h", "the password has a zero byte"},
      {"rabbit://h/%00", "the virtual host has a zero byte"},
      {"rabbit://h/#x", "it has a #"},
      {"rabbit://h/?ssl", "option ssl has no value"},
      {"rabbit://h/?=1", "an option has no name"},
  };
  for (const auto& [text, part] : cases) {
    INFO(text);
    const std::string error = error_of(text);
    CHECK_THAT(error, Catch::Contains(part));
    CHECK(error.find('\n') == std::string::npos);
    CHECK_THAT(error, Catch::StartsWith("transport URL \""));
  }
  CHECK_THAT(error_of("rabbit://h/" + std::string(256, 'v')),
             Catch::Contains("virtual host is longer"));
  CHECK(error_of("rabbit://h/" + std::string(255, 'v')).empty());
  CHECK_THAT(error_of("rabbit://" + std::string(256, 'h')), Catch::Contains("host name is longer"));
  CHECK_THAT(error_of("rabbit://" + std::string(256, 'u') + "@h"),
             Catch::Contains("user is longer"));
  CHECK(error_of("http://" + std::string(100000, 'x')).size() < 500);
}

TEST_CASE("no part of a password is in an error, not even of one that needed escapes") {
  for (const char* text :
       {"rabbit://u:geheim@h:0", "rabbit://u:ge,heim@h", "rabbit://u:ge/heim@h",
        "rabbit://u:ge?heim@h/", "rabbit://u:ge#heim@h", "rabbit://u:ge heim@h",
        "http://u:geheim@h", "u:geheim@h", "rabbit://u:ge:heim@h:0", "rabbit://u:ge@heim@h:0",
        "rabbit://a:geheim@h,b:heim@h:x", "rabbit://u:ge/he/im@h", "rabbit://u:ge,he,im@h:1",
        "rabbit://u:geheim%00@h", "amqp://h:0/?ssl_key_password=geheim", "rabbit://[::1]:ge/heim@h",
        "rabbit:/u:geheim@h"}) {
    INFO(text);
    const std::string error = error_of(text);
    REQUIRE_FALSE(error.empty());
    CHECK(error.find("ge") == std::string::npos);
    CHECK(error.find("heim") == std::string::npos);
    CHECK(error.find("***") != std::string::npos);
  }
}

TEST_CASE("a masked URL shows all but passwords, and no login that the URL did not name") {
  const auto masked = [](std::string_view text) { return transport_url::parse(text).masked(); };
  CHECK(masked("rabbit://") == "rabbit://localhost:5672/");
  CHECK(masked("kombu://u:p@h//") == "rabbit://u:***@h:5672//");
  CHECK(masked("rabbit://u%40d:p@h1:1,h2,[::1]:3/v%20w") ==
        "rabbit://u%40d:***@h1:1,h2:5672,[::1]:3/v%20w");
  CHECK(masked("amqp://:@h1,@h2,:p@h3") == "amqp://h1:5672,h2:5672,:***@h3:5672/");
  CHECK(masked("amqp://u@h/v?trace=1&ssl_key_password=s&ssl_ca_file=/a%26b") ==
        "amqp://u@h:5672/v?trace=1&ssl_key_password=***&ssl_ca_file=/a%26b");
}

TEST_CASE("passwords of URLs in any text are masked") {
  CHECK(mask_passwords("") == "");
  CHECK(mask_passwords("nothing to see: a@b") == "nothing to see: a@b");
  CHECK(mask_passwords("--url rabbit://u:p@h:5672/v --control=amqp://u2:p2@h2") ==
        "--url rabbit://u:***@h:5672/v --control=amqp://u2:***@h2");
  CHECK(mask_passwords("'rabbit://u:p@h1,h2:1,u3:p3@[::1]:3/' failed") ==
        "'rabbit://u:***@h1,h2:1,u3:***@[::1]:3/' failed");
  // A second transport among the hosts, which is none.
  CHECK(mask_passwords("amqp://h1:1,rabbit://u:p@h2") == "amqp://h1:1,rabbit://u:***@h2");
  CHECK(mask_passwords("rabbit://amqp://u:p@h,b:q@c") == "rabbit://amqp://u:***@h,b:***@c");
  CHECK(mask_passwords("rabbit://u@h:1/v@w") == "rabbit://u@h:1/v@w");
  CHECK(mask_passwords("http://x/?a=b&ssl_key_password=q w") ==
        "http://x/?a=b&ssl_key_password=*** w");
  CHECK(mask_passwords("amqp://h/?ssl_key_password=q&trace=1&my_ssl_key_password=2") ==
        "amqp://h/?ssl_key_password=***&trace=1&my_ssl_key_password=2");
  CHECK(mask_passwords("rabbit://u:a,b@h,c@d x") == "rabbit://u:***@h,c@d x");
  CHECK(mask_passwords("rabbit://u:a/b@h/v") == "rabbit://u:***@h/v");
  CHECK(mask_passwords("rabbit://u:@h ://:x@ ://") == "rabbit://u:***@h ://:***@ ://");
  CHECK(mask_passwords("'rabbit://u:p'w@h:1/v' and \"amqp://h:1\", 'x@y'") ==
        "'rabbit://u:***@h:1/v' and \"amqp://h:1\", 'x@y'");
  CHECK(mask_passwords("[\"rabbit://u:p@h1\",\"amqp://u2:p2@h2\"]") ==
        "[\"rabbit://u:***@h1\",\"amqp://u2:***@h2\"]");
  const std::string once = mask_passwords("rabbit://u:p@h:1/v");
  CHECK(mask_passwords(once) == once);
}
