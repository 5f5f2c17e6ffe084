// Starts a program that holds only what it is given: descriptors, user,
// capabilities, network, mounts, resources. The half of the sandbox that a privileged
// parent puts up; the other half (agent/sandbox/lock_in.h) the program puts up
// around itself.
//
// Every child, without asking: no_new_privs, umask 077, its own session,
// default signal dispositions and an empty signal mask, no core dumps, a clean
// environment, working directory /, SIGKILL when the *thread* that spawned it
// ends, every descriptor closed that isn't given.
//
// Thread-safe. What runs between fork and exec is async-signal-safe, so the
// parent may have threads.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/sandbox/child.h"
#include "core/unique_fd.h"

namespace dragnet::sandbox {

struct UserAndGroup {
  uid_t uid = 0;
  gid_t gid = 0;
};

// A user name in /etc/passwd, or "uid:gid". NSS is not asked: it would load
// directory services' libraries into a process that must stay small.
absl::StatusOr<UserAndGroup> LookUpUser(std::string_view user);

enum class Network {
  // The parent's namespace.
  kAsItIs,
  // A new namespace with nothing in it.
  kEmpty,
  // The namespace of SpawnOptions::network_namespace_fd.
  kGiven,
};

// The child gets the parent's `fd` under the number `as`.
struct GivenFd {
  int fd = -1;
  int as = -1;
};

// Unset: as in the parent.
struct ResourceLimits {
  std::optional<uint64_t> address_space_bytes;  // RLIMIT_AS
  std::optional<uint64_t> cpu_seconds;          // RLIMIT_CPU: SIGKILL at this
  std::optional<uint64_t> open_files;           // RLIMIT_NOFILE
  // RLIMIT_NPROC counts the user's threads on the whole host, and doesn't hold
  // root: it makes sense with a user that belongs to the child alone.
  std::optional<uint64_t> processes;
  std::optional<uint64_t> file_size_bytes;  // RLIMIT_FSIZE; pipes are not files
};

struct SpawnOptions {
  std::string program;  // absolute path
  // argv[1] and following; argv[0] is `program`.
  std::vector<std::string> arguments;
  // "NAME=value", besides PATH and LANG=C.UTF-8.
  std::vector<std::string> environment;

  // 0, 1 and 2 are /dev/null if they are not given.
  std::vector<GivenFd> fds;

  // Unset: the parent's. Supplementary groups are dropped in either case.
  std::optional<UserAndGroup> user;

  // CAP_… that the child holds (permitted, effective, inheritable, ambient, so
  // that they survive exec under no_new_privs). All others leave its bounding
  // set, securebits are locked, root's magic is off: an empty list means none,
  // for uid 0 too.
  std::vector<int> capabilities;

  Network network = Network::kAsItIs;
  int network_namespace_fd = -1;

  // A mount namespace of its own, where everything is read-only and no device
  // and no set-user-id bit counts: who may read all files by capability still
  // opens no root-only device. The parent's mounts stay as they are. What the
  // host mounts meanwhile appears in it (so that unmounting works, too) as the
  // host mounted it. Takes CAP_SYS_ADMIN and Linux 5.12.
  bool private_mounts = false;
  // Directories that are empty for the child; each must exist, and the program
  // must not be beneath one. Takes private_mounts.
  std::vector<std::string> hidden_directories;

  ResourceLimits limits;
  // Added to the parent's nice value, 0 to 19. Threads inherit it.
  int nice = 0;
  // Reads and writes disks only while no one else does (IOPRIO_CLASS_IDLE,
  // ioprio_set(2)), where the disk's scheduler looks at it (bfq, mq-deadline).
  // Threads inherit it. Without effect on a kernel that has no such classes.
  bool idle_io = false;

  // For a parent that isn't root: go on without what takes privileges, and list
  // it in Child::missing_walls(). Else each of them is an error, and so is in any
  // case that user, bounding set or securebits can't be changed by a parent that
  // holds the capability to.
  bool allow_missing_walls = false;
};

// Returns when the program has been executed. An error names the step that
// failed in the child and the system's words, e.g.
// "start /usr/lib/dragnet/dragnet-worker: setresuid(64511): Operation not permitted".
absl::StatusOr<Child> Spawn(const SpawnOptions& options);

// Close-on-exec descriptors for the ends of a connection to a child.
struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};
absl::StatusOr<Pipe> NewPipe();
// Two ends of a stream socket pair.
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> NewSocketPair();

// /proc/self/ns/net: to give a child the network that the parent leaves.
absl::StatusOr<UniqueFd> OpenNetworkNamespace();

}  // namespace dragnet::sandbox
