// The system calls of each allow-list, by what they are needed for. Private to
// the sandbox; to read when one asks what a child can do. Numbers are
// libseccomp's: negative for a call that this architecture doesn't have.
//
// Thread-safe: constants.
#pragma once

#include <span>

namespace dragnet::sandbox {

// Reading files, memory, threads, time, ending: kReadAndCompute. Calls that are
// allowed only with certain arguments are in agent/sandbox/seccomp.cc.
std::span<const int> ReadAndComputeSyscalls();

// What kNetworkClient adds: an event loop, and files of its own (which ones,
// Landlock and the user's rights say).
std::span<const int> EventLoopAndFileSyscalls();

// What Allow(HostNetwork) adds, besides socket(2) itself.
std::span<const int> SocketSyscalls();

// What no honest child calls: the process is killed. Executing, controlling
// other processes, changing identity, mounts or namespaces, loading code into
// the kernel, and interfaces with a history of holes.
std::span<const int> KilledSyscalls();

}  // namespace dragnet::sandbox
