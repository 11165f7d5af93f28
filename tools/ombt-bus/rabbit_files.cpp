// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/rabbit_files.hpp"

#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string_view>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace ombt::tools::bus {
namespace fs = std::filesystem;
namespace {

std::string random_letters(std::size_t count) {
  std::string out(count, ' ');
  if (getrandom(out.data(), count, 0) != static_cast<ssize_t>(count)) {
    throw std::runtime_error("no random numbers to be had from the system");
  }
  for (char& c : out) c = static_cast<char>('a' + static_cast<unsigned char>(c) % 26);
  return out;
}

// An installed application's folder is NAME-VERSION.
std::map<std::string, fs::path> installed_applications(const fs::path& plugins) {
  std::map<std::string, fs::path> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(plugins, ignored)) {
    const std::string name = entry.path().filename();
    out.emplace(name.substr(0, name.rfind('-')), entry.path());
  }
  return out;
}

}  // namespace

std::vector<std::string> applications_needed(const std::string& text) {
  std::vector<std::string> out;
  auto at = text.find("{applications");
  if (at == std::string::npos) return out;
  at = text.find('[', at);
  const auto end = text.find(']', at);
  if (at == std::string::npos || end == std::string::npos) return out;
  std::string name;
  for (++at; at <= end; ++at) {
    const char c = text[at];
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') {
      name += c;
    } else if (!name.empty()) {
      out.push_back(std::exchange(name, {}));
    }
  }
  return out;
}

rabbit_files::rabbit_files(const std::string& parent, std::string scripts,
                           std::vector<std::string> plugins)
    : folder_(parent), scripts_(std::move(scripts)), plugins_(std::move(plugins)) {}

void rabbit_files::configure(const rabbit_ports& ports) {
  ports_ = ports;
  for (const char* name : {"home", "data", "log", "home/sbin", "home/plugins"}) {
    if (mkdir(path(name).c_str(), S_IRWXU) != 0 && errno != EEXIST) {
      throw std::runtime_error("cannot make " + path(name) + ": " + std::strerror(errno));
    }
  }
  write_file(path("rabbitmq.conf"),
             "listeners.tcp.1 = 127.0.0.1:" + std::to_string(ports.amqp) +
                 "\n"
                 "loopback_users = none\n"
                 // A test bed must not stop publishers because a disk or a memory is nearly full.
                 "disk_free_limit.absolute = 1MB\n"
                 "vm_memory_high_watermark.relative = 0.9\n"
                 "log.console = false\n"
                 "log.file.level = info\n",
             S_IRUSR | S_IWUSR);
  std::string enabled;
  for (const auto& name : plugins_) enabled += (enabled.empty() ? "" : ",") + name;
  write_file(path("enabled_plugins"), "[" + enabled + "].\n", S_IRUSR | S_IWUSR);
  if (!fs::exists(path("home/.erlang.cookie"))) {
    write_file(path("home/.erlang.cookie"), random_letters(24), S_IRUSR);
  }
  // rabbitmqctl's script reads this file and so finds the node and its cookie, while the HOME of
  // the command that calls it stays what it was.
  write_file(path("rabbitmq-env.conf"),
             "HOME='" + path("home") +
                 "'\n"
                 "export HOME\n"
                 "NODENAME=ombt@127.0.0.1\n"
                 "USE_LONGNAME=true\n"
                 "ERL_EPMD_PORT=" +
                 std::to_string(ports.epmd) +
                 "\n"
                 "export ERL_EPMD_PORT\n",
             S_IRUSR | S_IWUSR);
  // The scripts live in RABBITMQ_HOME/sbin and are often links to there.
  std::error_code ignored;
  const fs::path real = fs::canonical(scripts_ + "/rabbitmq-server", ignored);
  link_applications(real.parent_path().parent_path());
}

