// SPDX-License-Identifier: Apache-2.0
// Writes the corpora of the AMQP 1.0 fuzz targets from the test scenarios and from scripts:
// amqp10_make_corpus tests/fuzz/corpus
#include "tests/wire/amqp10/couple.hpp"
#include "tests/wire/amqp10/script.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace ombt::wire::amqp10::test {
using namespace script;

namespace {

std::filesystem::path root;

void write(const std::string& target, std::string name, const std::string& bytes) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == ' ' || c == '.' || c == ','; }, '_');
  std::filesystem::create_directories(root / target);
  std::ofstream file(root / target / name, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// A peer without a login in its first lines (32: none is asked for).
std::string head(unsigned piece, unsigned habits, unsigned choice) {
  return u8(piece) + u8(habits) + u8(choice);
}

void write_scripts() {
  const std::string server = head(0, 0, 32);
  const std::string links = opening() + attach(0, 0, "in", false) + attach(0, 1, "out", true);
  write("amqp10_server", "messages",
        head(0, 0x10, 32) + links + flow(0, 1, 0, 10) + transfer(0, 0, 0, "one") +
            transfer(0, 0, 1, "two", true) + disposition(0, true, 0, 1, true, accepted()));
  write("amqp10_server", "message_in_pieces",
        head(100, 0x10, 32) + links + transfer(0, 0, 0, "be", false, true) +
            more_transfer(0, 0, "gin", true) + more_transfer(0, 0, "end", false) +
            transfer(0, 0, 1, "gone", false, true) + more_transfer(0, 0, "", true, true));
  write("amqp10_server", "owner_closes",
        head(0, 0x10, 32) + links + transfer(0, 0, 0, "close") + detach(0, 0) +
            attach(0, 0, "again", false) + transfer(0, 0, 1, "session") + end_session(0) +
            begin(0) + attach(0, 3, "in", false) + transfer(0, 3, 0, "x") + close());
  write("amqp10_server", "drain", server + links + flow(0, 1, 0, 1000, true) + detach(0, 1, false));
  write(
      "amqp10_server", "every_outcome",
      server + links + flow(0, 1, 0, 10) +
          disposition(0, true, 0, 0, true,
                      described(0x25, list({described(0x1d, list({symbol("a:b"), text("c")}))}))) +
          disposition(0, true, 1, 1, false, described(0x26, list({}))) +
          disposition(0, true, 2, 2, false,
                      described(0x27, list({boolean(true), boolean(true), map({})}))) +
          disposition(0, true, 0, 0x7fffffff, true, null()));
  write("amqp10_server", "sessions",
        head(0, 0x0b, 32 + 4) + header() + script::open() + begin(0) + begin(1) + end_session(0) +
            begin(0) + end_session(1) + close());
  write("amqp10_server", "coordinator",
        server + opening() +
            performative(0, 0x12,
                         {text("tx"), uint(0), boolean(false), null(), null(),
                          described(0x28, list({text("here")})), described(0x30, list({}))}));
  write("amqp10_server", "login_plain",
        head(0, 0, 0) + sasl_header() + init("PLAIN", std::string("\0me\0secret", 10)) + links);
  write("amqp10_server", "login_external",
        head(0, 0, 64) + sasl_header() + init("EXTERNAL", "") + links);
  write("amqp10_server", "login_anonymous",
        head(1, 0, 0) + sasl_header() + init("ANONYMOUS", "x") + links);

  const std::string answers = begin_answer(0, 0) + attach(0, 0, "out", true) +
                              attach(0, 1, "in", false) + begin_answer(1, 1);
  const std::string client = header() + script::open() + answers;
  write("amqp10_client", "messages",
        head(0, 0x10, 32) + client + flow(0, 0, 0, 10) + transfer(0, 1, 0, "one") +
            disposition(0, true, 0, 5, true, accepted()));
  write("amqp10_client", "refused",
        head(0, 0, 32) + header() + script::open() + begin_answer(0, 0) +
            performative(0, 0x12, {text("out"), uint(0), boolean(true)}) +
            performative(0, 0x16,
                         {uint(0), boolean(true),
                          described(0x1d, list({symbol("amqp:not-found"), text("no")}))}));
  write("amqp10_client", "sessions_ended",
        head(0, 0, 32) + client + end_session(1) + end_session(0) + close());
  write("amqp10_client", "owner_closes",
        head(0, 0, 32) + client + transfer(0, 1, 0, "session") + detach(0, 0) + end_session(0) +
            begin(0) + attach(0, 0, "x", false) + transfer(0, 0, 0, "x") + close());
  write("amqp10_client", "login",
        head(0, 0, 0) + sasl_header() + mechanisms({"PLAIN", "ANONYMOUS"}) + script::outcome(0) +
            client);
  write("amqp10_client", "login_refused",
        head(0, 0, 0) + sasl_header() + mechanisms({"PLAIN"}) + script::outcome(1));
  for (const char* target : {"amqp10_client", "amqp10_server"}) {
    write(target, "idle", head(0, 0, 32 + 16) + header() + open_idle(100) + frame(0, 0, ""));
    write(target, "nested_lists",
          head(0, 0, 32) + header() + script::open("p", map({symbol("k"), nested(20)})));
    write(target, "another_protocol", head(0, 0, 0) + std::string("AMQP\0\0\x09\x01", 8));
    write(target, "properties",
          head(0, 0, 32) + header() +
              script::open("p", map({symbol("product"), text("qpid"), symbol("version"),
                                     symbol("1"), uint(3), list({uint(1), text("x")})})));
  }
}

}  // namespace
}  // namespace ombt::wire::amqp10::test

int main(int argc, char** argv) {
  using namespace ombt::wire::amqp10::test;
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  root = argv[1];
  for (const scenario& one : all_scenarios()) {
    couple on;
    play(one, on);
    // What a login needs is asked for where the bytes begin with one.
    const bool sasl = on.to_server.size() > 4 && on.to_server[4] == 3;
    const std::string choice = std::string("\0\x10", 2) + (sasl ? '\0' : '\x20');
    write("amqp10_server", one.name, choice + on.to_server);
    write("amqp10_client", one.name, choice + on.to_client);
  }
  write_scripts();
  return 0;
}
