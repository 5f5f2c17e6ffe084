#include "agent/sandbox/capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "core/strings.h"

namespace dragnet::sandbox {
namespace {

// linux/capability.h, in the order of their numbers.
constexpr std::array<const char*, 41> kNames = {"CHOWN",
                                                "DAC_OVERRIDE",
                                                "DAC_READ_SEARCH",
                                                "FOWNER",
                                                "FSETID",
                                                "KILL",
                                                "SETGID",
                                                "SETUID",
                                                "SETPCAP",
                                                "LINUX_IMMUTABLE",
                                                "NET_BIND_SERVICE",
                                                "NET_BROADCAST",
                                                "NET_ADMIN",
                                                "NET_RAW",
                                                "IPC_LOCK",
                                                "IPC_OWNER",
                                                "SYS_MODULE",
                                                "SYS_RAWIO",
                                                "SYS_CHROOT",
                                                "SYS_PTRACE",
                                                "SYS_PACCT",
                                                "SYS_ADMIN",
                                                "SYS_BOOT",
                                                "SYS_NICE",
                                                "SYS_RESOURCE",
                                                "SYS_TIME",
                                                "SYS_TTY_CONFIG",
                                                "MKNOD",
                                                "LEASE",
                                                "AUDIT_WRITE",
                                                "AUDIT_CONTROL",
                                                "SETFCAP",
                                                "MAC_OVERRIDE",
                                                "MAC_ADMIN",
                                                "SYSLOG",
                                                "WAKE_ALARM",
                                                "BLOCK_SUSPEND",
                                                "AUDIT_READ",
                                                "PERFMON",
                                                "BPF",
                                                "CHECKPOINT_RESTORE"};

__user_cap_header_struct Header() { return {_LINUX_CAPABILITY_VERSION_3, /*pid=*/0}; }

}  // namespace

int GetCapabilities(CapabilitySets* sets) {
  __user_cap_header_struct header = Header();
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return -1;
  sets->effective = data[0].effective | uint64_t{data[1].effective} << 32;
  sets->permitted = data[0].permitted | uint64_t{data[1].permitted} << 32;
  sets->inheritable = data[0].inheritable | uint64_t{data[1].inheritable} << 32;
  return 0;
}

int SetCapabilities(const CapabilitySets& sets) {
  __user_cap_header_struct header = Header();
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  for (int word = 0; word < _LINUX_CAPABILITY_U32S_3; ++word) {
    data[word].effective = static_cast<uint32_t>(sets.effective >> (32 * word));
    data[word].permitted = static_cast<uint32_t>(sets.permitted >> (32 * word));
    data[word].inheritable = static_cast<uint32_t>(sets.inheritable >> (32 * word));
  }
  return static_cast<int>(::syscall(SYS_capset, &header, data));
}

std::string CapabilityName(int capability) {
  if (capability >= 0 && static_cast<size_t>(capability) < kNames.size()) {
    return StrCat("CAP_", kNames[static_cast<size_t>(capability)]);
  }
  return StrCat("capability ", capability);
}

}  // namespace dragnet::sandbox
