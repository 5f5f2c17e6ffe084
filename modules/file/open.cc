#include "modules/file/open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>

namespace dragnet::file {
namespace {

// statfs(2)'s f_type, by linux/magic.h where it has them.
constexpr uint32_t kPseudo[] = {
    PROC_SUPER_MAGIC, SYSFS_MAGIC,    CGROUP_SUPER_MAGIC,   CGROUP2_SUPER_MAGIC,
    DEBUGFS_MAGIC,    TRACEFS_MAGIC,  SECURITYFS_MAGIC,     DEVPTS_SUPER_MAGIC,
    BPF_FS_MAGIC,     PSTOREFS_MAGIC, EFIVARFS_MAGIC,       SELINUX_MAGIC,
    SMACK_MAGIC,      AAFS_MAGIC,     BINFMTFS_MAGIC,       BINDERFS_SUPER_MAGIC,
    HUGETLBFS_MAGIC,  NSFS_MAGIC,     RDTGROUP_SUPER_MAGIC,
    0x62656570,  // configfs
    0x19800202,  // mqueue
    0x65735543,  // fusectl
    0x67596969,  // rpc_pipefs
};
constexpr uint32_t kNetwork[] = {
    NFS_SUPER_MAGIC,   SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
    AFS_SUPER_MAGIC,   AFS_FS_MAGIC,     CEPH_SUPER_MAGIC, V9FS_MAGIC,
    OCFS2_SUPER_MAGIC, CODA_SUPER_MAGIC, NCP_SUPER_MAGIC,
    0x0bd00bd0,  // lustre
    0x01161970,  // gfs2
};

constexpr uint32_t kStableInodes[] = {
    EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,  BTRFS_SUPER_MAGIC,     TMPFS_MAGIC,
    RAMFS_MAGIC,      F2FS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC,
    0x2fc12fc1,  // zfs
};

bool Contains(std::span<const uint32_t> types, uint32_t type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

}  // namespace

UniqueFd OpenForReading(int dir_fd, const char* path, int extra_flags) {
  // The worker's own user owns next to nothing of what is searched: once it was
  // refused, asking for each file would only cost a system call. Root owns most.
  static std::atomic<bool> ask_for_access_time{true};
  const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | extra_flags;
  if (ask_for_access_time.load(std::memory_order_relaxed)) {
    UniqueFd fd(openat(dir_fd, path, flags | O_NOATIME));
    if (fd.valid() || errno != EPERM) return fd;
    if (geteuid() != 0) ask_for_access_time.store(false, std::memory_order_relaxed);
  }
  return UniqueFd(openat(dir_fd, path, flags));
}

bool IsReplaced(int error) {
  // ELOOP: a symbolic link now. ENXIO: a socket or device now. ENOTDIR: no directory now.
  return error == ELOOP || error == ENXIO || error == ENOTDIR;
}

std::string_view ErrorWords(int error) {
  const char* words = strerrordesc_np(error);
  return words != nullptr ? words : "unknown error";
}

bool HasStableInodes(int fd) {
  struct statfs info;
  return fstatfs(fd, &info) == 0 && Contains(kStableInodes, static_cast<uint32_t>(info.f_type));
}

FileSystemKind KindOfFileSystem(int fd) {
  struct statfs info;
  if (fstatfs(fd, &info) != 0) return FileSystemKind::kOrdinary;
  const uint32_t type = static_cast<uint32_t>(info.f_type);
  if (type == AUTOFS_SUPER_MAGIC) return FileSystemKind::kAutomount;
  if (Contains(kPseudo, type)) return FileSystemKind::kPseudo;
  if (Contains(kNetwork, type)) return FileSystemKind::kNetwork;
  return FileSystemKind::kOrdinary;
}

}  // namespace dragnet::file
