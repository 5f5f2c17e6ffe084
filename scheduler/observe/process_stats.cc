#include "scheduler/observe/process_stats.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iterator>

#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

uint64_t ResidentBytes() {
  // proc(5), statm: total and resident pages.
  const absl::StatusOr<std::string> statm = ReadFile("/proc/self/statm");
  unsigned long total = 0;
  unsigned long resident = 0;
  if (!statm.ok() || std::sscanf(statm->c_str(), "%lu %lu", &total, &resident) != 2) return 0;
  return uint64_t{resident} * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

uint64_t OpenDescriptors() {
  std::error_code error;
  std::filesystem::directory_iterator descriptors("/proc/self/fd", error);
  if (error) return 0;
  uint64_t count = 0;
  for (; descriptors != std::filesystem::directory_iterator(); descriptors.increment(error)) {
    if (error) break;
    ++count;
  }
  // Not the one that this loop read from.
  return count > 0 ? count - 1 : 0;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessStats ReadProcessStats() {
  ProcessStats stats;
  stats.resident_bytes = ResidentBytes();
  stats.open_descriptors = OpenDescriptors();
  rusage usage = {};
  if (::getrusage(RUSAGE_SELF, &usage) == 0)
    stats.cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.descriptor_limit = limit.rlim_cur;
  return stats;
}

absl::StatusOr<DiskSpace> ReadDiskSpace(const std::string& path) {
  struct statvfs info = {};
  if (::statvfs(path.c_str(), &info) != 0) return ErrnoStatus(StrCat("statvfs ", path), errno);
  return DiskSpace{.free_bytes = uint64_t{info.f_bavail} * info.f_frsize,
                   .total_bytes = uint64_t{info.f_blocks} * info.f_frsize};
}

uint64_t FileBytes(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

uint64_t DirectoryBytes(const std::string& path) {
  std::error_code error;
  uint64_t bytes = 0;
  std::filesystem::directory_iterator files(path, error);
  if (error) return 0;
  for (; files != std::filesystem::directory_iterator(); files.increment(error)) {
    if (error) break;
    bytes += FileBytes(files->path().string());
  }
  return bytes;
}

}  // namespace dragnet::scheduler
