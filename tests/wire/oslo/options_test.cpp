// SPDX-License-Identifier: Apache-2.0
// compare_options.py holds names, defaults, ranges and files against the Python library; here are
// the errors' words and what differs on purpose.
#include "wire/oslo/options.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <unistd.h>

using namespace ombt;
using namespace ombt::wire::oslo;

namespace {

std::string file_error(std::string_view text) {
  try {
    options_file::parse(text, "bus.conf");
  } catch (const configuration_error& e) {
    return e.what();
  }
  return {};
}

std::string url_error(std::string_view url, std::string_view file = {}) {
  const options_file read = options_file::parse(file, "bus.conf");
  try {
    make_messaging_options(read, url);
  } catch (const configuration_error& e) {
    return e.what();
  }
  return {};
}

messaging_options options_of(std::string_view url, std::string_view file = {}) {
  return make_messaging_options(options_file::parse(file, "bus.conf"), url);
}

std::string in_rabbit(std::string_view line) {
  return "[oslo_messaging_rabbit]\n" + std::string{line} + "\n";
}

}  // namespace

TEST_CASE("an empty file and an empty URL give the library's defaults on localhost") {
  const messaging_options o = options_of("");
  CHECK(o.url.driver == driver_kind::rabbit);
  CHECK(o.url.hosts.at(0).host == "localhost");
  CHECK(o.defaults.rpc_response_timeout == 60);
  CHECK(o.defaults.executor_thread_pool_size == 64);
  CHECK(o.rabbit.rabbit_login_method == "AMQPLAIN");
  CHECK(o.rabbit.direct_mandatory_flag);
  CHECK(o.amqp.pre_settled == std::vector<std::string>{"rpc-cast", "rpc-reply"});
  CHECK(o.body_limit == 64u << 20);
  CHECK(changed_options(o).empty());
}

TEST_CASE("a file sets options of its three sections and may have others") {
  const messaging_options o = options_of("rabbit://h",
                                         "# a comment\n"
                                         "[DEFAULT]\n"
                                         "rpc_response_timeout = 2.5\n"
                                         "control_exchange = \"nova\"\n"
                                         "[database]\n"
                                         "connection = mysql://u:p@h/x\n"
                                         "[oslo_messaging_rabbit]\n"
                                         "rabbit_quorum_queue = yes\n"
                                         "rabbit_quroum_max_memory_length = 7\n"
                                         "rabbit_quorum_max_memory_bytes: 8\n"
                                         "kombu_compression = gzip\n"
                                         "[oslo_messaging_amqp]\n"
                                         "pre_settled = notify, rpc-call\n"
                                         "pre_settled = notify\n");
  CHECK(o.defaults.rpc_response_timeout == 2.5);
  CHECK(o.defaults.control_exchange == "nova");
  CHECK(o.rabbit.rabbit_quorum_queue);
  CHECK(o.rabbit.rabbit_quorum_max_memory_length == 7);
  CHECK(o.rabbit.rabbit_quorum_max_memory_bytes == 8);
  CHECK(o.rabbit.kombu_compression == "gzip");
  CHECK(o.amqp.pre_settled == std::vector<std::string>{"notify", "rpc-call"});
}

TEST_CASE("the URL's query wins over the file, and the URL given over the file's") {
  const char* file =
      "[DEFAULT]\ntransport_url = rabbit://filehost/\n"
      "[oslo_messaging_rabbit]\nheartbeat_rate = 3\nrabbit_ha_queues = true\n"
      "[oslo_messaging_amqp]\nidle_timeout = 5\n";
  messaging_options o = options_of("rabbit://urlhost/?heartbeat_rate=4", file);
  CHECK(o.url.hosts.at(0).host == "urlhost");
  CHECK(o.rabbit.heartbeat_rate == 4);
  CHECK(o.rabbit.rabbit_ha_queues);
  o = options_of("", file);
  CHECK(o.url.hosts.at(0).host == "filehost");
  CHECK(o.rabbit.heartbeat_rate == 3);
  o = options_of("amqp://x/?idle_timeout=6&pre_settled=notify&pre_settled=rpc-reply,rpc-cast",
                 file);
  CHECK(o.url.driver == driver_kind::amqp10);
  CHECK(o.amqp.idle_timeout == 6);
  CHECK(o.amqp.pre_settled == std::vector<std::string>{"notify", "rpc-reply", "rpc-cast"});
}

