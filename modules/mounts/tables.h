// Mounts as the kernel and fstab write them. Stateless and thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet::mounts {

// Bytes as in the file, escapes taken off.
struct Mount {
  std::string mount_point;
  std::string device;
  std::string fs_type;
  std::string root;
  std::string device_number;
  // Of the mount, and of the file system.
  std::vector<std::string> options;
  std::vector<std::string> super_options;
  std::vector<std::string> propagation;
};

// A line of /proc/PID/mountinfo (proc(5)); nothing if it isn't one.
std::optional<Mount> ParseMountinfoLine(std::string_view line);

struct FstabEntry {
  std::string device;
  std::string mount_point;
  std::string fs_type;
  std::vector<std::string> options;
};

// A line of fstab(5); nothing if it isn't one. Not for comments and empty lines.
std::optional<FstabEntry> ParseFstabLine(std::string_view line);

// Three octal digits after a \ are a byte: \040 is a space.
std::string Unescape(std::string_view text);

}  // namespace dragnet::mounts
