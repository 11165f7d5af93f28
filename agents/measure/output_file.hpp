// SPDX-License-Identifier: Apache-2.0
#pragma once
// What --output writes: JSON lines, one a message, as ombt's (docs/wire.md). An output_file is a
// file that several I/O threads share; an output_buffer collects lines of one thread and hands
// them over in whole lines; a message_log is one agent's view of it. Nothing here runs without
// --output.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::agents {

/// A file that was emptied when it was opened. Any thread.
class output_file {
 public:
  /// Throws configuration_error naming the file and the cause.
  explicit output_file(const std::string& path);
  ~output_file();
  output_file(const output_file&) = delete;
  output_file& operator=(const output_file&) = delete;

  /// Writes whole lines. The first failure is said once on standard error; later lines are
  /// dropped and counted.
  void write(std::string_view lines);
  std::uint64_t lost_writes() const;
  /// Why lines were lost, the file's name with it; empty: none were.
  std::string trouble() const;

 private:
  mutable std::mutex mutex_;
  std::string path_;
  int descriptor_;
  std::uint64_t lost_ = 0;
  std::string trouble_;
};

/// Lines of one thread on their way to a file.
class output_buffer {
 public:
  explicit output_buffer(std::shared_ptr<output_file> file) : file_(std::move(file)) {}
  ~output_buffer() { flush(); }
  output_buffer(const output_buffer&) = delete;
  output_buffer& operator=(const output_buffer&) = delete;

  /// Where the next line goes; end_line() ends it.
  std::string& text() noexcept { return text_; }
  void end_line();
  void flush();
  const output_file& file() const noexcept { return *file_; }

 private:
  static constexpr std::size_t flush_size = std::size_t{64} << 10;
  std::shared_ptr<output_file> file_;
  std::string text_;
};

/// One agent's lines. Times are epoch seconds.
class message_log {
 public:
  /// In a file that several agents share each line carries "client": the agent's name. The buffer
  /// must outlive this.
  message_log(output_buffer& buffer, std::string_view name, bool shared);

  /// {"client-name", "kind"}: the first line of an agent.
  void agent(std::string_view name, std::string_view kind);
  /// {"test-name", "test-start"}
  void test_start(std::string_view test, double start);
  /// {"id", "start", "stop"[, "error"]}; the id is "<hex>:<sequence>".
  void sent(std::string_view hex, std::uint64_t sequence, double start, double stop,
            std::string_view error);
  /// {"id", "start", "recv"}
  void received(std::string_view id, double start, double arrival);
  /// {"test-end"}; what was collected goes to the file.
  void test_end(double end);

  /// What to say of lines that the file lost since this was last asked; empty: none were.
  std::string new_trouble();

 private:
  void begin();
  void end();

  output_buffer& buffer_;
  std::string client_;      ///< `"client": "NAME", ` or empty
  std::uint64_t told_ = 0;  ///< lost writes that new_trouble() knows of
};

/// The path of an agent's file: each %n is its number, %% a percent sign. `own` says whether
/// there was a %n, that is whether each agent has a file of its own. Throws configuration_error
/// for another % sequence.
std::string output_path(std::string_view pattern, int number, bool& own);

/// The files of a process's agents: one for all of them, or with %n in the pattern one each.
class output_files {
 public:
  /// An empty pattern: there are none. Throws as output_path and output_file do.
  output_files(const std::string& pattern, std::size_t agents);

  /// Null: there are none.
  std::shared_ptr<output_file> of(std::size_t agent) const {
    return files_.empty() ? nullptr : files_[agent];
  }
  /// Whether each agent has a file of its own.
  bool own() const noexcept { return own_; }
  /// What was lost, of the first file that lost something; empty: nothing.
  std::string trouble() const;

 private:
  std::vector<std::shared_ptr<output_file>> files_;  ///< of each agent
  bool own_ = false;
};

}  // namespace ombt::agents
