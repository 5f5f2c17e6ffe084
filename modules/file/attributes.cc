#include "modules/file/attributes.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/xattr.h>

#include <cstdint>
#include <map>
#include <memory>

#include "core/strings.h"

namespace dragnet::file {
namespace {

// By number (linux/capability.h).
constexpr std::string_view kNames[] = {
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
};

// Little-endian, as it is on disk.
uint32_t Word(std::string_view value, size_t index) {
  uint32_t word = 0;
  for (size_t i = 4; i-- > 0;) word = word << 8 | static_cast<unsigned char>(value[4 * index + i]);
  return word;
}

}  // namespace

std::string CapabilityText(std::string_view value) {
  if (value.size() < 4) return {};
  const uint32_t magic = Word(value, 0);
  size_t words = 0;
  switch (magic & VFS_CAP_REVISION_MASK) {
    case VFS_CAP_REVISION_1:
      if (value.size() == XATTR_CAPS_SZ_1) words = 1;
      break;
    case VFS_CAP_REVISION_2:
      if (value.size() == XATTR_CAPS_SZ_2) words = 2;
      break;
    case VFS_CAP_REVISION_3:
      if (value.size() == XATTR_CAPS_SZ_3) words = 2;
      break;
  }
  if (words == 0) return {};
  const bool effective = (magic & VFS_CAP_FLAGS_EFFECTIVE) != 0;
  // Those with the same flags stand together.
  std::map<std::string, std::string> groups;
  for (size_t bit = 0; bit < 32 * words; ++bit) {
    const bool permitted = Word(value, 1 + 2 * (bit / 32)) >> (bit % 32) & 1;
    const bool inheritable = Word(value, 2 + 2 * (bit / 32)) >> (bit % 32) & 1;
    if (!permitted && !inheritable) continue;
    const std::string flags =
        StrCat(effective ? "e" : "", inheritable ? "i" : "", permitted ? "p" : "");
    std::string& names = groups[flags];
    if (!names.empty()) names += ',';
    names += bit < std::size(kNames) ? StrCat("cap_", kNames[bit]) : StrCat(bit);
  }
  std::string text;
  for (const auto& [flags, names] : groups)
    text += StrCat(text.empty() ? "" : " ", names, "=", flags);
  // An empty set is one that takes away what root would have.
  return text.empty() ? "=" : text;
}

int ReadAttributes(int fd, Attributes* attributes) {
  *attributes = {};
  const auto buffer = std::make_unique<char[]>(kMaxAttributeBytes);
  const ssize_t size = flistxattr(fd, buffer.get(), kMaxAttributeBytes);
  if (size < 0) return errno == ENOTSUP ? 0 : errno;
  const std::string names(buffer.get(), static_cast<size_t>(size));
  for (size_t at = 0; at < names.size();) {
    const char* name = names.c_str() + at;
    at += strlen(name) + 1;
    if (attributes->xattrs.size() >= kMaxAttributes) return E2BIG;
    const ssize_t length = fgetxattr(fd, name, buffer.get(), kMaxAttributeBytes);
    // Gone meanwhile, or without a value of its own.
    if (length < 0 && errno == ENODATA) continue;
    if (length < 0) return errno;
    const std::string_view value(buffer.get(), static_cast<size_t>(length));
    if (std::string_view(name) == "security.capability")
      attributes->capabilities = CapabilityText(value);
    attributes->xattrs.emplace_back(name, value);
  }
  return 0;
}

}  // namespace dragnet::file
