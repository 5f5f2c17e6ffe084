#include "agent/sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"

namespace dragnet::sandbox {
namespace {

// What Debian 12's headers (ABI 2) don't have yet, from include/uapi/linux/landlock.h
// of Linux 6.12. Numbers of this interface never change.
constexpr uint64_t kAccessFsTruncate = 1ULL << 14;        // LANDLOCK_ACCESS_FS_TRUNCATE
constexpr uint64_t kAccessFsIoctlDev = 1ULL << 15;        // LANDLOCK_ACCESS_FS_IOCTL_DEV
constexpr uint64_t kAccessNetBindTcp = 1ULL << 0;         // LANDLOCK_ACCESS_NET_BIND_TCP
constexpr uint64_t kAccessNetConnectTcp = 1ULL << 1;      // LANDLOCK_ACCESS_NET_CONNECT_TCP
constexpr uint64_t kScopeAbstractUnixSocket = 1ULL << 0;  // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
constexpr uint64_t kScopeSignal = 1ULL << 1;              // LANDLOCK_SCOPE_SIGNAL
constexpr int kRuleNetPort = 2;                           // LANDLOCK_RULE_NET_PORT

struct RulesetAttributes {  // struct landlock_ruleset_attr
  uint64_t handled_access_fs = 0;
  uint64_t handled_access_net = 0;  // ABI 4
  uint64_t scoped = 0;              // ABI 6
};

struct NetPortAttributes {  // struct landlock_net_port_attr
  uint64_t allowed_access = 0;
  uint64_t port = 0;
};

constexpr uint64_t kReadDirectory = LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr uint64_t kWriteBeneath = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                   LANDLOCK_ACCESS_FS_MAKE_REG | kAccessFsTruncate;
// EXECUTE (bit 0) to MAKE_SYM (bit 12): ABI 1.
constexpr uint64_t kAllOfAbi1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

RulesetAttributes AllThatIsHandled(const LandlockPolicy& policy, int abi) {
  RulesetAttributes attributes;
  attributes.handled_access_fs = kAllOfAbi1;
  if (abi >= 2) attributes.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= kLandlockAbiTruncate) attributes.handled_access_fs |= kAccessFsTruncate;
  if (abi >= kLandlockAbiDevices) attributes.handled_access_fs |= kAccessFsIoctlDev;
  if (abi >= kLandlockAbiTcp) {
    attributes.handled_access_net = kAccessNetBindTcp;
    if (policy.deny_tcp || !policy.connect_ports.empty()) {
      attributes.handled_access_net |= kAccessNetConnectTcp;
    }
  }
  if (abi >= kLandlockAbiScopes) attributes.scoped = kScopeAbstractUnixSocket | kScopeSignal;
  return attributes;
}

// Older kernels refuse a structure with what they don't know in it.
size_t SizeForAbi(int abi) {
  if (abi >= kLandlockAbiScopes) return sizeof(RulesetAttributes);
  if (abi >= kLandlockAbiTcp) return offsetof(RulesetAttributes, scoped);
  return offsetof(RulesetAttributes, handled_access_net);
}

absl::Status AllowPath(int ruleset, const std::string& path, uint64_t access) {
  UniqueFd parent(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!parent.valid() && (errno == ENOENT || errno == ENOTDIR)) return absl::OkStatus();
  if (!parent.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  struct stat status;
  if (::fstat(parent.get(), &status) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  // Rights that only directories have are an error on anything else.
  if (!S_ISDIR(status.st_mode)) access &= kReadFile;

  landlock_path_beneath_attr rule{};
  rule.allowed_access = access;
  rule.parent_fd = parent.get();
  if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    return ErrnoStatus(StrCat("landlock_add_rule ", path), errno);
  }
  return absl::OkStatus();
}

absl::Status AllowPort(int ruleset, uint16_t port, uint64_t access) {
  NetPortAttributes rule;
  rule.allowed_access = access;
  rule.port = port;
  if (::syscall(SYS_landlock_add_rule, ruleset, kRuleNetPort, &rule, 0) != 0) {
    return ErrnoStatus(StrCat("landlock_add_rule TCP port ", port), errno);
  }
  return absl::OkStatus();
}

absl::Status AllowPorts(int ruleset, const LandlockPolicy& policy) {
  if (policy.deny_tcp) return absl::OkStatus();
  // Port 0 is "any free one": gRPC binds such a socket to find out about IPv6.
  DRAGNET_RETURN_IF_ERROR(AllowPort(ruleset, 0, kAccessNetBindTcp));
  for (uint16_t port : policy.connect_ports) {
    DRAGNET_RETURN_IF_ERROR(AllowPort(ruleset, port, kAccessNetConnectTcp));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RestrictByLandlock(const LandlockPolicy& policy, int abi) {
  const RulesetAttributes handled = AllThatIsHandled(policy, abi);
  UniqueFd ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &handled, SizeForAbi(abi), 0)));
  if (!ruleset.valid()) return ErrnoStatus("landlock_create_ruleset", errno);

  for (const std::string& path : policy.readable) {
    DRAGNET_RETURN_IF_ERROR(AllowPath(ruleset.get(), path, kReadFile | kReadDirectory));
  }
  const uint64_t write = (kReadFile | kReadDirectory | kWriteBeneath) & handled.handled_access_fs;
  for (const std::string& path : policy.writable) {
    DRAGNET_RETURN_IF_ERROR(AllowPath(ruleset.get(), path, write));
  }
  if (abi >= kLandlockAbiTcp) DRAGNET_RETURN_IF_ERROR(AllowPorts(ruleset.get(), policy));

  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
    return ErrnoStatus("landlock_restrict_self", errno);
  }
  return absl::OkStatus();
}

}  // namespace dragnet::sandbox
