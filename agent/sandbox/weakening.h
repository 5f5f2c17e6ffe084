// Everything that makes a policy of agent/sandbox/lock_in.h wider than reading
// and computing. Each is a type, so that every use of it is found by its name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dragnet::sandbox {

// Creating, writing, renaming and removing files beneath a directory.
// Used by: dragnet-link (its identity).
struct WritingBeneath {
  std::string directory;
};

// Sockets of the process's network namespace (IPv4, IPv6; no raw packets, no
// listening).
// Used by: dragnet-link; dragnet-worker for modules that declare kHost.
struct HostNetwork {
  // Remote TCP ports that can be connected to (Landlock, ABI 4); empty for any.
  std::vector<uint16_t> tcp_ports;
};

// Going on where the kernel can't put a wall up. Which ones: FindMissingWalls
// (agent/sandbox/missing_walls.h). Used by: children that the monitor started
// with kAllowMissingWallsFlag.
struct MissingWalls {};

}  // namespace dragnet::sandbox
