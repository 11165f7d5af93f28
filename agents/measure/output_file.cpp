// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/output_file.hpp"

#include "wire/configuration_error.hpp"
#include "wire/json/value.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace ombt::agents {

namespace json = wire::json;

output_file::output_file(const std::string& path)
    : path_(path),
      descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) {
    throw configuration_error("output file " + path + ": " + std::strerror(errno));
  }
}

output_file::~output_file() { ::close(descriptor_); }

void output_file::write(std::string_view lines) {
  const std::lock_guard lock(mutex_);
  if (lost_ > 0) {
    ++lost_;
    return;
  }
  while (!lines.empty()) {
    const ssize_t written = ::write(descriptor_, lines.data(), lines.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      ++lost_;
      trouble_ = "output file " + path_ + ": " + std::strerror(written < 0 ? errno : ENOSPC);
      std::fprintf(stderr, "%s: %s; nothing more is written to it\n", program_invocation_short_name,
                   trouble_.c_str());
      return;
    }
    lines.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::uint64_t output_file::lost_writes() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

std::string output_file::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void output_buffer::end_line() {
  text_ += '\n';
  if (text_.size() >= flush_size) flush();
}

void output_buffer::flush() {
  if (text_.empty()) return;
  file_->write(text_);
  text_.clear();
}

message_log::message_log(output_buffer& buffer, std::string_view name, bool shared)
    : buffer_(buffer) {
  if (!shared) return;
  client_ = R"("client": )";
  json::append_string(client_, name);
  client_ += ", ";
}

std::string message_log::new_trouble() {
  const std::uint64_t lost = buffer_.file().lost_writes();
  if (lost == std::exchange(told_, lost)) return {};
  return buffer_.file().trouble() + ": lines are missing";
}

void message_log::begin() { buffer_.text().append("{").append(client_); }

void message_log::end() {
  buffer_.text() += '}';
  buffer_.end_line();
}

void message_log::agent(std::string_view name, std::string_view kind) {
  begin();
  std::string& out = buffer_.text();
  out += R"("client-name": )";
  json::append_string(out, name);
  out += R"(, "kind": )";
  json::append_string(out, kind);
  end();
}

void message_log::test_start(std::string_view test, double start) {
  begin();
  std::string& out = buffer_.text();
  out += R"("test-name": )";
  json::append_string(out, test);
  out += R"(, "test-start": )";
  json::append_number(out, start);
  end();
}

void message_log::sent(std::string_view hex, std::uint64_t sequence, double start, double stop,
                       std::string_view error) {
  begin();
  std::string& out = buffer_.text();
  out.append(R"("id": ")").append(hex).append(":").append(std::to_string(sequence));
  out += R"(", "start": )";
  json::append_number(out, start);
  out += R"(, "stop": )";
  json::append_number(out, stop);
  if (!error.empty()) {
    out += R"(, "error": )";
    json::append_string(out, error);
  }
  end();
}

void message_log::received(std::string_view id, double start, double arrival) {
  begin();
  std::string& out = buffer_.text();
  out += R"("id": )";
  json::append_string(out, id);
  out += R"(, "start": )";
  json::append_number(out, start);
  out += R"(, "recv": )";
  json::append_number(out, arrival);
  end();
}

void message_log::test_end(double end_time) {
  begin();
  buffer_.text() += R"("test-end": )";
  json::append_number(buffer_.text(), end_time);
  end();
  buffer_.flush();
}

std::string output_path(std::string_view pattern, int number, bool& own) {
  own = false;
  std::string path;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      path += pattern[i];
      continue;
    }
    const char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (next == 'n') {
      path += std::to_string(number);
      own = true;
    } else if (next == '%') {
      path += '%';
    } else {
      throw configuration_error("output file " + std::string(pattern) +
                                ": only %n (the agent's number) and %% are known");
    }
    ++i;
  }
  return path;
}

output_files::output_files(const std::string& pattern, std::size_t agents) {
  if (pattern.empty()) return;
  for (std::size_t i = 0; i < agents; ++i) {
    const std::string path = output_path(pattern, static_cast<int>(i), own_);
    files_.push_back(i == 0 || own_ ? std::make_shared<output_file>(path) : files_.front());
  }
}

std::string output_files::trouble() const {
  for (const auto& file : files_) {
    if (std::string trouble = file->trouble(); !trouble.empty()) return trouble;
  }
  return {};
}

}  // namespace ombt::agents
