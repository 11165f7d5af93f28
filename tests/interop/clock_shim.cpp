// SPDX-License-Identifier: Apache-2.0
// Preloaded into a process, makes it one of another machine: CLOCK_REALTIME is off and drifts, and
// the boot id is another one. CLOCK_MONOTONIC stays as it is. For tests.
//
// OMBT_SHIM_OFFSET     a file of 8 bytes: how far the clock is ahead, nanoseconds; may be written
//                      while the process runs, which sets its clock
// OMBT_SHIM_DRIFT_PPM  how much faster it goes, from its start on
// OMBT_SHIM_BOOT_ID    what /proc/sys/kernel/random/boot_id has
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

constexpr std::int64_t billion = 1'000'000'000;

/// Past every library that may stand between this one and the kernel.
std::int64_t read_clock(clockid_t which) {
  timespec now{};
  ::syscall(SYS_clock_gettime, which, &now);
  return std::int64_t{now.tv_sec} * billion + now.tv_nsec;
}

struct settings {
  const volatile std::int64_t* offset = nullptr;
  double drift = 0;
  std::int64_t start = 0;

  settings() {
    start = read_clock(CLOCK_MONOTONIC);
    if (const char* ppm = std::getenv("OMBT_SHIM_DRIFT_PPM")) drift = std::atof(ppm) / 1e6;
    const char* path = std::getenv("OMBT_SHIM_OFFSET");
    if (path == nullptr) return;
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    void* const seen = ::mmap(nullptr, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (file < 0 || seen == MAP_FAILED) {
      std::fputs("clock_shim: OMBT_SHIM_OFFSET cannot be read\n", stderr);
      std::abort();
    }
    ::close(file);
    offset = static_cast<const volatile std::int64_t*>(seen);
  }
};

std::int64_t shifted_now() {
  static const settings given;
  const double since = static_cast<double>(read_clock(CLOCK_MONOTONIC) - given.start);
  return read_clock(CLOCK_REALTIME) + static_cast<std::int64_t>(since * given.drift) +
         (given.offset != nullptr ? *given.offset : 0);
}

FILE* open_file(const char* called, const char* path, const char* mode) {
  const char* const id = std::getenv("OMBT_SHIM_BOOT_ID");
  if (id != nullptr && std::strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) {
    const int file = ::memfd_create("boot_id", MFD_CLOEXEC);
    const std::size_t size = std::strlen(id);
    if (file < 0 || ::write(file, id, size) != static_cast<ssize_t>(size)) std::abort();
    ::lseek(file, 0, SEEK_SET);
    return ::fdopen(file, "r");
  }
  using function = FILE* (*)(const char*, const char*);
  const auto next = reinterpret_cast<function>(::dlsym(RTLD_NEXT, called));
  return next(path, mode);
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t which, timespec* out) noexcept {
  if (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE) {
    return static_cast<int>(::syscall(SYS_clock_gettime, which, out));
  }
  const std::int64_t now = shifted_now();
  out->tv_sec = now / billion;
  out->tv_nsec = now % billion;
  return 0;
}

int gettimeofday(timeval* out, void*) noexcept {
  const std::int64_t now = shifted_now();
  out->tv_sec = now / billion;
  out->tv_usec = now % billion / 1000;
  return 0;
}

time_t time(time_t* out) noexcept {
  const time_t now = shifted_now() / billion;
  if (out != nullptr) *out = now;
  return now;
}

FILE* fopen(const char* path, const char* mode) { return open_file("fopen", path, mode); }
FILE* fopen64(const char* path, const char* mode) { return open_file("fopen64", path, mode); }

}  // extern "C"