// The package brings some 65 applications, and Erlang looks for every one of 900 modules in the
// folder of each: 52,000 failing opens, 5 of 7 seconds of a start. A RABBITMQ_HOME of our own, with
// links to what `rabbit` and the enabled plugins need, leaves those out.
void rabbit_files::link_applications(const std::string& home) {
  std::error_code error;
  fs::create_symlink(home + "/sbin/rabbitmq-defaults", path("home/sbin/rabbitmq-defaults"), error);
  const auto installed = installed_applications(home + "/plugins");
  for (const auto& name : plugins_) {
    if (installed.count(name) == 0) throw std::runtime_error("RabbitMQ has no plugin " + name);
  }
  std::set<std::string> seen{"rabbit"};
  std::deque<std::string> open{"rabbit"};
  for (const auto& name : plugins_) {
    if (seen.insert(name).second) open.push_back(name);
  }
  while (!open.empty()) {
    const auto name = std::move(open.front());
    open.pop_front();
    const auto found = installed.find(name);
    if (found == installed.end()) continue;  // Erlang's own: kernel, stdlib, …
    fs::create_symlink(found->second, path("home/plugins/") + found->second.filename().string(),
                       error);
    for (auto& needed : applications_needed(read_file(found->second / "ebin" / (name + ".app")))) {
      if (seen.insert(needed).second) open.push_back(std::move(needed));
    }
  }
}

std::vector<std::string> rabbit_files::broker_environment() const {
  std::vector<std::string> out;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    bool steers = false;
    for (const std::string_view prefix : {"RABBITMQ_", "ERL_", "HOME=", "LC_", "LANG="}) {
      steers = steers || text.substr(0, prefix.size()) == prefix;
    }
    if (!steers) out.emplace_back(text);
  }
  const auto distribution = std::to_string(ports_.distribution);
  for (const auto& [name, value] : {
           std::pair<const char*, std::string>{"HOME", path("home")},
           {"LC_ALL", "C.UTF-8"},
           {"ERL_EPMD_PORT", std::to_string(ports_.epmd)},
           {"ERL_CRASH_DUMP", "/dev/null"},
           {"RABBITMQ_CONF_ENV_FILE", "/dev/null"},
           {"RABBITMQ_NODENAME", "ombt@127.0.0.1"},
           {"RABBITMQ_USE_LONGNAME", "true"},
           {"RABBITMQ_SCRIPTS_DIR", path("home/sbin")},
           {"RABBITMQ_PLUGINS_DIR", path("home/plugins")},
           {"RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")},
           {"RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")},
           {"RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")},
           {"RABBITMQ_MNESIA_BASE", path("data")},
           {"RABBITMQ_LOG_BASE", path("log")},
           {"RABBITMQ_LOGS", log_file()},
           {"RABBITMQ_DIST_PORT", distribution},
           // "Allow input" lets the script become the broker (exec), so that one pid is all there
           // is to stop; -noinput then takes the input away again.
           {"RABBITMQ_ALLOW_INPUT", "1"},
           // -name: distributed from the start, or RabbitMQ boots a second machine to see whether
           // epmd is there. strict: no search for modules in archives.
           {"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-noinput -name ombt@127.0.0.1 -start_epmd false -code_path_choice strict"
            " -kernel inet_dist_use_interface {127,0,0,1} inet_dist_listen_min " +
                distribution + " inet_dist_listen_max " + distribution},
       }) {
    out.push_back(std::string(name) + "=" + value);
  }
  return out;
}

std::vector<std::string> rabbit_files::client_variables() const {
  return {"RABBITMQ_CONF_ENV_FILE=" + path("rabbitmq-env.conf"), "RABBITMQ_NODENAME=ombt@127.0.0.1",
          "RABBITMQ_USE_LONGNAME=true", "ERL_EPMD_PORT=" + std::to_string(ports_.epmd)};
}

std::string rabbit_files::log_tail(std::size_t lines) const {
  std::string out;
  for (const auto& file : {output_file(), log_file()}) {
    const auto text = last_lines(read_file(file), lines);
    if (text.empty()) continue;
    out += text;
    if (out.back() != '\n') out += '\n';
  }
  return out;
}

}  // namespace ombt::tools::bus