TEST_CASE("an option without a value in the query is left as it is, but must be known") {
  CHECK(options_of("rabbit://h/?heartbeat_rate=", in_rabbit("heartbeat_rate = 3"))
            .rabbit.heartbeat_rate == 3);
  CHECK_THAT(url_error("rabbit://h/?nothing="), Catch::Contains("option nothing"));
}

TEST_CASE("a transport URL in a file may go on over lines, and its errors name the line") {
  CHECK(
      options_of("", "[DEFAULT]\ntransport_url = rabbit://h1,\n  h2,\n  h3/v\n").url.hosts.size() ==
      3);
  CHECK_THAT(url_error("", "[DEFAULT]\n\ntransport_url = rabbit://u:geheim@h:0/\n"),
             Catch::StartsWith("bus.conf:3: transport URL \"rabbit://u:***@h:0/\": port 0"));
  CHECK(url_error("rabbit://", "[DEFAULT]\ntransport_url = kafka://h\n").empty());
  CHECK(options_of("", "[DEFAULT]\ntransport_url = rabbit://u:a$$b@h\n").url.hosts.at(0).password ==
        "a$b");
}

TEST_CASE("an unknown option is named with its line and the nearest known name") {
  CHECK(file_error("[DEFAULT]\n\nrpc_respons_timeout = 1\n") ==
        "bus.conf:3: option rpc_respons_timeout: unknown in [DEFAULT]; the nearest known name is "
        "rpc_response_timeout");
  CHECK_THAT(file_error(in_rabbit("rabbit_qos_prefetch = 1")),
             Catch::Contains("rabbit_qos_prefetch_count"));
  CHECK_THAT(file_error("[oslo_messaging_amqp]\nidle = 1\n"),
             Catch::Contains("nearest known name is idle_timeout"));
  CHECK(file_error("[DEFAULT]\nx = 1\n") == "bus.conf:2: option x: unknown in [DEFAULT]");
  for (const std::string part : {"host", "hosts", "port", "userid", "password", "virtual_host"}) {
    for (const char* section : {"DEFAULT", "oslo_messaging_rabbit"}) {
      CHECK(file_error("[" + std::string(section) + "]\nrabbit_" + part + " = secret\n") ==
            "bus.conf:2: option rabbit_" + part + ": it is a part of transport_url now");
    }
  }
  CHECK_THAT(file_error("[DEFAULT]\nrabbit_quorum_queue = 1\n"),
             Catch::Contains("it belongs to [oslo_messaging_rabbit]"));
  CHECK_THAT(
      url_error("rabbit://u:geheim@h/?heartbeat_rat=1"),
      Catch::Contains("transport URL \"rabbit://u:***@h/") && Catch::Contains("heartbeat_rate"));
  CHECK_THAT(url_error("amqp://h/?rabbit_quorum_queue=1"),
             Catch::Contains("option rabbit_quorum_queue") &&
                 Catch::Contains("it belongs to [oslo_messaging_rabbit]"));
  CHECK_THAT(url_error("rabbit://h/?rpc_response_timeout=1"),
             Catch::Contains("it belongs to [DEFAULT]"));
  CHECK(file_error(in_rabbit(std::string(100000, 'x') + " = 1")).size() < 500);
}

