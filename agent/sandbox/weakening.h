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

// Looking into other processes: their memory (process_vm_readv(2), /proc/PID/mem),
// descriptors and namespaces (/proc/PID/fd, /proc/PID/ns). Landlock denies all of
// that to whom it holds, whatever its rules allow (Landlock, "Ptrace
// restrictions", in the kernel's userspace API documentation): a process with
// this weakening goes without. Its private mounts (read-only, no devices) and
// the system call filter are what keeps it from writing; openat2(2) is denied.
// Used by: dragnet-worker for modules that declare inspect_processes.
struct ProcessInspection {};

// Netlink sockets of the protocols that list sockets, addresses, routes and
// neighbours, setns(2) into network namespaces, and capset(2) to give up the
// privilege for it. No TCP or UDP socket comes with it.
// Used by: dragnet-worker for modules that declare inspect_networks.
struct NetworkInspection {};

// Netlink sockets of NETLINK_NETFILTER, and capset(2) to give up the privilege for
// them. The kernel answers questions about its rules only to who may change them
// (CAP_NET_ADMIN), and no filter of system calls tells the two apart: the process
// must have all answers in memory, and have given the capability up, before it
// looks at what whoever made a rule has written. No TCP or UDP socket comes with
// it, no other netlink protocol, and no way into other namespaces.
// Used by: dragnet-worker for modules that declare inspect_firewall.
struct FirewallInspection {};

// ICMP and ICMPv6 sockets, raw and datagram. Takes HostNetwork.
// Used by: dragnet-worker for modules that declare icmp_sockets.
struct IcmpSockets {};

// Going on where the kernel can't put a wall up. Which ones: FindMissingWalls
// (agent/sandbox/missing_walls.h). Used by: children that the monitor started
// with kAllowMissingWallsFlag.
struct MissingWalls {};

}  // namespace dragnet::sandbox
