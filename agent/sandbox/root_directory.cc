#include "agent/sandbox/root_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/sandbox/capabilities.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"

namespace dragnet::sandbox {
namespace {

absl::Status WriteTo(const std::string& path, std::string_view text) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  return Annotate(WriteAll(file.get(), text), path);
}

// In it the process has all capabilities, over what belongs to it.
absl::Status EnterUserNamespace() {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (::unshare(CLONE_NEWUSER) != 0) {
    return ErrnoStatus("no CAP_SYS_CHROOT, and no user namespace: unshare(CLONE_NEWUSER)", errno);
  }
  // The same numbers as outside, so that what belongs to this user shows as that.
  DRAGNET_RETURN_IF_ERROR(WriteTo("/proc/self/setgroups", "deny"));
  DRAGNET_RETURN_IF_ERROR(WriteTo("/proc/self/uid_map", StrCat(uid, " ", uid, " 1")));
  return WriteTo("/proc/self/gid_map", StrCat(gid, " ", gid, " 1"));
}

// The ambient set follows (capabilities(7)).
absl::Status KeepOnly(CapabilityMask kept) {
  CapabilitySets sets;
  if (GetCapabilities(&sets) != 0) return ErrnoStatus("capget", errno);
  sets = {sets.effective & kept, sets.permitted & kept, sets.inheritable & kept};
  if (SetCapabilities(sets) != 0) return ErrnoStatus("capset", errno);
  return absl::OkStatus();
}

}  // namespace

absl::Status TakeRootDirectory(const std::string& directory) {
  if (!directory.starts_with('/')) {
    return absl::InvalidArgumentError(StrCat("root ", directory, ": not an absolute path"));
  }
  if (::chdir(directory.c_str()) != 0) return ErrnoStatus(StrCat("root ", directory), errno);
  CapabilityMask kept = ~MaskOf(CAP_SYS_CHROOT);
  if (::chroot(".") != 0) {
    if (errno != EPERM) return ErrnoStatus(StrCat("chroot ", directory), errno);
    DRAGNET_RETURN_IF_ERROR(Annotate(EnterUserNamespace(), StrCat("root ", directory)));
    kept = 0;
    if (::chroot(".") != 0) return ErrnoStatus(StrCat("chroot ", directory), errno);
  }
  // Who stands outside of its root walks up from there.
  if (::chdir("/") != 0) return ErrnoStatus("chdir /", errno);
  return KeepOnly(kept);
}

}  // namespace dragnet::sandbox
