// Which walls of the sandbox this host can't give, or gives in an older form, in
// words: for the monitor's log and its Hello to the scheduler. Thread-safe.
#pragma once

#include <string>
#include <vector>

namespace dragnet::sandbox {

// To dragnet-worker and dragnet-link: lock in as far as the kernel can, rather
// than refuse to run.
inline constexpr char kAllowMissingWallsFlag[] = "--allow-missing-walls";

// Reasons to refuse to run; one line each, empty when all walls can be put up. Tries in a
// short-lived child process what can't be asked (namespaces of network and mounts, seccomp,
// Landlock).
std::vector<std::string> FindMissingWalls();

// For information, no reason to refuse: what one wall doesn't hold on this host
// and another one does. Debian 12's kernel 6.1, with Landlock ABI 2, has such.
std::vector<std::string> FindWeakWalls();
// The same for a kernel of that Landlock ABI.
std::vector<std::string> WeakWallsOf(int landlock_abi);

// The kernel's Landlock ABI; 0 when it has none or it is switched off.
int LandlockAbi();
// Whether the kernel can filter system calls, and kill for them.
bool HasSyscallFilters();

}  // namespace dragnet::sandbox
