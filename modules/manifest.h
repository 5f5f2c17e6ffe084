// What a module declares before any of its code runs: the only thing about
// modules that the agent's monitor knows. Data, no code.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dragnet {

enum class NetworkAccess {
  // An empty network namespace, and no socket(2).
  kNone,
  // The host's network namespace: TCP and UDP as a client.
  kHost,
  // The host's network namespace, and no socket(2): for what /proc shows of it.
  kHostWithoutSockets,
};

// What a worker can do beyond reading files and computing, each a wall of the
// sandbox that is lower for the module (agent/sandbox/weakening.h says how).
struct ModulePowers {
  // Reading other processes' memory, descriptors and namespaces in /proc, and
  // process_vm_readv(2). Landlock denies that to whom it holds, whatever its
  // rules say, so such a worker goes without Landlock: its mounts of its own
  // (read-only, no devices, state hidden) and the system call filter hold it.
  bool inspect_processes = false;
  // Netlink sockets (NETLINK_SOCK_DIAG, NETLINK_ROUTE), and setns(2) into the
  // network namespaces of the host's processes; takes kHost, whose TCP and UDP
  // sockets are then denied.
  bool inspect_networks = false;
  // Netlink sockets of NETLINK_NETFILTER alone, to ask for the host's firewall
  // rules; takes kHost, whose TCP and UDP sockets are then denied, and
  // CAP_NET_ADMIN, which the module must give up before it reads an answer.
  bool inspect_firewall = false;
  // ICMP and ICMPv6 sockets (SOCK_RAW and SOCK_DGRAM), only with kHost.
  bool icmp_sockets = false;
};

struct ModuleManifest {
  // Lower case, as in actions and on the command line.
  std::string_view name;
  // One line for lists.
  std::string_view summary;
  // Capabilities (capability.h, CAP_…) that the worker keeps when the agent
  // runs as root. Everything else is dropped.
  std::span<const int> capabilities;
  NetworkAccess network = NetworkAccess::kNone;
  ModulePowers powers = {};
  // Looks at what runs (sockets, processes, the kernel's tables), which an
  // unpacked image doesn't have: there its checks are not applicable.
  bool needs_running_system = false;
  // The monitor does it itself (agent/monitor): it changes the agent, which no worker
  // can. It has no worker, is no check, and needs a fleet.
  bool run_by_monitor = false;
  // What MIG calls it, for `dragnet-agent module NAME --mig` (modules/mig.h).
  std::span<const std::string_view> mig_names = {};
  // Other modules whose powers this one uses: an operation needs the weight
  // that the trust policy asks for each of them, too.
  std::span<const std::string_view> uses_powers_of;
};

// All modules of this build, by name. Generated from modules/CMakeLists.txt.
std::span<const ModuleManifest* const> AllManifests();
// Null when there is none of this name.
const ModuleManifest* FindManifest(std::string_view name);
// By what MIG calls it.
const ModuleManifest* FindManifestOfMig(std::string_view mig_name);

}  // namespace dragnet