TEST_CASE("options of later releases are refused by name unless they are off") {
  for (const char* name :
       {"rabbit_transient_quorum_queue", "rabbit_stream_fanout", "use_queue_manager"}) {
    INFO(name);
    CHECK_THAT(
        file_error(in_rabbit(std::string{name} + " = true")),
        Catch::StartsWith("bus.conf:2: option " + std::string{name} + ": not supported yet"));
    CHECK_THAT(url_error("rabbit://h/?" + std::string{name} + "=1"),
               Catch::Contains(std::string{name} + ": not supported yet"));
    CHECK(file_error(in_rabbit(std::string{name} + " = false")).empty());
  }
  CHECK_THAT(file_error(in_rabbit("hostname = x")), Catch::Contains("hostname: not supported yet"));
  CHECK_THAT(file_error(in_rabbit("processname = x")), Catch::Contains("not supported yet"));
}

TEST_CASE("a bad value is named with what is wrong about it") {
  const std::pair<const char*, const char*> cases[] = {
      {"ssl = maybe", "option ssl: \"maybe\" is no boolean"},
      {"heartbeat_rate = often", "option heartbeat_rate: \"often\" is no integer"},
      {"heartbeat_rate = 1.5", "is no integer"},
      {"heartbeat_rate =", "is no integer"},
      {"heartbeat_rate = 0", "\"0\" is below 1"},
      {"heartbeat_rate = 99999999999", "is out of range"},
      {"rabbit_qos_prefetch_count = 65536", "is above 65535"},
      {"rabbit_qos_prefetch_count = -1", "is below 0"},
      {"rabbit_transient_queues_ttl = 4294968", "is above 4294967"},
      {"rabbit_quroum_max_memory_bytes = -1", "option rabbit_quorum_max_memory_bytes: \"-1\""},
      {"kombu_reconnect_delay = 5", "is above 4.5"},
      {"kombu_reconnect_delay = nan", "is no number"},
      {"kombu_reconnect_delay = 1e999", "is out of range"},
      {"kombu_compression = bz2", "\"bz2\" is not supported: only gzip is"},
      {"kombu_compression = lzma", "is none of gzip"},
      {"rabbit_login_method = RABBIT-CR-DEMO",
       "is not supported: AMQPLAIN, PLAIN and EXTERNAL are"},
      {"rabbit_login_method = NTLM", "is none of AMQPLAIN, PLAIN, EXTERNAL"},
      {"kombu_failover_strategy = random", "is none of round-robin, shuffle"},
      {"ssl_version = SSLv3", "is not supported"},
      {"ssl_version = TLSv9", "is none of"},
      {"ssl_enforce_fips_mode = on", "option ssl_enforce_fips_mode: \"true\" is not supported"},
      {"ssl_ca_file = a\n  b", "has a line end"},
  };
  for (const auto& [line, words] : cases) {
    INFO(line);
    const std::string error = file_error(in_rabbit(line));
    CHECK_THAT(error, Catch::Contains(words));
    CHECK_THAT(error, Catch::StartsWith("bus.conf:2: option "));
    CHECK(error.find('\n') == std::string::npos);
  }
  CHECK_THAT(file_error("[oslo_messaging_amqp]\npre_settled = notify,all\n"),
             Catch::Contains("\"all\" is none of"));
  CHECK_THAT(file_error("[oslo_messaging_amqp]\naddressing_mode = static\n"),
             Catch::Contains("is none of dynamic, legacy, routable"));
  const std::string secret = file_error("[oslo_messaging_amqp]\nssl_key_password = geheim\x01\n");
  CHECK_THAT(secret, Catch::Contains("option ssl_key_password: the value has"));
  CHECK(secret.find("geheim") == std::string::npos);
  CHECK(file_error(in_rabbit("ssl_enforce_fips_mode = off\nssl_version = SSLv23")).empty());
}

TEST_CASE("quorum and mirrored queues exclude each other, wherever they are set") {
  CHECK_THAT(url_error("rabbit://h/?rabbit_quorum_queue=1", in_rabbit("rabbit_ha_queues = 1")),
             Catch::Contains("rabbit_quorum_queue and rabbit_ha_queues exclude each other"));
}

