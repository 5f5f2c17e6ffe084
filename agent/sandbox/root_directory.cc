#include "agent/sandbox/root_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
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

// Who may write to a directory above it could have put a link to / in its place
// meanwhile. Not by openat2(2), which containers may deny.
absl::StatusOr<UniqueFd> OpenWithoutLinks(const std::string& directory) {
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd at(::open("/", kFlags));
  for (const std::string& name :
       std::vector<std::string>(absl::StrSplit(directory, '/', absl::SkipEmpty()))) {
    if (!at.valid()) break;
    at = UniqueFd(::openat(at.get(), name.c_str(), kFlags));
  }
  if (!at.valid()) return ErrnoStatus(StrCat("root ", directory), errno);
  return at;
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
  DRAGNET_ASSIGN_OR_RETURN(const UniqueFd root, OpenWithoutLinks(directory));
  if (::fchdir(root.get()) != 0) return ErrnoStatus(StrCat("root ", directory), errno);
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
