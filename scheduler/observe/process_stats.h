// What the kernel says of this process and of the disk. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace dragnet::scheduler {

struct ProcessStats {
  uint64_t resident_bytes = 0;
  double cpu_seconds = 0;
  uint64_t open_descriptors = 0;
  uint64_t descriptor_limit = 0;
};

// What can't be read stays 0.
ProcessStats ReadProcessStats();

struct DiskSpace {
  // For this user.
  uint64_t free_bytes = 0;
  uint64_t total_bytes = 0;
};

// Of the file system that holds `path`.
absl::StatusOr<DiskSpace> ReadDiskSpace(const std::string& path);

// 0 if it isn't there.
uint64_t FileBytes(const std::string& path);
// Of all regular files directly in it.
uint64_t DirectoryBytes(const std::string& path);

}  // namespace dragnet::scheduler
