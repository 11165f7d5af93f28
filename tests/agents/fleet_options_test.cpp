// SPDX-License-Identifier: Apache-2.0
#include "agents/fleet_options.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/local_ports.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <functional>
#include <set>
#include <stdlib.h>
#include <unistd.h>

using namespace ombt;
using agents::fleet_options;
using agents::make_fleet_plan;
using Catch::Contains;
using wire::control::agent_kind;

namespace {

fleet_options over_the_bus() {
  fleet_options o;
  o.control_url = "bus";
  return o;
}

fleet_options one_client() {
  fleet_options o = over_the_bus();
  o.rpc_clients = 1;
  return o;
}

class temporary_file {
 public:
  explicit temporary_file(std::string_view text) {
    const int file = ::mkstemp(path_.data());
    REQUIRE(file >= 0);
    REQUIRE(::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::close(file);
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() { ::unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = std::filesystem::temp_directory_path() / "ombt-options-XXXXXX";
};

}  // namespace

TEST_CASE("One agent has ombt's name, and the same on the control bus") {
  const auto plan = make_fleet_plan(one_client());
  REQUIRE(plan.agents.size() == 1);
  const auto parsed = wire::control::parse_agent_name(plan.agents[0].name);
  REQUIRE(parsed);
  CHECK(parsed->topic == "test-topic");
  CHECK(parsed->kind == "RPCClient");
  CHECK(parsed->id.size() == 32);
  CHECK_FALSE(parsed->index);
  CHECK(plan.group({agent_kind::rpc_client}).control_name == plan.agents[0].name);
  CHECK(plan.group({agent_kind::rpc_server}).control_name.empty());
  CHECK(plan.ready_lines() ==
        std::vector<std::string>{"RPC client " + plan.agents[0].name + " is ready"});
}

TEST_CASE("Several agents have names of their own, servers first, and one a kind for control") {
  fleet_options o = over_the_bus();
  o.rpc_clients = 3;
  o.rpc_servers = 2;
  o.listeners = 1;
  o.notifiers = 1;
  const auto plan = make_fleet_plan(o);
  REQUIRE(plan.agents.size() == 7);
  std::set<std::string> names;
  for (const auto& agent : plan.agents) names.insert(agent.name);
  CHECK(names.size() == 7);
  CHECK(plan.agents[0].kind == agent_kind::rpc_server);
  CHECK(plan.agents[2].kind == agent_kind::listener);
  CHECK(plan.agents[3].kind == agent_kind::rpc_client);
  CHECK(plan.agents[6].kind == agent_kind::notifier);
  const auto parsed = wire::control::parse_agent_name(plan.agents[4].name);
  REQUIRE(parsed);
  CHECK(parsed->index == 4u);
  const auto& control_name = plan.group({agent_kind::rpc_client}).control_name;
  CHECK(plan.agents[4].name == control_name + "-4");
  CHECK(plan.group({agent_kind::listener}).control_name == plan.agents[2].name);
}

TEST_CASE("A name given is taken as it is by one agent and numbered by several") {
  auto o = one_client();
  o.name = "mine";
  CHECK(make_fleet_plan(o).agents[0].name == "mine");
  o.rpc_servers = 1;
  const auto plan = make_fleet_plan(o);
  CHECK(plan.agents[0].name == "mine-0");
  CHECK(plan.agents[1].name == "mine-1");
}

TEST_CASE("The control bus is the bus under test unless named, on one connection") {
  auto o = one_client();
  o.url = "rabbit://a:5671";
  o.topology = "shared:3";
  auto plan = make_fleet_plan(o);
  CHECK(plan.control_bus->messaging.url.hosts[0].host == "a");
  CHECK(plan.control_bus->topology.mode == drivers::topology::kind::lean);
  CHECK(plan.bus->topology.connections == 3);
  o.control_url = "rabbit://b";
  plan = make_fleet_plan(o);
  CHECK(plan.control_bus->messaging.url.hosts[0].host == "b");
  CHECK(plan.bus->messaging.url.hosts[0].host == "a");
  o.control = false;
  CHECK_FALSE(make_fleet_plan(o).control_bus);
}

TEST_CASE("Without a URL the bus is the local RabbitMQ") {
  const auto plan = make_fleet_plan(one_client());
  CHECK(plan.bus->messaging.url.hosts[0].host == "localhost");
  CHECK(plan.bus->messaging.url.hosts[0].port == 5672);
}

TEST_CASE("Notifications over AMQP 1.0 have ombt's exchange, unless the file has another") {
  auto o = over_the_bus();
  o.notifiers = 1;
  o.url = "amqp://a";
  const auto exchange = [&] { return make_fleet_plan(o).bus->messaging.defaults.control_exchange; };
  CHECK(exchange() == "ombt-notify-test");
  const temporary_file unrelated("[DEFAULT]\nrpc_response_timeout = 5\n");
  o.oslo_config = unrelated.path();
  CHECK(exchange() == "ombt-notify-test");
  const temporary_file other("[DEFAULT]\ncontrol_exchange = openstack\n");
  o.oslo_config = other.path();
  CHECK(exchange() == "openstack");
}

TEST_CASE("The time of an operation is the option's, else the file's, else a minute") {
  auto o = one_client();
  CHECK(make_fleet_plan(o).timeout == std::chrono::seconds(60));
  const temporary_file file("[DEFAULT]\nrpc_response_timeout = 7\n");
  o.oslo_config = file.path();
  CHECK(make_fleet_plan(o).timeout == std::chrono::seconds(7));
  CHECK(make_fleet_plan(o).ready_within == std::chrono::seconds(60));
  o.timeout = 2.5;
  CHECK(make_fleet_plan(o).timeout == std::chrono::milliseconds(2500));
  CHECK(make_fleet_plan(o).ready_within == std::chrono::milliseconds(2500));
}

TEST_CASE("The limit of a body is 64 MiB, or the option, on both buses") {
  auto o = one_client();
  CHECK(make_fleet_plan(o).bus->messaging.body_limit == 64 << 20);
  o.body_limit = 1 << 20;
  CHECK(make_fleet_plan(o).bus->messaging.body_limit == 1 << 20);
  CHECK(make_fleet_plan(o).control_bus->messaging.body_limit == 1 << 20);
}

TEST_CASE("A setting that cannot be used is refused in one line that names it") {
  const std::vector<std::pair<std::string, std::function<void(fleet_options&)>>> wrong = {
      {"no agents", [](auto& o) { o.rpc_clients = 0; }},
      {"--rpc-client -1", [](auto& o) { o.rpc_clients = -1; }},
      {"--rpc-client 100001", [](auto& o) { o.rpc_clients = 100001; }},
      {"threads", [](auto& o) { o.threads = 0; }},
      {"threads", [](auto& o) { o.threads = 257; }},
      {"--body-limit 65535", [](auto& o) { o.body_limit = 65'535; }},
      {"--body-limit", [](auto& o) { o.body_limit = (std::uint64_t{1} << 30) + 1; }},
      {"timeout", [](auto& o) { o.timeout = 0; }},
      {"timeout", [](auto& o) { o.timeout = -3; }},
      {"--timeout: expected seconds",
       [](auto& o) { o.timeout = std::numeric_limits<double>::quiet_NaN(); }},
      {"topic", [](auto& o) { o.topic = ""; }},
      {"topic", [](auto& o) { o.topic = "a\nb"; }},
      {"name", [](auto& o) { o.name = "a\tb"; }},
      {"--topic: expected 1 to 64 bytes", [](auto& o) { o.topic = std::string(65, 't'); }},
      {"too long", [](auto& o) { o.name = std::string(240, 'n'); }},
      {"http", [](auto& o) { o.url = "http://localhost"; }},
      {"port", [](auto& o) { o.url = "rabbit://localhost:99999"; }},
      {"nonsense", [](auto& o) { o.url = "rabbit://localhost?nonsense=1"; }},
      {"carrier-pigeon", [](auto& o) { o.control_url = "carrier-pigeon://localhost"; }},
      {"star", [](auto& o) { o.topology = "star"; }},
      {"shared:0", [](auto& o) { o.topology = "shared:0"; }},
      {"5 minutes",
       [](auto& o) {
         o.rpc_servers = 1;
         o.service_time = "5 minutes";
       }},
      {"--service-time", [](auto& o) { o.service_time = "5ms"; }},
      {"--pool", [](auto& o) { o.pool = "p"; }},
      {"--site is no UTF-8", [](auto& o) { o.site = "a\xff"; }},
      {"--site has a control character", [](auto& o) { o.site = "a\nb"; }},
      {"--site: expected at most 64 bytes", [](auto& o) { o.site = std::string(65, 's'); }},
      {"--site -: expected a name", [](auto& o) { o.site = "-"; }},
      {"--site is for RPC clients and servers",
       [](auto& o) {
         o.rpc_clients = 0;
         o.notifiers = 1;
         o.site = "s";
       }},
      {"/no/such/file", [](auto& o) { o.oslo_config = "/no/such/file"; }},
      {"%d", [](auto& o) { o.output = "x-%d"; }},
  };
  for (const auto& [word, change] : wrong) {
    auto o = one_client();
    change(o);
    INFO(word);
    try {
      make_fleet_plan(o);
      FAIL("accepted");
    } catch (const configuration_error& e) {
      CHECK_THAT(e.what(), Catch::Contains(word));
      CHECK(std::string(e.what()).find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("The file descriptors that agents need are counted by topology") {
  fleet_options o = over_the_bus();
  o.rpc_clients = 3;
  o.rpc_servers = 2;
  o.listeners = 4;
  o.notifiers = 5;
  o.threads = 2;
  const auto connections = [&o](const char* topology) {
    o.topology = topology;
    return agents::least_descriptors(make_fleet_plan(o)) - (16 + 2 * 4);
  };
  CHECK(connections("oslo") == 2 * (3 + 2) + 4 + 5 + 1);
  CHECK(connections("lean") == 3 + 2 + 4 + 5 + 1);
  CHECK(connections("shared:3") == 3 * 2 + 1);
  o.url = "amqp://localhost";  // a connection an agent
  CHECK(connections("oslo") == 3 + 2 + 4 + 5 + 1);
  CHECK(connections("lean") == 3 + 2 + 4 + 5 + 1);
  CHECK(connections("shared:3") == 3 * 2 + 1);
  o.control = false;
  CHECK(connections("shared:3") == 3 * 2);
  const auto plan = make_fleet_plan(o);
  CHECK_NOTHROW(agents::check_descriptors(plan, agents::least_descriptors(plan)));
  CHECK_THROWS_AS(agents::check_descriptors(plan, agents::least_descriptors(plan) - 1),
                  configuration_error);
}

TEST_CASE("Addresses to connect from are checked, and kept in their order") {
  fleet_options o;
  o.rpc_clients = 3;
  o.control_url = "bus";
  CHECK(make_fleet_plan(o).bus->bind_addresses.empty());
  CHECK(make_fleet_plan(o).bus->bind_address(7).empty());
  o.bind_address = "127.0.0.3,127.0.0.2,127.0.0.3";
  const auto plan = make_fleet_plan(o);
  CHECK(plan.bus->bind_addresses == std::vector<std::string>{"127.0.0.3", "127.0.0.2"});
  CHECK(plan.bus->bind_address(0) == "127.0.0.3");
  CHECK(plan.bus->bind_address(3) == "127.0.0.2");
  CHECK(plan.control_bus->bind_addresses.empty());
  for (const char* wrong : {"localhost", "127.0.0.2,", ",127.0.0.2", "127.0.0.2,192.0.2.1", ","}) {
    o.bind_address = wrong;
    CHECK_THROWS_WITH(make_fleet_plan(o), Catch::StartsWith("--bind-address '"));
  }
}

TEST_CASE("Agents that need more local ports than there are get advice") {
  const std::size_t ports = drivers::local_port_range().size();
  fleet_options o;
  o.url = "rabbit://127.0.0.1:1";  // nobody has a connection there
  o.topology = "lean";
  o.rpc_clients = static_cast<int>(ports + 1);
  CHECK_THROWS_WITH(
      agents::check_ports(make_fleet_plan(o)),
      Contains("need " + std::to_string(ports + 1) + " connections to 127.0.0.1 port 1 at least") &&
          Contains("local ports are free for them (net.ipv4.ip_local_port_range ") &&
          Contains("--bind-address A,B"));
  SECTION("two addresses have twice as many") {
    o.bind_address = "127.0.0.2,127.0.0.3";
    CHECK_NOTHROW(agents::check_ports(make_fleet_plan(o)));
    o.topology = "oslo";
    CHECK_THROWS_WITH(agents::check_ports(make_fleet_plan(o)),
                      Contains("port 1 from 127.0.0.2 at least"));
  }
  SECTION("and so have two hosts of the bus") {
    o.url = "rabbit://127.0.0.1:1,127.0.0.1:2";
    CHECK_NOTHROW(agents::check_ports(make_fleet_plan(o)));
  }
  SECTION("shared connections are few") {
    o.topology = "shared:100";
    CHECK_NOTHROW(agents::check_ports(make_fleet_plan(o)));
  }
}

TEST_CASE("The channels of a thread are counted as its agents may hold them") {
  const auto channels = [](const fleet_options& o) {
    return agents::most_channels_of_a_thread(make_fleet_plan(o));
  };
  fleet_options o = over_the_bus();
  o.topology = "shared:100";
  SECTION("an RPC client has one for replies and one to send") {
    o.rpc_clients = 10;
    CHECK(channels(o) == 20);
  }
  SECTION("a notifier sends, a listener listens") {
    o.notifiers = 4;
    o.listeners = 3;
    CHECK(channels(o) == 7);
  }
  SECTION("an RPC server has one to listen and its pool for replies") {
    o.rpc_servers = 2;
    CHECK(channels(o) == 62);
    o.url = "rabbit://h?rpc_conn_pool_size=5";
    CHECK(channels(o) == 12);
    o.url = "rabbit://h?rpc_conn_pool_size=500";  // but 64 slots
    CHECK(channels(o) == 130);
  }
  SECTION("the thread with the most counts, as the agents are dealt") {
    o.rpc_servers = 1;
    o.listeners = 1;
    o.rpc_clients = 3;
    o.notifiers = 1;
    o.threads = 2;
    const auto plan = make_fleet_plan(o);
    REQUIRE(plan.threads() == 2);
    std::vector<std::vector<agent_kind>> dealt(2);
    for (std::size_t i = 0; i < plan.agents.size(); ++i) {
      dealt[plan.thread_of(i)].push_back(plan.agents[i].kind);
    }
    CHECK(dealt[0] == std::vector<agent_kind>{agent_kind::rpc_server, agent_kind::rpc_client,
                                              agent_kind::rpc_client});
    CHECK(dealt[1] == std::vector<agent_kind>{agent_kind::listener, agent_kind::rpc_client,
                                              agent_kind::notifier});
    CHECK(channels(o) == 31 + 2 + 2);
    o.threads = 250;  // a thread each; the others do not exist
    CHECK(make_fleet_plan(o).threads() == 6);
    CHECK(channels(o) == 31);
  }
}

TEST_CASE("Agents that do not fit on N connections a thread are refused with an N that would do") {
  fleet_options o = over_the_bus();
  o.topology = "shared:2";
  const auto refusal = [&o]() -> std::string {
    try {
      make_fleet_plan(o);
    } catch (const configuration_error& e) {
      return e.what();
    }
    return {};
  };
  o.rpc_clients = 2047;  // 4,094 channels, two connections full
  CHECK(refusal().empty());
  o.rpc_clients = 2048;
  CHECK(refusal() ==
        "topology shared:2: the agents of a thread need up to 4096 channels, and RabbitMQ allows "
        "2047 on a connection: shared:3 would do, or more threads");
  o.topology = "shared:3";
  CHECK(refusal().empty());
  SECTION("or more threads, of which the fullest counts") {
    o.topology = "shared:2";
    o.threads = 2;
    CHECK(refusal().empty());
    o.rpc_clients = 4094;
    CHECK(refusal().empty());
    o.rpc_clients = 4095;
    CHECK_THAT(refusal(), Catch::Contains("4096 channels") && Catch::Contains("shared:3"));
  }
  SECTION("or another topology: their connections are never that full") {
    o.rpc_servers = 10'000;
    CHECK_THAT(refusal(), Catch::Contains("314096 channels") && Catch::Contains("shared:154"));
    o.topology = GENERATE("oslo", "lean");
    CHECK(refusal().empty());
  }
}

TEST_CASE("A refused URL does not show its password") {
  auto o = one_client();
  o.url = "rabbit://user:topsecret@localhost:99999";
  try {
    make_fleet_plan(o);
    FAIL("accepted");
  } catch (const configuration_error& e) {
    CHECK_THAT(e.what(), !Catch::Contains("topsecret"));
  }
}

TEST_CASE("With several topics agent i of a kind is in topic i modulo their number") {
  fleet_options o = over_the_bus();
  o.rpc_clients = 7;
  o.rpc_servers = 3;
  o.topic = "t";
  o.topics = 3;
  const auto plan = make_fleet_plan(o);
  CHECK(plan.topics == std::vector<std::string>{"t-0", "t-1", "t-2"});
  std::vector<std::uint32_t> topics;
  for (const auto& agent : plan.agents) topics.push_back(agent.topic);
  CHECK(topics == std::vector<std::uint32_t>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0});
  for (const auto& agent : plan.agents) {
    const auto parsed = wire::control::parse_agent_name(agent.name);
    REQUIRE(parsed);
    CHECK(parsed->topic == "t-" + std::to_string(agent.topic));
    // As if it had been launched there by itself.
    CHECK(parsed->index.has_value() == (agent.kind == agent_kind::rpc_client));
  }
  const auto& alone = plan.group({agent_kind::rpc_server, 1});
  CHECK(alone.agents == std::vector<std::uint32_t>{1});
  CHECK(alone.control_name == plan.agents[1].name);
  const auto& several = plan.group({agent_kind::rpc_client, 0});
  CHECK(several.agents == std::vector<std::uint32_t>{3, 6, 9});
  CHECK(plan.agents[6].name == several.control_name + "-6");
  CHECK(plan.group({agent_kind::listener, 2}).agents.empty());
}

TEST_CASE("Without --topics the topic is as it was, and there is one") {
  auto o = one_client();
  o.topic = "t";
  const auto plan = make_fleet_plan(o);
  CHECK(plan.topics == std::vector<std::string>{"t"});
  CHECK(plan.agents[0].topic == 0);
  CHECK(control_connections(plan) == 1);
}

TEST_CASE("A kind that would not reach every topic is refused, one that is not there is not") {
  auto o = one_client();
  o.topics = 2;
  CHECK_THROWS_WITH(make_fleet_plan(o),
                    "--topics 2: --rpc-client 1 would leave a topic without one");
  o.rpc_clients = 2;
  CHECK(make_fleet_plan(o).agents.size() == 2);
  o.unique = true;
  CHECK_THROWS_WITH(make_fleet_plan(o),
                    "--topics contradicts --unique: agents of all topics would be heard as one");
  o.unique = false;
  o.topics = 0;
  CHECK_THROWS_WITH(make_fleet_plan(o), "--topics 0: expected a number from 1 to 1000");
}

TEST_CASE("Addresses on the control bus share connections, up to what one has room for") {
  fleet_options o = over_the_bus();
  o.rpc_clients = o.rpc_servers = 500;
  o.topics = 500;
  o.topology = "lean";
  auto plan = make_fleet_plan(o);
  CHECK(control_connections(plan) == 1);
  CHECK(least_descriptors(plan) == 16 + 4 + 1'000 + 1);
  o.listeners = 500;
  CHECK(control_connections(make_fleet_plan(o)) == 2);
  o.control = false;
  CHECK(control_connections(make_fleet_plan(o)) == 0);
}
