// SPDX-License-Identifier: Apache-2.0
#include "tests/interop/native_peer.hpp"

#include "wire/configuration_error.hpp"
#include "wire/oslo/options.hpp"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <unistd.h>

namespace ombt::interop {

void say(const json& line) {
  const std::string text = line.dump(-1, ' ', true, json::error_handler_t::replace) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void done(const json& given) { say({{"event", "done"}, {"id", given.value("id", json{})}}); }

std::string python_text(const json& document) {
  wire::json::reader reader;
  wire::json::value root;
  std::string out;
  if (reader.parse(document.dump(), root)) {
    return "null";
  }
  root.append_to(out);
  return out;
}

std::string text_of(const wire::json::value& value) {
  std::string out;
  if (value) {
    value.append_to(out);
  }
  return out.empty() ? "null" : out;
}

json document_of(const wire::json::value& value) { return json::parse(text_of(value)); }

namespace {

std::string text_or_empty(const json& given, const char* key) {
  const auto found = given.find(key);
  return found == given.end() || !found->is_string() ? std::string{} : found->get<std::string>();
}

/// Keeps the loop alive while nothing else is under way: commands come from another thread.
class keep_alive final : public drivers::timer_target {
 public:
  explicit keep_alive(drivers::loop& on) : loop_{on} { on_timer(0); }
  void on_timer(std::uint64_t) override {
    timer_ = loop_.start_timer(drivers::steady_clock::now() + std::chrono::hours{1}, *this, 0);
  }
  void stop() { loop_.cancel_timer(timer_); }

 private:
  drivers::loop& loop_;
  drivers::loop::timer_id timer_ = 0;
};

/// Options of [oslo_messaging_rabbit] travel in the URL's query.
std::string url_of(const json& options) {
  std::string url = text_or_empty(options, "url");
  if (url.empty()) {
    const char* named = std::getenv("OMBT_URL");
    url = named == nullptr ? "" : named;
  }
  const auto rabbit = options.find("rabbit");
  if (rabbit != options.end()) {
    char separator = url.find('?') == std::string::npos ? '?' : '&';
    for (const auto& [key, value] : rabbit->items()) {
      url += separator;
      url += key + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
      separator = '&';
    }
  }
  return url;
}

std::shared_ptr<const drivers::transport_settings> settings_of(const json& options) {
  wire::oslo::options_file file;
  const std::string config = text_or_empty(options, "config");
  if (!config.empty()) {
    file = wire::oslo::options_file::load(config);
  }
  const std::string exchange = text_or_empty(options, "exchange");
  if (!exchange.empty()) {
    file.defaults.control_exchange = exchange;
  }
  auto settings = std::make_shared<drivers::transport_settings>();
  settings->messaging = wire::oslo::make_messaging_options(file, url_of(options));
  settings->messaging.body_limit = options.value("body_limit", settings->messaging.body_limit);
  const std::string topology = text_or_empty(options, "topology");
  settings->topology = drivers::topology::parse(topology.empty() ? "oslo" : topology);
  settings->program = "native_peer";
  return settings;
}

void read_commands(drivers::loop& loop, const std::function<void(const json&)>& handle) {
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.empty()) {
      continue;
    }
    const json command = json::parse(line);
    loop.post([handle, command] { handle(command); });
    if (command.value("do", "") == "close") {
      return;
    }
  }
  loop.post([handle] { handle({{"do", "close"}}); });
}

int run(std::string_view kind, const json& options) {
  drivers::loop loop;
  keep_alive alive{loop};
  auto transport = drivers::transport::make(loop, settings_of(options));
  environment in{loop, options, *transport};
  std::unique_ptr<peer> self;
  if (kind == "rpc_server") {
    self = make_rpc_server(in);
  } else if (kind == "rpc_client") {
    self = make_rpc_client(in);
  } else if (kind == "notifier") {
    self = make_notifier(in);
  } else if (kind == "listener") {
    self = make_listener(in);
  } else {
    throw configuration_error("native_peer: no kind " + std::string{kind});
  }
  bool closing = false;
  const std::function<void(const json&)> handle = [&](const json& command) {
    const std::string what = command.value("do", "");
    if (what == "counters") {
      const auto& c = transport->counters();
      say({{"event", "counters"},
           {"id", command.value("id", json{})},
           {"connects", c.connects},
           {"connection_errors", c.connection_errors},
           {"late_replies", c.late_replies},
           {"malformed", c.malformed},
           {"returned", c.returned},
           {"nacked", c.nacked},
           {"last_error", transport->last_error()}});
      done(command);
    } else if (what != "close" && what != "stop") {
      self->command(command);
    } else if (!closing) {
      closing = true;
      transport->close(std::chrono::seconds{5}, [&alive, &loop, command, what] {
        if (what == "stop") {
          done(command);
        } else {
          alive.stop();
          loop.stop();
        }
      });
    } else if (what == "close") {
      alive.stop();
      loop.stop();
    }
  };
  // Not joined: an end that came from elsewhere leaves it in its read, and _exit takes it along.
  std::thread{[&] { read_commands(loop, handle); }}.detach();
  loop.run();
  self.reset();
  transport.reset();
  say({{"event", "closed"}});
  return 0;
}

}  // namespace

drivers::target target_of(const json& given) {
  drivers::target target;
  target.exchange = text_or_empty(given, "exchange");
  target.topic = text_or_empty(given, "topic");
  target.name_space = text_or_empty(given, "namespace");
  target.version = text_or_empty(given, "version");
  target.server = text_or_empty(given, "server");
  target.fanout = given.value("fanout", false);
  return target;
}

void describe_failure(json& line, const drivers::outcome& result) {
  line["ok"] = false;
  line["error"] = result.error.category() == ombt_category()
                      ? name_of(static_cast<errc>(result.error.value()))
                      : result.error.message().c_str();
  line["message"] = std::string{result.detail};
  if (result.exception != nullptr) {
    line["class"] = result.exception->class_name;
    line["message"] = result.exception->message;
    std::string trace;
    for (const auto& part : result.exception->traceback) {
      trace += part;
    }
    line["traceback"] = trace;
  }
}

}  // namespace ombt::interop

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: native_peer KIND [JSON]\n", stderr);
    return 2;
  }
  try {
    const auto options =
        argc > 2 ? ombt::interop::json::parse(argv[2]) : ombt::interop::json::object();
    const int status = ombt::interop::run(argv[1], options);
    std::fflush(stdout);
    // The reader thread may still wait for a line; nothing is left to destroy that it could use.
    _exit(status);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "native_peer: %s\n", problem.what());
    std::fflush(stderr);
    _exit(2);
  }
}