TEST_CASE("what is no INI file is refused with its line") {
  const std::pair<const char*, const char*> cases[] = {
      {"a = b\n", "bus.conf:1: an assignment before any [section]"},
      {"[x]\n\nnothing\n", "bus.conf:3: neither a section"},
      {"[x\n", "bus.conf:1: a section without its closing bracket"},
      {"[]\n", "bus.conf:1: a section without a name"},
      {"[x]\n= b\n", "bus.conf:2: an assignment without a key"},
      {"[x]\n  b\n", "bus.conf:2: an indented line that continues nothing"},
      {"[x]\na = b\n\n  c\n", "bus.conf:4: an indented line that continues nothing"},
  };
  for (const auto& [text, error] : cases) {
    INFO(text);
    CHECK_THAT(file_error(text), Catch::StartsWith(error));
  }
  CHECK(file_error("\xef\xbb\xbf[DEFAULT]\r\nrpc_ping_enabled = on\r\n").empty());
}

TEST_CASE("substitution is refused, a doubled dollar sign is one") {
  CHECK_THAT(file_error("[DEFAULT]\ncontrol_exchange = ${other}\n"),
             Catch::StartsWith("bus.conf:2: ") && Catch::Contains("write $$"));
  CHECK_THAT(file_error("[DEFAULT]\ncontrol_exchange = a$other\n"), Catch::Contains("write $$"));
  CHECK(options_of("", "[DEFAULT]\ncontrol_exchange = $$a\\$b$1$\n").defaults.control_exchange ==
        "$a$b$1$");
}

TEST_CASE("a file is loaded, and one that cannot be read is named") {
  const std::string path = "options_test." + std::to_string(getpid()) + ".conf";
  const auto path_in = std::filesystem::temp_directory_path() / path;
  std::ofstream{path_in} << "[DEFAULT]\ncontrol_exchange = loaded\n";
  CHECK(options_file::load(path_in.string()).defaults.control_exchange == "loaded");
  std::ofstream{path_in} << "[DEFAULT]\nfoo = 1\n";
  CHECK_THROWS_WITH(options_file::load(path_in.string()),
                    Catch::StartsWith(path_in.string() + ":2: option foo"));
  std::filesystem::remove(path_in);
  CHECK_THROWS_WITH(options_file::load(path_in.string()),
                    path_in.string() + ": cannot be read: No such file or directory");
  CHECK_THROWS_WITH(options_file::load("/"), "/: cannot be read: Is a directory");
  CHECK_THROWS_WITH(options_file::load("/dev/zero"), Catch::Contains("larger than 4 MiB"));
}

TEST_CASE("every option is described once, with help on one line") {
  std::map<std::pair<std::string_view, std::string_view>, int> seen;
  for (const option_description& o : known_options()) {
    INFO(o.name);
    CHECK(++seen[{o.section, o.name}] == 1);
    CHECK_FALSE(o.help.empty());
    CHECK(o.help.find('\n') == std::string::npos);
    CHECK_FALSE(o.type.empty());
  }
  CHECK(seen.size() == 75);
}

TEST_CASE(
    "changed options are listed with their values, without passwords and the other driver's") {
  const messaging_options o =
      options_of("amqp://h/?idle_timeout=3&ssl_key_password=geheim",
                 "[DEFAULT]\ntransport_url = rabbit://u:geheim@h\nrpc_response_timeout = 1.5\n"
                 "[oslo_messaging_rabbit]\nssl = 1\n[oslo_messaging_amqp]\npre_settled = notify\n");
  std::map<std::string, std::string> changed;
  for (const changed_option& c : changed_options(o)) changed[std::string{c.name}] = c.text;
  CHECK(changed == std::map<std::string, std::string>{{"idle_timeout", "3"},
                                                      {"pre_settled", "notify"},
                                                      {"rpc_response_timeout", "1.5"},
                                                      {"ssl_key_password", "***"}});
}
