// What files of /proc/PID say. Stateless and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dragnet::process {

// Of /proc/PID/status (proc(5)).
struct Status {
  std::string state;
  uint32_t real_uid = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t tracer = 0;
  uint32_t threads = 0;
  uint64_t rss_bytes = 0;
  uint64_t effective_capabilities = 0;
  bool no_new_privs = false;
  std::string seccomp;
};
// Nothing without the lines that every process has.
std::optional<Status> ParseStatus(std::string_view text);

// Whether /proc/PID/stat has the flag of kernel threads.
bool IsKernelThread(std::string_view stat);

// cap_chown,cap_kill; all, where `last` is the last one that the kernel has.
std::string CapabilityText(uint64_t capabilities, int last);

// From /proc/PID/cgroup: the path in the unified hierarchy, or else in systemd's.
std::string CgroupPath(std::string_view text);
// The innermost service or scope of a path.
std::string UnitOfCgroup(std::string_view path);

}  // namespace dragnet::process
