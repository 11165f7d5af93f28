// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/connector.hpp"

#include "drivers/io/acceptor.hpp"
#include "drivers/io/context.hpp"

#include <boost/asio/error.hpp>
#include <catch2/catch.hpp>

#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <vector>

using namespace ombt;
using namespace ombt::drivers;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

/// A listener that notes who came, and connectors to it.
struct connector_bed {
  loop on;
  std::vector<std::string> came;
  std::vector<std::unique_ptr<io::stream>> held;
  std::unique_ptr<io::stream> mine;  ///< of the last connector
  std::shared_ptr<io::acceptor> at = std::make_shared<io::acceptor>(on.context());
  std::uint16_t port = 0;
  bool told = false;
  error_code error;
  std::string detail;

  explicit connector_bed(const std::string& host = "127.0.0.1") {
    port = at->listen(host, 0, [this](std::unique_ptr<io::stream> s, const std::string& from) {
      came.push_back(from.substr(0, from.rfind(':')));
      held.push_back(std::move(s));
    });
  }
  ~connector_bed() { at->close(); }

  /// Connects, waits until that has ended, and for the listener.
  void connect(const std::string& host, std::uint16_t to, const std::string& from) {
    told = false;
    const std::size_t before = came.size();
    const auto made = std::make_shared<io::connector>(on.context().asio());
    made->start(
        host, to, nullptr,
        [this](std::unique_ptr<io::stream> s, error_code why, const std::string& words) {
          told = true;
          error = why;
          detail = words;
          if (s) mine = std::move(s);
        },
        {}, from);
    CHECK_FALSE(told);
    for (int i = 0; i < 500 && (!told || (!error && came.size() == before)); ++i) {
      (void)on.run_for(10ms);
    }
    REQUIRE(told);
  }
};

}  // namespace

TEST_CASE("A connection begins at the address that it is given") {
  connector_bed bed;
  bed.connect("127.0.0.1", bed.port, "127.0.0.7");
  CHECK_FALSE(bed.error);
  bed.connect("127.0.0.1", bed.port, "");
  CHECK_FALSE(bed.error);
  CHECK(bed.came == std::vector<std::string>{"127.0.0.7", "127.0.0.1"});
}

TEST_CASE("Of a host's addresses those of the other version are passed over") {
  connector_bed bed;
  bed.connect("localhost", bed.port, "127.0.0.8");
  CHECK_FALSE(bed.error);
  CHECK(bed.came == std::vector<std::string>{"127.0.0.8"});
  bed.connect("127.0.0.1", bed.port, "::1");
  CHECK(bed.error == boost::asio::error::address_family_not_supported);
  CHECK(bed.detail == "the host has no address that ::1 can connect to");
}

TEST_CASE("An address that is not this machine's is told from the loop, in words") {
  connector_bed bed;
  bed.connect("127.0.0.1", bed.port, "192.0.2.1");
  CHECK(bed.error == boost::system::errc::address_not_available);
  CHECK_THAT(bed.detail, Contains("Cannot assign requested address") && Contains("--bind-address"));
  CHECK(bed.came.empty());
}

TEST_CASE("Nobody listens: the error is the last address's") {
  std::uint16_t closed = 0;
  {
    connector_bed gone;
    closed = gone.port;
  }
  connector_bed bed;
  for (const char* host : {"127.0.0.1", "localhost"}) {
    bed.connect(host, closed, "");
    CHECK(bed.error == boost::asio::error::connection_refused);
    CHECK(bed.detail == "Connection refused");
  }
}

TEST_CASE("The port is chosen with the peer known, so that each peer may have all of them") {
  connector_bed bed;
  bed.connect("127.0.0.1", bed.port, "127.0.0.9");
  REQUIRE(bed.mine);
  int chosen_late = 0;
  socklen_t size = sizeof chosen_late;
  REQUIRE(::getsockopt(bed.mine->socket().native_handle(), SOL_IP, IP_BIND_ADDRESS_NO_PORT,
                       &chosen_late, &size) == 0);
  CHECK(chosen_late == 1);
}

TEST_CASE("A connector that is cancelled tells nothing") {
  connector_bed bed;
  const auto made = std::make_shared<io::connector>(bed.on.context().asio());
  bool told = false;
  made->start("127.0.0.1", bed.port, nullptr,
              [&](std::unique_ptr<io::stream>, error_code, const std::string&) { told = true; });
  made->cancel();
  (void)bed.on.run_for(50ms);
  CHECK_FALSE(told);
}
