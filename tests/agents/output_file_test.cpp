// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/output_file.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

using namespace ombt;
using agents::message_log;
using agents::output_buffer;
using agents::output_file;

namespace {

struct directory {
  std::filesystem::path path;
  directory() {
    std::string name = (std::filesystem::temp_directory_path() / "ombt-output-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~directory() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("A client's file has ombt's lines") {
  directory d;
  const auto file = std::make_shared<output_file>(d.file("a"));
  output_buffer buffer(file);
  message_log log(buffer, "agent \"1\"", false);
  log.agent("agent \"1\"", "RPCClient");
  log.test_start("test_call", 1.5);
  log.sent("ab12", 0, 2.0, 2.25, {});
  log.sent("ab12", 1, 3.0, 3.5, "messaging_timeout");
  log.test_end(4.0);
  CHECK(lines_of(d.file("a")) ==
        std::vector<std::string>{
            R"({"client-name": "agent \"1\"", "kind": "RPCClient"})",
            R"({"test-name": "test_call", "test-start": 1.5})",
            R"({"id": "ab12:0", "start": 2.0, "stop": 2.25})",
            R"({"id": "ab12:1", "start": 3.0, "stop": 3.5, "error": "messaging_timeout"})",
            R"({"test-end": 4.0})"});
}

TEST_CASE("Agents that share a file say who they are in each line") {
  directory d;
  const auto file = std::make_shared<output_file>(d.file("a"));
  {
    output_buffer buffer(file);
    message_log log(buffer, "s-1", true);
    log.agent("s-1", "RPCServer");
    log.received("id:\x01", 1.0, 2.0);
    CHECK(lines_of(d.file("a")).empty());  // buffered until it is flushed
  }
  CHECK(lines_of(d.file("a")) ==
        std::vector<std::string>{
            R"({"client": "s-1", "client-name": "s-1", "kind": "RPCServer"})",
            R"({"client": "s-1", "id": "id:\u0001", "start": 1.0, "recv": 2.0})"});
}

TEST_CASE("Lines of several threads stay whole") {
  directory d;
  const auto file = std::make_shared<output_file>(d.file("a"));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&file, t] {
      output_buffer buffer(file);
      message_log log(buffer, "agent-" + std::to_string(t), true);
      for (int i = 0; i < 5000; ++i) log.received(std::to_string(i), 1.0, 2.0);
    });
  }
  for (auto& t : threads) t.join();
  const auto lines = lines_of(d.file("a"));
  CHECK(lines.size() == 20000);
  for (const auto& line : lines) {
    if (line.front() != '{' || line.back() != '}') FAIL("broken line: " << line);
  }
}

TEST_CASE("A file is emptied when it is opened, and one that cannot be opened is named") {
  directory d;
  std::ofstream(d.file("a")) << "old\n";
  { output_file opened(d.file("a")); }
  CHECK(lines_of(d.file("a")).empty());
  CHECK_THROWS_WITH(output_file(d.file("no/such")),
                    Catch::Contains("no/such") && Catch::Contains("No such file"));
  CHECK_THROWS_AS(output_file(d.file("no/such")), configuration_error);
}

TEST_CASE("A file that cannot be written any more loses lines and says so, nothing else") {
  output_file full("/dev/full");
  full.write("one\n");
  full.write("two\n");
  CHECK(full.lost_writes() == 2);
  CHECK_THAT(full.trouble(), Catch::Contains("/dev/full: No space left"));
}

TEST_CASE("What a file lost is told once to each agent that writes there") {
  const auto full = std::make_shared<output_file>("/dev/full");
  output_buffer buffer(full);
  message_log one(buffer, "a", true);
  message_log other(buffer, "b", true);
  CHECK(one.new_trouble().empty());
  one.test_end(1.0);
  CHECK_THAT(one.new_trouble(), Catch::Contains("/dev/full: No space left"));
  CHECK(one.new_trouble().empty());
  CHECK_FALSE(other.new_trouble().empty());
  one.test_end(2.0);
  CHECK_FALSE(one.new_trouble().empty());
}

TEST_CASE("%n in a file's name is the agent's number") {
  bool own = false;
  CHECK(agents::output_path("out.jsonl", 3, own) == "out.jsonl");
  CHECK_FALSE(own);
  CHECK(agents::output_path("out-%n.jsonl", 3, own) == "out-3.jsonl");
  CHECK(own);
  CHECK(agents::output_path("100%%", 3, own) == "100%");
  CHECK_FALSE(own);
  CHECK_THROWS_AS(agents::output_path("out-%d", 3, own), configuration_error);
  CHECK_THROWS_AS(agents::output_path("out-%", 3, own), configuration_error);
}
