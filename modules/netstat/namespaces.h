// The network namespaces of the host, each with netlink sockets that stay in it.
//
// Order matters: setns(2) needs CAP_SYS_ADMIN. So all sockets are opened first, by
// a thread that ends in whatever namespace it is in then; DropNamespacePrivilege
// follows; and only then is anything read from a socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "modules/module.h"
#include "modules/netstat/netlink.h"
#include "modules/netstat/processes.h"

namespace dragnet::netstat {

struct NetworkNamespace {
  uint64_t inode = 0;
  // The one that the agent runs in.
  bool is_host = false;
  // As in the rows.
  std::string name;
  // Absent where it could not be opened, which was noted.
  std::optional<NetlinkSocket> route;
  std::optional<NetlinkSocket> sock_diag;
  // Its /proc/net/raw and raw6, which are read where sock_diag lists no raw
  // sockets; invalid where there are none.
  UniqueFd raw_text;
  UniqueFd raw6_text;
};

// The inode of the calling thread's network namespace.
absl::StatusOr<uint64_t> OwnNamespace();

struct MountedNamespace {
  uint64_t inode = 0;
  std::string path;
};
// The network namespaces in a file as /proc/self/mountinfo.
std::vector<MountedNamespace> MountedNamespaces(std::string_view mountinfo);

// Opens the calling thread's namespace and those of `found` (which are closed
// then) and those that are mounted, in this order. With `only_host`: the first.
absl::StatusOr<std::vector<NetworkNamespace>> EnterNamespaces(std::vector<FoundNamespace> found,
                                                              bool only_host, RunContext& context);

// Takes CAP_SYS_ADMIN from the calling thread for good. OK when it has none.
absl::Status DropNamespacePrivilege();

}  // namespace dragnet::netstat
