// Whether this host hides processes of others from whom asks (the mount option hidepid
// of proc(5)): then a list of processes is not all of them, and what isn't in it may
// well run. Thread-safe: no state.
#pragma once

#include <sys/stat.h>

#include <string_view>

namespace dragnet {

inline constexpr std::string_view kHiddenProcesses =
    "processes of others are hidden here (hidepid of /proc)";

// False where there is no /proc: there is nothing to hide.
inline bool ProcessesAreHidden() {
  struct stat info;
  return ::stat("/proc/self", &info) == 0 && ::stat("/proc/1", &info) != 0;
}

}  // namespace dragnet
